"""``isocenter restore``: a backup into an empty data folder or catalog, which then checks itself. A damaged backup is refused.

Objects come first (they may be there already: a restore that was broken off goes on), then the key, the catalog last and in one step, so that
nothing starts on half a catalog.
"""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import manifest as manifests
from gateway.backup import copy_key, hash_of_stored, object_path
from gateway.dump import broken_references, count_rows, kept_tables, load_table, stop_checking_references
from gateway.manifest import Manifest, ObjectLine
from gateway.start import lock_folder
from isocenter.db import Database
from isocenter.errors import Conflict, InvalidInput, IsocenterError, WrongKey
from isocenter.keys import read_key_file
from isocenter.models import Base, CatalogRevision, SiteState, StoreGate
from isocenter.objects import ObjectStore, data_config, sha256_of, staging_config
from isocenter.schema import FINGERPRINT, current_revision, head_revision, migrate
from isocenter.settings import Settings

SAMPLE = 200


@dataclass(frozen=True)
class _Target:
    """Where it goes: a catalog URL (SQLite: a file beside the real one, renamed at the end) and the two stores."""

    settings: Settings
    stores: dict[str, ObjectStore]

    @property
    def final(self) -> Path | None:
        """The catalog's file on SQLite."""
        prefix = "sqlite+aiosqlite:///"
        url = self.settings.resolved_catalog_url
        return Path(url.removeprefix(prefix)) if url.startswith(prefix) else None

    @property
    def url(self) -> str:
        return f"sqlite+aiosqlite:///{self.final}.restoring" if self.final else self.settings.resolved_catalog_url


async def restore(settings: Settings, source: Path, *, full: bool = False) -> list[str]:
    """Restore and check; returns what to tell the person. InvalidInput: not a whole backup. Conflict: the target is not empty."""
    folder, manifest, lines = _whole(source)
    lock = lock_folder(settings.data.absolute())
    try:
        stores = {"objects": ObjectStore(data_config(settings)), "staging": ObjectStore(staging_config(settings))}
        target = _Target(settings, stores)
        await _require_empty(target, manifest, lines)
        for line in lines:
            _put(target, folder, line)
        _put_key(settings, folder)
        await _load(target, manifest, folder)
        told = _check_objects(target, manifest, lines, full)
    finally:
        lock.close()
    rows = sum(table.rows for table in manifest.tables)
    return [f"Restored {rows} rows in {len(manifest.tables)} tables and {len(lines)} objects of {manifest.created_at[:19]} UTC.", *told]


def _whole(source: Path) -> tuple[Path, Manifest, list[ObjectLine]]:
    """The backup's folder, manifest and objects; InvalidInput unless it is whole and of this version's schema."""
    folder = source.absolute()
    manifest = manifests.read(folder)
    if manifest.schema != head_revision():
        raise InvalidInput(f"This backup is of version {manifest.version} (another schema); restore it with that version, then update.", field="source")
    try:
        key = read_key_file(folder / "site.key")
    except WrongKey as error:
        raise InvalidInput(f"The backup is damaged: {error.detail}", field="source") from error
    if key.fingerprint != manifest.key_fingerprint:
        raise InvalidInput("The backup is damaged: its site.key is not the key of its catalog.", field="source")
    lines = list(manifests.read_objects(folder / manifest.folder / "objects.jsonl.gz"))
    _require_objects(folder, lines)
    return folder, manifest, lines


def _require_objects(folder: Path, lines: list[ObjectLine]) -> None:
    """InvalidInput unless every object of the list is there with its size; its hash is checked while it is copied."""
    for line in lines:
        path = object_path(folder, line.store, line.key)
        if line.store not in ("objects", "staging") or not path.is_file() or path.stat().st_size != line.size_bytes:
            raise InvalidInput("The backup is damaged: an object is missing or has another size. Nothing was changed.", field="source")


async def _require_empty(target: _Target, manifest: Manifest, lines: list[ObjectLine]) -> None:
    if target.final is not None:
        _require_no_file(target.final)
    else:
        db = Database(target.url, pool_size=1)
        try:
            if await current_revision(db) is not None:
                raise Conflict("The catalog database is not empty; restore into a new one.", field="catalog_url")
        finally:
            await db.close()
    key_file = target.settings.resolved_key_file
    if key_file.exists() and read_key_file(key_file).fingerprint != manifest.key_fingerprint:
        raise Conflict(f"There is another site's key file ({key_file.name}) here; restore into an empty --data folder.", field="data")
    expected = {(line.store, line.key) for line in lines}
    for name, store in target.stores.items():
        if any((name, key) not in expected for key, _ in store.list()):
            raise Conflict("The object store holds objects that are not of this backup; restore into an empty one.", field="store_url")


