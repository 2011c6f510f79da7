"""Hospitals, diseases and label schemes."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from isocenter.audit import record, record_view
from isocenter.changes import note_changes
from isocenter.errors import InvalidInput
from isocenter.paging import Page
from isocenter.web import CatalogReader, Configurer, Opened, check_revision, etag
from services.catalog import toml
from services.catalog.report import as_html, as_xlsx
from services.catalog.schemas.diseases import DiseaseDetail, DiseaseDocument, DiseaseOut, HospitalIn, HospitalOut
from services.catalog.schemas.manage import History
from services.catalog.store import disease_report, listing
from services.catalog.store import diseases as store

router = APIRouter(prefix="/api/v1", tags=["diseases"])

TOML = "application/toml"
REPORTS = {"html": ("text/html; charset=utf-8", as_html), "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx)}
TOML_BODY = {"requestBody": {"required": True, "content": {TOML: {"schema": {"type": "string"}}}}}


@router.get("/hospitals")
async def list_hospitals(opened: Opened, who: CatalogReader) -> Page[HospitalOut]:
    async with opened.db.read() as session:
        return Page(items=await store.hospitals(session, who))


@router.post("/hospitals", status_code=201)
async def add_hospital(opened: Opened, who: Configurer, body: HospitalIn) -> HospitalOut:
    async with opened.db.write() as session:
        made = await store.add_hospital(session, body.code, body.title)
        record(session, who, "create", f"hospital:{body.code}")
    return made


@router.get("/diseases")
async def list_diseases(opened: Opened, who: CatalogReader) -> Page[DiseaseOut]:
    async with opened.db.read() as session:
        return Page(items=await store.list_diseases(session, who))


@router.get("/diseases/{code}")
async def get_disease(opened: Opened, who: CatalogReader, code: str, response: Response) -> DiseaseDetail:
    async with opened.db.read() as session:
        detail = await store.disease_detail(session, who, code)
    response.headers.update(etag(detail.revision))
    return detail


@router.post("/diseases", status_code=201)
async def add_disease(opened: Opened, who: Configurer, body: DiseaseDocument, response: Response) -> DiseaseDetail:
    """A new disease from a document of the shape of its TOML; no code needed."""
    async with opened.db.write() as session:
        await store.add_disease(session, body)
        record(session, who, "create", f"disease:{body.code}")
        await note_changes(session, ())
        detail = await store.disease_detail(session, who, body.code)
    response.headers.update(etag(detail.revision))
    return detail


@router.patch("/diseases/{code}")
async def change_disease(opened: Opened, who: Configurer, code: str, body: DiseaseDocument, request: Request, response: Response) -> DiseaseDetail:
    """Take over a changed document (whole). Needs If-Match."""
    async with opened.db.write() as session:
        row = await store.visible_disease(session, who, code)
        check_revision(request, row.revision)
        before = {"number": row.definition.get("number"), "title_en": row.title_en}
        await store.change_disease(session, row, body)
        record(session, who, "change", f"disease:{code}", before=before, after={"number": body.number, "title_en": body.title.en})
        await note_changes(session, ())
        detail = await store.disease_detail(session, who, code)
    response.headers.update(etag(detail.revision))
    return detail


@router.delete("/diseases/{code}", status_code=204)
async def delete_disease(opened: Opened, who: Configurer, code: str) -> None:
    """Soft: it is listed no more and takes no new datasets, its cases stay; restore brings it back."""
    async with opened.db.write() as session:
        await store.mark_deleted(session, await store.visible_disease(session, who, code), True)
        record(session, who, "delete", f"disease:{code}")
        await note_changes(session, ())


@router.post("/diseases/{code}/restore")
async def restore_disease(opened: Opened, who: Configurer, code: str) -> DiseaseDetail:
    async with opened.db.write() as session:
        await store.mark_deleted(session, await store.visible_disease(session, who, code), False)
        record(session, who, "restore", f"disease:{code}")
        await note_changes(session, ())
        return await store.disease_detail(session, who, code)


@router.get("/diseases/{code}/definition.toml", response_class=Response, responses={200: {"content": {TOML: {"schema": {"type": "string"}}}}})
async def export_disease(opened: Opened, who: Configurer, code: str) -> Response:
    """The definition as the tables have it now, in its exchange form: what PUT takes, here or at another site."""
    async with opened.db.read() as session:
        row = await store.visible_disease(session, who, code)
        content = toml.dumps(row.definition)
    return Response(content, media_type=TOML, headers={"Content-Disposition": f'attachment; filename="{row.code}.toml"'})


@router.put("/diseases/{code}/definition.toml", openapi_extra=TOML_BODY)
async def import_disease(opened: Opened, who: Configurer, code: str, request: Request, response: Response) -> DiseaseDetail:
    """A disease from its TOML: new, or changed as by PATCH (then with If-Match)."""
    document = toml.loads(await request.body())
    if document.code != code:
        raise InvalidInput(f"The file says it is about {document.code}, the address says {code}.", field="code")
    async with opened.db.write() as session:
        known = code in await store.known_codes(session)
        if known:
            row = await store.visible_disease(session, who, code)
            check_revision(request, row.revision)
            await store.change_disease(session, row, document)
        else:
            await store.add_disease(session, document)
        record(session, who, "change" if known else "create", f"disease:{code}", after={"number": document.number, "from": "toml"})
        await note_changes(session, ())
        detail = await store.disease_detail(session, who, code)
    response.headers.update(etag(detail.revision))
    return detail


@router.get("/diseases/{code}/history")
async def disease_history(opened: Opened, who: CatalogReader, code: str) -> History:
    async with opened.db.read() as session:
        return await listing.history(session, who, f"disease:{code}")


@router.get("/diseases/{code}/report", response_class=Response, responses={200: {"content": {kind: {} for kind, _ in REPORTS.values()}}})
async def report_of_disease(
    opened: Opened, who: CatalogReader, code: str, format: Annotated[Literal["html", "xlsx"], Query()] = "html",
    language: Annotated[Literal["en", "zh-CN"], Query()] = "en",
) -> Response:  # fmt: skip
    """The disease's report, printable or as a workbook: sums, distributions, and its cases one by one."""
    report = await disease_report.gather(opened, who, code, language)
    async with opened.db.write() as session:
        await record_view(session, who, f"disease:{code}:report")
    media_type, render = REPORTS[format]
    content = await anyio.to_thread.run_sync(partial(render, report))
    headers = {"Content-Disposition": f'{"inline" if format == "html" else "attachment"}; filename="{code}-report.{format}"', "Cache-Control": "no-store"}
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return Response(content, media_type=media_type, headers=headers)
