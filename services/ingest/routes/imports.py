"""Routes of imports: begin, watch, report, pause, resume, cancel, withdraw; browsing allowed roots; previewing tables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.auth import Principal
from isocenter.errors import InvalidInput, IsocenterError, NotAllowed
from isocenter.models import ImportBatch, ImportItem, Report, Series, Study
from isocenter.paging import Cursor, Limit, Page, cursor_number, decode_cursor, encode_cursor
from isocenter.resources import Resources
from isocenter.web import Importer, Opened
from services.ingest import begin, progress
from services.ingest.identity import ItemCapsule
from services.ingest.nouns import nouns, what_is_missing
from services.ingest.records import Outcome
from services.ingest.report_records import TableKind
from services.ingest.schemas import (
    Entry,
    Folder,
    Guess,
    ImportView,
    ItemView,
    NewImport,
    Reason,
    Root,
    Roots,
    TablePreview,
    TablesPreview,
)
from services.ingest.store import capsules, clinical, imports

router = APIRouter(prefix="/api/v1/imports", tags=["imports"])

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0  # proxies end streams that are silent
SAMPLE_ROWS = 5


@router.get("/roots")
async def roots(opened: Opened, _who: Importer) -> Roots:
    """Folders of the server that may be imported."""
    return Roots(roots=[Root(name=name) for name in begin.root_names(opened.settings)])


@router.get("/browse")
async def browse(opened: Opened, _who: Importer, root: str, path: Annotated[str, Query(max_length=4000)] = "") -> Folder:
    """Folders and files below an allowed root."""
    folder = await asyncio.to_thread(begin.place, opened.settings, root=root, path=path, upload=None)

    def entries() -> list[Entry]:
        if not folder.is_dir():
            raise InvalidInput("This is a file, not a folder.", field="path")
        found = []
        for entry in sorted(folder.iterdir(), key=lambda p: (p.is_file(), p.name)):
            if not entry.name.startswith("."):
                kind = "folder" if entry.is_dir() else "file"
                found.append(Entry(name=entry.name, kind=kind, size_bytes=entry.stat().st_size if kind == "file" else 0))
            if len(found) >= 2000:
                break
        return found

    return Folder(root=root, path=path, entries=await asyncio.to_thread(entries))


@router.post("/preview")
async def preview(opened: Opened, who: Importer, body: TablesPreview) -> list[TablePreview]:
    """Read these tables and propose their mapping. Cells are shown only with the identity permission, and audited."""
    views = []
    async with opened.db.read() as session:
        prepared = [await begin.prepare(opened, session, body.hospital, table) for table in body.tables]
    for entry in prepared:
        columns = {noun: column for noun, column in entry.mapping.columns}
        guesses = {g.noun: Guess(column=g.column, confidence=round(g.confidence, 3), why=g.why) for g in entry.proposal.guesses}
        if entry.remembered or entry.confirmed:
            why = "remembered" if entry.remembered else "confirmed"
            guesses = {noun: Guess(column=column, confidence=1.0, why=why) for noun, column in columns.items()}
        rows = [list(row) for row in entry.table.rows[:SAMPLE_ROWS]]
        if not who.identity_permission:
            rows = [["•" * min(6, len(cell)) for cell in row] for row in rows]
        views.append(
            TablePreview(
                kind=entry.proposal.kind.value,
                kind_confidence=round(entry.proposal.kind_confidence, 3),
                encoding=entry.table.encoding,
                rows=len(entry.table.rows),
                columns=list(entry.table.columns),
                sample_rows=rows,
                mapping=guesses,
                nouns=[noun.code for noun in nouns() if TableKind(entry.proposal.kind) in noun.kinds],
                unmapped=list(entry.proposal.unmapped),
                missing=list(what_is_missing(entry.mapping.kind, set(columns))),
                date_order=entry.mapping.date_order,
                notes=[*entry.table.notes, *(["several-reports-a-row"] if begin.others_in_row(entry) else [])],
                remembered=entry.remembered,
            )
        )
    if who.identity_permission:
        async with opened.db.write() as session:
            audit.record(session, who, "identity-shown", "tables:preview", after={"tables": len(views)})
    return views


@router.post("", status_code=201)
async def create(request: Request, opened: Opened, who: Importer, body: NewImport) -> ImportView:
    """Check everything, then start."""
    key = await begin.begin(opened, who, body)
    request.app.state.coordinator.wake()
    return await _view(opened, key)


async def _view(opened: Resources, key: str) -> ImportView:
    async with opened.db.read() as session:
        return await progress.view(session, await imports.get(session, key))


@router.get("")
async def listed(opened: Opened, _who: Importer, limit: Limit = 50, cursor: Cursor = None) -> Page[ImportView]:
    """Imports, newest first."""
    before = cursor_number(decode_cursor(cursor, 1)[0]) if cursor else None
    async with opened.db.read() as session:
        rows = await progress.rows_of(session, before, limit + 1)
        views = [await progress.view(session, row) for row in rows[:limit]]
    return Page(items=views, next=encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)


@router.get("/{key}")
async def detail(opened: Opened, _who: Importer, key: str) -> ImportView:
    return await _view(opened, key)


@router.get("/{key}/events")
async def events(request: Request, opened: Opened, _who: Importer, key: str) -> StreamingResponse:
    """Server-sent events: ``progress`` whenever something changed, the last one at the end. Holds no catalog session."""
    await _view(opened, key)

    async def stream() -> AsyncIterator[str]:
        last = ""
        quiet = 0.0
        while not await request.is_disconnected():
            started = time.monotonic()
            try:
                current = await _view(opened, key)
            except IsocenterError:
                await asyncio.sleep(POLL_SECONDS * 4)  # the catalog is away: the page keeps its last numbers
                continue
            body = current.model_dump_json()
            quiet += POLL_SECONDS
            if body != last:
                last, quiet = body, 0.0
                yield f"event: progress\ndata: {body}\n\n"
            elif quiet >= HEARTBEAT_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            if current.state in imports.FINAL:
                return
            # Counting the items of a very large import takes its time: then look less often.
            await asyncio.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - started)))

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


@router.get("/{key}/items")
async def items(
    opened: Opened,
    who: Importer,
    key: str,
    outcome: Annotated[str | None, Query(max_length=24)] = None,
    kind: Annotated[str | None, Query(pattern="^(file|row)$")] = None,
    reason: Annotated[str | None, Query(max_length=64)] = None,
    identity: Annotated[bool, Query(description="Show source paths; needs the identity permission and is audited.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ItemView]:
    """The import's report, item by item."""
    if identity and not who.identity_permission:
        raise NotAllowed("Source paths may hold names; showing them needs the identity permission.", field="identity")
    async with opened.db.read() as session:
        row = await imports.get(session, key)
        statement = (
            select(ImportItem, Study.uid, Series.uid, Report.key)
            .outerjoin(Study, Study.id == ImportItem.study_id)
            .outerjoin(Series, Series.id == ImportItem.series_id)
            .outerjoin(Report, Report.id == ImportItem.report_id)
            .where(ImportItem.import_id == row.id)
            .order_by(ImportItem.ordinal)
            .limit(limit + 1)
        )
        if outcome == "pending":
            statement = statement.where(ImportItem.outcome.is_(None))
        elif outcome:
            if outcome not in [o.value for o in Outcome]:
                raise InvalidInput(f"There is no outcome {outcome}; known are: {', '.join(o.value for o in Outcome)}.", field="outcome")
            statement = statement.where(ImportItem.outcome == outcome)
        if kind:
            statement = statement.where(ImportItem.kind == kind)
        if reason is not None:
            statement = statement.where(ImportItem.reason == reason)
        if cursor:
            statement = statement.where(ImportItem.ordinal > cursor_number(decode_cursor(cursor, 1)[0]))
        rows = (await session.execute(statement)).all()
        paths = await _paths(opened, session, [r[0].id for r in rows]) if identity else {}
    if identity:
        async with opened.db.write() as session:
            audit.record(session, who, "identity-shown", f"import:{key}", after={"items": len(paths)})
    views = [_item(item, study, series, report, paths.get(item.id)) for item, study, series, report in rows[:limit]]
    return Page(items=views, next=encode_cursor(rows[limit - 1][0].ordinal) if len(rows) > limit else None)


