"""Text search in reports, and the searches an account keeps under a name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from isocenter.audit import record, record_view
from isocenter.errors import InvalidInput
from isocenter.search import parse_filter
from isocenter.web import CatalogReader, Opened
from services.catalog.cursors import key_after
from services.catalog.noted import Noted
from services.catalog.schemas.search import ReportHits, ReportQuery, SavedSearches, SavedSearchIn, SavedSearchOut
from services.catalog.store import reports as report_store
from services.catalog.store import searches as store

router = APIRouter(prefix="/api/v1", tags=["search"])

Number = Annotated[int, Path(ge=1, lt=2**63)]


@router.post("/reports/search")
async def search_reports(opened: Opened, who: CatalogReader, body: ReportQuery, request: Request) -> ReportHits:
    """Reports that hold a text, exactly counted, with the places; audited once per account and hour, without the text."""
    if not body.text.strip():
        raise InvalidInput("Say at least one character that is not a blank.", field="text")
    after = key_after(body.cursor) if body.cursor else ""
    found = await report_store.find_text(opened, who, body.text, parse_filter(body.query), after=after, limit=body.limit)
    noted: Noted = request.app.state.noted
    if found.items and not noted.knows(who.name, "view", "reports:search"):
        async with opened.db.write() as session:
            await record_view(session, who, "reports:search")
        noted.add(who.name, "view", "reports:search")
    return found


@router.get("/searches")
async def list_searches(opened: Opened, who: CatalogReader) -> SavedSearches:
    """The caller's own, by name."""
    async with opened.db.read() as session:
        return SavedSearches(items=await store.of_account(session, who))


@router.post("/searches", status_code=201)
async def save_search(opened: Opened, who: CatalogReader, body: SavedSearchIn) -> SavedSearchOut:
    """Keep a filter under a name; 409 when the name is taken."""
    query = parse_filter(body.query)
    async with opened.db.write() as session:
        made = await store.add(session, who, body.name, query)
        record(session, who, "create", f"search:{made.id}")
    return made


@router.put("/searches/{number}")
async def change_search(opened: Opened, who: CatalogReader, number: Number, body: SavedSearchIn) -> SavedSearchOut:
    query = parse_filter(body.query)
    async with opened.db.write() as session:
        made = await store.change(session, who, number, body.name, query)
        record(session, who, "change", f"search:{number}")
    return made


@router.delete("/searches/{number}", status_code=204)
async def delete_search(opened: Opened, who: CatalogReader, number: Number) -> None:
    async with opened.db.write() as session:
        await store.remove(session, who, number)
        record(session, who, "delete", f"search:{number}")
