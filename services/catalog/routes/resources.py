"""Other files of a case: any file may be added, and is held until a reviewer has released it (it may hold names)."""

from __future__ import annotations

import hashlib
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from isocenter.audit import record
from isocenter.changes import note_changes
from isocenter.errors import Conflict, InvalidInput, TooLarge
from isocenter.models import Resource
from isocenter.paging import Cursor, Limit
from isocenter.resources import Resources
from isocenter.web import CatalogReader, Editor, Opened, Reviewer, check_revision, etag
from services.catalog.schemas.manage import History, Purged, ResourceChange, ResourceRow, ResourceRows
from services.catalog.store import cases as case_store
from services.catalog.store import listing, purge, rows

router = APIRouter(prefix="/api/v1/resources", tags=["resources"])

MOST_BYTES = 1 << 30  # one file; more belongs into an import, which resumes
CaseKey = Annotated[str, Query(min_length=1, max_length=32, description="Key of the case.")]
Title = Annotated[str, Query(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f/\\]+$", description="A name without a path.")]
BINARY = {"type": "string", "format": "binary"}
MEDIA_TYPE = r"^[a-z0-9.+-]+/[a-zA-Z0-9.+-]+$"


@router.get("")
async def list_resources(
    opened: Opened, who: CatalogReader, disease: Annotated[str, Query(max_length=32)] = "", state: Annotated[Literal["", "held", "visible"], Query()] = "",
    deleted: bool = False, limit: Limit = 50, cursor: Cursor = None,
) -> ResourceRows:  # fmt: skip
    async with opened.db.read() as session:
        return await listing.resource_page(session, who, disease=disease, state=state, deleted=deleted, cursor=cursor, limit=limit)


@router.post("", status_code=201, openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": BINARY}}}})
async def add_resource(
    opened: Opened, who: Editor, case: CaseKey, title: Title, request: Request, response: Response,
    media_type: Annotated[str, Query(max_length=128, pattern=MEDIA_TYPE)] = "application/octet-stream",
    code: Annotated[str, Query(max_length=64, pattern=r"^[a-z0-9_-]*$")] = "document",
) -> ResourceRow:  # fmt: skip
    """The raw body is the file. It goes to the store of unreleased bytes first, then its row; 409 when the case has it already."""
    async with opened.db.read() as session:
        await case_store.case_of(session, who, case)
    with tempfile.TemporaryDirectory(dir=await anyio.to_thread.run_sync(partial(_scratch, opened))) as folder:
        path = Path(folder) / "body"
        sha256, size = await _receive(request, path)
        key = f"resources/{sha256}"
        await anyio.to_thread.run_sync(opened.staging.put_file, key, path)
    async with opened.db.write() as session:
        of = await case_store.case_of(session, who, case)
        row = Resource(
            scope=case, sha256=sha256, case_id=of.id, import_id=None, title=title, media_type=media_type, code=code, object_key=key, size_bytes=size,
            state="held",
        )
        session.add(row)
        await session.flush()
        record(session, who, "create", f"resource:{sha256}", after={"case": case, "size_bytes": size, "media_type": media_type})
        await note_changes(session, [of.id])
        made = listing.resource_row(row, case)
    response.headers.update(etag(made.revision))
    return made


def _scratch(opened: Resources) -> Path:
    opened.settings.scratch.mkdir(parents=True, exist_ok=True)
    return opened.settings.scratch


async def _receive(request: Request, path: Path) -> tuple[str, int]:
    """SHA-256 and size of the body, written piece by piece."""
    digest, size = hashlib.sha256(), 0
    async with await anyio.open_file(path, "wb") as file:
        async for piece in request.stream():
            size += len(piece)
            if size > MOST_BYTES:
                raise TooLarge(f"The file is larger than {MOST_BYTES >> 20} MiB; import it instead.")
            digest.update(piece)
            await file.write(piece)
    if not size:
        raise InvalidInput("The body is empty; send the file as it is.", field="body")
    return digest.hexdigest(), size


@router.get("/{sha256}/about")
async def about_resource(opened: Opened, who: CatalogReader, sha256: str, case: CaseKey, response: Response) -> ResourceRow:
    async with opened.db.read() as session:
        found = listing.resource_row(*await rows.resource_of(session, who, sha256, case))
    response.headers.update(etag(found.revision))
    return found


@router.patch("/{sha256}")
async def change_resource(
    opened: Opened, who: Editor, sha256: str, case: CaseKey, body: ResourceChange, request: Request, response: Response
) -> ResourceRow:
    """Title or kind. Needs If-Match."""
    async with opened.db.write() as session:
        row, key = await rows.resource_of(session, who, sha256, case)
        check_revision(request, row.revision)
        await rows.change(session, who, row, f"resource:{sha256}", body.model_dump())
        changed = listing.resource_row(row, key)
    response.headers.update(etag(changed.revision))
    return changed


@router.post("/{sha256}/release")
async def release_resource(opened: Opened, who: Reviewer, sha256: str, case: CaseKey) -> ResourceRow:
    """A reviewer has looked: those who see the case see the file. One that came by import is released in the review queue."""
    async with opened.db.read() as session:
        row, _ = await rows.resource_of(session, who, sha256, case)
    if row.import_id is not None and row.state == "held":
        raise Conflict("This file waits in the review queue; decide the question there.", field="sha256")
    if row.deleted_at is not None:
        raise Conflict("The file is deleted; restore it first.", field="sha256")
    released = f"data/resources/{sha256}"
    if row.state == "held":
        await anyio.to_thread.run_sync(partial(_publish, opened, row.object_key, released))
    async with opened.db.write() as session:
        row, key = await rows.resource_of(session, who, sha256, case)
        if row.state == "held":
            await purge.doom(session, {row.object_key})  # the unreleased copy
            row.object_key, row.state, row.revision = released, "visible", row.revision + 1
            record(session, who, "release", f"resource:{sha256}", after={"case": case})
            await note_changes(session, await rows.cases_of(session, row))
        return listing.resource_row(row, key)


def _publish(opened: Resources, held: str, released: str) -> None:
    """Bytes first, then the row: a released file is always there."""
    with tempfile.TemporaryDirectory(dir=_scratch(opened)) as folder:
        path = Path(folder) / "body"
        opened.staging.download(held, path)
        opened.store.put_file(released, path)


@router.delete("/{sha256}", status_code=204)
async def delete_resource(opened: Opened, who: Editor, sha256: str, case: CaseKey) -> None:
    async with opened.db.write() as session:
        row, _ = await rows.resource_of(session, who, sha256, case)
        await rows.set_deleted(session, who, row, f"resource:{sha256}", True)


@router.post("/{sha256}/restore")
async def restore_resource(opened: Opened, who: Editor, sha256: str, case: CaseKey) -> ResourceRow:
    async with opened.db.write() as session:
        row, key = await rows.resource_of(session, who, sha256, case)
        await rows.set_deleted(session, who, row, f"resource:{sha256}", False)
        return listing.resource_row(row, key)


@router.post("/{sha256}/purge")
async def purge_resource(opened: Opened, who: Editor, sha256: str, case: CaseKey) -> Purged:
    """A deleted file for good; its bytes go with the next sweep when no other case has them."""
    async with opened.db.write() as session:
        row, _ = await rows.resource_of(session, who, sha256, case)
        if row.deleted_at is None:
            raise Conflict("Delete it first; a purge cannot be undone.", field="sha256")
        cases = await rows.cases_of(session, row)
        objects = await purge.purge_resources(session, [row.id])
        record(session, who, "purge", f"resource:{sha256}", after={"case": case})
        await note_changes(session, cases)
    return Purged(objects=objects)


@router.get("/{sha256}/history")
async def resource_history(opened: Opened, who: CatalogReader, sha256: str) -> History:
    async with opened.db.read() as session:
        return await listing.history(session, who, f"resource:{sha256}")
