"""Studies and reports as columns of whole numbers, so that blocking and a first look at millions of pairs are array arithmetic.

Every text becomes a code (0 = not told) that is the same on both sides; what a person has several of is padded to a few columns
or, where it does not fit, marked ``open``: such a pair is looked at by the full comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.ingest.link_person import Person

Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
NAME_KEYS_MAX = 8
NUMBERS_MAX = 3
NUMBER_LENGTH_MAX = 16
NO_DAY = -1


@dataclass(slots=True)
class Codes:
    """A whole number from 1 for every text met; shared by both sides, so that equal texts are equal numbers."""

    known: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known) + 1) if text else 0


@dataclass(frozen=True, slots=True)
class Several:
    """A field people have any number of: ``person[i]`` has ``code[i]``."""

    person: Int
    code: Int


@dataclass(frozen=True, slots=True)
class Columns:
    """One side of linking; n people, arrays of length n unless said otherwise. Days as in Person, NO_DAY = not told."""

    accessions: Several
    uids: Several
    pathology_numbers: Several
    numbers: Several
    name_keys: Several
    surname: Int
    shown: Int
    sex: Int
    birth: Int  # YYYYMMDD
    birth_year: Int  # 0 = not told
    day: Int
    exchanged: Int
    modality: Int
    aged: Bool
    scoped: Bool
    named: Bool
    name_table: npt.NDArray[np.int32]  # (n, NAME_KEYS_MAX)
    name_open: Bool
    number_table: npt.NDArray[np.int32]  # (n, NUMBERS_MAX)
    number_text: npt.NDArray[np.uint8]  # (n, NUMBER_LENGTH_MAX) ASCII of the one number
    number_open: Bool

    @classmethod
    def of(cls, people: Sequence[Person], codes: Codes) -> Columns:
        """Codes of these people, in their order."""
        name_keys = _several([person.name_keys for person in people], codes)
        numbers = _several([person.numbers for person in people], codes)
        count = len(people)
        single = [next(iter(person.numbers)) if len(person.numbers) == 1 else "" for person in people]
        text = np.array([number.encode("ascii", "replace") for number in single], dtype=f"S{NUMBER_LENGTH_MAX}")
        return cls(
            accessions=_several([person.accessions for person in people], codes),
            uids=_several([(person.study_uid,) for person in people], codes),
            pathology_numbers=_several([person.pathology_numbers for person in people], codes),
            numbers=numbers,
            name_keys=name_keys,
            surname=_ints(codes.of(person.surname) for person in people),
            shown=_ints(codes.of(person.shown) for person in people),
            sex=_ints("MF".find(person.sex) + 1 if person.sex else 0 for person in people),
            birth=_ints(int(person.birth_date or 0) for person in people),
            birth_year=_ints(person.birth_year or 0 for person in people),
            day=_ints(NO_DAY if person.day is None else person.day for person in people),
            exchanged=_ints(NO_DAY if person.exchanged is None else person.exchanged for person in people),
            modality=_ints(codes.of(person.modality) for person in people),
            aged=np.array([person.age_years is not None or bool(person.birth_date) for person in people], dtype=np.bool_),
            scoped=np.array([bool(person.scope) for person in people], dtype=np.bool_),
            named=np.array([bool(person.names) for person in people], dtype=np.bool_),
            name_table=_table(name_keys, count, NAME_KEYS_MAX),
            name_open=np.array([_open_name(person) for person in people], dtype=np.bool_),
            number_table=_table(numbers, count, NUMBERS_MAX),
            number_text=text.view(np.uint8).reshape(count, NUMBER_LENGTH_MAX),
            number_open=np.array(
                [len(p.numbers) > NUMBERS_MAX or len(s) > NUMBER_LENGTH_MAX or not s.isascii() for p, s in zip(people, single, strict=True)], dtype=np.bool_
            ),
        )


def _open_name(person: Person) -> bool:
    return len(person.name_keys) > NAME_KEYS_MAX or any(name.masked for name in person.names) or (bool(person.names) and not person.name_keys)


def _ints(values: Iterable[int]) -> Int:
    return np.fromiter(values, dtype=np.int64)


def _several(fields: Sequence[Iterable[str]], codes: Codes) -> Several:
    found = [(n, codes.of(text)) for n, texts in enumerate(fields) for text in sorted(texts) if text]
    pairs = np.array(found, dtype=np.int64).reshape(len(found), 2)
    return Several(pairs[:, 0], pairs[:, 1])


def _table(field: Several, people: int, width: int) -> npt.NDArray[np.int32]:
    """The first ``width`` codes of every person side by side, 0 where there are fewer."""
    table = np.zeros((people, width), dtype=np.int32)
    first = np.searchsorted(field.person, np.arange(people))
    column = np.arange(field.person.size) - first[field.person]
    fits = column < width
    table[field.person[fits], column[fits]] = field.code[fits]
    return table
