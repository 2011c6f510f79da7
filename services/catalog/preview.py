"""What the parts of a split would hold, before anything is frozen: the very functions of the freeze, over labels and patients alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.catalog.freeze import Preparation, prepared
from services.catalog.split import Member, Recipe


@dataclass(frozen=True, slots=True)
class PartCount:
    """Patients and cases of one label in one part ("" = no split, or the whole); a patient with two labels stands under both."""

    part: str
    label: str
    patients: int
    cases: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """``worst`` is the largest distance, in patients, between what a part has of a class and its share of it, before balancing."""

    parts: tuple[PartCount, ...]
    folds: tuple[PartCount, ...]
    worst: float
    cases: int
    patients: int
    balanced_away: int


def outlook(members: Sequence[Member], preparation: Preparation) -> Outlook:
    """The counts of a version of these cases; all zero for none."""
    done = prepared(members, preparation)
    kept = [member for member in members if member.case_id not in done.left_out]
    return Outlook(
        parts=_counted(kept, done.parts, preparation.split),
        folds=_counted([member for member in kept if member.case_id in done.folds], {key: str(fold) for key, fold in done.folds.items()}, None),
        worst=_worst(members, done.all_parts, preparation.split) if preparation.split else 0.0,
        cases=len(kept),
        patients=len({member.patient for member in kept}),
        balanced_away=len(done.left_out),
    )


def _patients(members: Iterable[Member], parts: Mapping[str, str]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for member in members:
        found[parts.get(member.case_id, ""), member.label].add(member.patient)
    return found


def _counted(members: Sequence[Member], parts: Mapping[str, str], split: Recipe | None) -> tuple[PartCount, ...]:
    """Every part with every label, also where it has none of it."""
    patients, cases = _patients(members, parts), defaultdict[tuple[str, str], int](int)
    for member in members:
        cases[parts.get(member.case_id, ""), member.label] += 1
    names = [name for name, _ in split.shares] if split else sorted({part for part, _ in patients}, key=lambda name: (len(name), name))
    labels = sorted({member.label for member in members})
    return tuple(PartCount(name, label, len(patients[name, label]), cases[name, label]) for name in names for label in labels)


def _worst(members: Sequence[Member], parts: Mapping[str, str], split: Recipe) -> float:
    patients = _patients(members, parts)
    all_of = {label: set[str]().union(*(found for (_, other), found in patients.items() if other == label)) for _, label in list(patients)}
    distances = [abs(len(patients[name, label]) - float(share) * len(every)) for name, share in split.shares for label, every in all_of.items()]
    return max(distances, default=0.0)
