"""Prepared statements answer as a session does; on SQLite a long one leaves the event loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Date, Integer, String, bindparam, func, literal, literal_column, select

from isocenter.db import Database
from isocenter.errors import IsocenterError
from isocenter.prepared import Prepared, Rows


async def _asked(database: Database, prepared: Prepared, **values: Any) -> Sequence[Sequence[Any]]:
    return [tuple(row) for row in await database.ask(lambda rows: rows(prepared, values))]


async def test_rows_when_asked_then_values_go_in_and_come_out_as_python_has_them(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")
    given = [bindparam("day", type_=Date), bindparam("number", type_=Integer), bindparam("name", type_=String(20)), literal("fixed")]
    try:
        prepared = Prepared(select(*(value.label(f"c{place}") for place, value in enumerate(given))))
        for name in ("李%' OR 1=1", "other"):
            assert await _asked(database, prepared, day=date(2019, 3, 5), number=7, name=name) == [(date(2019, 3, 5), 7, name, "fixed")]
    finally:
        await database.close()


async def test_rows_when_a_statement_is_long_then_it_is_asked_in_a_thread_and_is_right(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")
    counted = select(literal_column("1").label("n")).cte("counted", recursive=True)
    counted = counted.union_all(select(counted.c.n + 1).where(counted.c.n < bindparam("most", type_=Integer)))
    prepared = Prepared(select(func.count()).select_from(counted))
    threads = []

    def work(rows: Rows, most: int) -> int:
        found = rows(prepared, {"most": most})
        threads.append(threading.current_thread() is threading.main_thread())
        return int(found[0][0])

    try:
        assert await database.ask(lambda rows: work(rows, 10)) == 10
        assert await database.ask(lambda rows: work(rows, 2_000_000)) == 2_000_000
        assert await database.ask(lambda rows: work(rows, 10)) == 10  # it was long a moment ago
        assert threads == [True, False, False]
    finally:
        await database.close()


async def test_rows_when_the_statement_is_refused_then_the_driver_text_goes_nowhere(catalog_url: str) -> None:
    database = Database(catalog_url)
    try:
        with pytest.raises(IsocenterError) as refused:
            await _asked(database, Prepared(select(literal_column("no_such_column"))))
        assert "no_such_column" not in refused.value.detail
    finally:
        await database.close()
