"""A table of counts as it leaves the house: small cells hidden, and as CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

Cell = str | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def hidden(rows: Sequence[Sequence[str | int]], width: int, least: int, total: int) -> tuple[list[list[Cell]], int, bool]:
    """Rows whose patients (the column after ``width`` names) are 1 to ``least`` - 1 keep their names and lose their numbers.

    One hidden row alone could be read off the total, so the next smallest is hidden too. Returns the rows, how many are hidden, and
    whether the total (``total`` patients) must be hidden: when it is small itself, or a single row is all there is beside it.
    """
    small = {index for index, row in enumerate(rows) if 0 < int(row[width]) < least}
    if len(small) == 1 and len(rows) > 1:
        rest = [index for index, row in enumerate(rows) if index not in small and int(row[width]) > 0]
        small |= set(sorted(rest, key=lambda index: int(rows[index][width]))[:1])
    shown: list[list[Cell]] = [
        [*row[:width], *([None] * (len(row) - width))] if index in small else list(row) for index, row in enumerate(rows)
    ]
    return shown, len(small), 0 < total < least


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """RFC 4180 with a header. A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return out.getvalue()
