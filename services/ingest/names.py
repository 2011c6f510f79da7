"""Names of persons in all the forms a hospital writes them, and how far two of them agree.

DICOM writes ZHANG^WEI=张^伟, a report 张伟, another 張偉, 张 伟（女）, 张*, Zhang Wei or Miller, Paul J.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, product

from pypinyin import Style, pinyin
from rapidfuzz.distance import OSA

from services.ingest.normalise import clean_value, simplified

_BRACKETS = re.compile(r"[(\[{<（【].*?[)\]}>）】]")
_TITLES = re.compile(r"(?:先生|女士|小姐|同志|之子|之女)$|\b(?:mr|mrs|ms|miss|dr|prof|jr|sr|ii|iii|md)\b\.?", re.IGNORECASE)
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0002ffff]")
_MASKS = "*＊×○〇xX某●■□?？_"
# surnames read otherwise than the common reading of their character
SURNAME_READINGS = {
    "单": "shan", "曾": "zeng", "仇": "qiu", "解": "xie", "查": "zha", "区": "ou", "任": "ren", "盖": "ge",
    "翟": "zhai", "尉": "wei", "朴": "piao", "缪": "miao", "乐": "yue", "召": "shao", "纪": "ji", "华": "hua",
    "覃": "qin", "种": "chong", "秘": "bi", "冼": "xian",
}
COMPOUND_SURNAMES = frozenset(
    ["欧阳", "上官", "司马", "诸葛", "司徒", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "长孙", "宇文", "端木", "南宫", "独孤", "轩辕"]
)


@dataclass(frozen=True, slots=True, repr=False)
class Name:
    """One person's name: ``han`` simplified without blanks ('*' where masked), ``tokens`` of the latin form, lower case."""

    han: str = ""
    tokens: tuple[str, ...] = ()

    @property
    def masked(self) -> bool:
        return "*" in self.han

    def __bool__(self) -> bool:
        return bool(self.han or self.tokens)


@lru_cache(maxsize=200_000)
def parse_name(written: str) -> Name:
    """The name behind a written form; empty for placeholders and for pure numbers."""
    han, tokens = "", ()
    for group in written.split("="):
        cleaned = _TITLES.sub("", _BRACKETS.sub("", clean_value(group))).strip()
        if not cleaned or cleaned.isdigit():
            continue
        if _HAN.search(cleaned):
            han = han or _masked_han(cleaned)
        elif not tokens:
            plain = unicodedata.normalize("NFKD", cleaned.replace("ü", "v").replace("Ü", "v"))
            if "," in plain:
                plain = " ".join(reversed(plain.split(",", 1)))
            tokens = tuple(re.findall(r"[a-z]+", "".join(c for c in plain.lower() if not unicodedata.combining(c)).replace("'", "")))
    return Name(han, tokens)


def _masked_han(cleaned: str) -> str:
    kept = "".join(c for c in simplified(cleaned) if _HAN.fullmatch(c) or c in _MASKS)
    return re.sub(f"[{re.escape(_MASKS)}]", "*", kept)


@lru_cache(maxsize=30_000)
def _readings(character: str) -> tuple[str, ...]:
    """All readings of one character without tones, ü as v."""
    return tuple(dict.fromkeys(s.replace("ü", "v") for s in pinyin(character, style=Style.NORMAL, heteronym=True)[0]))


def han_readings(han: str, limit: int = 8) -> tuple[tuple[str, ...], ...]:
    """The pinyin readings of a name, most likely first, syllables apart; masked characters give none."""
    if not han or "*" in han:
        return ()
    choices = [_readings(character) for character in han]
    if han[:1] in SURNAME_READINGS and han[:2] not in COMPOUND_SURNAMES:
        surname = SURNAME_READINGS[han[0]]
        choices[0] = (surname, *(s for s in choices[0] if s != surname))
    return tuple(islice(product(*choices), limit))


@lru_cache(maxsize=200_000)
def name_keys(name: Name) -> frozenset[str]:
    """Letters-only keys; two written forms of one name share at least one (reading, order and blanks do not matter)."""
    keys = {"".join(reading).replace("v", "u") for reading in han_readings(name.han)}
    tokens = tuple(token.replace("v", "u") if name.han else token for token in name.tokens)[:4]
    keys.update("".join(tokens[n:] + tokens[:n]) for n in range(len(tokens)))
    if not name.han:
        keys.update(key.replace("lv", "lu").replace("nv", "nu") for key in list(keys))
    return frozenset(key for key in keys if len(key) > 1)


