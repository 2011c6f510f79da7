"""Projects, their members, and what they were granted."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from isocenter.audit import record
from isocenter.paging import Page
from isocenter.web import Administrator, Opened, check_revision, etag
from services.catalog.schemas.projects import ProjectChange, ProjectIn, ProjectOut
from services.catalog.store import projects as store

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])


@router.get("")
async def list_projects(opened: Opened, who: Administrator) -> Page[ProjectOut]:
    async with opened.db.read() as session:
        return Page(items=await store.list_projects(session))


@router.post("", status_code=201)
async def add_project(opened: Opened, who: Administrator, body: ProjectIn, response: Response) -> ProjectOut:
    async with opened.db.write() as session:
        row = await store.add_project(session, body.code, body.title)
        record(session, who, "create", f"project:{body.code}")
        made = await store.shape(session, row)
    response.headers.update(etag(made.revision))
    return made


@router.get("/{code}")
async def get_project(opened: Opened, who: Administrator, code: str, response: Response) -> ProjectOut:
    async with opened.db.read() as session:
        found = await store.shape(session, await store.project_of(session, code))
    response.headers.update(etag(found.revision))
    return found


@router.patch("/{code}")
async def change_project(opened: Opened, who: Administrator, code: str, body: ProjectChange, request: Request, response: Response) -> ProjectOut:
    async with opened.db.write() as session:
        row = await store.project_of(session, code)
        check_revision(request, row.revision)
        record(session, who, "change", f"project:{code}", before={"title": row.title}, after={"title": body.title})
        row.title, row.revision = body.title, row.revision + 1
        changed = await store.shape(session, row)
    response.headers.update(etag(changed.revision))
    return changed


@router.put("/{code}/members/{account}", status_code=204)
async def add_member(opened: Opened, who: Administrator, code: str, account: str) -> None:
    await _member(opened, who, code, account, True)


@router.delete("/{code}/members/{account}", status_code=204)
async def remove_member(opened: Opened, who: Administrator, code: str, account: str) -> None:
    await _member(opened, who, code, account, False)


async def _member(opened: Opened, who: Administrator, code: str, account: str, present: bool) -> None:
    async with opened.db.write() as session:
        await store.set_member(session, await store.project_of(session, code), account, present)
        record(session, who, "add-member" if present else "remove-member", f"project:{code}", after={"account": account})


@router.put("/{code}/grants/diseases/{disease}", status_code=204)
async def grant_disease(opened: Opened, who: Administrator, code: str, disease: str) -> None:
    await _grant(opened, who, code, "disease", disease, True)


@router.delete("/{code}/grants/diseases/{disease}", status_code=204)
async def revoke_disease(opened: Opened, who: Administrator, code: str, disease: str) -> None:
    await _grant(opened, who, code, "disease", disease, False)


@router.put("/{code}/grants/datasets/{dataset}", status_code=204)
async def grant_dataset(opened: Opened, who: Administrator, code: str, dataset: str) -> None:
    await _grant(opened, who, code, "dataset", dataset, True)


@router.delete("/{code}/grants/datasets/{dataset}", status_code=204)
async def revoke_dataset(opened: Opened, who: Administrator, code: str, dataset: str) -> None:
    await _grant(opened, who, code, "dataset", dataset, False)


async def _grant(opened: Opened, who: Administrator, code: str, noun: str, name: str, present: bool) -> None:
    async with opened.db.write() as session:
        project = await store.project_of(session, code)
        if noun == "disease":
            await store.set_disease_grant(session, project, name, present)
        else:
            await store.set_dataset_grant(session, project, name, present)
        record(session, who, "grant" if present else "revoke", f"project:{code}", after={noun: name})
