"""Counts of groups: distinct patients, cases, studies and series, instances and bytes.

One scan of the column copy reads the rows of all charts as small numbers, and arrays count them (``services.stats.distinct``). An image row
that is the only one of its series (``alone``: one stack, one case) is counted and summed as it is; only the few others are made distinct.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.stats.distinct import changes, pairs, sums
from services.stats.store.picked import Picked, Rows, labels, picked, whole
from services.stats.store.scope import Scope
from services.stats.store.visits import Visits
from services.stats.tally import Dimension, Of

ROWS_MOST = 2000

Row = tuple[Any, ...]
_SIZES = {"instances": "CAST(i.instances AS DOUBLE)", "size_bytes": "CAST(i.size_bytes AS DOUBLE)"}  # as they are summed: exact up to 2**53
THREADS = 2  # that count charts at the same time: numpy's loops hold no lock


def grouped(scope: Scope, visits: Visits, charts: Sequence[Sequence[Dimension]], limit: int, cursor: Any) -> list[list[Row]]:
    """Of each chart (value of each dimension, patients, cases, studies, series, instances, size_bytes) a group; without dimensions one row.

    Most series first, or in the dimension's own order.
    """
    dimensions = {dimension.name: dimension for chart in charts for dimension in chart}
    columns = {name: _column(one, visits) for name, one in dimensions.items() if one.of is Of.IMAGE}
    found = picked(scope, visits, columns | _SIZES, cursor)
    codes = _Codes(found, labels(scope, visits, cursor) if any(one.of is Of.LABEL for one in dimensions.values()) else {}, _spots(found, dated=scope.dated))
    codes.make(dimensions.values())
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(lambda chart: _chart(codes, chart, limit), charts))


def _column(dimension: Dimension, visits: Visits) -> str:
    if dimension.bands:
        return dimension.bands.sql(f"i.{dimension.column}")
    return whole(dimension.column, visits.words.get(dimension.column, [""]))


@dataclass(frozen=True, slots=True)
class _Spots:
    """Where a visit counts, and a case that has none that counts: (spots) case place, and visit place or -1."""

    cases: Any
    places: Any


def _spots(found: Picked, *, dated: bool) -> _Spots:
    """A case keeps its place without a visit, except where the question is about days."""
    places = np.flatnonzero(found.kept)
    cases = found.visits.cases[places]
    if dated:
        return _Spots(cases, places)
    bare = found.found.copy()
    bare[cases] = False
    without = np.flatnonzero(bare)
    return _Spots(np.concatenate([cases, without]), np.concatenate([places, np.full(len(without), -1)]))


class _Codes:
    """The number of each value of a dimension, by visit, spot or image row."""

    def __init__(self, found: Picked, labelled: dict[str, Any], spots: _Spots) -> None:
        self.found, self.spots = found, spots
        self._labelled = labelled
        self._by_visit: dict[str, Any] = {}
        self._sums: tuple[Any, Any, Any] | None = None

    def make(self, dimensions: Iterable[Dimension]) -> None:
        """What several charts use, before they are counted at the same time."""
        self.visit_sums()
        for dimension in dimensions:
            if dimension.of is not Of.IMAGE:
                self.by_visit(dimension)

    def names(self, dimension: Dimension) -> Sequence[str]:
        """The text of each number."""
        words = self.found.visits.words.get(dimension.column, [""])
        if dimension.bands:
            return dimension.bands.names
        if dimension.name == "patient":
            return [str(number) for number in self.found.visits.patient_ids]
        if dimension.name == "import_month":
            return self._months()[0]
        if dimension.name == "label":
            return [*words, "review"]
        return ["none", *words[1:]] if dimension.name == "label_state" else words

    def _months(self) -> tuple[list[str], Any]:
        """The months there are, and the place of each day's month among them."""
        months, place = np.unique([day[:7] for day in self.found.visits.words.get("import_day", [""])], return_inverse=True)
        return list(map(str, months)), place

    def _of_cases(self, dimension: Dimension) -> Any:
        visits = self.found.visits
        if dimension.name == "patient":
            return visits.patients
        return self._labelled[dimension.column] if dimension.of is Of.LABEL else visits.codes[dimension.column]

    def by_visit(self, dimension: Dimension) -> Any:
        if dimension.name not in self._by_visit:
            self._by_visit[dimension.name] = self._at_visits(dimension)
        return self._by_visit[dimension.name]

    def _at_visits(self, dimension: Dimension) -> Any:
        visits = self.found.visits
        if dimension.of is not Of.VISIT:
            return self._of_cases(dimension)[visits.cases]
        if dimension.bands:
            return dimension.bands.place(visits.ages)
        codes = visits.codes[dimension.column]
        return self._months()[1][codes] if dimension.name == "import_month" else codes

    def by_spot(self, dimension: Dimension) -> Any:
        if dimension.of is not Of.VISIT:
            return self._of_cases(dimension)[self.spots.cases]
        missing = list(self.names(dimension)).index("") if "" in self.names(dimension) else 0
        here = np.full(len(self.spots.places), missing, np.int64)
        real = self.spots.places >= 0
        here[real] = self.by_visit(dimension)[self.spots.places[real]]
        return here

    def by_row(self, dimension: Dimension, rows: Rows) -> Any:
        return rows.columns[dimension.name] if dimension.of is Of.IMAGE else self.by_visit(dimension)[rows.places]

    def visit_sums(self) -> tuple[Any, Any, Any]:
        """(visits) int64 each: series, instances and bytes of rows that are the only ones of their series."""
        if self._sums is None:
            rows, width = self.found.alone, len(self.found.visits.cases)
            counted = np.bincount(rows.places, minlength=width)
            self._sums = counted, sums(rows.places, rows.columns["instances"], width), sums(rows.places, rows.columns["size_bytes"], width)
        return self._sums


