"""``isocenter backup``: catalog, objects and key into a folder, while the server runs; again = only the objects that are new.

The catalog is one snapshot, taken before the objects: an object is stored before its row is written, so every row's object is there.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import select

from gateway import manifest as manifests
from gateway.dump import begin_snapshot, dump_table, kept_tables
from gateway.manifest import Manifest, ObjectLine, TableFile
from gateway.start import check, make_private_folder
from isocenter.db import Database
from isocenter.errors import Conflict, InvalidInput, NotFound, StorageFull
from isocenter.models import Instance, SiteState, now
from isocenter.objects import CHUNK_BYTES, ObjectStore, data_config, sha256_of, staging_config
from isocenter.schema import current_revision
from isocenter.settings import Settings

LAST_BACKUP = "last-backup"
NO_SPACE = 28  # errno.ENOSPC
_HASH = re.compile(r"[0-9a-f]{64}")


async def backup(settings: Settings, destination: Path) -> list[str]:
    """Make or renew the backup in ``destination``; returns what to tell the person. StorageFull, Conflict and InvalidInput say what is wrong."""
    key = await check(settings)
    folder = _folder_for(settings, destination)
    before = _earlier(folder, key.fingerprint)
    moment = now()
    db = Database(settings.resolved_catalog_url, pool_size=2)
    try:
        copy_key(settings.resolved_key_file, folder / "site.key")
        catalog = folder / f"catalog-{moment:%Y%m%dT%H%M%S%f}"
        catalog.mkdir()
        tables, needed = await _dump(db, catalog)
        copied = _Copy(folder, before)
        for store in (ObjectStore(data_config(settings)), ObjectStore(staging_config(settings))):
            copied.all_of(store, "objects" if store.config.url == settings.resolved_store_url else "staging")
        lines = copied.lines
        missing = needed - {line.key for line in lines}
        if missing:
            raise Conflict(f"{len(missing)} objects of the catalog are not in the store: if a purge was running, make the backup again; else restore them.")
        manifests.write_objects(catalog / "objects.jsonl.gz", lines)
        size = sum(line.size_bytes for line in lines)
        made = Manifest(
            moment.isoformat(), version("isocenter"), await current_revision(db) or "", key.fingerprint, catalog.name, tables, len(lines), size,
            sha256_of(catalog / "objects.jsonl.gz"), copied.damaged,
        )  # fmt: skip
        manifests.write(folder, made)
        _remove_older(folder, catalog.name, {(line.store, line.key) for line in lines})
        await _note(db, moment, made)
    except OSError as error:
        if error.errno == NO_SPACE:
            raise StorageFull("The backup's disk is full; free space or give another folder. The backup before this one is still whole.") from error
        raise
    finally:
        await db.close()
    rows = sum(table.rows for table in tables)
    told = [f"Backup: {rows} rows, {len(lines)} objects ({size / 1e6:.1f} MB); {copied.new} objects were new or changed. It holds the site key; keep it safe."]
    if copied.damaged:
        told.append(f"WARNING: {len(copied.damaged)} objects in the store are not what their hash says; manifest.json lists them as damaged.")
    return told


def _folder_for(settings: Settings, destination: Path) -> Path:
    """The backup's folder, made when it is new; InvalidInput for one inside the data folder or one that holds something else."""
    folder = destination.absolute()
    if folder.is_relative_to(settings.data.absolute()) or settings.data.absolute().is_relative_to(folder):
        raise InvalidInput("Put the backup outside the data folder, best on another disk.", field="destination")
    if folder.exists() and any(folder.iterdir()) and not (folder / manifests.NAME).exists() and not (folder / "site.key").exists():
        raise InvalidInput("This folder holds something else; give an empty one or that of an earlier backup.", field="destination")
    make_private_folder(folder)
    return folder


