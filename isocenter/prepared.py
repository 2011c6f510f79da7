"""Statements that are asked hundreds of times a second: compiled once, and on SQLite answered without a session and without a hop to another thread.

A session costs about a millisecond whatever is asked (building and compiling the statement, and five hops to aiosqlite's thread), the statement itself
often thirty microseconds. What takes longer than :data:`HERE_SECONDS` is interrupted and asked again in a thread, so the event loop never waits for more.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError

T = TypeVar("T")

HERE_SECONDS = 0.002  # longest that a statement may hold the event loop
LONG_SECONDS = 60.0  # a statement that took longer goes to a thread at once for so long
THREADS = 2
_STEPS = 1000  # instructions of SQLite's machine between two looks at the clock, some 10 us
_CACHE_KIB = 8192  # a connection; what it lacks the page cache of the system has


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as sqlite3 takes it: names in the order of the question marks, and conversions to and from Python by place."""

    text: str
    names: tuple[str, ...]
    fixed: dict[str, Any]
    given: tuple[tuple[int, Callable[[Any], Any]], ...]
    found: tuple[tuple[int, Callable[[Any], Any]], ...]


class Prepared:
    """A SELECT with ``bindparam`` names in it, kept by whoever asks it again."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        self.long_until = 0.0  # time.monotonic()
        self._text: _Text | None = None

    @property
    def text(self) -> _Text:
        if self._text is None:
            self._text = _compiled(self.statement)
        return self._text


Rows = Callable[[Prepared, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Asks one statement; handed to the work of :meth:`isocenter.db.Database.ask`."""


def _compiled(statement: Select[*tuple[Any, ...]]) -> _Text:
    dialect = sqlite.dialect()
    made = statement.compile(dialect=dialect)
    names = tuple(made.positiontup or ())
    given = [(place, made.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for place, name in enumerate(names)]
    columns = statement.selected_columns
    found = [(place, column.type.dialect_impl(dialect).result_processor(dialect, None)) for place, column in enumerate(columns)]
    return _Text(
        str(made), names, dict(made.params), tuple((place, convert) for place, convert in given if convert is not None),
        tuple((place, convert) for place, convert in found if convert is not None),
    )  # fmt: skip


class _TooLong(Exception):
    """The statement needs more time than the event loop has."""


class SqliteReads:
    """Read-only connections to a catalog file beside the engine's pool: one for the event loop, some for threads. Opened when first asked."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._here: sqlite3.Connection | None = None
        self._lock = threading.Lock()  # a loop in another thread takes the threads' way
        self._until = 0.0
        self._late = False
        self._free: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._threads: ThreadPoolExecutor | None = None

    async def ask(self, work: Callable[[Rows], T]) -> T:
        """What ``work`` makes of the rows that it asks for, all of one snapshot of the catalog. It may be run twice."""
        if self._lock.acquire(blocking=False):
            try:
                return self._now(work)
            except _TooLong:
                pass
            finally:
                self._lock.release()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "catalog-read")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._waiting, work)

    def _now(self, work: Callable[[Rows], T]) -> T:
        if self._here is None:
            self._here = self._opened(wait_ms=0)
            self._here.set_progress_handler(self._look_at_clock, _STEPS)
        connection = self._here

        def rows(prepared: Prepared, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
            if prepared.long_until > time.monotonic():
                raise _TooLong
            try:
                return _asked(connection, prepared.text, values)
            except sqlite3.OperationalError as error:
                if self._late:
                    prepared.long_until = time.monotonic() + LONG_SECONDS
                    raise _TooLong from error
                if "locked" in str(error) or "busy" in str(error):
                    raise _TooLong from error
                raise

        self._late, self._until = False, time.perf_counter() + HERE_SECONDS
        return _snapshot(connection, lambda: work(rows))

    def _look_at_clock(self) -> int:
        self._late = time.perf_counter() > self._until
        return self._late

    def _waiting(self, work: Callable[[Rows], T]) -> T:
        try:
            connection = self._free.get_nowait()
        except queue.Empty:
            connection = self._opened(wait_ms=30_000)
        try:
            return _snapshot(connection, lambda: work(lambda prepared, values: _asked(connection, prepared.text, values)))
        finally:
            self._free.put(connection)

    def _opened(self, *, wait_ms: int) -> sqlite3.Connection:
        # Not mode=ro: it cannot make the files of the write-ahead log where they are missing.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        for pragma in (f"busy_timeout={wait_ms}", "query_only=ON", f"cache_size=-{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        with self._lock:
            if self._here is not None:
                self._here.close()
                self._here = None
        while not self._free.empty():
            self._free.get_nowait().close()


def _snapshot(connection: sqlite3.Connection, work: Callable[[], T]) -> T:
    try:
        connection.execute("BEGIN")
        try:
            return work()
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise OperationalError("", None, error) from error


def _asked(connection: sqlite3.Connection, text: _Text, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    given: list[Any] = [values[name] if name in values else text.fixed[name] for name in text.names]
    for place, convert in text.given:
        given[place] = convert(given[place])
    found = connection.execute(text.text, given).fetchall()
    if not text.found:
        return found
    result = []
    for row in found:
        changed = list(row)
        for place, convert in text.found:
            changed[place] = convert(changed[place])
        result.append(changed)
    return result
