"""Labels that came with the data (challenge CSVs): matched to cases by study, accession, patient or path; source ``provided``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import Case, CaseStudy, Disease, ImportItem, Label, LabelClass, PatientIdentity, Study, now
from services.ingest import identity
from services.ingest.identity import ItemCapsule
from services.ingest.report_records import LabelRow
from services.ingest.stages.answers import fingerprint
from services.ingest.stages.context import Context
from services.ingest.store import capsules, imports, policies


async def write_provided(session: AsyncSession, context: Context, rows: Sequence[LabelRow]) -> None:
    """Append a label for every row that names a case of ours; the row items are told whether they matched."""
    if not rows:
        return
    studies = await _studies_of_rows(session, context, rows)
    all_studies = sorted({study for found in studies.values() for study in found})
    cases: dict[int, list[tuple[int, str, int]]] = {}
    statement = select(CaseStudy.study_id, Case.id, Case.key, Case.disease_id).join(Case, Case.id == CaseStudy.case_id).where(Case.deleted_at.is_(None))
    for study, case, key, disease in await imports.chunked(session, statement, CaseStudy.study_id, all_studies):
        cases.setdefault(study, []).append((case, key, disease))
    codes: dict[str, int] = {code: number for code, number in (await session.execute(select(Disease.code, Disease.id))).all()}
    schemes = await _schemes(session, context, codes)
    labels: dict[str, dict[str, Any]] = {}
    matched: set[str] = set()
    for row in rows:
        wanted = codes.get(row.disease)
        for case, key, disease in sorted({place for study in studies.get(row.id, ()) for place in cases.get(study, ())}):
            scheme = schemes.get(disease)
            if scheme is None or (wanted is not None and wanted != disease):
                continue
            value = row.value if row.value in scheme[1] else ""
            if not value:
                continue
            matched.add(row.id)
            mark = fingerprint("provided", key, scheme[2], value, context.import_key)  # two imports may bring the same one; either may be withdrawn
            labels[mark] = {
                "fingerprint": mark,
                "case_id": case,
                "scheme_id": scheme[0],
                "value": value,
                "source": "provided",
                "confidence": 1.0,
                "evidence": [{"table": row.table.split("#")[0], "row": row.row_number}],
                "reason": "",
                "import_id": context.import_id,
                "created_at": now(),
            }
    known = {mark for (mark,) in await imports.chunked(session, select(Label.fingerprint), Label.fingerprint, list(labels))}
    fresh = [labels[mark] for mark in sorted(labels) if mark not in known]
    if fresh:
        await session.execute(insert(Label), fresh)
    await _tell_items(session, context, rows, matched)


async def _schemes(session: AsyncSession, context: Context, codes: Mapping[str, int]) -> dict[int, tuple[int, frozenset[str], str]]:
    """disease -> (scheme id, class codes, scheme code) of the scheme this import labels by."""
    chosen = {codes[code]: scheme for code, scheme in (context.options.get("schemes") or {}).items() if code in codes}
    found: dict[int, tuple[int, frozenset[str], str]] = {}
    for scheme in await policies.schemes(session, sorted(codes.values())):
        if scheme.disease_id in found or scheme.code != chosen.get(scheme.disease_id, scheme.code):
            continue
        classes = frozenset(await session.scalars(select(LabelClass.code).where(LabelClass.scheme_id == scheme.id)))
        found[scheme.disease_id] = (scheme.id, classes, scheme.code)
    return found


async def _studies_of_rows(session: AsyncSession, context: Context, rows: Sequence[LabelRow]) -> dict[str, list[int]]:
    """row id -> studies it names: by study UID, else accession, else file path, else patient number."""
    key, hospital = context.key, context.hospital
    by_uid = dict(await imports.chunked(session, select(Study.uid, Study.id), Study.uid, [key.uid(row.study_uid) for row in rows if row.study_uid]))
    hmacs = {row.id: identity.accession_hmac(key, hospital, row.accession_number) for row in rows if row.accession_number}
    by_accession: dict[str, list[int]] = {}
    for mark, study in await imports.chunked(session, select(Study.accession_hmac, Study.id), Study.accession_hmac, [m for m in hmacs.values() if m]):
        by_accession.setdefault(mark, []).append(study)
    numbers = {row.id: identity.number_hmac(key, hospital, identity.patient_number(hospital, row.patient_id, "")) for row in rows if row.patient_id}
    by_number: dict[str, list[int]] = {}
    statement = (
        select(PatientIdentity.number_hmac, Study.id)
        .join(Study, Study.identity_id == PatientIdentity.id)
        .where(PatientIdentity.hospital_id == context.hospital_id)
    )
    for mark, study in await imports.chunked(session, statement, PatientIdentity.number_hmac, list(numbers.values())):
        by_number.setdefault(mark, []).append(study)
    by_path = await _paths(session, context) if any(row.path for row in rows) else {}
    found: dict[str, list[int]] = {}
    for row in rows:
        if row.study_uid and key.uid(row.study_uid) in by_uid:
            found[row.id] = [by_uid[key.uid(row.study_uid)]]
        elif (mark := hmacs.get(row.id)) and mark in by_accession:
            found[row.id] = by_accession[mark]
        elif row.path:
            wanted = row.path.replace("\\", "/").casefold().lstrip("./")
            found[row.id] = sorted({study for path, study in by_path.items() if path == wanted or path.endswith("/" + wanted) or f"/{wanted}/" in f"/{path}"})
        elif row.id in numbers:
            found[row.id] = by_number.get(numbers[row.id], [])
    return found


async def _paths(session: AsyncSession, context: Context) -> dict[str, int]:
    rows = await session.execute(select(ImportItem.id, ImportItem.study_id).where(ImportItem.import_id == context.import_id, ImportItem.study_id.is_not(None)))
    studies: dict[int, int] = {item: study for item, study in rows.all() if study is not None}
    sealed = await capsules.get_many(session, context.key, "item", studies, ItemCapsule)
    return {capsule.path.replace("\\", "/").casefold(): studies[item] for item, capsule in sealed.items()}


async def _tell_items(session: AsyncSession, context: Context, rows: Sequence[LabelRow], matched: set[str]) -> None:
    places = {(row.table, row.row_number): row.id for row in rows}
    items = await session.execute(
        select(ImportItem.id, ImportItem.origin, ImportItem.row_number).where(ImportItem.import_id == context.import_id, ImportItem.reason == "label-row")
    )
    updates = [
        {"id": item, "link_state": "linked" if places.get((origin, number)) in matched else "unlinked"}
        for item, origin, number in items.all()
        if number is not None
    ]
    await imports.set_items(session, updates)
