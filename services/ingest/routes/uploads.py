"""Uploads: files of a folder or a zip, one PUT each, resumable by Content-Range; spooled until an import takes them."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import stat
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from isocenter.errors import Conflict, InvalidInput, StorageFull, TooLarge
from isocenter.objects import free_bytes
from isocenter.resources import Resources
from isocenter.web import Importer, Opened
from services.ingest.begin import upload_folder
from services.ingest.schemas import UploadFile, UploadView
from services.ingest.sources import safe_name

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])

RESERVE_BYTES = 256 << 20  # keep this much of the spool's disk free
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@router.post("", status_code=201)
async def create(opened: Opened, who: Importer) -> UploadView:
    """A new, empty upload."""
    key = secrets.token_hex(16)
    folder = opened.settings.data.absolute() / "uploads" / key
    folder.mkdir(parents=True, mode=stat.S_IRWXU)
    (folder.parent / f"{key}.owner").write_text(who.name)
    return UploadView(key=key, files=[], size_bytes=0)


def _own(opened: Resources, key: str, name: str) -> Path:
    """The folder of somebody's own upload."""
    folder = upload_folder(opened.settings, key)
    owner = folder.parent / f"{key}.owner"
    if not owner.is_file() or owner.read_text() != name:
        raise InvalidInput("There is no upload with this key; it may have been imported or removed.", field="upload")
    return folder


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@router.get("/{key}")
async def detail(opened: Opened, who: Importer, key: str) -> UploadView:
    """What has arrived so far, to resume from."""
    folder = _own(opened, key, who.name)

    def files() -> list[UploadFile]:
        found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return [UploadFile(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size) for path in found]

    listed = await asyncio.to_thread(files)
    return UploadView(key=key, files=listed, size_bytes=sum(file.size_bytes for file in listed))


@router.put("/{key}/files/{path:path}")
async def put_file(request: Request, opened: Opened, who: Importer, key: str, path: str) -> UploadFile:
    """The bytes of one file; with ``Content-Range: bytes first-last/total`` a part that must join what has arrived."""
    folder = _own(opened, key, who.name)
    pure = safe_name(path)
    if pure is None or len(path) > 1000:
        raise InvalidInput("A file's path must be relative and stay inside the upload.", field="path")
    target = folder / pure
    first = 0
    if given := request.headers.get("content-range"):
        match = RANGE.fullmatch(given)
        if match is None:
            raise InvalidInput("Content-Range must be `bytes first-last/total`.", field="Content-Range")
        first = int(match[1])
    have = target.stat().st_size if target.is_file() else 0
    if first != have and first != 0:
        raise Conflict(f"{have} bytes of this file have arrived; go on from there.", have=have)
    left = opened.settings.upload_limit_bytes - await asyncio.to_thread(_size, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("r+b" if first else "wb") as file:
        file.seek(first)
        try:
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    raise TooLarge("The upload is larger than this server takes; import a folder of the server instead.")
                if free_bytes(folder) < RESERVE_BYTES:
                    raise StorageFull("The server's disk is full; nothing that was accepted before is lost.")
                await asyncio.to_thread(file.write, chunk)
        except ClientDisconnect:
            raise Conflict("The connection ended before the file was complete; go on from what has arrived.") from None
    return UploadFile(path=pure.as_posix(), size_bytes=target.stat().st_size)


@router.delete("/{key}", status_code=204)
async def remove(opened: Opened, who: Importer, key: str) -> Response:
    """Drop an upload that is not wanted."""
    folder = _own(opened, key, who.name)
    await asyncio.to_thread(shutil.rmtree, folder)
    (folder.parent / f"{key}.owner").unlink(missing_ok=True)
    return Response(status_code=204)
