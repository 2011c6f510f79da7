"""Why a case has its label: row of a table -> link with its scores -> sentence -> rule and version -> voices -> decision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.errors import NotFound
from isocenter.grants import reports_visible_to, visible_to
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    Import,
    ImportItem,
    Label,
    LabelScheme,
    Link,
    PolicyVersion,
    Report,
    ReportText,
    Review,
    ReviewDecision,
    Study,
)

_BORDER = re.compile(r"[。；;！？!?\n]|\.(?=\s|$)")


async def explain(session: AsyncSession, who: Principal, case_key: str, scheme_code: str) -> dict[str, Any]:
    """The whole chain; NotFound for a case the caller may not see or a scheme without a label. Texts are the scrubbed ones."""
    case = await session.scalar(select(Case).where(Case.key == case_key).where(visible_to(who)))
    if case is None:
        raise NotFound("There is no case with this key.", field="case_key")
    found = await session.execute(
        select(CaseLabel, LabelScheme)
        .join(LabelScheme, LabelScheme.id == CaseLabel.scheme_id)
        .where(CaseLabel.case_id == case.id)
        .order_by(LabelScheme.number.desc(), LabelScheme.id)  # the first scheme of a disease when none is named
    )
    pointer, scheme = next(((p, s) for p, s in found.tuples() if scheme_code in ("", s.code)), (None, None))
    if pointer is None or scheme is None:
        raise NotFound("This case has no label under this scheme.", field="scheme")
    policies = {row.id: row for row in await session.scalars(select(PolicyVersion).where(PolicyVersion.kind.in_(("rules", "voice", "link"))))}
    history = list(await session.scalars(select(Label).where(Label.case_id == case.id, Label.scheme_id == scheme.id).order_by(Label.id)))
    counting = next(row for row in history if row.id == pointer.label_id)
    newest = {row.source: row for row in history}
    return {
        "case": case.key,
        "disease": await session.scalar(select(Disease.code).where(Disease.id == case.disease_id)),
        "scheme": f"{scheme.code}@{scheme.number}",
        "value": pointer.value,
        "state": pointer.state,
        "label": _label(counting, policies),
        "voices": [_label(newest[source], policies) for source in ("rule", "model", "provided") if source in newest],
        "decisions": await _decisions(session, case.id, scheme.code),
        "reports": await _reports(session, who, case.id, scheme.id, policies),
    }


def _policy(policies: Mapping[int, PolicyVersion], number: int | None) -> dict[str, str] | None:
    row = policies.get(number or 0)
    return {"kind": row.kind, "version": f"{row.scope}@{row.number}", "sha256": row.sha256} if row else None


def _label(row: Label, policies: Mapping[int, PolicyVersion]) -> dict[str, Any]:
    return {
        "value": row.value,
        "source": row.source,
        "confidence": row.confidence,
        "reason": row.reason,
        "policy": _policy(policies, row.policy_id),
        "said": [item for item in row.evidence if "voice" in item],
        "decided_by": row.decided_by,
        "created_at": row.created_at.isoformat(),
    }


async def _decisions(session: AsyncSession, case_id: int, scheme_code: str) -> list[dict[str, Any]]:
    rows = await session.execute(
        select(Review, ReviewDecision)
        .join(ReviewDecision, ReviewDecision.review_id == Review.id)
        .where(Review.case_id == case_id, Review.kind == "label")
        .order_by(ReviewDecision.id)
    )
    return [
        {
            "review": review.key,
            "asked": review.proposal.get("reason", ""),
            "account": answer.account,
            "value": answer.value["value"],
            "created_at": answer.created_at.isoformat(),
            "undone": answer.undone_at is not None,
        }
        for review, answer in rows.tuples()
        if review.proposal.get("scheme") == scheme_code
    ]


async def _reports(session: AsyncSession, who: Principal, case_id: int, scheme_id: int, policies: Mapping[int, PolicyVersion]) -> list[dict[str, Any]]:
    linked = await session.execute(
        select(Report, Study.uid, Link)
        .join(Link, Link.report_id == Report.id)
        .join(Study, Study.id == Link.study_id)
        .join(CaseStudy, CaseStudy.study_id == Study.id)
        .where(CaseStudy.case_id == case_id, Link.active.is_(True))
        .where(reports_visible_to(who))
        .order_by(Report.shifted_date, Report.id, Study.uid)
    )
    reports: dict[int, dict[str, Any]] = {}
    for report, uid, link in linked.tuples():
        made = reports.setdefault(
            report.id,
            {
                "key": report.key,
                "kind": report.kind,
                "shifted_date": report.shifted_date.isoformat() if report.shifted_date else None,
                "rows": [],
                "links": [],
                "label": None,
                "sentences": [],
            },
        )
        made["links"].append(
            {
                "study_uid": uid,
                "score": link.score,
                "state": link.state,
                "source": link.source,
                "components": link.components,
                "policy": _policy(policies, link.policy_id),
                "decided_by": link.decided_by,
            }
        )
    items = await session.execute(
        select(ImportItem.report_id, Import.key, ImportItem.origin, ImportItem.row_number)
        .join(Import, Import.id == ImportItem.import_id)
        .where(ImportItem.report_id.in_(reports), ImportItem.kind == "row")
        .order_by(ImportItem.id)
    )
    for report_id, key, origin, row_number in items.tuples():
        if report_id is not None:
            reports[report_id]["rows"].append({"import": key, "table": origin, "row": row_number})
    labels = await session.scalars(
        select(Label).where(Label.report_id.in_(reports), Label.case_id.is_(None), Label.scheme_id == scheme_id).order_by(Label.id)
    )
    for row in {label.report_id: label for label in labels}.values():
        made = reports[row.report_id or 0]
        made["label"] = _label(row, policies)
        text = await session.get(ReportText, row.report_text_id) if row.report_text_id is not None else None
        made["sentences"] = [sentence(text.sections, item) for item in row.evidence if "section" in item] if text is not None else []
    return list(reports.values())


def sentence(sections: Mapping[str, str], item: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence with the sentence it stands in."""
    text = sections.get(item["section"], "")
    start, end = int(item["start"]), int(item["end"])
    begin = max((m.end() for m in _BORDER.finditer(text[:start])), default=0)
    after = _BORDER.search(text, end)
    return {**item, "text": text[start:end], "sentence": text[begin : after.start() if after else len(text)].strip()}
