"""``POST /dicom-web/studies``: instances sent by a modality, PACS or script become an import of their own."""

from __future__ import annotations

import asyncio
import secrets
import stat
import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select

from isocenter.models import Import, ImportItem
from isocenter.resources import Resources
from isocenter.web import Importer, Opened
from services.ingest import begin, stow
from services.ingest.identity import ItemCapsule
from services.ingest.schemas import NewImport, Source
from services.ingest.store import capsules, imports

router = APIRouter(prefix="/dicom-web", tags=["dicom-web"])

WAIT_SECONDS = 300
HOSPITAL = "STOW"


@router.post("/studies", response_class=JSONResponse)
async def store_instances(
    request: Request,
    opened: Opened,
    who: Importer,
    hospital: Annotated[str, Query(max_length=32, pattern=r"^[A-Za-z0-9_-]+$", description="Site code whose patient numbers these are.")] = HOSPITAL,
) -> JSONResponse:
    """STOW-RS. The answer names the UIDs as they were sent; what is stored has keyed ones. Waits for the import to end."""
    boundary = stow.boundary_of(request.headers.get("content-type", ""))
    key = secrets.token_hex(16)
    folder = opened.settings.data.absolute() / "uploads" / key
    folder.mkdir(parents=True, mode=stat.S_IRWXU)
    (folder.parent / f"{key}.owner").write_text(who.name)
    await stow.spool(request.stream(), boundary, folder, opened.settings.upload_limit_bytes)
    order = NewImport(hospital=hospital, source=Source(kind="upload", root=None, path=None, upload=key), tables=[], diseases="auto")
    started = await begin.begin(opened, who, order)
    request.app.state.coordinator.wake()
    await _ended(opened, started)
    status, dataset = stow.answer(await _parts(opened, started), str(request.url.replace(query="")).rstrip("/"))
    return JSONResponse(dataset, status, {"X-Isocenter-Import": started}, media_type="application/dicom+json")


async def _ended(opened: Resources, key: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        async with opened.db.read() as session:
            if await session.scalar(select(Import.state).where(Import.key == key)) != "running":
                return
        await asyncio.sleep(0.1)


async def _parts(opened: Resources, key: str) -> list[stow.Stored]:
    async with opened.db.read() as session:
        row = await imports.get(session, key)
        items = list(await session.scalars(select(ImportItem).where(ImportItem.import_id == row.id).order_by(ImportItem.ordinal)))
        sealed = await capsules.get_many(session, opened.key, "item", [item.id for item in items], ItemCapsule)
    parts = []
    for item in items:
        reading = sealed[item.id].reading if item.id in sealed else None
        facts = reading.facts if reading else None
        uids = (facts.sop_class_uid, facts.sop_uid) if facts and not facts.sop_uid.startswith("content:") else ("", "")
        parts.append(stow.Stored(*uids, item.outcome or "pending"))
    return parts
