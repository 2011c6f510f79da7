"""The copy itself: one private DuckDB file a process, caught up with the catalog's revision before it answers."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
from sqlalchemy import func, select

from isocenter.columns.codes import Codes
from isocenter.columns.memory import give_back
from isocenter.columns.rows import ASKED_BY_CATALOG, MEMBERS, OF_CASES, Table, members_after, neighbours, rows_of
from isocenter.columns.tables import add, make_tables, remove, rows_kept
from isocenter.db import Database
from isocenter.errors import Unavailable
from isocenter.models import Case, CatalogRevision, Change, now

log = logging.getLogger(__name__)
T = TypeVar("T")

MEMORY_LIMIT = "150MB"  # model.md: 88 to 189 MB resident at this limit with 1,000,000 series
THREADS = 2
AT_ONCE = 2  # questions that scan at the same time: each uses all threads, and what they hold at once stays bounded
CASES_A_READ = 1000  # rows of one read stay a few MB, and other requests get their turn between two
PATIENCE_SECONDS = 45  # a question waits so long for the first load; then it is told to come again, before a proxy gives up (nginx: 60 s)
RETRY_SECONDS = 10
REMEMBERED = 256  # answers of the current revision


class Columns:
    """The column copy of one process. Loaded when the service starts (``begin``), or at first use; safe from several tasks and threads.

    The file is derived and private (0700): a new process makes its own, and removes those of processes that are gone.
    """

    def __init__(self, db: Database, scratch: Path) -> None:
        self._db = db
        self._scratch = scratch
        self._folder: Path | None = None
        self._lock_file: int | None = None
        self._connection: Any = None
        self._catching_up = asyncio.Lock()
        self._opening = threading.Lock()
        self._asking = 0  # cursors in use
        self._revision = -1
        self._caught_up_at: datetime | None = None
        self._versions: set[int] = set()
        self._codes = Codes()
        self._running = anyio.CapacityLimiter(AT_ONCE)
        self._behind: set[asyncio.Task[int]] = set()
        self._loading: asyncio.Task[int] | None = None
        self._answers: OrderedDict[Any, Any] = OrderedDict()
        self._derived: dict[str, tuple[int, Any]] = {}

    @property
    def caught_up_at(self) -> datetime | None:
        """When the copy was last known to equal the catalog; None before the first load."""
        return self._caught_up_at

    @property
    def revision(self) -> int:
        """The catalog revision the copy is at; -1 before the first load."""
        return self._revision

    async def catch_up(self) -> int:
        """Bring the copy to the catalog's last commit; the revision it is at then."""
        asked = now()
        if await self._catalog_revision() == self._revision:
            self._caught_up_at = asked
            return self._revision
        async with self._catching_up:
            asked = now()
            number = await self._catalog_revision()
            if number < self._revision:  # another catalog was restored under this process
                self._revision = -1
            if number != self._revision:
                began = time.monotonic()
                cases = await (self._load() if self._revision < 0 else self._merge(self._revision))
                # What was committed meanwhile is read again next time: the number is from before the reading.
                self._revision, self._caught_up_at = number, asked
                self._answers.clear()
                log.info("column copy caught up revision=%s cases=%s seconds=%.2f", number, cases, time.monotonic() - began)
        return self._revision

    def begin(self) -> None:
        """Start the first load behind the caller. A small catalog is loaded at its first question, in no time, and a process nobody asks pays nothing."""
        self._keep(asyncio.create_task(self._load_if_large(), name="columns-begin"))

    async def _load_if_large(self) -> int:
        async with self._db.read() as session:
            large = (await session.scalar(select(Case.id).order_by(Case.id).offset(CASES_A_READ).limit(1))) is not None
        return await asyncio.shield(self._load_behind()) if large else self._revision

    def _keep(self, task: asyncio.Task[int]) -> None:
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        task.add_done_callback(_tell_failure)

    async def loaded_within(self, seconds: float) -> bool:
        """Whether the copy has been loaded once; when not, the load goes on behind this call."""
        if self._revision >= 0:
            return True
        task = self._load_behind()
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            task.result()
        return bool(done)

    async def _loaded(self) -> None:
        if not await self.loaded_within(PATIENCE_SECONDS):
            sentence = "The server has started a moment ago and is still reading the catalog that it counts; ask again in a moment."
            raise Unavailable(sentence, retry_after=RETRY_SECONDS)

    def _load_behind(self) -> asyncio.Task[int]:
        """The one task of the first load: a caller that goes away does not take it along."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self.catch_up(), name="columns-load")
            self._keep(self._loading)
        return self._loading

    async def rebuild(self) -> int:
        """Make the copy anew, whatever it holds; the revision it is at then."""
        async with self._catching_up:
            self._revision = -1
        return await self.catch_up()

    async def replace_all(self) -> int:
        """Put every case's rows in the place of what the copy has of it, as merging a change does; the revision it is at then."""
        await self.catch_up()
        async with self._catching_up:
            async with self._db.read() as session:
                ids = list(await session.scalars(select(Case.id).order_by(Case.id)))
            await anyio.to_thread.run_sync(partial(self._with_cursor, partial(remove, ids)))
            await self._take(ids)
            self._answers.clear()
        return self._revision

    async def run(self, work: Callable[[Any], T], key: Any = None) -> T:
        """``work(cursor)`` in a thread on the caught-up copy; with ``key``, remembered until the catalog changes.

        Unavailable when the first load takes longer than a question may wait.
        """
        await self._loaded()
        await self.catch_up()
        return await self.answer(work, key)

    async def answer(self, work: Callable[[Any], T], key: Any = None) -> T:
        """``work(cursor)`` on the copy as it stands, which may be older than the catalog."""
        if key is None:
            return await anyio.to_thread.run_sync(partial(self._with_cursor, work), limiter=self._running)
        return (await self.answers(lambda _, cursor: [work(cursor)], [key]))[0]

    async def answers(self, work: Callable[[list[int], Any], Sequence[T]], keys: Sequence[Any]) -> list[T]:
        """An answer for each key: remembered ones, and of the others (their places in ``keys``) what ``work(places, cursor)`` says, in one go."""
        revision = self._revision
        missing = [place for place, key in enumerate(keys) if (revision, key) not in self._answers]
        found: dict[int, T] = {}
        for place in set(range(len(keys))) - set(missing):
            self._answers.move_to_end((revision, keys[place]))
            found[place] = self._answers[revision, keys[place]]
        if missing:
            made = await anyio.to_thread.run_sync(partial(self._with_cursor, partial(work, missing)), limiter=self._running)
            found |= zip(missing, made, strict=True)
            if revision == self._revision:
                self._answers |= {(revision, keys[place]): found[place] for place in missing}
                while len(self._answers) > REMEMBERED:
                    self._answers.popitem(last=False)
        return [found[place] for place in range(len(keys))]

    def derived(self, name: str, make: Callable[[Any], T], cursor: Any) -> T:
        """``make(cursor)`` of the copy as the cursor's transaction sees it; kept until the copy changes."""
        stamp = int(cursor.execute("SELECT number FROM stamp").fetchone()[0])
        kept = self._derived.get(name)
        if kept is None or kept[0] != stamp:
            kept = self._derived[name] = stamp, make(cursor)
        return kept[1]

    async def catch_up_within(self, seconds: float) -> bool:
        """Whether the copy equals the catalog's last commit now; when not, it goes on catching up behind this call.

        A copy that was never loaded has nothing to say: it is waited for, Unavailable after PATIENCE_SECONDS.
        """
        await self._loaded()
        task = asyncio.create_task(self.catch_up(), name="columns-catch-up")
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            task.result()
            return True
        task.add_done_callback(_tell_failure)
        return False

    async def differences(self, tables: Sequence[Table] = ASKED_BY_CATALOG) -> dict[str, int]:
        """Table -> rows that stand in the copy or in the catalog only; all zero when the copy is right."""
        await self.catch_up()
        wrong = dict.fromkeys((table.name for table in tables), 0)
        shapes = {table.name: table for table in tables}
        async with self._db.read() as session:
            ids = list(await session.scalars(select(Case.id).order_by(Case.id)))
            for some in _chunks(ids, CASES_A_READ):
                fresh = await rows_of(session, some)
                kept = await anyio.to_thread.run_sync(partial(self._with_cursor, partial(rows_kept, some)))
                for name in wrong:
                    wrong[name] += len(set(map(shapes[name].as_kept, fresh_rows(fresh[name]))) ^ set(fresh_rows(kept[name])))
        return wrong

    async def check(self) -> dict[str, tuple[int, int]]:
        """Table -> (rows in the copy, rows that stand in the copy or in the catalog only), all tables, the members of versions among them."""
        wrong = await self.differences(OF_CASES)
        async with self._db.read() as session:
            members = set(await members_after(session, set()))

        def counts(cursor: Any) -> tuple[dict[str, int], set[Any]]:
            sizes = {table.name: cursor.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0] for table in (*OF_CASES, MEMBERS)}
            return sizes, set(cursor.execute(f"SELECT {', '.join(MEMBERS.columns)} FROM {MEMBERS.name}").fetchall())

        sizes, kept = await anyio.to_thread.run_sync(partial(self._with_cursor, counts))
        wrong[MEMBERS.name] = len(members ^ kept)
        strays = await self._strays()
        return {name: (sizes[name], wrong[name] + strays.get(name, 0)) for name in sizes}

    async def _strays(self) -> dict[str, int]:
        """Table -> rows of cases that the catalog does not have at all; the comparison case by case never meets them."""
        async with self._db.read() as session:
            ids = set(await session.scalars(select(Case.id)))

        def counts(cursor: Any) -> dict[str, int]:
            found = {table.name: cursor.execute(f"SELECT case_id, count(*) FROM {table.name} GROUP BY case_id").fetchall() for table in OF_CASES}
            return {name: sum(number for case_id, number in rows if case_id not in ids) for name, rows in found.items()}

        return await anyio.to_thread.run_sync(partial(self._with_cursor, counts))

    async def stop(self) -> None:
        """End what goes on behind, then close."""
        tasks = set(self._behind)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.close()

    def close(self) -> None:
        """Close and remove the file."""
        with self._opening:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None
            self._revision = -1

    async def _catalog_revision(self) -> int:
        async with self._db.read() as session:
            return (await session.scalars(select(CatalogRevision.number))).one()

    async def _load(self) -> int:
        await anyio.to_thread.run_sync(partial(self._with_cursor, make_tables))
        self._versions, self._codes = set(), Codes()
        async with self._db.read() as session:
            ids = list(await session.scalars(select(Case.id).order_by(Case.id)))
        await self._take(ids)
        if len(ids) > CASES_A_READ:
            await self._db.forget_pages()
            await anyio.to_thread.run_sync(self._open_anew)
        return len(ids)

    async def _merge(self, known: int) -> int:
        async with self._db.read() as session:
            changed = set(await session.scalars(select(Change.case_id).where(Change.revision > known).distinct()))
            if len(changed) * 2 > (await session.scalar(select(func.count()).select_from(Case)) or 0) > CASES_A_READ:
                self._revision = -1  # half a copy answers nobody, not even as a stale one
                return await self._load()  # quicker than replacing row by row; ``isocenter columns rebuild`` notes every case
            touched = set[int]()
            for some in _chunks(sorted(changed), CASES_A_READ):
                touched |= await neighbours(session, some)
        # All at once: a deletion is a scan, however many cases it takes. When this fails half way, the same merge comes again.
        await anyio.to_thread.run_sync(partial(self._with_cursor, partial(remove, sorted(touched))))
        await self._take(sorted(touched))
        return len(touched)

    async def _take(self, ids: Sequence[int]) -> None:
        for some in _chunks(ids, CASES_A_READ):
            async with self._db.read() as session:
                rows = await rows_of(session, some)
            await anyio.to_thread.run_sync(partial(self._with_cursor, partial(add, rows, self._codes)))
        async with self._db.read() as session:
            members = await members_after(session, self._versions)
        if members:
            await anyio.to_thread.run_sync(partial(self._with_cursor, partial(add, {MEMBERS.name: members}, self._codes)))
            self._versions |= {row[0] for row in members}

    def _with_cursor(self, work: Callable[[Any], T]) -> T:
        cursor = self._cursor()
        try:
            return work(cursor)
        finally:
            cursor.close()
            with self._opening:
                self._asking -= 1

    def _cursor(self) -> Any:
        with self._opening:
            if self._connection is None:
                self._scratch.mkdir(parents=True, exist_ok=True)
                _remove_left(self._scratch)
                self._folder = Path(tempfile.mkdtemp(prefix="columns-", dir=self._scratch))
                self._lock_file = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
                fcntl.flock(self._lock_file, fcntl.LOCK_EX)
                self._connection = _connected(self._folder)
            cursor = self._connection.cursor()
            self._asking += 1
            return cursor

    def _open_anew(self) -> None:
        """Close the file and open it again: what DuckDB took to fill it and keeps, 100 of 331 MiB with 1,000,000 series, goes back to the system."""
        with self._opening:
            if self._connection is not None and self._folder is not None and not self._asking:  # closing ends every cursor
                self._connection.close()
                self._connection = _connected(self._folder)
        give_back()


def _connected(folder: Path) -> Any:
    import duckdb  # only a process that counts pays for it

    options: dict[str, Any] = {"memory_limit": MEMORY_LIMIT, "threads": THREADS, "preserve_insertion_order": False}
    return duckdb.connect(str(folder / "columns.duckdb"), config=options | {"temp_directory": str(folder / "spill")})


def _tell_failure(task: asyncio.Task[int]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("column copy could not catch up error=%s", type(error).__name__)


def fresh_rows(rows: Iterable[Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
    """Rows with truth values as truth values: SQLite and MariaDB say 0 and 1."""
    return (tuple(int(value) if isinstance(value, bool) else value for value in row) for row in rows)


def _remove_left(scratch: Path) -> None:
    """Folders of copies whose process is gone: nobody holds their lock any more."""
    for folder in scratch.glob("columns-*"):
        try:
            handle = os.open(folder / "lock", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass
        finally:
            os.close(handle)


def _chunks(items: Iterable[int], size: int) -> Iterable[list[int]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
