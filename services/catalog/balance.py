"""Balance the classes of a version by patient (the paper's banlanceData), and its k folds: seeded, the same on every machine.

Under-sampling leaves patients out, over-sampling says how often a case is to be taken, class weights say how much it counts.
No file is copied and no patient crosses a part. Without ``parts`` only ``train`` is balanced when there is such a part: a test
part that was balanced says nothing about the world.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from isocenter.errors import InvalidInput
from services.catalog.split import Member, Recipe, assign

METHODS = ("under", "over", "weights")
MAX_FOLDS = 20
HELD_OUT = "test"  # the part that no fold holds


@dataclass(frozen=True, slots=True)
class Balance:
    """How, and in which parts ("" = the whole of a version without a split)."""

    method: str
    parts: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return {"method": self.method, "parts": list(self.parts), "unit": "patient"}


@dataclass(frozen=True, slots=True)
class Balanced:
    """Case ids left out; how often to take the others (over-sampling) and how much they count (weights), where it is said."""

    left_out: frozenset[str]
    repeats: Mapping[str, int]
    weights: Mapping[str, float]


def parse_balance(method: str | None, parts: Sequence[str] | None, split: Recipe | None) -> Balance | None:
    """A checked balance; InvalidInput for a part that the split does not have."""
    if method is None:
        if parts is not None:
            raise InvalidInput("balance_parts says where to balance: say how in balance too.", field="balance")
        return None
    if method not in METHODS:
        raise InvalidInput(f"balance is one of {', '.join(METHODS)}.", field="balance")
    known = [name for name, _ in split.shares] if split else [""]
    if parts is None:
        return Balance(method, ("train",) if "train" in known else tuple(known))
    if split is None or not parts or set(parts) - set(known):
        raise InvalidInput(f"balance_parts names parts of the split ({', '.join(filter(None, known)) or 'there is none'}).", field="balance_parts")
    return Balance(method, tuple(sorted(set(parts))))


def parse_folds(folds: int | None) -> int | None:
    if folds is not None and not 2 <= folds <= MAX_FOLDS:
        raise InvalidInput(f"There are 2 to {MAX_FOLDS} folds.", field="folds")
    return folds


def balanced(members: Iterable[Member], parts: Mapping[str, str], balance: Balance, seed: int) -> Balanced:
    """What balancing does to each case; ``parts`` is case id -> part. The order of ``members`` does not matter.

    A patient whose cases have several labels is a class of that combination, as in the split.
    """
    cases: dict[str, list[str]] = defaultdict(list)
    labels: dict[str, set[str]] = defaultdict(set)
    part_of: dict[str, str] = {}
    for member in members:
        cases[member.patient].append(member.case_id)
        labels[member.patient].add(member.label)
        part_of[member.patient] = parts.get(member.case_id, "")
    left_out: set[str] = set()
    repeats: dict[str, int] = {}
    weights: dict[str, float] = {}
    for part in balance.parts:
        classes: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for patient in sorted((name for name in cases if part_of[name] == part), key=lambda name: _order(seed, name)):
            classes[tuple(sorted(labels[patient]))].append(patient)
        sizes = [len(patients) for patients in classes.values()]
        for patients in classes.values():
            for place, patient in enumerate(patients):
                of_patient = cases[patient]
                if balance.method == "under" and place >= min(sizes):
                    left_out.update(of_patient)
                elif balance.method == "over":
                    times, more = divmod(max(sizes), len(patients))
                    repeats.update(dict.fromkeys(of_patient, times + (place < more)))
                elif balance.method == "weights":
                    weights.update(dict.fromkeys(of_patient, float(f"{float(Fraction(sum(sizes), len(sizes) * len(patients))):.8g}")))
    return Balanced(frozenset(left_out), repeats, weights)


def folds_of(members: Iterable[Member], parts: Mapping[str, str], folds: int, seed: int) -> dict[str, int]:
    """Fold 0 .. folds - 1 of each case outside the test part: by patient, each class in equal shares to within one patient."""
    inside = [member for member in members if parts.get(member.case_id, "") != HELD_OUT]
    shares = tuple((f"{number:02d}", Fraction(1, folds)) for number in range(folds))
    return {case_id: int(name) for case_id, name in assign(inside, Recipe(shares, seed)).items()}


def _order(seed: int, patient: str) -> tuple[bytes, str]:
    # Another salt than the split's: who is left out must not depend on who came first into a part.
    return hashlib.sha256(f"isocenter-balance|{seed}|{patient}".encode()).digest(), patient
