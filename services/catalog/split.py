"""Split patients into train, val, test ...: by patient, stratified by label, seeded, the same on every machine.

Order comes from SHA-256 of seed and patient, not from a random module whose sequence may change.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from isocenter.errors import InvalidInput

PART = re.compile(r"[a-z][a-z0-9_-]{0,15}\Z")
MAX_PARTS = 10
SEED_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Recipe:
    """Part name -> share of the patients (exact fractions that sum to 1, by name), and the seed."""

    shares: tuple[tuple[str, Fraction], ...]
    seed: int

    def document(self) -> dict[str, object]:
        return {"parts": {name: float(share) for name, share in self.shares}, "seed": self.seed, "unit": "patient", "stratify": ["label"]}


@dataclass(frozen=True, slots=True)
class Member:
    """A case to be put into a part. ``patient`` is the pseudonym: cases of one patient stay together."""

    case_id: str
    patient: str
    label: str


def parse_recipe(shares: Mapping[str, float], seed: int) -> Recipe:
    """A checked recipe; InvalidInput for names that are no codes, shares that are not above 0, or a sum that is not 1."""
    if not 0 < len(shares) <= MAX_PARTS:
        raise InvalidInput(f"A split has 1 to {MAX_PARTS} parts.", field="split")
    if not 0 <= seed < SEED_LIMIT:
        raise InvalidInput("The seed is a whole number from 0 to 2^63 - 1.", field="seed")
    for name, share in shares.items():
        if not PART.match(name):
            raise InvalidInput("A part's name has 1 to 16 characters: small letters, digits, - and _.", field="split")
        if not math.isfinite(share) or share <= 0:
            raise InvalidInput(f"The share of {name} must be above 0.", field=f"split.{name}")
    # str() gives the decimal a person wrote: 0.7 is 7/10, not the nearest binary number.
    exact = {name: Fraction(str(share)) for name, share in shares.items()}
    total = sum(exact.values(), Fraction(0))
    if abs(total - 1) > Fraction(1, 1_000_000):
        raise InvalidInput(f"The shares sum to {float(total):g}; they must sum to 1.", field="split")
    return Recipe(tuple((name, share / total) for name, share in sorted(exact.items())), seed)


def assign(members: Iterable[Member], recipe: Recipe) -> dict[str, str]:
    """Part of each case id. In every label class a part holds its share of the patients to within one.

    A patient whose cases have several labels is a stratum of that combination. The order of ``members`` does not matter.
    """
    labels: dict[str, set[str]] = defaultdict(set)
    cases: dict[str, list[str]] = defaultdict(list)
    for member in members:
        labels[member.patient].add(member.label)
        cases[member.patient].append(member.case_id)
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient, found in labels.items():
        strata[tuple(sorted(found))].append(patient)
    owed = [Fraction(0)] * len(recipe.shares)  # what rounding in earlier strata kept from each part
    parts: dict[str, str] = {}
    for stratum in sorted(strata):
        patients = sorted(strata[stratum], key=lambda patient: _order(recipe.seed, patient))
        counts, owed = _apportion(len(patients), recipe, owed)
        names = [name for (name, _), count in zip(recipe.shares, counts, strict=True) for _ in range(count)]
        for patient, name in zip(patients, names, strict=True):
            parts.update(dict.fromkeys(cases[patient], name))
    return parts


def _apportion(total: int, recipe: Recipe, owed: list[Fraction]) -> tuple[list[int], list[Fraction]]:
    """Patients a part gets of one stratum: the floor or the ceiling of its share, so that sums over strata fit too."""
    ideal = [total * share for _, share in recipe.shares]
    counts = [math.floor(value) for value in ideal]
    wants = [value - count + debt for value, count, debt in zip(ideal, counts, owed, strict=True)]
    may_grow = [index for index, value in enumerate(ideal) if value.denominator != 1]
    for index in sorted(may_grow, key=lambda i: (-wants[i], i))[: total - sum(counts)]:
        counts[index] += 1
    return counts, [value + debt - count for value, debt, count in zip(ideal, owed, counts, strict=True)]


def _order(seed: int, patient: str) -> tuple[bytes, str]:
    return hashlib.sha256(f"isocenter-split|{seed}|{patient}".encode()).digest(), patient
