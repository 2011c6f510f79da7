"""Link: studies and reports on identified values, before they go; then the cases of every study.

Takes in what earlier imports of the hospital left unlinked, so that a report that arrives next month still links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.changes import note_changes
from isocenter.diseases import DiseaseDefinition, definition_of
from isocenter.models import ImportItem, Instance, Link, PatientIdentity, Report, Series, Study, now
from services.ingest import identity
from services.ingest.assign import diseases_of_study
from services.ingest.claims import contested
from services.ingest.identity import ImportCapsule, ReportCapsule, StudyCapsule
from services.ingest.link import link
from services.ingest.report_records import LinkProposal, LinkState, MergedReport, ReportIdentity
from services.ingest.stages.context import Context
from services.ingest.stages.filling import filled, write_filled
from services.ingest.stages.provided import write_provided
from services.ingest.store import capsules, clinical, imports, policies, reviews

LINK_POLICY = {"name": "isocenter-link", "rules": "services/ingest/link.py", "number": 1}
CHUNK = 500


async def plan(_context: Context) -> list[tuple[dict[str, Any], int]]:
    return [({}, 1)]


@dataclass(frozen=True)
class Known:
    """What linking starts from. ``own``: studies of this import; the others come from earlier ones and have no link yet."""

    own: list[int]
    studies: dict[int, StudyCapsule]
    reports: dict[int, ReportCapsule]
    settled: set[int]  # reports that a decision has linked
    released: set[int]  # studies with released instances: their identity and shift stay
    pairs: dict[tuple[int, int], str]  # (study, report) -> state of the newest link
    active: dict[int, list[int]]  # study -> reports actively linked (sure or accepted)


async def run(context: Context) -> None:
    await link_again(context, last=True)


async def link_again(context: Context, *, last: bool = False) -> None:
    """Link what is open, and give every study of this import its cases."""
    async with context.resources.db.read() as session:
        known = await _known(session, context)
        definitions = {d.id: definition_of(d.definition, d.code) for d in await policies.diseases(session)}
        codes = {d.code: d.id for d in await policies.diseases(session)}
        capsule = await capsules.get(session, context.key, "import", context.import_id, ImportCapsule)
    labels = capsule.labels if capsule else ()
    proposals = await asyncio.to_thread(_propose, known)
    async with context.commit(last=last) as session:
        policy = await policies.ensure(session, "link", "all", LINK_POLICY)
        linked = await _write_links(session, context, known, proposals, policy.id)
        await _adopt(session, context, known, linked)
        await _write_cases(session, context, known, linked, list(definitions.values()), codes)
        await write_provided(session, context, labels)
        await write_filled(session, filled(known.own, known.studies, known.reports, linked))
        await note_changes(session, await _changed_cases(session, known, linked))


async def _known(session: AsyncSession, context: Context) -> Known:
    in_order = await session.scalars(
        select(ImportItem.study_id)
        .join(Study, Study.id == ImportItem.study_id)
        # Images that another hospital brought before stay theirs: nothing of this import touches them.
        .where(ImportItem.import_id == context.import_id, Study.deleted_at.is_(None), Study.hospital_id == context.hospital_id)
        .order_by(ImportItem.ordinal)
    )
    own = list(dict.fromkeys(study for study in in_order if study is not None))
    active_links = select(Link.study_id).where(Link.active.is_(True), Link.state.in_(("sure", "accepted")))
    unlinked = select(Study.id).where(Study.hospital_id == context.hospital_id, Study.deleted_at.is_(None), Study.id.not_in(active_links))
    waiting = set(await session.scalars(unlinked))
    own_reports = select(ImportItem.report_id).where(ImportItem.import_id == context.import_id, ImportItem.report_id.is_not(None))
    linked_reports = select(Link.report_id).where(Link.active.is_(True), Link.state.in_(("sure", "accepted")))
    report_ids = set(
        await session.scalars(
            select(Report.id).where(
                Report.hospital_id == context.hospital_id, Report.deleted_at.is_(None), or_(Report.id.in_(own_reports), Report.id.not_in(linked_reports))
            )
        )
    )
    # An imaging study that has its report may still get pathology: studies of the same hospital with a date stay candidates.
    candidates = waiting | set(own) | await _of_same_patients(session, context, report_ids)
    studies = await capsules.get_many(session, context.key, "study", candidates, StudyCapsule)
    reports = await capsules.get_many(session, context.key, "report", report_ids, ReportCapsule)
    pairs: dict[tuple[int, int], str] = {}
    active: dict[int, list[int]] = {}
    for study, report, state, is_active in await imports.chunked(
        session, select(Link.study_id, Link.report_id, Link.state, Link.active).order_by(Link.generation), Link.study_id, list(studies)
    ):
        pairs[study, report] = state
        if is_active and state in ("sure", "accepted"):
            active.setdefault(study, []).append(report)
    settled = {report for (_, report), state in pairs.items() if state == "accepted"}
    released = {
        study
        for (study,) in await imports.chunked(
            session, select(Series.study_id).join(Instance, Instance.series_id == Series.id).distinct(), Series.study_id, list(studies)
        )
    }
    return Known(own, studies, reports, settled, released, pairs, active)


async def _of_same_patients(session: AsyncSession, context: Context, report_ids: set[int]) -> set[int]:
    """Studies of the patients whose numbers the reports bear: linked ones may get their pathology report now."""
    sealed = await capsules.get_many(session, context.key, "report", report_ids, ReportCapsule)
    numbers = {capsule.number for capsule in sealed.values() if not capsule.number.startswith("report:")}
    hmacs = sorted(identity.number_hmac(context.key, context.hospital, number) for number in numbers)
    statement = (
        select(Study.id)
        .join(PatientIdentity, PatientIdentity.id == Study.identity_id)
        .where(PatientIdentity.hospital_id == context.hospital_id, Study.deleted_at.is_(None))
    )
    return {study for (study,) in await imports.chunked(session, statement, PatientIdentity.number_hmac, hmacs)}


def _propose(known: Known) -> list[LinkProposal]:
    """Run the linker over row ids as keys; in a thread."""
    studies = [replace(capsule.identity, key=str(study)) for study, capsule in sorted(known.studies.items())]
    # A study that has its imaging report already takes no second one; its pathology stays open.
    reports = [
        replace(ReportIdentity.of(MergedReport(str(report), capsule.row, ())), settled=report in known.settled)
        for report, capsule in sorted(known.reports.items())
    ]
    return contested(link(studies, reports), {str(study): capsule.number for study, capsule in known.studies.items()})


async def _write_links(session: AsyncSession, context: Context, known: Known, proposals: Sequence[LinkProposal], policy_id: int) -> dict[int, list[int]]:
    """Append new links and ask about unsure ones; study -> reports linked for sure (earlier and now)."""
    linked: dict[int, list[int]] = {study: list(reports) for study, reports in known.active.items()}
    imaging_taken = {
        study for study, reports in known.active.items() if any(r in known.reports and known.reports[r].row.kind.value == "imaging" for r in reports)
    }
    rows: list[dict[str, Any]] = []
    unsure: dict[tuple[int, str], list[LinkProposal]] = {}
    for proposal in proposals:
        study, report = int(proposal.study), int(proposal.report)
        if (study, report) in known.pairs:
            continue  # sure, accepted, rejected or waiting already: nothing is overwritten silently
        if proposal.kind.value == "imaging" and study in imaging_taken:
            continue
        rows.append(
            {
                "study_id": study,
                "report_id": report,
                "generation": 0,
                "score": proposal.score,
                "components": {
                    "rule": proposal.rule,
                    "reason": proposal.reason,
                    "fields": {name: {"agreement": part.agreement, "weight": round(part.weight, 3)} for name, part in proposal.components.items()},
                },
                "state": proposal.state.value,
                "active": True,
                "source": "rule",
                "policy_id": policy_id,
                "created_at": now(),
            }
        )
        if proposal.state is LinkState.SURE:
            linked.setdefault(study, []).append(report)
        else:
            unsure.setdefault((study, proposal.kind.value), []).append(proposal)
    for start in range(0, len(rows), CHUNK):
        await session.execute(insert(Link), rows[start : start + CHUNK])
    await reviews.ask(session, await _link_questions(session, context, known, unsure))
    return linked


async def _link_questions(
    session: AsyncSession, context: Context, known: Known, unsure: Mapping[tuple[int, str], Sequence[LinkProposal]]
) -> list[dict[str, Any]]:
    studies = dict(await imports.chunked(session, select(Study.id, Study.uid), Study.id, [study for study, _ in unsure]))
    reports = dict(await imports.chunked(session, select(Report.id, Report.key), Report.id, [int(p.report) for ps in unsure.values() for p in ps]))
    questions = []
    for (study, kind), proposals in sorted(unsure.items()):
        ranked = sorted(proposals, key=lambda p: (-p.score, int(p.report)))[:6]
        candidates = [
            {
                "report_key": reports[int(p.report)],
                "score": round(p.score, 4),
                "rule": p.rule,
                "reason": p.reason,
                "days": days_between(known.studies[study], known.reports[int(p.report)]),
                "fields": {name: {"agreement": part.agreement, "weight": round(part.weight, 3)} for name, part in p.components.items()},
            }
            for p in ranked
        ]
        questions.append(
            reviews.question(
                "link",
                f"study:{studies[study]}:{kind}",
                {"study_uid": studies[study], "kind": kind, "candidates": candidates, "reason": ranked[0].reason},
                [c["report_key"] for c in candidates] + ["none"],
                priority=abs(ranked[0].score - 0.5),
                hospital_id=context.hospital_id,
                import_id=context.import_id,
            )
        )
    return questions


def days_between(study: StudyCapsule, report: ReportCapsule) -> int | None:
    """Days from the examination to the report by their real dates; None when one is missing. Shifted dates of two patients do not compare."""
    days = [identity.shifted(text, 0) for text in (study.identity.study_date, report.row.exam_date or report.row.report_date)]
    return (days[1] - days[0]).days if days[0] is not None and days[1] is not None else None


async def _adopt(session: AsyncSession, context: Context, known: Known, linked: Mapping[int, Sequence[int]]) -> None:
    """One identity for a study and its reports: before release the study takes the report's number, after it the other way round."""
    moved: dict[int, StudyCapsule] = {}
    for study, reports in linked.items():
        capsule = known.studies.get(study)
        if capsule is None or study in known.released or not capsule.number.startswith("study:"):
            continue
        numbers = [known.reports[r].number for r in reports if r in known.reports and not known.reports[r].number.startswith("report:")]
        if numbers:
            moved[study] = replace(capsule, number=numbers[0])
    if moved:
        await rebind(session, context, moved)
    identities = dict(await imports.chunked(session, select(Study.id, Study.identity_id), Study.id, [study for study in linked]))
    of_report: dict[int, int] = {}
    for study, reports in sorted(linked.items()):
        for report in reports:
            of_report.setdefault(report, identities[study])
    alone = {r: c for r, c in known.reports.items() if r not in of_report and not c.number.startswith("report:")}
    own = await clinical.ensure_identities(session, context, {c.number: c.row.sex if c.row.sex in ("M", "F", "O") else "" for c in alone.values()})
    of_report.update({r: own[c.number] for r, c in alone.items()})
    for report, identity_id in sorted(of_report.items()):
        other = or_(Report.identity_id.is_(None), Report.identity_id != identity_id)
        await session.execute(update(Report).where(Report.id == report, other).values(identity_id=identity_id))


