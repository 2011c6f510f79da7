"""Hospitals, diseases and label schemes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from isocenter.audit import record
from isocenter.changes import note_changes
from isocenter.paging import Page
from isocenter.web import CatalogReader, Configurer, Opened, check_revision, etag
from services.catalog.schemas.diseases import DiseaseDetail, DiseaseDocument, DiseaseOut, HospitalIn, HospitalOut
from services.catalog.store import diseases as store

router = APIRouter(prefix="/api/v1", tags=["diseases"])


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
