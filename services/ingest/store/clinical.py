"""Clinical rows as ingest creates them: identities, patients, studies, series, cases, instances, stacks, slides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.changes import note_changes
from isocenter.db import for_update, upsert_ignore
from isocenter.models import (
    Case,
    CaseStudy,
    Disease,
    ExamTally,
    ImportItem,
    Instance,
    Label,
    Link,
    Patient,
    PatientIdentity,
    Report,
    Review,
    Series,
    Slide,
    Stack,
    Study,
    now,
)
from services.ingest import identity
from services.ingest.identity import StudyCapsule
from services.ingest.records import ImageFacts, ImageFormat
from services.ingest.store import capsules
from services.ingest.store.imports import chunked
from services.ingest.work import Closed

if TYPE_CHECKING:
    from services.ingest.stages.context import Context
    from services.ingest.stages.group import Draft

CHUNK = 2000


@dataclass(frozen=True)
class Written:
    """UID -> row id of the studies and series that were asked for."""

    studies: dict[str, int]
    series: dict[str, int]


async def ensure_identities(session: AsyncSession, context: Context, numbers: Mapping[str, str]) -> dict[str, int]:
    """Number -> identity id; patients are made where new. ``numbers``: number -> sex ('' when not told)."""
    if not numbers:
        return {}
    key, hospital = context.key, context.hospital
    patients = [{"key": identity.patient_key(key, hospital, number), "sex": sex, "revision": 1} for number, sex in numbers.items()]
    await upsert_ignore(session, Patient.__table__, sorted(patients, key=lambda row: str(row["key"])))
    found = dict(await chunked(session, select(Patient.key, Patient.id), Patient.key, [str(row["key"]) for row in patients]))
    rows = [
        {
            "hospital_id": context.hospital_id,
            "number_hmac": identity.number_hmac(key, hospital, number),
            "pseudonym_key": key.fingerprint,
            "patient_id": found[identity.patient_key(key, hospital, number)],
        }
        for number in numbers
    ]
    await upsert_ignore(session, PatientIdentity.__table__, sorted(rows, key=lambda row: str(row["number_hmac"])))
    statement = select(PatientIdentity.number_hmac, PatientIdentity.id).where(PatientIdentity.hospital_id == context.hospital_id)
    ids = dict(await chunked(session, statement, PatientIdentity.number_hmac, [str(row["number_hmac"]) for row in rows]))
    return {number: ids[identity.number_hmac(key, hospital, number)] for number in numbers}


async def write_studies(session: AsyncSession, context: Context, drafts: Mapping[str, Draft]) -> Written:
    """Upsert identities, studies and series of these drafts, and seal what identifies the studies."""
    identities = await ensure_identities(session, context, {d.capsule.number: d.facts.sex for d in drafts.values()})
    studies: list[dict[str, Any]] = []
    series: list[dict[str, Any]] = []
    for uid, draft in sorted(drafts.items()):
        who = draft.capsule.identity
        shift = context.key.shift_days(context.hospital, draft.capsule.number)
        studies.append(
            {
                "uid": uid,
                "hospital_id": context.hospital_id,
                "identity_id": identities[draft.capsule.number],
                "import_id": context.import_id,
                "shifted_date": identity.shifted(who.study_date, shift),
                "age_years": identity.capped_age(who.age_years),
                "sex": who.sex,
                "body_part": who.body_part[:64],
                "description": "",
                "accession_hmac": identity.accession_hmac(context.key, context.hospital, who.accession_number),
                "created_at": now(),
                "revision": 1,
            }
        )
    for start in range(0, len(studies), CHUNK):
        await upsert_ignore(session, Study.__table__, studies[start : start + CHUNK])
    study_ids = dict(await chunked(session, select(Study.uid, Study.id), Study.uid, list(drafts)))
    for uid, draft in sorted(drafts.items()):
        series.extend(_series_row(series_uid, study_ids[uid], facts) for series_uid, facts in draft.series.items())
    series.sort(key=lambda row: str(row["uid"]))
    for start in range(0, len(series), CHUNK):
        await upsert_ignore(session, Series.__table__, series[start : start + CHUNK])
    series_ids = dict(await chunked(session, select(Series.uid, Series.id), Series.uid, [str(row["uid"]) for row in series]))
    sealed: list[tuple[int, object]] = [(study_ids[uid], draft.capsule) for uid, draft in drafts.items()]
    known = await capsules.get_many(session, context.key, "study", [study for study, _ in sealed], StudyCapsule)
    # A study that came before keeps what it knows: its identity and shift are released already.
    await capsules.put(session, context.key, "study", [(study, value) for study, value in sealed if study not in known], days=context.days)
    return Written(study_ids, series_ids)


def _series_row(uid: str, study_id: int, facts: ImageFacts) -> dict[str, Any]:
    return {
        "uid": uid,
        "study_id": study_id,
        "format": facts.format.value,
        "modality": facts.modality[:16],
        "number": facts.series_number,
        "body_part": facts.body_part[:64],
        "description": "",
        "manufacturer": facts.manufacturer[:255],
        "model_name": facts.model_name[:255],
        "sequence": facts.sequence[:32],
        "phase": facts.phase[:32],
        "slice_thickness_mm": facts.slice_thickness_mm,
        "spacing_mm": list(facts.spacing_mm) if facts.spacing_mm else None,
        "rows": facts.rows,
        "columns": facts.columns,
        "instance_count": 0,
        "frame_count": 0,
        "size_bytes": 0,
        "state": "held",  # nobody sees a series before it is closed
        "created_at": now(),
        "revision": 1,
    }


async def ensure_cases(session: AsyncSession, import_id: int, wanted: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int], int]:
    """(patient, disease) -> case id for wanted (patient, disease, study) in their order; new cases take the next number."""
    found: dict[tuple[int, int], int] = {}
    patients = sorted({patient for patient, _, _ in wanted})
    rows = await chunked(session, select(Case.patient_id, Case.disease_id, Case.id), Case.patient_id, patients)
    found.update({(patient, disease): case for patient, disease, case in rows})
    missing = list(dict.fromkeys((patient, disease) for patient, disease, _ in wanted if (patient, disease) not in found))
    for disease_id in sorted({disease for _, disease in missing}):
        disease = await session.scalar(for_update(select(Disease).where(Disease.id == disease_id), session))
        assert disease is not None
        new = [patient for patient, of in missing if of == disease_id]
        first = disease.next_case_number
        await session.execute(
            insert(Case),
            [
                {
                    "key": f"{disease.prefix}-{first + n:06d}",
                    "patient_id": patient,
                    "disease_id": disease_id,
                    "note": "",
                    "created_at": now(),
                    "revision": 1,
                }
                for n, patient in enumerate(new)
            ],
        )
        disease.next_case_number = first + len(new)
    if missing:
        await session.flush()
        rows = await chunked(session, select(Case.patient_id, Case.disease_id, Case.id), Case.patient_id, patients)
        found.update({(patient, disease): case for patient, disease, case in rows})
    members = [{"case_id": found[patient, disease], "study_id": study, "import_id": import_id} for patient, disease, study in wanted]
    unique = {(row["case_id"], row["study_id"]): row for row in members}
    await upsert_ignore(session, CaseStudy.__table__, [unique[place] for place in sorted(unique)])
    return found


async def write_instances(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Upsert instances of generation 0 by SOP UID; UID -> id."""
    await upsert_ignore(session, Instance.__table__, sorted(rows, key=lambda row: str(row["sop_uid"])))
    statement = select(Instance.sop_uid, Instance.id).where(Instance.generation == 0)
    return dict(await chunked(session, statement, Instance.sop_uid, [str(row["sop_uid"]) for row in rows]))