async def _paths(opened: Resources, session: AsyncSession, ids: list[int]) -> dict[int, str]:
    sealed = await capsules.get_many(session, opened.key, "item", ids, ItemCapsule)
    return {item: capsule.path for item, capsule in sealed.items()}


def _item(item: ImportItem, study: str | None, series: str | None, report: str | None, path: str | None) -> ItemView:
    return ItemView(
        ordinal=item.ordinal,
        kind=item.kind,
        origin=item.origin,
        row_number=item.row_number,
        extension=item.extension,
        size_bytes=item.size_bytes,
        outcome=item.outcome,
        reason=item.reason,
        detail=item.detail or "",
        link_state=item.link_state,
        label_state=item.label_state,
        study_uid=study,
        series_uid=series,
        report_key=report,
        path=path,
    )


@router.get("/{key}/reasons")
async def reasons(opened: Opened, _who: Importer, key: str) -> list[Reason]:
    """How many items ended with which outcome for which reason."""
    async with opened.db.read() as session:
        row = await imports.get(session, key)
        found = await imports.reasons(session, row.id)
    return [Reason(kind=kind, outcome=outcome, reason=reason, count=count) for kind, outcome, reason, count in found]


@router.post("/{key}/pause")
async def pause(request: Request, opened: Opened, who: Importer, key: str) -> ImportView:
    """Start no more batches; those that run end."""
    return await _change(request, opened, who, key, "paused", frozenset({"running"}), "paused")


