"""Group: duplicates and UID conflicts, then identities, patients, studies and series; one batch, so that order decides nothing.

Every value that is written depends on the items' order in the source only, never on which worker was quicker: a killed
import ends with the same catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select

from isocenter.models import Import, ImportItem, Instance, Series, Tombstone
from services.ingest import identity
from services.ingest.assign import body_part_term
from services.ingest.identity import ImportCapsule, ItemCapsule, StudyCapsule
from services.ingest.normalise import number_key
from services.ingest.records import Identified, ImageFacts, ImageFormat, Outcome
from services.ingest.report_records import ImageListRow, StudyIdentity
from services.ingest.stages.context import Context
from services.ingest.store import capsules, clinical, imports

CHUNK = 2000


async def plan(_context: Context) -> list[tuple[dict[str, Any], int]]:
    return [({}, 1)]


@dataclass(slots=True)
class Draft:
    """What the items of one study say together."""

    capsule: StudyCapsule
    facts: ImageFacts
    study_uid: str
    series: dict[str, ImageFacts] = field(default_factory=dict)


async def run(context: Context) -> None:
    async with context.resources.db.read() as session:
        ids = list(
            await session.scalars(
                select(ImportItem.id)
                .where(ImportItem.import_id == context.import_id, ImportItem.kind == "file", ImportItem.source_hmac.is_not(None))
                .order_by(ImportItem.ordinal)
            )
        )
        capsule = await capsules.get(session, context.key, "import", context.import_id, ImportCapsule)
    await group_items(context, ids, capsule.image_list if capsule else (), last=True)


async def group_items(context: Context, ids: Sequence[int], listed: Sequence[ImageListRow], *, last: bool) -> None:
    """Settle duplicates and write the clinical rows of these items, in one transaction."""
    async with context.resources.db.read() as session:
        sealed = await capsules.get_many(session, context.key, "item", ids, ItemCapsule)
        decided = select(ImportItem.id).where(ImportItem.import_id == context.import_id, ImportItem.override.is_not(None))
        overrides = set(await session.scalars(decided))
        hmacs = [reading.source_hmac for c in sealed.values() if (reading := c.reading or c.resource)]
        known_sources = await _known_sources(session, hmacs)
        known_uids = await _known_uids(session, [context.key.uid(c.reading.facts.sop_uid) for c in sealed.values() if c.reading and c.reading.facts.sop_uid])
        answered = await _decided_before(session, context, hmacs)
        tombstones = set(await session.scalars(select(Tombstone.key_hmac).where(Tombstone.kind == "patient")))
    exams = _exams(context, [sealed[item] for item in ids])
    drafts: dict[str, Draft] = {}
    updates: list[dict[str, Any]] = []
    places: list[tuple[int, str, str, str]] = []  # item, study uid, series uid, SOP uid
    known: list[dict[str, Any]] = []  # items whose image is there already: they point to its study and series
    seen: dict[str, int] = {}
    pixels: dict[str, tuple[int, str]] = {}
    for item in ids:
        capsule = sealed[item]
        reading = capsule.reading
        source_hmac = reading.source_hmac if reading else capsule.resource.source_hmac if capsule.resource else ""
        if source_hmac in seen:
            updates.append(_settled(item, Outcome.DUPLICATE, "same-file", "The same file occurs earlier in this import.", seen[source_hmac]))
            continue
        seen[source_hmac] = item
        if source_hmac in answered and item not in overrides:
            updates.append(_settled(item, *answered[source_hmac]))
            continue
        if reading is None:
            continue  # other resources are stored in the release stage
        if reading.review is not None and item not in overrides:
            updates.append(_settled(item, Outcome.REVIEW, reading.review.code, reading.review.detail))
            continue
        row = _listed_row(listed, capsule.path)
        facts, identified = _with_list(reading.facts, reading.identified, row)
        facts = _with_uids(context, facts, identified, source_hmac, row, exams)
        sop_uid = context.key.uid(facts.sop_uid)
        if sop_uid in pixels and pixels[sop_uid][1] == reading.pixel_hash:
            detail = "The same image with the same UID occurs earlier in this import."
            updates.append(_settled(item, Outcome.DUPLICATE, "same-image", detail, pixels[sop_uid][0]))
            continue
        before = known_sources.get(source_hmac)
        if before is None and sop_uid in known_uids and known_uids[sop_uid].pixel_hash == reading.pixel_hash:
            before = known_uids[sop_uid]
        if before is not None:
            detail = "This image was deleted from the catalog before; restore it there." if before.deleted else "This image is in the catalog already."
            updates.append(_settled(item, Outcome.DUPLICATE, "deleted-before" if before.deleted else "known-image", detail))
            known.append({"id": item, "study_id": before.study_id, "series_id": before.series_id})
            continue
        conflict = sop_uid in pixels or sop_uid in known_uids
        if conflict:
            # Another image under a used UID: both are kept, the later one under a UID of its own.
            sop_uid = context.key.uid(f"{facts.sop_uid}|{reading.pixel_hash}")
        pixels[sop_uid] = (item, reading.pixel_hash)
        draft = _draft(context, drafts, facts, identified)
        if identity.number_hmac(context.key, context.hospital, draft.capsule.number) in tombstones:
            updates.append(_settled(item, Outcome.REFUSED, "patient-withdrawn", "This patient was withdrawn; nothing of them is taken in again."))
            continue
        draft.series.setdefault(context.key.uid(facts.series_uid), facts)
        places.append((item, draft.study_uid, context.key.uid(facts.series_uid), sop_uid))
        if conflict:
            detail = "Another image bears the same UID; this one got its own."
            updates.append({"id": item, "outcome": None, "reason": "uid-used-twice", "detail": detail, "duplicate_of": None})
        sealed[item] = replace(capsule, reading=replace(reading, facts=facts, identified=identified), sop_uid=sop_uid)
    async with context.commit(last=last) as session:
        refused = {int(row["id"]) for row in updates if row["outcome"] == Outcome.REFUSED.value}
        kept = {study for item, study, _, _ in places if item not in refused}
        rows = await clinical.write_studies(session, context, {uid: draft for uid, draft in drafts.items() if uid in kept})
        await imports.set_items(session, updates)
        await imports.set_items(session, known)
        placed = [(item, study, series) for item, study, series, _ in places if item not in refused]
        await imports.set_items(session, [{"id": item, "study_id": rows.studies[study], "series_id": rows.series[series]} for item, study, series in placed])
        await capsules.put(session, context.key, "item", [(item, sealed[item]) for item, _, _, _ in places], days=context.days)


def _settled(item: int, outcome: Outcome, reason: str, detail: str, duplicate_of: int | None = None) -> dict[str, Any]:
    return {"id": item, "outcome": outcome.value, "reason": reason, "detail": detail, "duplicate_of": duplicate_of}


@dataclass(frozen=True, slots=True)
class Before:
    """An image that is in the catalog already."""

    pixel_hash: str
    study_id: int
    series_id: int
    deleted: bool


_BEFORE = (
    select(Instance.source_hmac, Instance.sop_uid, Instance.pixel_hash, Series.study_id, Series.id, Instance.deleted_at, Series.deleted_at)
    .join(Series, Series.id == Instance.series_id)
    .where(Instance.generation == 0)
)


async def _known_sources(session: Any, hmacs: list[str]) -> dict[str, Before]:
    """By the hash of the whole file."""
    rows = await imports.chunked(session, _BEFORE, Instance.source_hmac, hmacs)
    return {source: Before(pixels, study, series, bool(gone or series_gone)) for source, _, pixels, study, series, gone, series_gone in rows}


async def _known_uids(session: Any, uids: list[str]) -> dict[str, Before]:
    """By the keyed SOP Instance UID."""
    rows = await imports.chunked(session, _BEFORE, Instance.sop_uid, uids)
    return {uid: Before(pixels, study, series, bool(gone or series_gone)) for _, uid, pixels, study, series, gone, series_gone in rows}


async def _decided_before(session: Any, context: Context, hmacs: list[str]) -> dict[str, tuple[Outcome, str, str]]:
    """What a person said of the same file of this hospital in an earlier import, or that it still waits there."""
    statement = (
        select(ImportItem.source_hmac, ImportItem.outcome, ImportItem.reason)
        .join(Import, Import.id == ImportItem.import_id)
        .where(Import.hospital_id == context.hospital_id, Import.id != context.import_id, Import.state != "withdrawn")
        .order_by(ImportItem.id)
    )
    found: dict[str, tuple[Outcome, str, str]] = {}
    for source, outcome, reason in await imports.chunked(session, statement, ImportItem.source_hmac, hmacs):
        if reason in ("refused-in-review", "pixels-refused"):
            found[source] = (Outcome.REFUSED, "refused-before", "A reviewer refused this file in an earlier import.")
        elif outcome == Outcome.REVIEW.value:
            found[source] = (Outcome.DUPLICATE, "waits-already", "This file waits for a decision in an earlier import.")
        elif outcome == Outcome.ACCEPTED.value:
            found.pop(source, None)
    return found


def _listed_row(listed: Sequence[ImageListRow], path: str) -> ImageListRow | None:
    """The first row of the image list whose path or pattern fits; paths compare from their end, with / or \\."""
    name = path.replace("\\", "/").casefold()
    for row in listed:
        pattern = row.path.replace("\\", "/").casefold().lstrip("./")
        if name == pattern or name.endswith("/" + pattern) or fnmatchcase(name, pattern) or fnmatchcase(name, "*/" + pattern):
            return row
        if name.startswith(pattern.rstrip("/") + "/") or f"/{pattern.rstrip('/')}/" in f"/{name}":
            return row
    return None


def _with_list(facts: ImageFacts, read: Identified, row: ImageListRow | None) -> tuple[ImageFacts, Identified]:
    """What the file says, completed by the image list; the list wins where the file carries no reliable identity."""
    if row is None:
        return facts, read
    listed_first = facts.format is not ImageFormat.DICOM

    def pick(of_file: str, of_list: str) -> str:
        return (of_list or of_file) if listed_first else (of_file or of_list)

    read = replace(
        read,
        patient_name=pick(read.patient_name, row.patient_name),
        patient_id=pick(read.patient_id, row.patient_id),
        birth_date=pick(read.birth_date, row.birth_date),
        accession_number=pick(read.accession_number, row.accession_number),
        pathology_number=pick(read.pathology_number, row.pathology_number),
        study_date=pick(read.study_date, row.exam_date),
    )
    facts = replace(
        facts,
        sex=pick(facts.sex, row.sex),
        age_years=facts.age_years if facts.age_years is not None else row.age_years,
        modality=pick(facts.modality, row.modality),
        body_part=pick(facts.body_part, body_part_term(row.body_part)),
    )
    return facts, read


def _exams(context: Context, sealed: Sequence[ItemCapsule]) -> dict[tuple[str, ...], set[str]]:
    """What DICOM studies of this import can be recognised by -> their UIDs: accession number, and patient, day and modality."""
    exams: dict[tuple[str, ...], set[str]] = {}
    for capsule in sealed:
        reading = capsule.reading
        if reading is None or reading.facts.format is not ImageFormat.DICOM or not reading.facts.study_uid:
            continue
        read, uid = reading.identified, reading.facts.study_uid
        number = identity.patient_number(context.hospital, read.patient_id, "")
        if read.accession_number:
            exams.setdefault(("accession", number, number_key(read.accession_number)), set()).add(uid)
        if number and read.study_date:
            exams.setdefault(("day", number, read.study_date, reading.facts.modality), set()).add(uid)
            exams.setdefault(("day", number, read.study_date, ""), set()).add(uid)
    return exams


def _with_uids(
    context: Context, facts: ImageFacts, read: Identified, source_hmac: str, row: ImageListRow | None, exams: dict[tuple[str, ...], set[str]]
) -> ImageFacts:
    """Files without UIDs get keyed ones: the study by what the image list says of it, the rest by content.

    A volume or picture of an examination whose DICOM files are in the same import joins that study.
    """
    content = f"content:{context.hospital}:{source_hmac}"
    study = facts.study_uid or (row.study_uid if row else "")
    if not study and not read.pathology_number:
        number = identity.patient_number(context.hospital, read.patient_id, "")
        same = exams.get(("accession", number, number_key(read.accession_number)), set()) if read.accession_number else set()
        same = same or exams.get(("day", number, read.study_date, facts.modality), set())
        study = next(iter(same)) if len(same) == 1 else ""
    if not study:
        number = identity.patient_number(context.hospital, read.patient_id, "")
        if read.accession_number or read.pathology_number:
            study = f"number:{context.hospital}:{number}:{read.accession_number}:{read.pathology_number}"
        elif number and read.study_date:
            study = f"day:{context.hospital}:{number}:{read.study_date}:{facts.modality or facts.format.value}"
        else:
            study = content
    return replace(facts, study_uid=study, series_uid=facts.series_uid or content, sop_uid=facts.sop_uid or content)


def _draft(context: Context, drafts: dict[str, Draft], facts: ImageFacts, read: Identified) -> Draft:
    """The study's draft with this file's values merged in: the first that tells a value wins."""
    uid = context.key.uid(facts.study_uid)
    draft = drafts.get(uid)
    if draft is None:
        number = identity.patient_number(context.hospital, read.patient_id, f"study:{uid}")
        who = StudyIdentity(
            key=uid,
            accession_number=read.accession_number,
            patient_id=read.patient_id,
            patient_name=read.patient_name,
            sex=facts.sex,
            age_years=facts.age_years,
            birth_date=read.birth_date,
            study_date=read.study_date,
            modality=facts.modality,
            body_part=facts.body_part,
            descriptions=read.descriptions,
            pathology_number=read.pathology_number,
            study_uid=facts.study_uid,
        )
        draft = drafts[uid] = Draft(StudyCapsule(context.hospital, number, who, read.other_names), facts, uid)
        return draft
    who = draft.capsule.identity
    merged = replace(
        who,
        accession_number=who.accession_number or read.accession_number,
        patient_id=who.patient_id or read.patient_id,
        patient_name=who.patient_name or read.patient_name,
        sex=who.sex or facts.sex,
        age_years=who.age_years if who.age_years is not None else facts.age_years,
        birth_date=who.birth_date or read.birth_date,
        study_date=who.study_date or read.study_date,
        modality=who.modality or facts.modality,
        body_part=who.body_part or facts.body_part,
        descriptions=tuple(dict.fromkeys((*who.descriptions, *read.descriptions)))[:40],
        pathology_number=who.pathology_number or read.pathology_number,
    )
    names = tuple(dict.fromkeys((*draft.capsule.names, *read.other_names)))[:200]
    number = draft.capsule.number
    if number.startswith("study:") and merged.patient_id:
        number = identity.patient_number(context.hospital, merged.patient_id, number)
    draft.capsule = StudyCapsule(context.hospital, number, merged, names)
    return draft