async def close_series(session: AsyncSession, closed: Closed) -> str:
    """Write order, stacks, counts and state of a series; its state (held when any instance waits for a look)."""
    series = await session.get(Series, closed.series_id)
    assert series is not None
    instances = list(
        await session.scalars(
            select(Instance).where(Instance.series_id == series.id, Instance.generation == 0, Instance.deleted_at.is_(None)).order_by(Instance.sop_uid)
        )
    )
    position = {uid: number for number, uid in enumerate(closed.order, start=1)}
    numbers = [{"b_id": row.id, "b_number": position.get(row.sop_uid, len(position) + n)} for n, row in enumerate(instances, start=1)]
    if series.instance_count or series.thumbnail_key:
        series.revision += 1  # other pictures than before: addresses with the old version end
    series.instance_count = len(instances)
    series.frame_count = sum(row.frames for row in instances)
    series.size_bytes = sum(row.size_bytes for row in instances)
    series.metadata_key = closed.metadata_key
    series.thumbnail_key = closed.thumbnail_key
    await session.execute(update(Slide).where(Slide.series_id == series.id).values(tile_index_key=closed.tile_index_key))
    held = any(row.state == "held" for row in instances)
    series.state = "held" if held or not instances else "visible"
    stacks = await _stacks(session, series, closed)
    stack_of: dict[str, int] = {}
    if closed.description is not None:
        for number, stack in enumerate(closed.description.stacks):
            stack_of.update({closed.files[index]: stacks[number] for index in stack.members})
    by_id = {instance.id: instance.sop_uid for instance in instances}
    for row in numbers:
        row["b_stack"] = stack_of.get(by_id[row["b_id"]], stacks[0])
    await session.flush()
    if numbers:
        table = Instance.__table__
        statement = update(table).where(table.c.id == bindparam("b_id")).values(number=bindparam("b_number"), stack_id=bindparam("b_stack"))  # type: ignore[arg-type]
        await (await session.connection()).execute(statement, numbers)
    return series.state


