"""Texts of few values as small numbers: facets count a million rows by number in an array, and look the text up once."""

from __future__ import annotations

from typing import Any

import numpy as np

from isocenter.columns.rows import Table, code_column

WORDS = Table("words", {"name": "VARCHAR", "code": "UINTEGER", "value": "VARCHAR"})


class Codes:
    """The numbers given so far, by column: 0 is a missing text (NULL or empty), others are given as texts come.

    A number is never given twice, and ``words`` has it from the commit on that first uses it.
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[str, int]] = {}
        self._new: list[tuple[str, int, str]] = []

    def arrays(self, table: Table, arrays: dict[str, Any]) -> dict[str, Any]:
        """``code_<name>``: (rows) uint32, for the coded columns of a table."""
        return {code_column(name): self._array(name, arrays[name]) for name in table.coded}

    def _array(self, name: str, texts: Any) -> Any:
        known = self._of.setdefault(name, {"": 0})
        for text in sorted({text for text in texts if text is not None} - known.keys()):
            known[text] = len(known)
            self._new.append((name, known[text], text))
        return np.fromiter((0 if text is None else known[text] for text in texts), np.uint32, len(texts))

    def write(self, cursor: Any) -> None:
        """Put the numbers that are new into the table ``words``, in the caller's transaction."""
        if self._new:
            names, codes, values = zip(*self._new, strict=True)
            cursor.execute("INSERT INTO words SELECT unnest(?), unnest(?), unnest(?)", [list(names), list(codes), list(values)])

    def written(self) -> None:
        """Call after the commit: a transaction that failed leaves its numbers to the next one."""
        self._new = []