def _require_no_file(final: Path) -> None:
    if final.exists():
        raise Conflict("There is a catalog already; restore into an empty --data folder.", field="data")
    for leftover in final.parent.glob(f"{final.name}.restoring*"):
        leftover.unlink()


def _put_key(settings: Settings, folder: Path) -> None:
    target = settings.resolved_key_file
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_key(folder / "site.key", target)


def _put(target: _Target, folder: Path, line: ObjectLine) -> None:
    path = object_path(folder, line.store, line.key)
    if sha256_of(path) != line.sha256:
        raise InvalidInput("The backup is damaged: an object is not what its hash says. The catalog was not restored.", field="source")
    target.stores[line.store].put_file(line.key, path)


async def _load(target: _Target, manifest: Manifest, folder: Path) -> None:
    db = Database(target.url, pool_size=1)
    try:
        await migrate(db)
        async with db.engine.connect() as connection:
            await _load_rows(connection, manifest, folder / manifest.folder)
    except BaseException:
        if target.final is None:
            # It was empty when we began: what is there now is ours and half.
            async with db.engine.begin() as connection:
                await stop_checking_references(connection)
                await connection.run_sync(Base.metadata.drop_all)
                await connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
        raise
    finally:
        await db.close()
    if target.final is not None:
        _put_in_place(Path(f"{target.final}.restoring"), target.final)


def _put_in_place(written: Path, final: Path) -> None:
    """Bring everything into the one file (journal_mode=DELETE merges the log), then rename it."""
    connection = sqlite3.connect(written)
    try:
        mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    finally:
        connection.close()
    if mode != ("delete",):
        raise IsocenterError("The restored catalog could not be closed; run the restore again.")
    written.replace(final)


async def _load_rows(connection: AsyncConnection, manifest: Manifest, folder: Path) -> None:
    counts = {table.name: table.rows for table in manifest.tables}
    await stop_checking_references(connection)
    for model in (CatalogRevision, StoreGate):  # the migration's own first rows
        await connection.execute(delete(model))
    for table in kept_tables():
        if table.name not in counts:
            raise InvalidInput(f"The backup is damaged: it lacks the table {table.name}.", field="source")
        loaded = await load_table(connection, table, folder / f"{table.name}.jsonl.gz")
        if loaded != counts[table.name] or await count_rows(connection, table) != loaded:
            raise InvalidInput(f"The backup is damaged: table {table.name} has {loaded} rows instead of {counts[table.name]}.", field="source")
        if connection.dialect.name != "sqlite":
            await connection.commit()  # one transaction a table: InnoDB's undo log stays small
    async for name, number in broken_references(connection):
        raise InvalidInput(f"The backup is damaged: {number} rows of {name} refer to rows that are not there.", field="source")
    state = await connection.execute(SiteState.__table__.select().where(SiteState.name == FINGERPRINT))
    row = state.first()
    if row is None or json.loads(row.value) != manifest.key_fingerprint:
        raise InvalidInput("The backup is damaged: the catalog in it belongs to another key.", field="source")
    await connection.commit()


def _check_objects(target: _Target, manifest: Manifest, lines: list[ObjectLine], full: bool) -> list[str]:
    """Sizes of all, bytes of all or of a sample, read back from where they were put."""
    sizes = {(name, key): size for name, store in target.stores.items() for key, size in store.list()}
    if any(sizes.get((line.store, line.key)) != line.size_bytes for line in lines):
        raise IsocenterError("The object store does not hold what was just written to it; check its disk and restore again.")
    chosen = lines if full or len(lines) <= SAMPLE else random.sample(lines, SAMPLE)
    for line in chosen:
        if hash_of_stored(target.stores[line.store], line.key, line.size_bytes) != line.sha256:
            raise IsocenterError("The object store gives back other bytes than were written; check its disk and restore again.")
    told = [f"Checked: row counts, references, the key, {len(lines)} object sizes, the bytes of {len(chosen)} objects{'' if full else ' (--full: of all)'}."]
    if manifest.damaged:
        told.append(f"WARNING: {len(manifest.damaged)} objects were damaged already when the backup was made; manifest.json lists them.")
    return told
