"""The newest scrubbed texts of the reports of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseStudy, Link, Report, ReportText
from services.ingest.store import imports


@dataclass(frozen=True)
class Text:
    """The newest scrubbed text of a report."""

    report_id: int
    key: str
    kind: str
    date: str
    text_id: int
    sections: dict[str, str]


async def texts_of_cases(session: AsyncSession, case_ids: Sequence[int]) -> dict[int, list[Text]]:
    """case -> newest texts of the reports linked to its studies, oldest report first."""
    statement = (
        select(CaseStudy.case_id, Report, ReportText)
        .join(Link, Link.study_id == CaseStudy.study_id)
        .join(Report, Report.id == Link.report_id)
        .join(ReportText, ReportText.report_id == Report.id)
        .where(Link.active.is_(True), Link.state.in_(("sure", "accepted")), Report.deleted_at.is_(None))
        .order_by(ReportText.version)
    )
    newest: dict[tuple[int, int], Text] = {}
    for case_id, report, text in await imports.chunked(session, statement, CaseStudy.case_id, case_ids):
        day = f"{report.shifted_date:%Y%m%d}" if report.shifted_date else ""
        newest[case_id, report.id] = Text(report.id, report.key, report.kind, day, text.id, dict(text.sections))
    found: dict[int, list[Text]] = {}
    for (case_id, _), text in sorted(newest.items(), key=lambda pair: (pair[0][0], pair[1].date, pair[1].key)):
        found.setdefault(case_id, []).append(text)
    return found