def _earlier(folder: Path, fingerprint: str) -> dict[tuple[str, str], ObjectLine]:
    """The objects of the backup before, by (store, key); Conflict when it is of another site. A damaged one counts as none."""
    try:
        before = manifests.read(folder)
    except InvalidInput:
        return {}
    if before.key_fingerprint != fingerprint:
        raise Conflict("This folder holds the backup of another site (another key); give another folder.", field="destination")
    lines = manifests.read_objects(folder / before.folder / "objects.jsonl.gz")
    return {(line.store, line.key): line for line in lines}


def copy_key(source: Path, target: Path) -> None:
    """Copy the site key with mode 0600, in one step."""
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    part.write_bytes(source.read_bytes())
    part.replace(target)


async def _dump(db: Database, folder: Path) -> tuple[list[TableFile], set[str]]:
    """Every table from one snapshot, and the keys of objects that the snapshot needs."""
    tables: list[TableFile] = []
    async with db.engine.connect() as connection:
        await begin_snapshot(connection)
        for table in kept_tables():
            path = folder / f"{table.name}.jsonl.gz"
            rows = await dump_table(connection, table, path)
            tables.append(TableFile(table.name, rows, sha256_of(path)))
        needed = set((await connection.scalars(select(Instance.object_key).where(Instance.deleted_at.is_(None)))).all())
        await connection.rollback()
        # Its session settings (isolation, no time limit) are not for others.
        await connection.invalidate()
    return tables, needed


class _Copy:
    """Copies objects that the backup does not have yet, each hashed on its way."""

    def __init__(self, folder: Path, before: dict[tuple[str, str], ObjectLine]) -> None:
        self.folder = folder
        self.before = before
        self.lines: list[ObjectLine] = []
        self.damaged: list[str] = []
        self.new = 0

    def all_of(self, store: ObjectStore, name: str) -> None:
        for key, size in store.list():
            try:
                self.lines.append(self._one(store, name, key, size))
            except NotFound:
                continue  # a staged object that was settled meanwhile; what the catalog needs is checked at the end

    def _one(self, store: ObjectStore, name: str, key: str, size: int) -> ObjectLine:
        path = object_path(self.folder, name, key)
        known = self.before.get((name, key))
        addressed = key.rsplit("/", 1)[-1]
        if known is not None and _HASH.fullmatch(addressed) and known.size_bytes == size and path.is_file() and path.stat().st_size == size:
            return known
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        store.download(key, part)
        sha256 = sha256_of(part)
        if _HASH.fullmatch(addressed) and addressed != sha256:
            self.damaged.append(key)
        part.replace(path)
        self.new += known is None or known.sha256 != sha256
        return ObjectLine(name, key, path.stat().st_size, sha256)


def object_path(folder: Path, store: str, key: str) -> Path:
    """Where a backup keeps an object; InvalidInput for a key that would lead outside."""
    path = folder / store / key
    if ".." in key.split("/") or key.startswith("/") or not path.is_relative_to(folder):
        raise InvalidInput("The backup names an object outside its folder; it was not made by Isocenter.", field="source")
    return path


def _remove_older(folder: Path, kept: str, objects: set[tuple[str, str]]) -> None:
    for old in folder.glob("catalog-*"):
        if old.name != kept:
            shutil.rmtree(old)
    for name in ("objects", "staging"):
        for path in _files(folder / name):
            if (name, path.relative_to(folder / name).as_posix()) not in objects:
                path.unlink()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


async def _note(db: Database, moment: datetime, made: Manifest) -> None:
    value = {"at": moment.isoformat(), "objects": made.objects, "size_bytes": made.objects_size_bytes, "damaged": len(made.damaged)}
    async with db.write() as session:
        await session.merge(SiteState(name=LAST_BACKUP, value=json.dumps(value)))


def hash_of_stored(store: ObjectStore, key: str, size: int) -> str:
    """SHA-256 of an object in a store, read in ranges of 1 MiB times 16."""
    digest = hashlib.sha256()
    step = CHUNK_BYTES << 4
    for offset in range(0, size, step):
        digest.update(store.get_range(key, offset, min(step, size - offset)))
    return digest.hexdigest()
