"""Rows that hold several reports side by side (CT诊断, MR诊断, 病理诊断; 诊断1, 诊断2): which columns belong to which report.

A table with such groups is read once per group: what stands before all of them (patient, birth date) is shared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.ingest.nouns import fold_name
from services.ingest.report_records import TableKind

_PATHOLOGY = r"病理学?|活检|pathology|pathologic|path|biopsy"
_IMAGING = r"影像学?|放射|ct|mri?|mrcp|pet(?:ct)?|us|超声|彩超|b超|x线|x光|dr|胸片|钼靶|核磁共振|核磁|磁共振|radiology|imaging|ultrasound|mammo(?:graphy)?"
_NAMED = re.compile(rf"(?:(?P<pathology>{_PATHOLOGY})|(?P<imaging>{_IMAGING}))(?P<rest>.{{2,}})")
_NUMBERED = re.compile(r"(?P<rest>.*\D)(?P<n>[1-9])|第(?P<n_>[1-9一二三四五])次(?P<rest_>.{2,})")


@dataclass(frozen=True, slots=True)
class Group:
    """One report of each row: its kind if the names tell, and column -> the name it would have alone."""

    kind: TableKind | None
    columns: tuple[tuple[str, str], ...]


def groups_of(columns: Sequence[str], is_text: Callable[[str], bool], is_own: Callable[[str], bool]) -> tuple[list[Group], frozenset[str]]:
    """The groups of a table that holds several reports a row, and the columns that belong to one of them; none when each row is one report.

    ``is_text``: would a column of this name hold report text? ``is_own``: a number or date of its own? Numbered texts without those
    are one text cut in pieces, no reports.
    """
    for split, must_own in ((_named, False), (_numbered, True)):
        found: dict[str, list[tuple[str, str]]] = {}
        kinds: dict[str, TableKind | None] = {}
        for column in columns:
            if (part := split(column)) is not None:
                group, kind, rest = part
                found.setdefault(group, []).append((column, rest))
                kinds[group] = kind
        reports = {group: members for group, members in found.items() if any(is_text(rest) for _, rest in members)}
        if must_own:
            reports = {group: members for group, members in reports.items() if any(is_own(rest) for _, rest in members)}
        if len(reports) > 1:
            return [Group(kinds[group], tuple(members)) for group, members in reports.items()], frozenset(c for members in reports.values() for c, _ in members)
    return [], frozenset()


def _named(column: str) -> tuple[str, TableKind | None, str] | None:
    found = _NAMED.fullmatch(fold_name(column))
    if not found:
        return None
    kind = TableKind.PATHOLOGY if found["pathology"] else TableKind.IMAGING
    # all names of pathology are one group; CT and MR are two
    return ("pathology" if found["pathology"] else found["imaging"]), kind, found["rest"]


def _numbered(column: str) -> tuple[str, TableKind | None, str] | None:
    found = _NUMBERED.fullmatch(fold_name(column))
    if not found:
        return None
    number = found["n"] or str("一二三四五".find(found["n_"]) + 1 or found["n_"])
    return number, None, found["rest"] or found["rest_"]
