"""The catalog connection: one place for everything in which SQLite and MariaDB/MySQL differ.

A write is ``async with db.write() as session``: it commits before the block ends, so that no answer is built on a
commit that failed. SQLite has one writer (BEGIN IMMEDIATE, a lock in this process); MariaDB runs READ COMMITTED.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from isocenter.errors import Conflict, InvalidInput, IsocenterError, StorageFull, Unavailable
from isocenter.prepared import Prepared, Rows, SqliteReads

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRIED_MYSQL = {1213, 1205, 1020}  # deadlock, lock wait timeout, record changed since last read
OVERFLOW = 8  # connections beyond the pool's size while many ask at once
STATEMENT_SECONDS = 60  # asyncmy leaves a cancelled statement running: the server ends it (facts/infrastructure.md)


class Database:
    """An engine and the two ways to use it. Opened by the process, handed to ``create_app``."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._most = pool_size + OVERFLOW
        self._writer = asyncio.Lock() if self.is_sqlite else None
        if self.is_sqlite:
            # The connection used last comes first: its pages are cached, and those seldom needed hold none (each may hold cache_size).
            self.engine = create_async_engine(url, pool_size=pool_size, max_overflow=OVERFLOW, pool_use_lifo=True, connect_args={"timeout": 30})
        else:
            self.engine = create_async_engine(
                url, pool_size=pool_size, max_overflow=OVERFLOW, pool_pre_ping=True, pool_recycle=1800, pool_timeout=20, isolation_level="READ COMMITTED"
            )
        file = self.engine.url.database if self.is_sqlite else None
        self._quick = SqliteReads(file) if file else None
        event.listen(self.engine.sync_engine, "connect", self._on_connect)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "begin", _sqlite_begin)
        self._readers = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writers = async_sessionmaker(self.engine.execution_options(isocenter_writes=True), expire_on_commit=False)

    def _on_connect(self, connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if self.is_sqlite:
            connection.isolation_level = None  # we say BEGIN ourselves
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON", "cache_size=-32768"):
                cursor.execute(f"PRAGMA {pragma}")
        else:
            cursor.execute("SELECT VERSION()")
            version = str(cursor.fetchone()[0])
            statement = f"max_statement_time={STATEMENT_SECONDS}" if "MariaDB" in version else f"max_execution_time={STATEMENT_SECONDS * 1000}"
            cursor.execute(f"SET SESSION {statement}, SESSION time_zone='+00:00'")
        cursor.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; rolled back at the end."""
        async with self._readers() as session:
            try:
                yield session
            except (DBAPIError, PoolTimeout) as error:
                raise translated(error) from error

    async def ask(self, work: Callable[[Rows], T]) -> T:
        """What ``work`` makes of the rows of prepared statements: for small questions that come often (``isocenter/prepared.py``)."""
        try:
            if self._quick is not None:
                return await self._quick.ask(work)
            async with self._readers() as session:
                return await session.run_sync(lambda sync: work(_rows_of(sync)))
        except (DBAPIError, PoolTimeout) as error:
            raise translated(error) from error

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session that commits at the end of the block, or rolls back when it raises."""
        if self._writer is not None:
            async with self._writer, self._write() as session:
                yield session
        else:
            async with self._write() as session:
                yield session

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncSession]:
        async with self._writers() as session:
            try:
                yield session
                await session.commit()
            except (DBAPIError, PoolTimeout) as error:
                await session.rollback()
                raise translated(error) from error
            except BaseException:
                await session.rollback()
                raise

    async def retry(self, work: Callable[[AsyncSession], Awaitable[T]], *, attempts: int = 6) -> T:
        """Run ``work`` in a write transaction, again when the server chose it as a deadlock victim (1213, 1205)."""
        for attempt in range(1, attempts + 1):
            try:
                async with self.write() as session:
                    return await work(session)
            except Deadlock:
                if attempt == attempts:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.05) * attempt)  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    async def ping(self) -> None:
        """Unavailable when the catalog does not answer."""
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (OperationalError, PoolTimeout, OSError) as error:
            raise translated(error) from error

    async def forget_pages(self) -> None:
        """Give back the page cache of the connection used last, after everything was read once; a server keeps its own."""
        if self.is_sqlite:
            async with self.read() as session:
                await session.execute(text("PRAGMA shrink_memory"))

    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many may be at most."""
        in_use: int = self.engine.pool.checkedout()  # type: ignore[attr-defined]
        return in_use, self._most

    async def close(self) -> None:
        if self._quick is not None:
            await asyncio.to_thread(self._quick.close)
        await self.engine.dispose()


def _rows_of(session: Session) -> Rows:
    def rows(prepared: Prepared, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return session.execute(prepared.statement, dict(values)).all()

    return rows


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("isocenter_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Deadlock(Conflict):
    """The server chose this transaction as a deadlock victim; the same request may be sent again."""


def translated(error: Exception) -> IsocenterError:
    """A driver error as one of ours; the driver's text (which may hold bound values) goes nowhere."""
    if isinstance(error, IsocenterError):
        return error
    code = 0
    if isinstance(error, DBAPIError) and error.orig is not None:
        args = getattr(error.orig, "args", ())
        code = args[0] if args and isinstance(args[0], int) else 0
        message = str(args[0] if args else "").lower()
        if "disk is full" in message or "disk i/o error" in message or code in (1021, 1114, 28):
            return StorageFull("The catalog's disk is full; free space, then try again. Nothing that was accepted before is lost.")
        if "unique constraint" in message or code == 1062:
            return Conflict("Something with this name or key exists already.")
        if "foreign key" in message or code in (1451, 1452):
            return Conflict("Something else still refers to this, or what it refers to is gone.")
        if "too long" in str(args).lower() or code in (1406, 1264):
            return InvalidInput("A value is longer or larger than the catalog can keep.")
    if code in RETRIED_MYSQL:
        return Deadlock("Two writers met at the same rows; send the request again.")
    if isinstance(error, ProgrammingError):
        # A statement this back-end does not take is our fault, not the catalog's absence.
        log.error("statement refused code=%s", code, exc_info=error)
        return IsocenterError("Something failed on our side; the operator finds it in the log.")
    log.warning("catalog error kind=%s code=%s", type(error).__name__, code)
    return Unavailable("The catalog does not answer; try again in a moment.", retry_after=5)


async def upsert_ignore(session: AsyncSession, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, leaving those alone whose unique key exists. Give rows sorted by key (unsorted ones deadlock)."""
    if not rows:
        return
    dialect = session.get_bind().dialect.name
    if dialect == "sqlite":
        await session.execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))
    else:
        statement = mysql.insert(table)
        first = next(iter(table.primary_key.columns))
        await session.execute(statement.on_duplicate_key_update({first.name: first}), list(rows))


def for_update(statement: Any, session: AsyncSession, *, skip_locked: bool = False, share: bool = False) -> Any:
    """Lock the selected rows until commit (``share``: against writers only); SQLite's single writer makes it a no-op there."""
    if session.get_bind().dialect.name == "sqlite":
        return statement
    return statement.with_for_update(read=share, skip_locked=skip_locked)
