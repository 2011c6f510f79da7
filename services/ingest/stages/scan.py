"""Scan: every file of the source becomes an item with a sealed capsule of its path; archives are unpacked."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select

from isocenter.errors import NotFound
from isocenter.models import ImportItem
from services.ingest.identity import ImportCapsule, ItemCapsule
from services.ingest.records import Outcome, Refusal
from services.ingest.slide_folders import PART, folder_of, is_part, packed
from services.ingest.sources import Found, has_files, is_archive, unpack, walk
from services.ingest.stages.context import Context
from services.ingest.store import capsules

CHUNK = 2000


async def plan(_context: Context) -> list[tuple[dict[str, Any], int]]:
    return [({}, 1)]


async def run(context: Context) -> None:
    """One batch. A repeated run begins anew: nothing else refers to items of this stage yet."""
    async with context.resources.db.read() as session:
        capsule = await capsules.get(session, context.key, "import", context.import_id, ImportCapsule)
    source = capsule.source if capsule else ""
    rows = await asyncio.to_thread(_scan, context, source) if source else []
    async with context.commit(last=False) as session:
        old = list(await session.scalars(select(ImportItem.id).where(ImportItem.import_id == context.import_id)))
        await capsules.erase(session, "item", old)
        await session.execute(delete(ImportItem).where(ImportItem.import_id == context.import_id))
    for start in range(0, len(rows), CHUNK):
        async with context.commit(last=False) as session:
            await _insert(session, context, rows[start : start + CHUNK], start)
    async with context.commit():
        pass


async def _insert(session: Any, context: Context, rows: list[tuple[ItemCapsule, int, Refusal | None]], start: int) -> None:
    await session.execute(
        insert(ImportItem),
        [
            {
                "import_id": context.import_id,
                "ordinal": start + number + 1,
                "kind": "file",
                "origin": "files",
                "extension": Path(capsule.path).suffix.lower().lstrip(".")[:16] if Path(capsule.path).suffix.isascii() else "",
                "size_bytes": size,
                "outcome": refusal.outcome.value if refusal else None,
                "reason": refusal.code if refusal else "",
                "detail": refusal.detail if refusal else "",
            }
            for number, (capsule, size, refusal) in enumerate(rows)
        ],
    )
    ids = await session.execute(
        select(ImportItem.ordinal, ImportItem.id).where(
            ImportItem.import_id == context.import_id, ImportItem.ordinal > start, ImportItem.ordinal <= start + len(rows)
        )
    )
    by_ordinal = dict(ids.all())
    await capsules.put(
        session, context.key, "item", [(by_ordinal[start + number + 1], capsule) for number, (capsule, _, _) in enumerate(rows)], days=context.days
    )


def _scan(context: Context, source: str) -> list[tuple[ItemCapsule, int, Refusal | None]]:
    """In a thread: (capsule, size, refusal) of every file, members of archives after their archive."""
    kind, _, where = source.partition(":")
    root = Path(where)
    if not has_files(root):
        raise NotFound("The source folder is empty or gone.")
    staged = kind == "upload"
    rows: list[tuple[ItemCapsule, int, Refusal | None]] = []
    unpacked = context.resources.settings.scratch / f"unpack-{context.import_key}"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        for found in walk(root):
            if found.refusal is None and is_archive(found.path):
                rows.extend(_archive(context, found, unpacked / str(len(rows)), len(rows)))
            else:
                rows.append(_row(context, found, found.name, len(rows), staged=staged))
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return rows


def _row(context: Context, found: Found, name: str, ordinal: int, *, staged: bool) -> tuple[ItemCapsule, int, Refusal | None]:
    refusal = found.refusal or (PART if is_part(found.path) else None)
    if not staged or refusal is not None:
        return ItemCapsule(f"file:{found.path}", name), found.size_bytes, refusal
    key = f"{context.import_key}/{ordinal + 1}"
    if folder_of(found.path) is None:
        context.resources.staging.put_file(key, found.path)
    else:
        bundle = packed(found.path, context.resources.settings.scratch / f"slide-{context.import_key}.zip")
        try:
            context.resources.staging.put_file(key, bundle)
        finally:
            bundle.unlink(missing_ok=True)
    return ItemCapsule(f"staged:{key}", name), found.size_bytes, None


def _archive(context: Context, found: Found, target: Path, ordinal: int) -> list[tuple[ItemCapsule, int, Refusal | None]]:
    result = unpack(found.path, target, context.resources.settings.unpack_limit_bytes)
    capsule = ItemCapsule(f"file:{found.path}", found.name)
    if isinstance(result, Refusal):
        return [(capsule, found.size_bytes, result)]
    note = Refusal(Outcome.INDEX_OR_ARCHIVE, "archive-unpacked", f"An archive: its {len(result)} files are items of their own.")
    rows: list[tuple[ItemCapsule, int, Refusal | None]] = [(capsule, found.size_bytes, note)]
    for member in result:
        rows.append(_row(context, member, f"{found.name}/{member.name}", ordinal + len(rows), staged=True))
    return rows


async def settle(context: Context, keys: list[str]) -> None:
    """Remove staged copies whose items are settled; what is left by a crash goes with the next sweep."""
    for key in keys:
        await asyncio.to_thread(context.resources.staging.delete, key)
