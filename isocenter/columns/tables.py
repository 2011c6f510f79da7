"""Rows put into the copy's tables, taken out, and read again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from isocenter.columns.codes import WORDS, Codes
from isocenter.columns.rows import MEMBERS, OF_CASES, Read, Table, arrays_of, code_column, quoted


def make_tables(cursor: Any) -> None:
    for table in (*OF_CASES, MEMBERS, WORDS):
        cursor.execute(f"DROP TABLE IF EXISTS {table.name}")
        cursor.execute(table.create)
    cursor.execute("CREATE OR REPLACE TABLE stamp (number UBIGINT)")  # raised by every change of the copy
    cursor.execute("INSERT INTO stamp VALUES (?)", [time.monotonic_ns()])


def remove(case_ids: Sequence[int], cursor: Any) -> None:
    for table in OF_CASES:
        cursor.execute(f"DELETE FROM {table.name} WHERE case_id IN (SELECT unnest(?))", [list(case_ids)])
    cursor.execute("UPDATE stamp SET number = number + 1")


def add(rows: Read, codes: Codes, cursor: Any) -> None:
    """Put these rows in, in one transaction."""
    cursor.execute("BEGIN")
    try:
        for table in (*OF_CASES, MEMBERS):
            _insert(table, rows.get(table.name, ()), cursor, codes)
        codes.write(cursor)
        cursor.execute("UPDATE stamp SET number = number + 1")
        cursor.execute("COMMIT")
        codes.written()
    except BaseException:
        cursor.execute("ROLLBACK")
        raise


def _insert(table: Table, rows: Sequence[Sequence[Any]], cursor: Any, codes: Codes) -> None:
    if rows:
        arrays = arrays_of(table, rows)
        arrays |= codes.arrays(table, arrays)
        cursor.register("incoming", {name: arrays[name] for name in table.stored})
        cursor.execute(f"INSERT INTO {table.name} SELECT * FROM incoming")
        cursor.unregister("incoming")


def rows_kept(case_ids: Sequence[int], cursor: Any) -> Read:
    """The copy's rows of these cases, with the texts that their numbers stand for."""
    kept, words = {}, {(name, code): value for name, code, value in cursor.execute("SELECT name, code, value FROM words").fetchall()}
    for table in OF_CASES:
        coded = table.coded if not table.beside else ()
        columns = ", ".join(quoted(code_column(name) if name in coded else name) for name in table.columns)
        rows = cursor.execute(f"SELECT {columns} FROM {table.name} WHERE case_id IN (SELECT unnest(?))", [list(case_ids)]).fetchall()
        if coded:
            rows = [tuple(words.get((name, value), "") if name in coded else value for name, value in zip(table.columns, row, strict=True)) for row in rows]
        kept[table.name] = rows
    return kept
