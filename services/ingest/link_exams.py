"""Several examinations of one person: which report is of which, told by what belongs to the examination alone.

Once name, number and birth date have said who it is, whether they are spelled alike in this row or that says nothing about which of
two studies of one day a report describes. So accession number, day, modality and organ decide, over all of the person's studies and
reports at once: a report whose number is another study's leaves this one to its neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from services.ingest.report_records import Component

EXAM_FIELDS = ("accession", "date", "modality", "organ")
LINKED_BITS = 6.0  # what it is worth to give a study a report at all
SIDE_MAX = 8  # studies or reports of one person beyond which they are compared pair by pair

Edge = tuple[int, int]  # (study, report)


class Settled(NamedTuple):
    """The studies and reports of one person, and for each chosen pair how many bits the best answer without it is behind."""

    studies: frozenset[int]
    reports: frozenset[int]
    chosen: dict[Edge, float]


def exam_bits(fields: Mapping[str, Component]) -> float:
    return LINKED_BITS + sum(fields[name].weight for name in EXAM_FIELDS)


def of_one_person(fields: Mapping[str, Component]) -> bool:
    """What is known of the person agrees, and nothing of it differs."""
    said = {name: fields[name].agreement for name in ("number", "name", "birth", "age", "sex")}
    if "differ" in said.values():
        return False
    named = said["name"] in ("agree", "partial")
    return said["number"] == "agree" or (named and (said["birth"] == "agree" or said["age"] == "agree"))


def settle(edges: Mapping[Edge, float], person: Sequence[Edge]) -> list[Settled]:
    """One value per person with a choice to make. ``edges``: bits of the examination; ``person``: those that are of one person."""
    return [_settled(group, edges) for group in _groups(person) if len(group) > 1 and all(len({e[n] for e in group}) <= SIDE_MAX for n in (0, 1))]


def _groups(person: Sequence[Edge]) -> list[list[Edge]]:
    """Edges that hang together by a study or a report."""
    root: dict[tuple[int, int], tuple[int, int]] = {}

    def find(node: tuple[int, int]) -> tuple[int, int]:
        while root.setdefault(node, node) != node:
            root[node] = node = root[root[node]]
        return node

    for study, report in person:
        root[find((0, study))] = find((1, report))
    groups: dict[tuple[int, int], list[Edge]] = {}
    for edge in person:
        groups.setdefault(find((0, edge[0])), []).append(edge)
    return list(groups.values())


def _settled(group: Sequence[Edge], edges: Mapping[Edge, float]) -> Settled:
    studies, reports = sorted({s for s, _ in group}), sorted({r for _, r in group})
    allowed = {(s, r): bits for s in studies for r in reports if (bits := edges.get((s, r))) is not None and bits > 0}
    most, chosen = _best(studies, reports, allowed)
    behind = {edge: most - _best(studies, reports, {e: bits for e, bits in allowed.items() if e != edge})[0] for edge in chosen}
    return Settled(frozenset(studies), frozenset(reports), behind)


def _best(studies: Sequence[int], reports: Sequence[int], allowed: Mapping[Edge, float]) -> tuple[float, tuple[Edge, ...]]:
    """Most bits of all ways to give each study at most one report and each report to at most one study; the first of equals."""

    @cache
    def rest(n: int, used: int) -> tuple[float, tuple[Edge, ...]]:
        if n == len(studies):
            return 0.0, ()
        best = rest(n + 1, used)
        for at, report in enumerate(reports):
            bits = allowed.get((studies[n], report))
            if bits is None or used >> at & 1:
                continue
            more, chosen = rest(n + 1, used | 1 << at)
            if bits + more > best[0] + 1e-9:
                best = bits + more, ((studies[n], report), *chosen)
        return best

    return rest(0, 0)
