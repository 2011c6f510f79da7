"""How an attribute's value matches what was asked (PS3.4 C.2.2.2): wildcards, ranges, person names. No SQL, no HTTP."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

GROUPS = ("alphabetic", "ideographic", "phonetic")
_BETWEEN_WORDS = re.compile(r"[\s,^]+")


def is_universal(value: str) -> bool:
    """An empty value, or nothing but ``*``: everything matches (C.2.2.2.3)."""
    return not value.strip('*" ')


def has_wildcard(value: str) -> bool:
    return "*" in value or "?" in value


def like_pattern(value: str) -> str:
    """A wildcard value as a LIKE pattern with ``\\`` as escape (C.2.2.2.4)."""
    return "".join({"*": "%", "?": "_"}.get(letter, "\\" + letter if letter in "%_\\" else letter) for letter in value)


def wildcard_matches(stored: str, asked: str) -> bool:
    """``*`` is any run of characters, ``?`` exactly one; everything else is itself."""
    pattern = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in asked)
    return re.fullmatch(pattern, stored, re.DOTALL) is not None


def listed(value: str, most: int = 500) -> list[str]:
    """A list of UIDs: with ``\\`` (C.2.2.2.2) or, as in PS3.18 8.3.4.1, with commas."""
    return [part.strip() for part in value.replace("\\", ",").split(",") if part.strip()][:most]


def day_range(value: str) -> tuple[date | None, date | None]:
    """(first, last) day of ``20190305``, ``20190305-``, ``-20190305`` or ``20180101-20200101``; ValueError for anything else."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        value = value.replace("-", "")
    start, dash, end = value.partition("-")
    first, last = _day(start), _day(end)
    if first is None and last is None:
        raise ValueError("a range needs at least one end")
    return (first, last) if dash else (first, first)


def _day(text: str) -> date | None:
    if not text:
        return None
    if re.fullmatch(r"[0-9]{8}", text) is None:
        raise ValueError("a day is YYYYMMDD")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def name_groups(value: str) -> tuple[str, str, str]:
    """The alphabetic, ideographic and phonetic group of a person name, empty trailing components dropped (PS3.5 6.2.1)."""
    alphabetic, ideographic, phonetic = [*(group.strip().rstrip("^ ") for group in value.split("=")[:3]), "", ""][:3]
    return alphabetic, ideographic, phonetic


def name_matches(stored: str, asked: str, *, fuzzy: bool = False) -> bool:
    """Does a stored person name match? Without regard to case and accents, as PS3.4 C.2.2.2.1.1 allows.

    ``asked`` without ``=`` matches any of the three groups; with ``=`` every group that it names must match its own.
    ``fuzzy``: each word asked begins some word of the group, in any order; ideographs may be written without ``^``.
    """
    if is_universal(asked):
        return True
    groups = name_groups(stored)
    if "=" not in asked:
        return any(_group_matches(group, asked.strip().rstrip("^ "), fuzzy) for group in groups if group)
    wanted = name_groups(asked)
    return all(is_universal(want) or _group_matches(group, want, fuzzy) for group, want in zip(groups, wanted, strict=True))


def _group_matches(stored: str, asked: str, fuzzy: bool) -> bool:
    stored, asked = _folded(stored), _folded(asked)
    if wildcard_matches(stored, asked):
        return True
    if not fuzzy:
        return False
    words = [word for word in _BETWEEN_WORDS.split(stored) if word]
    wanted = [word.strip("*?") for word in _BETWEEN_WORDS.split(asked) if word.strip("*?")]
    return all(any(word.startswith(want) for word in words) or "".join(words).startswith(want) for want in wanted)


def _folded(text: str) -> str:
    """Lower case, width of ideographs and accents evened out."""
    spread = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(letter for letter in spread if not unicodedata.combining(letter)))


class Form(NamedTuple):
    """How an attribute is matched, without the values: ``in`` (equal to one of them), ``like``, ``begins`` (without case), ``from``, ``to``."""

    keyword: str
    kind: str
    many: int


class Term(NamedTuple):
    """One condition of a query: the attribute, how it is matched, and the values; patterns are those of LIKE with ``\\`` as escape."""

    keyword: str
    kind: str
    values: tuple[str | int | date, ...]

    @property
    def form(self) -> Form:
        return Form(self.keyword, self.kind, len(self.values))


def values_of(terms: Sequence[Term]) -> dict[str, str | int | date]:
    """The values by the names that a statement calls them."""
    return {f"t{number}v{place}": value for number, term in enumerate(terms) for place, value in enumerate(term.values)}
