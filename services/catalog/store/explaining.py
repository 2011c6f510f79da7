"""Why each frozen label: the report, link, place in the text and rule it rests on, as columns. Never the text itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseLabel, CaseStudy, Label, Link, PolicyVersion, Report

BY = {"reviewer": "person", "provided": "data"}  # who decided, by the label's source; the others are the machine's


async def why(session: AsyncSession, scheme_id: int, case_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """case -> report_kind, link_score, section, start, end, rule, rule_set_version, decided_by.

    Where a person or the data decided, report and rule are what the rules said of the case, for comparison; '' where nothing was.
    """
    columns = (Label.source, Label.report_id, Label.evidence)
    counting = await session.execute(
        select(CaseLabel.case_id, *columns)
        .join(Label, Label.id == CaseLabel.label_id)
        .where(CaseLabel.scheme_id == scheme_id, CaseLabel.case_id.in_(case_ids))
    )
    counts = {case: label for case, *label in counting.tuples()}
    spoken = await session.execute(
        select(Label.case_id, *columns)
        .where(Label.scheme_id == scheme_id, Label.case_id.in_(case_ids), Label.source.in_(("rule", "model")))
        .order_by(Label.id)
    )
    said = {case: label for case, *label in spoken.tuples()}
    rests = {case: label if label[0] in ("rule", "model") else said.get(case) for case, label in counts.items()}
    kinds = await _kinds(session, {row[1] for row in rests.values() if row is not None and row[1] is not None})
    scores = await _scores(session, case_ids)
    versions = await _versions(session, scheme_id, case_ids)
    found = {}
    for case, label in counts.items():
        row = rests[case]
        span: dict[str, Any] = next((item for item in row[2] if "section" in item and item.get("used", True)), {}) if row is not None else {}
        report = row[1] if row is not None else None
        found[case] = {
            "report_kind": kinds.get(report or 0, ""),
            "link_score": scores.get((case, report or 0)),
            "section": str(span.get("section", "")),
            "start": span.get("start"),
            "end": span.get("end"),
            "rule": str(span.get("rule", "")),
            "rule_set_version": versions.get(case, ""),
            "decided_by": BY.get(label[0], "machine"),
        }
    return found


async def _kinds(session: AsyncSession, report_ids: set[int]) -> Mapping[int, str]:
    return dict((await session.execute(select(Report.id, Report.kind).where(Report.id.in_(report_ids)))).tuples().all())


async def _scores(session: AsyncSession, case_ids: Sequence[int]) -> dict[tuple[int, int], float]:
    rows = await session.execute(
        select(CaseStudy.case_id, Link.report_id, func.max(Link.score))
        .join(Link, Link.study_id == CaseStudy.study_id)
        .where(CaseStudy.case_id.in_(case_ids), Link.active.is_(True))
        .group_by(CaseStudy.case_id, Link.report_id)
    )
    return {(case, report): round(score, 4) for case, report, score in rows.tuples()}


async def _versions(session: AsyncSession, scheme_id: int, case_ids: Sequence[int]) -> dict[int, str]:
    """case -> the rule set that said what the rules say now."""
    rows = await session.execute(
        select(Label.case_id, PolicyVersion.scope, PolicyVersion.number)
        .join(PolicyVersion, PolicyVersion.id == Label.policy_id)
        .where(Label.scheme_id == scheme_id, Label.case_id.in_(case_ids), Label.source == "rule")
        .order_by(Label.id)
    )
    return {case: f"{scope}@{number}" for case, scope, number in rows.tuples() if case is not None}
