"""What a person's answer about doubles, sequences and links does, and how it is taken back. Rows only; labels follow as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.errors import Conflict, InvalidInput, NotFound
from isocenter.models import Case, CaseStudy, Link, Report, Review, Series, Stack, Study, now
from isocenter.resources import Resources
from services.ingest.stages.sequences import REVIEWER
from services.ingest.store import clinical, imports, policies, reviews

CANNOT_TELL = "cannot_tell"
LINK_BY_HAND = {"name": "isocenter-link-by-hand", "number": 1}


async def sequence(session: AsyncSession, _resources: Resources, _who: Principal, review: Review, value: str) -> dict[str, Any]:
    """The series and its stacks get the sequence or phase; nothing is in doubt any more."""
    series = await session.scalar(select(Series).where(Series.uid == str(review.proposal["series_uid"])))
    if series is None:
        raise Conflict("The series of this question is gone.")
    if value == CANNOT_TELL:
        return {}
    noun = str(review.proposal["noun"])
    stacks = list(await session.scalars(select(Stack).where(Stack.series_id == series.id).order_by(Stack.ordinal)))
    before = {
        "series": series.id,
        "noun": noun,
        "value": getattr(series, noun),
        "stacks": [{"id": s.id, "value": getattr(s, noun), "source": s.sequence_source, "doubt": s.doubt} for s in stacks],
    }
    said = "" if value == "other" else value
    setattr(series, noun, said)
    series.revision += 1
    for stack in stacks:
        setattr(stack, noun, said)
        stack.sequence_source, stack.doubt = REVIEWER, ""
    await _note(session, [series.study_id])
    return {"sequence": before}


async def duplicate(session: AsyncSession, resources: Resources, who: Principal, review: Review, value: str) -> dict[str, Any]:
    """One of two studies or reports goes (softly: it can come back), or both stay."""
    if value in ("different", "both"):
        return {}
    if review.proposal["what"] == "studies":
        return await _one_study(session, review)
    return await _one_report(session, review, value)


async def _one_study(session: AsyncSession, review: Review) -> dict[str, Any]:
    """The study that came later goes with its series, and a case that has no other study."""
    rows = list(await session.scalars(select(Study).where(Study.uid.in_(review.proposal["studies"])).order_by(Study.id)))
    if len(rows) != 2 or any(row.deleted_at is not None for row in rows):
        raise Conflict("One of the two studies is gone already.")
    kept, gone = rows
    moment = now()
    series = list(await session.scalars(select(Series.id).where(Series.study_id == gone.id, Series.deleted_at.is_(None))))
    gone.deleted_at = moment
    gone.revision += 1
    await session.execute(update(Series).where(Series.id.in_(series)).values(deleted_at=moment))
    await session.flush()
    of_gone = select(CaseStudy.case_id).where(CaseStudy.study_id == gone.id)
    living = select(CaseStudy.case_id).join(Study, Study.id == CaseStudy.study_id).where(Study.deleted_at.is_(None))
    empty = list(await session.scalars(select(Case.id).where(Case.id.in_(of_gone), Case.id.not_in(living), Case.deleted_at.is_(None))))
    await session.execute(update(Case).where(Case.id.in_(empty)).values(deleted_at=moment, revision=Case.revision + 1))
    await _note(session, [kept.id, gone.id])
    return {"removed": {"studies": [gone.id], "series": series, "cases": empty}}


async def _one_report(session: AsyncSession, review: Review, value: str) -> dict[str, Any]:
    """The text that does not hold is superseded; its links end and the labels of its cases are found again."""
    keys = [str(key) for key in review.proposal["reports"]]
    rows = {row.key: row for row in await session.scalars(select(Report).where(Report.key.in_(keys)))}
    if len(rows) != 2 or any(row.deleted_at is not None for row in rows.values()):
        raise Conflict("One of the two reports is gone already.")
    holds = rows[value]
    gone = next(row for key, row in rows.items() if key != value)
    links = list(await session.scalars(select(Link).where(Link.report_id == gone.id, Link.active.is_(True))))
    before = [{"id": link.id, "state": link.state, "active": True} for link in links]
    for link in links:
        link.active = False
    taken_over = {"report": gone.id, "holder": holds.id, "supersedes": holds.supersedes_id}
    gone.deleted_at = now()
    gone.revision += 1
    holds.supersedes_id = gone.id
    holds.revision += 1
    found = await clinical.cases_of_studies(session, [link.study_id for link in links])
    cases = sorted({case for own in found.values() for case in own})
    follow = await follow_up(session, review.import_id, {"cases": cases})
    await note_changes(session, cases)
    return {"superseded": taken_over, "links": before, **follow}


async def follow_up(session: AsyncSession, import_id: int | None, payload: dict[str, Any]) -> dict[str, Any]:
    """Texts and labels anew as a batch of the import; what an undo does again."""
    if import_id is None:
        return {}
    await imports.add_batches(session, import_id, imports.AGAIN, [(payload, 1)])
    return {"again": {"import_id": import_id, "payload": payload}}


async def put_back(session: AsyncSession, undo: dict[str, Any]) -> None:
    """The rows as they were before the answer."""
    if was := undo.get("sequence"):
        await session.execute(update(Series).where(Series.id == was["series"]).values({was["noun"]: was["value"], "revision": Series.revision + 1}))
        for stack in was["stacks"]:
            values = {was["noun"]: stack["value"], "sequence_source": stack["source"], "doubt": stack["doubt"]}
            await session.execute(update(Stack).where(Stack.id == stack["id"]).values(values))
        await _note(session, list(await session.scalars(select(Series.study_id).where(Series.id == was["series"]))))
    if removed := undo.get("removed"):
        await session.execute(update(Study).where(Study.id.in_(removed["studies"])).values(deleted_at=None, revision=Study.revision + 1))
        await session.execute(update(Series).where(Series.id.in_(removed["series"])).values(deleted_at=None))
        await session.execute(update(Case).where(Case.id.in_(removed["cases"])).values(deleted_at=None, revision=Case.revision + 1))
        await _note(session, removed["studies"])
    if was := undo.get("superseded"):
        await session.execute(update(Report).where(Report.id == was["report"]).values(deleted_at=None, revision=Report.revision + 1))
        await session.execute(update(Report).where(Report.id == was["holder"]).values(supersedes_id=was["supersedes"], revision=Report.revision + 1))


async def _note(session: AsyncSession, study_ids: Sequence[int]) -> None:
    await session.flush()
    found = await clinical.cases_of_studies(session, study_ids)
    await note_changes(session, {case for cases in found.values() for case in cases})


async def change_link(session: AsyncSession, who: Principal, study_uid: str, report_key: str, linked: bool) -> Link:
    """Link or unlink by hand: a new generation that counts; the report's text and the labels of the study's cases follow.

    Conflict for a second imaging report of one study, and for a report that is linked to another patient's study.
    """
    study = await session.scalar(select(Study).where(Study.uid == study_uid, Study.deleted_at.is_(None)))
    if study is None:
        raise NotFound("There is no study with this UID.", field="study_uid")
    report = await session.scalar(select(Report).where(Report.key == report_key, Report.deleted_at.is_(None)))
    if report is None:
        raise NotFound("There is no report with this key.", field="report_key")
    if study.hospital_id != report.hospital_id:
        raise InvalidInput("Study and report are of different hospitals.", field="report_key")
    generations = list(await session.scalars(select(Link).where(Link.study_id == study.id, Link.report_id == report.id).order_by(Link.generation)))
    counting = next((link for link in generations if link.active), None)
    if linked:
        await _may_link(session, study, report)
    if linked == (counting is not None and counting.state in ("sure", "accepted")):
        raise Conflict(f"This report is {'linked to this study already' if linked else 'not linked to this study'}.")
    policy = await policies.ensure(session, "link", "by-hand", LINK_BY_HAND)
    await session.execute(update(Link).where(Link.study_id == study.id, Link.report_id == report.id).values(active=False))
    made = Link(
        study_id=study.id,
        report_id=report.id,
        generation=generations[-1].generation + 1 if generations else 0,
        score=1.0 if linked else 0.0,
        components={"rule": "by-hand", "reason": "", "fields": generations[-1].components.get("fields", {}) if generations else {}},
        state="accepted" if linked else "rejected",
        active=linked,
        source=REVIEWER,
        policy_id=policy.id,
        decided_by=who.name,
        created_at=now(),
    )
    session.add(made)
    if linked:
        report.identity_id = study.identity_id
        report.revision += 1
    await session.flush()
    # A question about this very pair is answered by what was done.
    await reviews.withdraw(session, "link", [f"study:{study.uid}:{report.kind}"])
    cases = (await clinical.cases_of_studies(session, [study.id])).get(study.id, [])
    await follow_up(session, report.import_id, {"reports": [report.id], "cases": cases})
    verb = "linked" if linked else "unlinked"
    audit.record(session, who, verb, f"report:{report.key}", after={"study": study.uid, "generation": made.generation})
    await note_changes(session, cases)
    return made


async def _may_link(session: AsyncSession, study: Study, report: Report) -> None:
    active = (Link.active.is_(True), Link.state.in_(("sure", "accepted")))
    if report.kind == "imaging":
        taken = select(Report.key).join(Link, Link.report_id == Report.id).where(Link.study_id == study.id, *active, Report.kind == "imaging")
        other = await session.scalar(taken.where(Report.id != report.id).limit(1))
        if other is not None:
            raise Conflict("This study has its imaging report already; unlink that one first.", report=other)
    elsewhere = select(Study.uid).join(Link, Link.study_id == Study.id).where(Link.report_id == report.id, *active, Study.identity_id != study.identity_id)
    if (uid := await session.scalar(elsewhere.limit(1))) is not None:
        raise Conflict("This report is linked to another patient's study; unlink it there first.", study=uid)
