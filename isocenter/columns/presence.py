"""Distinct cases by value, counted in one pass over small numbers: a million rows take 3 to 5 ms a column.

Arrays are parallel: ``places`` (rows) is the case's place 0 .. cases - 1, ``codes`` (rows) the number of its value, 0 for a missing one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_CELLS = 32 << 20  # one byte each; beyond it the pairs are sorted instead


def cases_by_code(places: Any, codes: Any, cases: int) -> tuple[Any, int]:
    """(codes + 1) int64: distinct cases of each code with 0 put to none; and how many cases have any code but 0."""
    width = int(codes.max()) + 1 if len(codes) else 1
    if width * cases > MOST_CELLS:
        return _by_sorting(places, codes, width)
    seen = np.zeros(cases * width, np.bool_)
    seen[places.astype(np.int64) * width + codes] = True
    grid = seen.reshape(cases, width)
    grid[:, 0] = False
    return np.add.reduce(grid, axis=0, dtype=np.int64), int(np.count_nonzero(grid.any(axis=1)))


def distinct_cases(places: Any, cases: int) -> int:
    seen = np.zeros(cases, np.bool_)
    seen[places] = True
    return int(np.count_nonzero(seen))


def _by_sorting(places: Any, codes: Any, width: int) -> tuple[Any, int]:
    pairs = np.unique((places.astype(np.int64) * width + codes)[codes > 0])
    return np.bincount(pairs % width, minlength=width).astype(np.int64), len(np.unique(pairs // width))
