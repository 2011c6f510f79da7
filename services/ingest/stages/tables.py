"""Tables: read, map, merge; every row becomes an item with one outcome, every report a row with a sealed capsule."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import upsert_ignore
from isocenter.models import ImportItem, Report, now
from services.ingest.identity import ImportCapsule, ReportCapsule, capped_age, patient_number
from services.ingest.merge import merge
from services.ingest.normalise import number_key
from services.ingest.readers.tables import read_table
from services.ingest.records import Outcome
from services.ingest.report_records import ColumnMapping, ImageListRow, LabelRow, MergedReport, ReportKind, ReportRow, RowOutcome, RowRefusal, RowResult
from services.ingest.rows import apply
from services.ingest.stages import duplicates
from services.ingest.stages.context import Context
from services.ingest.store import capsules, imports

CHUNK = 2000


async def plan(_context: Context) -> list[tuple[dict[str, Any], int]]:
    return [({}, 1)]


def read_rows(capsule: ImportCapsule) -> list[tuple[str, RowResult]]:
    """(table id, row result) of all tables of an import, each row named ``<kind>#<n>`` by its table; in a thread."""
    results: list[tuple[str, RowResult]] = []
    for number, entry in enumerate(capsule.tables, start=1):
        mapping = ColumnMapping.from_body(entry["mapping"])
        origin = f"{mapping.kind.value}#{number}"
        # Rows are merged under ids that name their table, so the table's name here is the origin.
        table = replace(read_table(Path(entry["path"])), name=origin)
        results.extend((origin, row) for row in apply(table, mapping))
    return results


def report_key(context: Context, row: ReportRow) -> str:
    """Keyed HMAC of hospital, kind, number and patient, or of the content when the report has no number.

    The patient is in it because two patients under one (mistyped) number must never become one report.
    """
    number = number_key(row.pathology_number) if row.kind is ReportKind.PATHOLOGY else ""
    number = number or number_key(row.report_number) or number_key(row.accession_number)
    if not number:
        text = orjson.dumps([row.patient_id, row.patient_name, row.exam_date, row.report_date, row.sections.as_dict()])
        number = "content:" + hashlib.sha256(text).hexdigest()
    patient = number_key(row.patient_id) or number_key(row.outpatient_number)
    return context.key.hmac_hex("report", context.hospital, row.kind.value, number, patient)


def report_keys(context: Context, reports: tuple[MergedReport, ...]) -> dict[str, str]:
    """Key of every merged report; those that merging kept apart under one number are told apart by their order."""
    keys: dict[str, str] = {}
    taken: dict[str, int] = {}
    for report in reports:
        key = report_key(context, report.row)
        taken[key] = taken.get(key, 0) + 1
        keys[report.id] = key if taken[key] == 1 else context.key.hmac_hex("report-rival", key, str(taken[key]))
    return keys


async def run(context: Context) -> None:
    """One batch for all tables, so that repeats across files collapse. A repeated run begins its row items anew."""
    async with context.resources.db.read() as session:
        capsule = await capsules.get(session, context.key, "import", context.import_id, ImportCapsule)
    if capsule is None or not capsule.tables:
        async with context.commit():
            return
    rows = await asyncio.to_thread(read_rows, capsule)
    merged = await asyncio.to_thread(lambda: merge([row for _, row in rows if isinstance(row, ReportRow | RowRefusal)]))
    outcomes = {outcome.row: outcome for outcome in merged.outcomes}
    async with context.commit(last=False) as session:
        await session.execute(delete(ImportItem).where(ImportItem.import_id == context.import_id, ImportItem.kind == "row"))
    keys = report_keys(context, merged.reports)
    report_ids: dict[str, int] = {}
    corrected: dict[str, str] = {}
    for start in range(0, len(merged.reports), CHUNK):
        async with context.commit(last=False) as session:
            await _store_reports(session, context, merged.reports[start : start + CHUNK], keys, report_ids, corrected)
    async with context.commit(last=False) as session:
        first = 1 + (await session.scalar(select(func.max(ImportItem.ordinal)).where(ImportItem.import_id == context.import_id)) or 0)
        items = [_item(context, first + n, origin, row, outcomes, report_ids, corrected) for n, (origin, row) in enumerate(rows)]
        for start in range(0, len(items), CHUNK):
            await session.execute(insert(ImportItem), items[start : start + CHUNK])
        first_keys = {report.id: report_key(context, report.row) for report in merged.reports}
        await duplicates.ask_about_reports(session, context, duplicates.rivals(keys, first_keys))
    listed = tuple(row for _, row in rows if isinstance(row, ImageListRow))
    labels = tuple(row for _, row in rows if isinstance(row, LabelRow))
    async with context.commit() as session:
        # Later stages need these rows again, when an uploaded table may be gone.
        kept = replace(capsule, image_list=listed, labels=labels)
        await capsules.put(session, context.key, "import", [(context.import_id, kept)], days=context.days)