@dataclass(frozen=True, slots=True)
class NameAgreement:
    """``level``: same | sound | close | masked | differ | missing; ``similarity`` 0..1; ``keys`` shared, for frequency."""

    level: str
    similarity: float
    keys: frozenset[str] = frozenset()


def compare_names(a: Name, b: Name) -> NameAgreement:
    """How far two names agree. A masked name agrees by the characters that are shown and by its length only."""
    if not a or not b:
        return NameAgreement("missing", 0.0)
    if a.han and b.han:
        if a.masked or b.masked:
            fits = len(a.han) == len(b.han) and all(x == y or "*" in (x, y) for x, y in zip(a.han, b.han, strict=True))
            return NameAgreement("masked", 0.5) if fits else NameAgreement("differ", 0.0)
        if a.han == b.han:
            return NameAgreement("same", 1.0, name_keys(a) & name_keys(b))
    if a.masked or b.masked:
        return NameAgreement("missing", 0.0)
    shared = name_keys(a) & name_keys(b)
    if shared:
        same = not (a.han or b.han) and sorted(a.tokens) == sorted(b.tokens)
        return NameAgreement("same" if same else "sound", 1.0 if same else 0.95, shared)
    return _near(a, b)


def _near(a: Name, b: Name) -> NameAgreement:
    if a.han and b.han:
        if len(a.han) >= 2 and len(b.han) >= 2 and a.han[0] == b.han[0] and OSA.distance(a.han, b.han) == 1:
            return NameAgreement("close", 0.6)
        similarity = max(OSA.normalized_similarity(x, y) for x in name_keys(a) or {""} for y in name_keys(b) or {""})
        return NameAgreement("close" if similarity >= 0.85 else "differ", float(similarity))
    if a.tokens and b.tokens and not (a.han or b.han):
        small, large = sorted((set(a.tokens), set(b.tokens)), key=len)
        if len(small) >= 2 and all(any(t == u or (len(min(t, u, key=len)) == 1 and t[0] == u[0]) for u in large) for t in small):
            return NameAgreement("close", 0.8)
    similarity = max((OSA.normalized_similarity(x, y) for x in name_keys(a) for y in name_keys(b)), default=0.0)
    return NameAgreement("close" if similarity >= 0.85 else "differ", float(similarity))


def written_forms(written: str) -> tuple[str, ...]:
    """Forms under which a name may stand in a text: as written, simplified, without blanks, reversed, as pinyin."""
    name = parse_name(written)
    forms: list[str] = [written.strip(), *re.split(r"[=^]", written)] if name else []
    if name.han and not name.masked:
        forms.append(name.han)
        surname = name.han[:2] if name.han[:2] in COMPOUND_SURNAMES else name.han[:1]
        for reading in han_readings(name.han, limit=4):
            first, rest = "".join(reading[: len(surname)]), reading[len(surname) :]
            forms += [f"{first} {''.join(rest)}", f"{''.join(rest)} {first}", f"{first} {' '.join(rest)}"]
    if len(name.tokens) >= 2:
        tokens = name.tokens
        forms += [" ".join(tokens), " ".join(reversed(tokens)), f"{tokens[0]} {tokens[-1]}", f"{tokens[-1]} {tokens[0]}"]
    return tuple(dict.fromkeys(form for form in (f.strip(" ,^") for f in forms) if form and not _too_short(form)))


def _too_short(form: str) -> bool:
    """A lone Han character, or a lone latin word under three letters, is no name to search for in a text."""
    return len(form) < 2 if _HAN.search(form) else len(form.replace(" ", "")) < 3


def surname_key(name: Name) -> str:
    """The first letters by which names block together: the surname's reading, or the first latin token sorted."""
    if name.han and name.han[0] != "*":
        return SURNAME_READINGS.get(name.han[0], _readings(name.han[0])[0])
    return min(name.tokens, default="")


def keys_of(names: Iterable[Name]) -> dict[str, int]:
    """How many of these names carry each key: the term frequencies of linking."""
    counts: dict[str, int] = {}
    for name in names:
        for key in name_keys(name):
            counts[key] = counts.get(key, 0) + 1
    return counts
