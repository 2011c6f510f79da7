"""Cases: lists and counts of a filter, one case with all its parts, notes, deletion and restoring."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from isocenter.audit import record
from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.errors import InvalidInput
from isocenter.paging import Cursor, Limit
from isocenter.resources import Resources
from isocenter.search import Filter, attribute_of, parse_filter
from isocenter.web import CatalogReader, Editor, Opened, check_revision, etag
from services.catalog.cursors import key_after
from services.catalog.noted import Noted
from services.catalog.schemas.cases import BulkChange, BulkDone, CaseChange, CaseCount, CaseDetail, CaseOut, CasePage, CaseQuery, CaseSearch
from services.catalog.schemas.search import FacetQuery, Facets
from services.catalog.store import bulk, counting
from services.catalog.store import case_detail as detail_store
from services.catalog.store import cases as store
from services.catalog.store import diseases as disease_store
from services.catalog.store.facets import FACET_NAMES

router = APIRouter(prefix="/api/v1/cases", tags=["cases"])

PAGE_PATIENCE_SECONDS = 2  # then the catalog's own rows answer, slower than a loaded column copy and sooner than one that is being loaded

Codes = Annotated[list[str] | None, Query(max_length=50, description="Repeat it for several values (OR).")]
Years = Annotated[float | None, Query(ge=0, le=150)]
Prefix = Annotated[str, Query(pattern=r"^[A-Za-z0-9-]{0,32}$", description="Beginning of a case key.")]


def _usual(
    disease: Codes = None,
    label: Codes = None,
    label_state: Codes = None,
    sex: Codes = None,
    modality: Codes = None,
    age_gte: Years = None,
    age_lte: Years = None,
) -> Filter:
    """The most used filters from the query string; POST takes any."""
    named = {"disease": disease, "label": label, "label_state": label_state, "sex": sex, "Modality": modality}
    document: dict[str, Any] = {"terms": {name: values for name, values in named.items() if values}}
    if bounds := {key: value for key, value in (("gte", age_gte), ("lte", age_lte)) if value is not None}:
        document["ranges"] = {"age": bounds}
    return parse_filter(document)


Usual = Annotated[Filter, Depends(_usual)]


async def _checked(opened: Resources, who: Principal, query: Filter) -> Filter:
    """The filter, once its diseases are known to exist for this account."""
    if "disease" in query.names():
        async with opened.db.read() as session:
            await disease_store.check_diseases(session, who, query)
    return query


@router.get("")
async def list_cases(
    opened: Opened,
    who: CatalogReader,
    query: Usual,
    q: Prefix = "",
    deleted: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> CasePage:
    """Cases by the most used filters; POST /cases/search takes any."""
    return await _page(opened, who, query, prefix=q, deleted=deleted, cursor=cursor, limit=limit)


@router.get("/count")
async def count_cases(
    opened: Opened,
    who: CatalogReader,
    query: Usual,
    q: Prefix = "",
    deleted: bool = False,
) -> CaseCount:
    return await counting.count(opened, who, await _checked(opened, who, query), prefix=q, deleted=deleted)


@router.get("/facets")
async def facets_of_cases(
    opened: Opened,
    who: CatalogReader,
    query: Usual,
) -> Facets:
    """All facets under the most used filters; POST takes any."""
    return await counting.facets(opened, who, await _checked(opened, who, query))


@router.post("/facets")
async def facets_of_search(opened: Opened, who: CatalogReader, body: FacetQuery) -> Facets:
    """Facets with counts under the filter, each with its own condition put aside."""
    query = await _checked(opened, who, parse_filter(body.query))
    names = FACET_NAMES if body.names is None else tuple(dict.fromkeys(attribute_of(name, "names").name for name in body.names))
    return await counting.facets(opened, who, query, names)


@router.post("/search")
async def search_cases(opened: Opened, who: CatalogReader, body: CaseSearch) -> CasePage:
    """A page of the cases a filter of the search language finds."""
    return await _page(opened, who, parse_filter(body.query), prefix="", deleted=False, cursor=body.cursor, limit=body.limit)


async def _page(opened: Resources, who: Principal, query: Filter, *, prefix: str, deleted: bool, cursor: str | None, limit: int) -> CasePage:
    """Without a filter the index answers at once; which rows meet one the column copy says (a rare value is one scan, not 80,000 probes)."""
    ids = None
    if (await _checked(opened, who, query)).names():
        asked: dict[str, Any] = {"prefix": prefix, "deleted": deleted, "after": key_after(cursor) if cursor else "", "limit": limit + 1}
        if await opened.columns.loaded_within(PAGE_PATIENCE_SECONDS):
            ids = await counting.found_on_page(opened, who, query, **asked)
        else:
            async with opened.db.read() as session:
                ids = await store.found_by_rows(session, who, query, **asked)
    async with opened.db.read() as session:
        return await store.page(session, who, ids, prefix=prefix, deleted=deleted, cursor=cursor, limit=limit)


@router.post("/count")
async def count_search(opened: Opened, who: CatalogReader, body: CaseQuery) -> CaseCount:
    return await counting.count(opened, who, await _checked(opened, who, parse_filter(body.query)))


@router.post("/bulk")
async def change_many(opened: Opened, who: Editor, body: BulkChange) -> BulkDone:
    """Delete, restore or note many cases in one transaction: all or none, one audit event each."""
    if (body.note is None) == (body.action == "note"):
        raise InvalidInput("A note belongs to the action `note`, and to no other.", field="note")
    async with opened.db.write() as session:
        changed = await bulk.change_cases(session, who, body.keys, body.action, body.note or "")
    return BulkDone(changed=changed, unchanged=len(set(body.keys)) - changed)


@router.get("/{key}")
async def get_case(opened: Opened, who: CatalogReader, key: str, request: Request, response: Response) -> CaseDetail:
    """One case with all its parts; audited once per account, study and hour."""
    noted: Noted = request.app.state.noted
    async with opened.db.read() as session:
        found = await detail_store.found_case(session, who, key)
    # The events are written while the rest is read, each on a connection of its own: who held one and waited for another could wait for ever.
    noting = asyncio.create_task(_note_views(opened, who, noted, detail_store.views_of(found)))
    try:
        async with opened.db.read() as session:
            detail = await detail_store.case_detail(session, who, found)
    finally:
        await noting
    response.headers.update(etag(detail.revision))
    return detail


async def _note_views(opened: Resources, who: Principal, noted: Noted, subjects: list[str]) -> None:
    if fresh := [subject for subject in subjects if not noted.knows(who.name, "view", subject)]:
        async with opened.db.write() as session:
            await detail_store.note_views(session, who, fresh)
        for subject in fresh:
            noted.add(who.name, "view", subject)


@router.patch("/{key}")
async def change_case(opened: Opened, who: Editor, key: str, body: CaseChange, request: Request, response: Response) -> CaseOut:
    """Change the note. Needs If-Match."""
    async with opened.db.write() as session:
        row = await store.case_of(session, who, key)
        check_revision(request, row.revision)
        await store.set_note(session, row, body.note)
        # The text itself may say what the audit trail must not hold.
        record(session, who, "change", f"case:{key}", after={"changed": ["note"], "characters": len(body.note)})
        await note_changes(session, [row.id])
        changed = await store.case_out(session, who, row)
    response.headers.update(etag(changed.revision))
    return changed


@router.delete("/{key}", status_code=204)
async def delete_case(opened: Opened, who: Editor, key: str, request: Request) -> None:
    """Soft: nobody sees it any more; restore brings it back. Dataset versions that hold it stay as they are."""
    await _set_deleted(opened, who, key, request, True)


@router.post("/{key}/restore")
async def restore_case(opened: Opened, who: Editor, key: str, request: Request) -> CaseOut:
    return await _set_deleted(opened, who, key, request, False)


async def _set_deleted(opened: Opened, who: Editor, key: str, request: Request, deleted: bool) -> CaseOut:
    async with opened.db.write() as session:
        row = await store.case_of(session, who, key, deleted=not deleted)
        if "if-match" in request.headers:
            check_revision(request, row.revision)
        if (row.deleted_at is not None) != deleted:
            await store.set_deleted(session, row, deleted)
            record(session, who, "delete" if deleted else "restore", f"case:{key}")
            await note_changes(session, [row.id])
        return await store.case_out(session, who, row)