async def _store_reports(
    session: AsyncSession,
    context: Context,
    reports: tuple[MergedReport, ...],
    keys: dict[str, str],
    report_ids: dict[str, int],
    corrected: dict[str, str],
) -> None:
    """Rows and capsules; a known report with another text becomes a correction, with the same text a duplicate."""
    fresh = [
        {
            "key": keys[report.id],
            "hospital_id": context.hospital_id,
            "kind": report.row.kind.value,
            "import_id": context.import_id,
            "sex": report.row.sex if report.row.sex in ("M", "F", "O") else "",
            "age_years": capped_age(report.row.age_years),
            "body_part": "",
            "language": "",
            "created_at": now(),
            "revision": 1,
        }
        for report in reports
    ]
    await upsert_ignore(session, Report.__table__, sorted(fresh, key=lambda row: str(row["key"])))
    columns = select(Report.key, Report.id, Report.import_id, Report.deleted_at)
    known = await imports.chunked(session, columns, Report.key, [keys[report.id] for report in reports])
    by_key = {key: (report_id, import_id, deleted) for key, report_id, import_id, deleted in known}
    old = await capsules.get_many(session, context.key, "report", [report_id for report_id, _, _ in by_key.values()], ReportCapsule)
    values: dict[int, ReportCapsule] = {}
    for report in reports:
        report_id, import_id, deleted = by_key[keys[report.id]]
        report_ids[report.id] = report_id
        before = values.get(report_id) or old.get(report_id)
        number = patient_number(context.hospital, report.row.patient_id or report.row.outpatient_number, f"report:{keys[report.id]}")
        if deleted is not None:
            corrected[report.id] = "deleted-before"
        elif before is None:
            values[report_id] = ReportCapsule(context.hospital, number, report.row, report.earlier)
        elif before.row.sections == report.row.sections:
            # The same import running again is no repeat.
            corrected[report.id] = "" if import_id == context.import_id else "known-report"
        else:
            values[report_id] = ReportCapsule(context.hospital, before.number, report.row, (*before.earlier, before.row, *report.earlier))
            corrected[report.id] = "corrected-report"
    await capsules.put(session, context.key, "report", list(values.items()), days=context.days)


def _item(
    context: Context,
    ordinal: int,
    origin: str,
    row: RowResult,
    outcomes: dict[str, RowOutcome],
    report_ids: dict[str, int],
    corrected: dict[str, str],
) -> dict[str, Any]:
    item: dict[str, Any] = {
        "import_id": context.import_id,
        "ordinal": ordinal,
        "kind": "row",
        "origin": origin,
        "row_number": row.row_number,
        "outcome": Outcome.ACCEPTED.value,
        "reason": "",
        "detail": "",
        "report_id": None,
    }
    if isinstance(row, RowRefusal):
        return item | {"outcome": row.outcome.value, "reason": row.code, "detail": row.detail[:255]}
    if isinstance(row, ReportRow):
        outcome = outcomes[row.id]
        item |= {"outcome": outcome.outcome.value, "reason": outcome.code, "report_id": report_ids.get(outcome.report)}
        known = corrected.get(outcome.report, "")
        if known in ("deleted-before", "known-report"):
            item |= {"outcome": Outcome.DUPLICATE.value, "reason": known}
        elif known and not item["reason"]:
            item["reason"] = known
        if row.doubts and not item["reason"]:
            item["reason"] = row.doubts[0]
        return item
    return item | {"reason": "label-row" if isinstance(row, LabelRow) else "image-list-row"}
