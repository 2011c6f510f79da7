"""The lists of a disease beside its cases - imaging, pathology, reports - and their changes, bulk actions, purge and history."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from isocenter.audit import record
from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.errors import Conflict
from isocenter.paging import Cursor, Limit
from isocenter.resources import Resources
from isocenter.web import CatalogReader, Editor, Opened, check_revision, etag
from services.catalog.schemas.cases import BulkDone
from services.catalog.schemas.manage import BulkRows, History, Purged, ReportChange, ReportDetailOut, ReportRows, SeriesChange, SeriesRow, SeriesRows
from services.catalog.store import cases as case_store
from services.catalog.store import listing, purge, rows

router = APIRouter(prefix="/api/v1", tags=["manage"])

DiseaseCode = Annotated[str, Query(max_length=32, description="Of this disease's cases; empty = of all that you may see.")]
Deleted = Annotated[bool, Query(description="The deleted ones instead (editors only).")]
Slides = Annotated[bool | None, Query(description="Whole slides only, or all but them.")]
UNTIL_DELETED = "Delete it first; a purge cannot be undone."


@router.get("/series")
async def list_series(
    opened: Opened, who: CatalogReader, disease: DiseaseCode = "", slides: Slides = None, modality: Annotated[str, Query(max_length=16)] = "",
    deleted: Deleted = False, limit: Limit = 50, cursor: Cursor = None,
) -> SeriesRows:  # fmt: skip
    """Imaging and slides, by UID."""
    async with opened.db.read() as session:
        return await listing.series_page(session, who, disease=disease, slides=slides, modality=modality, deleted=deleted, cursor=cursor, limit=limit)


@router.patch("/series/{uid}")
async def change_series(opened: Opened, who: Editor, uid: str, body: SeriesChange, request: Request, response: Response) -> SeriesRow:
    """Correct what the header said; the audit trail keeps what stood there before. Needs If-Match."""
    async with opened.db.write() as session:
        row = await rows.series_of(session, who, uid)
        check_revision(request, row.revision)
        await rows.change(session, who, row, f"series:{uid}", body.model_dump())
        (changed,) = await listing.series_rows(session, who, [row])
    response.headers.update(etag(changed.revision))
    return changed


@router.delete("/series/{uid}", status_code=204)
async def delete_series(opened: Opened, who: Editor, uid: str, request: Request) -> None:
    """Soft: nobody sees it any more; restore brings it back. Dataset versions that hold it stay as they are."""
    async with opened.db.write() as session:
        row = await rows.series_of(session, who, uid)
        if "if-match" in request.headers:
            check_revision(request, row.revision)
        await rows.set_deleted(session, who, row, f"series:{uid}", True)


@router.post("/series/{uid}/restore")
async def restore_series(opened: Opened, who: Editor, uid: str) -> SeriesRow:
    async with opened.db.write() as session:
        row = await rows.series_of(session, who, uid)
        await rows.set_deleted(session, who, row, f"series:{uid}", False)
        return (await listing.series_rows(session, who, [row]))[0]


@router.post("/series/{uid}/purge")
async def purge_series(opened: Opened, who: Editor, uid: str) -> Purged:
    """A deleted series for good, bytes included; 409 when a dataset version holds it."""
    async with opened.db.write() as session:
        row = await rows.series_of(session, who, uid)
        if row.deleted_at is None:
            raise Conflict(UNTIL_DELETED, field="uid")
        cases = await rows.cases_of(session, row)
        objects = await purge.purge_series(session, [row.id])
        record(session, who, "purge", f"series:{uid}", after={"objects": objects})
        await note_changes(session, cases)
    return Purged(objects=objects)


@router.get("/series/{uid}/history")
async def series_history(opened: Opened, who: CatalogReader, uid: str) -> History:
    async with opened.db.read() as session:
        return await listing.history(session, who, f"series:{uid}")


@router.get("/reports")
async def list_reports(
    opened: Opened, who: CatalogReader, disease: DiseaseCode = "", kind: Annotated[Literal["", "imaging", "pathology"], Query()] = "",
    deleted: Deleted = False, limit: Limit = 50, cursor: Cursor = None,
) -> ReportRows:  # fmt: skip
    """Reports by key, without their texts."""
    async with opened.db.read() as session:
        return await listing.report_page(session, who, disease=disease, kind=kind, deleted=deleted, cursor=cursor, limit=limit)


@router.get("/reports/{key}")
async def get_report(opened: Opened, who: CatalogReader, key: str, response: Response) -> ReportDetailOut:
    """One report with its newest scrubbed text."""
    async with opened.db.read() as session:
        found = await listing.report_detail(session, who, await rows.report_of(session, who, key))
    response.headers.update(etag(found.revision))
    return found


@router.patch("/reports/{key}")
async def change_report(opened: Opened, who: Editor, key: str, body: ReportChange, request: Request, response: Response) -> ReportDetailOut:
    """Correct kind or body part; texts never change here. Needs If-Match."""
    async with opened.db.write() as session:
        row = await rows.report_of(session, who, key)
        check_revision(request, row.revision)
        await rows.change(session, who, row, f"report:{key}", body.model_dump())
        changed = await listing.report_detail(session, who, row)
    response.headers.update(etag(changed.revision))
    return changed


@router.delete("/reports/{key}", status_code=204)
async def delete_report(opened: Opened, who: Editor, key: str, request: Request) -> None:
    async with opened.db.write() as session:
        row = await rows.report_of(session, who, key)
        if "if-match" in request.headers:
            check_revision(request, row.revision)
        await rows.set_deleted(session, who, row, f"report:{key}", True)


@router.post("/reports/{key}/restore")
async def restore_report(opened: Opened, who: Editor, key: str) -> ReportDetailOut:
    async with opened.db.write() as session:
        row = await rows.report_of(session, who, key)
        await rows.set_deleted(session, who, row, f"report:{key}", False)
        return await listing.report_detail(session, who, row)


@router.post("/reports/{key}/purge")
async def purge_report(opened: Opened, who: Editor, key: str) -> Purged:
    """A deleted report for good, with its texts and the sealed originals. Labels stay, without their evidence."""
    async with opened.db.write() as session:
        row = await rows.report_of(session, who, key)
        if row.deleted_at is None:
            raise Conflict(UNTIL_DELETED, field="key")
        cases = await rows.cases_of(session, row)
        await purge.purge_reports(session, [row.id])
        record(session, who, "purge", f"report:{key}")
        await note_changes(session, cases)
    return Purged(objects=0)


@router.get("/reports/{key}/history")
async def report_history(opened: Opened, who: CatalogReader, key: str) -> History:
    async with opened.db.read() as session:
        return await listing.history(session, who, f"report:{key}")


@router.post("/studies/bulk")
async def change_studies(opened: Opened, who: Editor, body: BulkRows) -> BulkDone:
    """Delete or restore many in one transaction: all or none, one audit event each."""
    return await _change_many(opened, who, "study", body)


@router.post("/series/bulk")
async def change_many_series(opened: Opened, who: Editor, body: BulkRows) -> BulkDone:
    return await _change_many(opened, who, "series", body)


@router.post("/reports/bulk")
async def change_reports(opened: Opened, who: Editor, body: BulkRows) -> BulkDone:
    return await _change_many(opened, who, "report", body)


async def _change_many(opened: Resources, who: Principal, noun: str, body: BulkRows) -> BulkDone:
    async with opened.db.write() as session:
        changed = await rows.bulk(session, who, noun, body.keys, body.action)
    return BulkDone(changed=changed, unchanged=len(set(body.keys)) - changed)


@router.post("/cases/{key}/purge")
async def purge_case(opened: Opened, who: Editor, key: str) -> Purged:
    """A deleted case for good, with the studies no other case holds; 409 when a dataset version holds it."""
    async with opened.db.write() as session:
        row = await case_store.case_of(session, who, key, deleted=True)
        case_id = row.id
        objects = await purge.purge_case(session, row)
        record(session, who, "purge", f"case:{key}", after={"objects": objects})
        await note_changes(session, [case_id])
    return Purged(objects=objects)
