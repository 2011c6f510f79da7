"""Proposals and thresholds as a person reads them: shares from counts, sentences beside the spans of the sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import Disease, LabelScheme, Report, ReportText, RuleProposal
from services.ingest.explain import sentence
from services.ingest.rule_tally import NONE, empty
from services.ingest.rule_text import conflicts, differences
from services.ingest.rule_views import Move, Proposal, ProposalLine, Rates, RuleLine, Sample, SchemeView, ThresholdView
from services.ingest.threshold import Threshold

RULES_MAX = 400


def scheme(row: LabelScheme, found: Threshold | None) -> SchemeView:
    return SchemeView(
        code=row.code,
        number=row.number,
        title_en=row.title_en,
        title_zh=row.title_zh,
        threshold=row.threshold,
        wanted_error=row.wanted_error,
        counts_from=row.counts_from,
        found=None if found is None else ThresholdView(**{name: getattr(found, name) for name in ThresholdView.model_fields}),
    )


def line(row: RuleProposal) -> ProposalLine:
    return ProposalLine(**{name: getattr(row, name) for name in ProposalLine.model_fields})


async def proposal(session: AsyncSession, row: RuleProposal, disease: Disease) -> Proposal:
    """Everything counted so far; against the rules in use as they are now."""
    counted: dict[str, Any] = row.tally or empty()
    told = [
        RuleLine(rule=name, accuracy=_share(r["right"], r["decided"]), **r)
        for name, r in sorted(counted["rules"].items(), key=lambda pair: (-pair[1]["reports"], pair[0]))[:RULES_MAX]
    ]
    own = [f"{disease.code}.{term['id']}" for term in row.body.get("terms", ())]
    return Proposal(
        **line(row).model_dump(),
        text=row.text,
        changes=differences(disease.definition, row.body),
        conflicts=conflicts(row.body),
        outdated=row.base_revision != disease.revision and row.state not in ("applying", "applied"),
        cases=counted["cases"],
        reports=counted["reports"],
        failed=counted["failed"],
        case_moves=_moves(counted["case_moves"]),
        report_moves=_moves(counted["report_moves"]),
        told_moves={code: _moves(moves) for code, moves in sorted(counted.get("told_moves", {}).items())},
        old=_rates(counted, "old"),
        new=_rates(counted, "new"),
        decided=counted["decided"]["cases"],
        reasons=counted["reasons"],
        rules=told,
        unused=[name for name in own if name not in counted["rules"]] if counted["reports"] else [],
        sample=await _sample(session, counted["sample"]),
    )


def _moves(counts: Mapping[str, int]) -> list[Move]:
    """Changes first, the most frequent first."""
    moves = [Move(old=key.split(">")[0], new=key.split(">")[1], count=count) for key, count in counts.items()]
    return sorted(moves, key=lambda move: (move.old == move.new, -move.count, move.old, move.new))


def _rates(counted: Mapping[str, Any], side: str) -> Rates:
    answers, sure = counted["decided"][side], counted["sure"][side]
    return Rates(sure=sure, coverage=_share(sure, counted["cases"]), accuracy=_share(answers["right"], answers["right"] + answers["wrong"]), **answers)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


async def _sample(session: AsyncSession, items: list[dict[str, Any]]) -> list[Sample]:
    """With the sentences from the newest scrubbed texts; a report that is gone is left out."""
    keys = [item["report"] for item in items]
    found = await session.execute(
        select(Report.key, Report.kind, ReportText.sections)
        .join(ReportText, ReportText.report_id == Report.id)
        .where(Report.key.in_(keys), Report.deleted_at.is_(None))
        .order_by(ReportText.version)
    )
    texts = {key: (kind, sections) for key, kind, sections in found.tuples()}
    return [
        Sample(
            case=item["case"],
            report=item["report"],
            kind=texts[item["report"]][0],
            old="" if item["old"] == NONE else item["old"],
            new=item["new"],
            reason=item["reason"],
            sentences=[sentence(texts[item["report"]][1], span) for span in item["spans"]],
        )
        for item in items
        if item["report"] in texts
    ]
