"""Tables as gzipped JSON lines and back, the same on SQLite and MariaDB: a backup of one can be restored into the other.

One line a row, columns by name; bytes in base64, dates and times in ISO 8601 (UTC). Rows that are only of the moment are left out.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Date, LargeBinary, Table, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from isocenter.models import Base
from isocenter.models.base import UtcDateTime

OF_THE_MOMENT = frozenset({"session", "login_throttle", "host_sample", "service_sample", "notice", "taken_body"})
CHUNK_ROWS = 1000


def kept_tables() -> list[Table]:
    """All tables of the catalog that a backup keeps, referenced ones first."""
    return [table for table in Base.metadata.sorted_tables if table.name not in OF_THE_MOMENT]


async def begin_snapshot(connection: AsyncConnection) -> None:
    """From here on the connection sees the catalog as it is now, whatever others commit."""
    if connection.dialect.name == "sqlite":
        # WAL: the first read of a transaction fixes what it sees.
        await connection.execute(text("SELECT 1 FROM sqlite_master LIMIT 1"))
        return
    await connection.exec_driver_sql("SET SESSION max_statement_time=0" if _is_mariadb(connection) else "SET SESSION max_execution_time=0")
    await connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    await connection.exec_driver_sql("COMMIT")
    await connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def _is_mariadb(connection: AsyncConnection) -> bool:
    return bool(getattr(connection.dialect, "is_mariadb", False))


async def dump_table(connection: AsyncConnection, table: Table, path: Path) -> int:
    """Write all rows in key order; returns their number. Memory stays at a thousand rows."""
    rows = 0
    result = await connection.stream(select(table).order_by(*table.primary_key.columns))
    with gzip.GzipFile(path, "wb", compresslevel=3, mtime=0) as file:
        async for part in result.mappings().partitions(CHUNK_ROWS):
            file.write(b"".join(orjson.dumps({name: _plain(value) for name, value in row.items()}) + b"\n" for row in part))
            rows += len(part)
    return rows


async def load_table(connection: AsyncConnection, table: Table, path: Path) -> int:
    """Insert all rows of a file; returns their number."""
    rows = 0
    for part in _parts(table, path):
        await connection.execute(insert(table), part)
        rows += len(part)
    return rows


async def count_rows(connection: AsyncConnection, table: Table) -> int:
    return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def stop_checking_references(connection: AsyncConnection) -> None:
    """Rows of one table refer to each other (a merged case), so references are checked after loading, not while.

    SQLite checks them at the commit of this transaction; on MariaDB the connection must not be used for anything else afterwards.
    """
    sqlite = connection.dialect.name == "sqlite"
    await connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON" if sqlite else "SET SESSION foreign_key_checks=0")


async def broken_references(connection: AsyncConnection) -> AsyncIterator[tuple[str, int]]:
    """(table, rows) whose reference leads nowhere; nothing when all is well."""
    for table in kept_tables():
        for key in table.foreign_keys:
            parent = key.column.table.alias("parent")
            lost = select(func.count()).select_from(table).where(key.parent.is_not(None))
            found = select(parent.c[key.column.name]).where(parent.c[key.column.name] == key.parent).correlate(table).exists()
            if number := int(await connection.scalar(lost.where(~found)) or 0):
                yield table.name, number


def _parts(table: Table, path: Path) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    with gzip.open(path, "rb") as file:
        for line in file:
            part.append({name: _typed(table, name, value) for name, value in orjson.loads(line).items()})
            if len(part) == CHUNK_ROWS:
                yield part
                part = []
    if part:
        yield part


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def _typed(table: Table, name: str, value: Any) -> Any:
    kind = table.c[name].type
    if value is None:
        return None
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value)
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    return value
