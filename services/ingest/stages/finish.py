"""Finish: link and label state of every item, questions about files that wait, the exam tally, and the end of the import."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.changes import note_changes
from isocenter.models import CaseLabel, CaseStudy, Import, ImportItem, Link, Resource, now
from services.ingest.identity import ImportCapsule
from services.ingest.records import Outcome
from services.ingest.stages import duplicates
from services.ingest.stages.context import Context
from services.ingest.stages.release import item_question
from services.ingest.store import capsules, clinical, imports, reviews

SETTLED = (Outcome.ACCEPTED.value, Outcome.DUPLICATE.value)


async def plan(_context: Context) -> list[tuple[dict[str, Any], int]]:
    return [({}, 1)]


async def run(context: Context) -> None:
    async with context.resources.db.read() as session:
        capsule = await capsules.get(session, context.key, "import", context.import_id, ImportCapsule)
    # Bytes first: whoever sees the import finished finds nothing unreleased left of what was settled.
    await remove_settled(context)
    if capsule is not None and capsule.source.startswith("upload:"):
        # Every file has its own staged or released copy by now.
        await asyncio.to_thread(shutil.rmtree, upload_of(context, capsule.source), True)
    async with context.commit() as session:
        await session.execute(
            update(ImportItem)
            .where(ImportItem.import_id == context.import_id, ImportItem.outcome.is_(None))
            .values(outcome=Outcome.REFUSED.value, reason="not-processed", detail="No stage took this file; please report it.")
        )
        await place_resources(session, context)
        await ask_about_items(session, context)
        await duplicates.ask_about_studies(session, context)
        await state_items(session, context.import_id)
        await clinical.tally_exams(session, context)
        row = await session.get(Import, context.import_id)
        assert row is not None
        row.state, row.stage, row.finished_at = "finished", "finish", now()
        row.revision += 1
        audit.record(session, None, "import-finished", f"import:{context.import_key}", after={"state": "finished"})
        studies = select(ImportItem.study_id).where(ImportItem.import_id == context.import_id, ImportItem.study_id.is_not(None))
        cases = set(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id.in_(studies))))
        await note_changes(session, cases)


async def remove_settled(context: Context) -> None:
    """Delete the staged copies of files that wait for nobody any more; harmless when repeated after a crash."""
    async with context.resources.db.read() as session:
        waiting = select(ImportItem.ordinal).where(
            ImportItem.import_id == context.import_id, or_(ImportItem.outcome.is_(None), ImportItem.outcome == Outcome.REVIEW.value)
        )
        kept = {f"{context.import_key}/{ordinal}" for ordinal in await session.scalars(waiting)}
    staging = context.resources.staging

    def remove() -> None:
        for key, _ in list(staging.list(f"{context.import_key}/")):
            if key not in kept:
                staging.delete(key)

    await asyncio.to_thread(remove)


def upload_of(context: Context, source: str) -> Path:
    """The spool folder of an uploaded source."""
    uploads = context.resources.settings.data.absolute() / "uploads"
    return uploads / Path(source.partition(":")[2]).relative_to(uploads).parts[0]


async def ask_about_items(session: AsyncSession, context: Context) -> None:
    """One question for every file of the import that waits for a person."""
    waiting = select(ImportItem).where(ImportItem.import_id == context.import_id, ImportItem.outcome == Outcome.REVIEW.value, ImportItem.kind == "file")
    await reviews.ask(session, [item_question(context, item) for item in await session.scalars(waiting)])


async def place_resources(session: AsyncSession, context: Context) -> None:
    """Put resources whose study has a case by now into that case."""
    rows = await session.scalars(select(Resource).where(Resource.import_id == context.import_id, Resource.case_id.is_(None), Resource.study_id.is_not(None)))
    for row in rows:
        row.case_id = await session.scalar(select(CaseStudy.case_id).where(CaseStudy.study_id == row.study_id).order_by(CaseStudy.case_id).limit(1))


async def state_items(session: AsyncSession, import_id: int) -> None:
    """Recompute the link and label state of the accepted items of an import from the rows that say it now."""
    rows = (
        await session.execute(
            select(ImportItem.id, ImportItem.study_id, ImportItem.report_id, ImportItem.link_state, ImportItem.label_state).where(
                ImportItem.import_id == import_id, ImportItem.outcome.in_(SETTLED), or_(ImportItem.study_id.is_not(None), ImportItem.report_id.is_not(None))
            )
        )
    ).all()
    studies = [study for _, study, _, _, _ in rows if study is not None]
    reports = [report for _, _, report, _, _ in rows if report is not None]
    link_of_study = await _link_states(session, Link.study_id, studies)
    link_of_report = await _link_states(session, Link.report_id, reports)
    study_of_report = {
        report: study
        for report, study in await imports.chunked(
            session, select(Link.report_id, Link.study_id).where(Link.active.is_(True), Link.state.in_(("sure", "accepted"))), Link.report_id, reports
        )
    }
    labels = await _label_states(session, {*studies, *study_of_report.values()})
    changed = []
    for item, study, report, link_state, label_state in rows:
        link = link_of_study.get(study, "unlinked") if study is not None else link_of_report.get(report or 0, "unlinked")
        place = study if study is not None else study_of_report.get(report or 0, 0)
        label = labels.get(place, "none")
        if (link, label) != (link_state, label_state):
            changed.append({"id": item, "link_state": link, "label_state": label})
    await imports.set_items(session, changed)


async def _link_states(session: AsyncSession, column: Any, ids: Sequence[int]) -> dict[int, str]:
    """linked when a link counts, review when one waits for a person."""
    states: dict[int, str] = {}
    for owner, state in await imports.chunked(session, select(column, Link.state).where(Link.active.is_(True)), column, ids):
        if state in ("sure", "accepted"):
            states[owner] = "linked"
        elif state == "review":
            states.setdefault(owner, "review")
    return states


async def _label_states(session: AsyncSession, studies: set[int]) -> dict[int, str]:
    """study -> the least settled label state of its cases."""
    order = {"review": 0, "sure": 1, "decided": 2}
    states: dict[int, str] = {}
    statement = select(CaseStudy.study_id, CaseLabel.state).join(CaseLabel, CaseLabel.case_id == CaseStudy.case_id)
    for study, state in await imports.chunked(session, statement, CaseStudy.study_id, list(studies)):
        if study not in states or order[state] < order[states[study]]:
            states[study] = state
    return states