@router.post("/{key}/resume")
async def resume(request: Request, opened: Opened, who: Importer, key: str) -> ImportView:
    """Go on after a pause or a failure."""
    return await _change(request, opened, who, key, "running", frozenset({"paused", "failed"}), "resumed")


@router.post("/{key}/cancel")
async def cancel(request: Request, opened: Opened, who: Importer, key: str) -> ImportView:
    """End it; what was accepted before stays, what was not processed is refused with this reason."""
    return await _change(request, opened, who, key, "cancelled", frozenset({"running", "paused", "failed"}), "cancelled")


@router.post("/{key}/withdraw")
async def withdraw(request: Request, opened: Opened, who: Importer, key: str) -> ImportView:
    """Take a whole import back out of the catalog (soft: rows stay, nobody sees them)."""
    return await _change(request, opened, who, key, "withdrawn", frozenset({"finished", "cancelled", "failed"}), "withdrawn")


async def _change(request: Request, opened: Resources, who: Principal, key: str, state: str, allowed: frozenset[str], verb: str) -> ImportView:
    staged: list[str] = []
    async with opened.db.write() as session:
        row = await imports.get(session, key, lock=True)
        before = row.state
        await imports.change_state(session, row, state, allowed, verb)
        if state == "running":
            row.failure = ""
            row.finished_at = None
            await session.execute(update(ImportBatch).where(ImportBatch.import_id == row.id, ImportBatch.state == "open").values(attempt=0, lease_until=None))
        if state == "cancelled":
            detail = {"outcome": Outcome.REFUSED.value, "reason": "import-cancelled", "detail": "The import was cancelled before this was processed."}
            await session.execute(update(ImportItem).where(ImportItem.import_id == row.id, ImportItem.outcome.is_(None)).values(**detail))
            staged = [f"{row.key}/"]
        if state == "withdrawn":
            cases = await clinical.withdraw_import(session, row.id)
            await imports.add_batches(session, row.id, imports.AGAIN, [({"cases": cases}, 1)])  # labels of the cases that stay
        audit.record(session, who, f"import-{verb}", f"import:{key}", before={"state": before}, after={"state": state})
    for prefix in staged:
        await asyncio.to_thread(_remove_staged, opened, prefix)
    request.app.state.coordinator.wake()
    return await _view(opened, key)


def _remove_staged(opened: Resources, prefix: str) -> None:
    for name, _ in list(opened.staging.list(prefix)):
        opened.staging.delete(name)
