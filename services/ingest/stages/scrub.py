"""Scrub: report texts without the values of their patient, dates shifted with the patient's shift; a changed link writes a new version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update

from isocenter.models import ImportItem, Link, Report, ReportText, now
from services.ingest.deidentify.text import scrub_policy
from services.ingest.identity import ReportCapsule, StudyCapsule, known_values, shifted
from services.ingest.stages.context import Context
from services.ingest.store import capsules, imports, policies
from services.ingest.work import ScrubTask, scrub_reports

REPORTS_PER_BATCH = 200


async def plan(context: Context) -> list[tuple[dict[str, Any], int]]:
    """Reports of this import, and earlier ones that were linked to its studies now."""
    async with context.resources.db.read() as session:
        own = select(ImportItem.report_id).where(ImportItem.import_id == context.import_id, ImportItem.report_id.is_not(None))
        studies = select(ImportItem.study_id).where(ImportItem.import_id == context.import_id, ImportItem.study_id.is_not(None))
        linked = select(Link.report_id).where(Link.study_id.in_(studies), Link.active.is_(True))
        ids = {*(await session.scalars(own)), *(await session.scalars(linked))}
    ordered = sorted(report for report in ids if report is not None)
    chunks = [ordered[start : start + REPORTS_PER_BATCH] for start in range(0, len(ordered), REPORTS_PER_BATCH)]
    return [({"reports": chunk}, len(chunk)) for chunk in chunks]


async def run(context: Context) -> None:
    await scrub(context, list(context.payload["reports"]), last=True)


async def scrub(context: Context, report_ids: Sequence[int], *, last: bool) -> None:
    """Write a new text version of every report whose scrubbed text is not the newest one."""
    async with context.resources.db.read() as session:
        reports = await capsules.get_many(session, context.key, "report", report_ids, ReportCapsule)
        pairs = await imports.chunked(
            session, select(Link.report_id, Link.study_id).where(Link.active.is_(True), Link.state.in_(("sure", "accepted"))), Link.report_id, report_ids
        )
        studies = await capsules.get_many(session, context.key, "study", [study for _, study in pairs], StudyCapsule)
    of_report: dict[int, list[int]] = {}
    for report, study in pairs:
        of_report.setdefault(report, []).append(study)
    tasks = []
    days: dict[int, int] = {}
    for report, capsule in sorted(reports.items()):
        linked = [studies[study] for study in sorted(of_report.get(report, ())) if study in studies]
        whose = linked[0] if linked else capsule
        days[report] = context.key.shift_days(whose.hospital, whose.number)
        values = tuple(dict.fromkeys(value for study in (*linked, None) for value in known_values(study, (capsule,))))
        tasks.append(ScrubTask(report, tuple(capsule.row.sections.as_dict().items()), values, days[report]))
    texts = await context.pool.run(scrub_reports, context.common, tasks, _crashed)
    async with context.commit(last=last) as session:
        rules = scrub_policy()
        policy = await policies.ensure(session, "scrub", "all", {"rules": "text_rules.toml", "number": rules.number}, rules.sha256)
        highest = select(ReportText.report_id, func.max(ReportText.version)).group_by(ReportText.report_id)
        newest: dict[int, int] = dict(await imports.chunked(session, highest, ReportText.report_id, list(reports)))
        old = {
            report: sections
            for report, version, sections in await imports.chunked(
                session, select(ReportText.report_id, ReportText.version, ReportText.sections), ReportText.report_id, list(reports)
            )
            if version == newest.get(report)
        }
        for task, sections in zip(tasks, texts, strict=True):
            report = task.report_id
            if old.get(report) != sections:
                session.add(ReportText(report_id=report, version=newest.get(report, 0) + 1, sections=sections, policy_id=policy.id, created_at=now()))
            row = reports[report].row
            await session.execute(
                update(Report)
                .where(Report.id == report)
                .values(
                    shifted_date=shifted(row.exam_date or row.report_date, days[report]),
                    language="zh" if any("\u4e00" <= letter <= "\u9fff" for text in sections.values() for letter in text) else "en",
                )
            )


def _crashed(_task: ScrubTask) -> dict[str, str]:
    # A text that cannot be scrubbed is not shown at all.
    return {"impression": "[...]"}
