"""A table of counts as it leaves the house: small cells hidden, and as CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def hidden(rows: Sequence[Sequence[str | int]], width: int, least: int, total: int) -> tuple[list[list[Cell]], int, bool]:
    """Rows whose patients (the column after ``width`` names) are 1 to ``least`` - 1 keep their names and lose their numbers.

    One hidden row alone could be read off the total, so the next smallest is hidden too; of a crossed table the same holds for
    each line and each column, until none has a single hidden cell. Returns the rows, how many are hidden, and whether the total
    (``total`` patients) must be hidden: when it is small itself.
    """
    small = {index for index, row in enumerate(rows) if 0 < int(row[width]) < least}
    lines = _lines(rows, width)
    while small:
        more = {index for line in lines if (index := _next(rows, width, line, small)) is not None}
        if not more:
            break
        small |= more
    shown: list[list[Cell]] = [[*row[:width], *([None] * (len(row) - width))] if index in small else list(row) for index, row in enumerate(rows)]
    return shown, len(small), 0 < total < least


def _lines(rows: Sequence[Sequence[str | int]], width: int) -> list[list[int]]:
    """Sets of rows whose numbers somebody could know the sum of: all, and of a crossed table those of one value of either dimension."""
    if width != 2:
        return [list(range(len(rows)))]
    found: dict[tuple[int, str | int], list[int]] = {}
    for index, row in enumerate(rows):
        for place in range(width):
            found.setdefault((place, row[place]), []).append(index)
    return list(found.values())


def _next(rows: Sequence[Sequence[str | int]], width: int, line: Iterable[int], small: set[int]) -> int | None:
    """The smallest row of the line that is still shown, when exactly one is hidden."""
    members = list(line)
    if len([index for index in members if index in small]) != 1:
        return None
    rest = [index for index in members if index not in small and int(rows[index][width]) > 0]
    return min(rest, key=lambda index: int(rows[index][width]), default=None)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """RFC 4180 with a header. A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return out.getvalue()