def _chart(codes: _Codes, dimensions: Sequence[Dimension], limit: int) -> list[Row]:
    names = [codes.names(dimension) for dimension in dimensions]
    width = int(np.prod([len(one) for one in names], dtype=np.int64)) if names else 1
    found, others = codes.found, codes.found.others
    cases_of, size = found.visits.cases, max(1, len(found.visits.cases))

    def together(parts: Sequence[Any], rows: int) -> Any:
        group = np.zeros(rows, np.int64)
        for part, one in zip(parts, names, strict=True):
            group = group * len(one) + part
        return group

    of_others = together([codes.by_row(one, others) for one in dimensions], len(others.places))
    if any(one.of is Of.IMAGE for one in dimensions):
        rows = found.alone
        group = together([codes.by_row(one, rows) for one in dimensions], len(rows.places))
        amounts = np.bincount(group, minlength=width), sums(group, rows.columns["instances"], width), sums(group, rows.columns["size_bytes"], width)
        at, place = pairs(np.concatenate([group, of_others]), np.concatenate([rows.places, others.places]), width, size)
        distinct = _distinct(found.visits, at, place, cases_of[place], width)
    else:
        spots = codes.spots
        group = together([codes.by_spot(one) for one in dimensions], len(spots.cases))
        at, number = pairs(group, np.arange(len(group)), width, max(1, len(group)))
        # Spots stand in the order of cases, but for those without a visit, which come last.
        order = np.lexsort((spots.cases[number], at)) if len(spots.places) and spots.places[-1] < 0 else slice(None)
        at, number = at[order], number[order]
        distinct = _distinct(found.visits, at, spots.places[number], spots.cases[number], width)
        real = spots.places >= 0
        amounts_of = [one[spots.places[real]] for one in codes.visit_sums()]
        amounts = (sums(group[real], amounts_of[0], width), sums(group[real], amounts_of[1], width), sums(group[real], amounts_of[2], width))
    more = _others(of_others, others, width)
    return _listed(dimensions, names, [*distinct, *(one + other for one, other in zip(amounts, more, strict=True))], limit)


def _distinct(visits: Visits, group: Any, place: Any, case: Any, width: int) -> tuple[Any, Any, Any]:
    """(width) each: distinct patients, cases and studies of pairs of group and visit, sorted by group and case; place -1 = no visit."""
    studies = np.bincount(group[(place >= 0) & visits.alone[place]] if len(visits.alone) else group[:0], minlength=width)
    if len(visits.alone) and not visits.alone.all():
        shared = (place >= 0) & ~visits.alone[place]
        at, _ = pairs(group[shared], visits.studies[place[shared]], width, max(1, len(visits.study_ids)))
        studies = studies + np.bincount(at, minlength=width)
    return changes(group, visits.patients[case], width), changes(group, case, width), studies


def _others(group: Any, rows: Rows, width: int) -> tuple[Any, Any, Any]:
    """Series, instances and bytes of the rows whose series has several, each series once a group."""
    # The rows come sorted by series, and groups are sorted stably: equal pairs stand side by side.
    chosen = np.argsort(group.astype(np.uint16) if width <= 1 << 16 else group, kind="stable")
    group, series = group[chosen], rows.series[chosen]
    once = np.ones(len(group), np.bool_)
    once[1:] = (group[1:] != group[:-1]) | (series[1:] != series[:-1])
    group, chosen = group[once], chosen[once]
    return np.bincount(group, minlength=width), *(sums(group, rows.columns[name][chosen], width) for name in _SIZES)


def _listed(dimensions: Sequence[Dimension], names: Sequence[Sequence[str]], counted: Sequence[Any], limit: int) -> list[Row]:
    if not dimensions:
        return [tuple(int(one[0]) for one in counted)]
    groups = np.flatnonzero(counted[1])  # each group has a case
    rows = []
    for group, *numbers in zip(groups.tolist(), *(one[groups].tolist() for one in counted), strict=True):
        values = [names[1][group % len(names[1])]] if len(names) > 1 else []
        rows.append((names[0][group // (len(names[1]) if len(names) > 1 else 1)], *values, *numbers))
    width = len(dimensions)
    # numbers: patients, cases, studies, series, ...
    by_size = [(row[:width], -row[width + 3], row[width]) for row in rows]
    if dimensions[0].dated:
        order = sorted(range(len(rows)), key=lambda place: (by_size[place][0], by_size[place][1]))
    else:
        order = sorted(range(len(rows)), key=lambda place: (by_size[place][1], -by_size[place][2], by_size[place][0]))
    listed = [rows[place] for place in order[:limit]]
    return sorted(listed, key=lambda row: _place(dimensions[0], row[0])) if dimensions[0].order else listed


def _place(dimension: Dimension, value: str) -> int:
    return dimension.order.index(value) if value in dimension.order else len(dimension.order)