async def _stacks(session: AsyncSession, series: Series, closed: Closed) -> list[int]:
    """Ids of the stacks by ordinal; at least one."""
    known = {stack.ordinal: stack for stack in await session.scalars(select(Stack).where(Stack.series_id == series.id))}
    described = closed.description.stacks if closed.description is not None else ()
    for number in range(max(1, len(described))):
        stack = known.get(number)
        if stack is None:
            stack = Stack(series_id=series.id, ordinal=number)
            session.add(stack)
            known[number] = stack
        stack.sequence, stack.phase = series.sequence, series.phase  # a reviewer's word stands in the series too
        if number < len(described):
            item = described[number]
            stack.spacing_mm, stack.echo_time_ms, stack.b_value = item.spacing_mm, item.echo_time_ms, item.b_value
            stack.instance_count = item.count
    await session.flush()
    return [known[number].id for number in sorted(known)]


async def ensure_slide(session: AsyncSession, series_id: int, facts: ImageFacts) -> None:
    """The slide row of a whole-slide series."""
    if facts.format is not ImageFormat.WSI and facts.modality != "SM":
        return
    row = {"series_id": series_id, "mpp": facts.mpp, "objective_power": facts.objective_power, "width_px": facts.columns, "height_px": facts.rows}
    await upsert_ignore(session, Slide.__table__, [row])