async def rebind(session: AsyncSession, context: Context, moved: Mapping[int, StudyCapsule]) -> None:
    """Give unreleased studies the identity of another number, with its shift."""

    ids = await clinical.ensure_identities(session, context, {c.number: c.identity.sex for c in moved.values()})
    for study, capsule in sorted(moved.items()):
        shift = context.key.shift_days(context.hospital, capsule.number)
        await session.execute(
            update(Study).where(Study.id == study).values(identity_id=ids[capsule.number], shifted_date=identity.shifted(capsule.identity.study_date, shift))
        )
    await capsules.put(session, context.key, "study", list(moved.items()), days=context.days)


async def _write_cases(
    session: AsyncSession,
    context: Context,
    known: Known,
    linked: Mapping[int, Sequence[int]],
    definitions: Sequence[DiseaseDefinition],
    codes: Mapping[str, int],
) -> None:
    """The cases of this import's studies: the one disease named, or decided per study; the undecided are asked about."""
    wanted_codes: list[str] = context.options.get("diseases") or []
    chosen = [d for d in definitions if not wanted_codes or d.code in wanted_codes]
    patients = dict(
        await imports.chunked(
            session,
            select(Study.id, PatientIdentity.patient_id).join(PatientIdentity, PatientIdentity.id == Study.identity_id),
            Study.id,
            known.own,
        )
    )
    wanted: list[tuple[int, int, int]] = []
    undecided: list[int] = []
    for study in known.own:
        if len(wanted_codes) == 1:
            found = wanted_codes
        else:
            rows = [known.reports[r].row for r in linked.get(study, ()) if r in known.reports]
            found = diseases_of_study(known.studies[study].identity, rows, chosen) if study in known.studies else []
        wanted.extend((patients[study], codes[code], study) for code in found)
        if not found:
            undecided.append(study)
    await clinical.ensure_cases(session, context.import_id, wanted)
    if undecided:
        uids = dict(await imports.chunked(session, select(Study.id, Study.uid), Study.id, undecided))
        have = await clinical.cases_of_studies(session, undecided)
        choices = [*sorted(d.code for d in chosen), "none"]
        await reviews.ask(
            session,
            [
                reviews.question(
                    "disease",
                    f"study:{uids[study]}",
                    {"study_uid": uids[study], "reason": "body-part-and-reports-name-no-disease"},
                    choices,
                    priority=0.8,
                    hospital_id=context.hospital_id,
                    import_id=context.import_id,
                )
                for study in undecided
                if study not in have
            ],
        )


async def _changed_cases(session: AsyncSession, known: Known, linked: Mapping[int, Sequence[int]]) -> set[int]:
    found = await clinical.cases_of_studies(session, {*known.own, *linked})
    return {case for cases in found.values() for case in cases}