async def tally_exams(session: AsyncSession, context: Context) -> None:
    """Count this import's new studies by true day, without any patient; in the transaction that finishes the import."""
    studies = (
        await session.execute(
            select(Study.id, func.min(Series.modality), func.min(Series.model_name))
            .join(Series, Series.study_id == Study.id)
            .where(Study.import_id == context.import_id)
            .group_by(Study.id)
        )
    ).all()
    sealed = await capsules.get_many(session, context.key, "study", [study for study, _, _ in studies], StudyCapsule)
    counts: dict[tuple[Any, str, str], int] = {}
    for study, modality, model in studies:
        day = identity.shifted(sealed[study].identity.study_date, 0) if study in sealed else None
        if day is not None:
            place = (day, (model or "")[:128], modality or "")
            counts[place] = counts.get(place, 0) + 1
    rows = [{"day": day, "hospital_id": context.hospital_id, "device": device, "modality": modality, "studies": 0} for day, device, modality in sorted(counts)]
    await upsert_ignore(session, ExamTally.__table__, rows)
    for (day, device, modality), count in sorted(counts.items()):
        await session.execute(
            update(ExamTally)
            .where(ExamTally.day == day, ExamTally.hospital_id == context.hospital_id, ExamTally.device == device, ExamTally.modality == modality)
            .values(studies=ExamTally.studies + count)
        )


async def cases_of_studies(session: AsyncSession, study_ids: Iterable[int]) -> dict[int, list[int]]:
    """study -> cases it is in."""
    found: dict[int, list[int]] = {}
    for study, case in await chunked(session, select(CaseStudy.study_id, CaseStudy.case_id), CaseStudy.study_id, list(study_ids)):
        found.setdefault(study, []).append(case)
    return found


async def _withdraw_reports(session: AsyncSession, import_id: int) -> set[int]:
    """Soft-delete the reports this import brought and end their links; the cases whose labels they spoke for."""
    brought = select(Report.id).where(Report.import_id == import_id)
    linked = select(Link.study_id).where(Link.report_id.in_(brought), Link.active.is_(True))
    cases = set(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id.in_(linked))))
    await session.execute(update(Link).where(Link.report_id.in_(brought)).values(active=False))
    await session.execute(update(Report).where(Report.import_id == import_id, Report.deleted_at.is_(None)).values(deleted_at=now()))
    return cases


async def withdraw_import(session: AsyncSession, import_id: int) -> list[int]:
    """Soft-delete what only this import brought; the cases that changed. Frozen versions keep what they hold."""
    moment = now()
    own = select(ImportItem.instance_id).where(ImportItem.import_id == import_id, ImportItem.outcome == "accepted", ImportItem.instance_id.is_not(None))
    await session.execute(update(Instance).where(Instance.id.in_(own), Instance.deleted_at.is_(None)).values(deleted_at=moment))
    series = select(ImportItem.series_id).where(ImportItem.import_id == import_id, ImportItem.series_id.is_not(None))
    alive = select(Instance.series_id).where(Instance.deleted_at.is_(None))
    await session.execute(update(Series).where(Series.id.in_(series), Series.id.not_in(alive), Series.deleted_at.is_(None)).values(deleted_at=moment))
    living = select(Series.study_id).where(Series.deleted_at.is_(None))
    await session.execute(update(Study).where(Study.import_id == import_id, Study.id.not_in(living), Study.deleted_at.is_(None)).values(deleted_at=moment))
    cases = set(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.import_id == import_id)))
    cases |= await _withdraw_reports(session, import_id)
    cases |= {case for case in await session.scalars(select(Label.case_id).where(Label.import_id == import_id)) if case is not None}
    left = select(CaseStudy.case_id).join(Study, Study.id == CaseStudy.study_id).where(Study.deleted_at.is_(None), CaseStudy.import_id != import_id)
    for start in range(0, len(cases), 500):
        chunk = sorted(cases)[start : start + 500]
        await session.execute(update(Case).where(Case.id.in_(chunk), Case.id.not_in(left), Case.deleted_at.is_(None)).values(deleted_at=moment))
    # A second disease that this import gave to a study of another one goes with it.
    alive = select(Study.id).where(Study.deleted_at.is_(None))
    await session.execute(delete(CaseStudy).where(CaseStudy.import_id == import_id, CaseStudy.study_id.in_(alive)))
    open_here = (Review.import_id == import_id) & (Review.state == "open")
    await session.execute(update(Review).where(open_here).values(state="closed", revision=Review.revision + 1))
    await note_changes(session, cases)
    return sorted(cases)
