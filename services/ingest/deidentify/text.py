"""Take identifying values out of report text: what the link knows of the patient, and what looks like such a value by itself.

Values become placeholders that say what stood there ([姓名], [PHONE]); dates move by the patient's shift and keep their form.
PS3.15 has no clause for free text; the rules are data (text_rules.toml), the kinds follow the identifiers of HIPAA 164.514(b)(2) and GB/T 35273.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from services.ingest.deidentify.text_dates import date_spans
from services.ingest.names import parse_name, written_forms
from services.ingest.normalise import fold, number_key
from services.ingest.report_records import Scrubbed
from services.ingest.words import Ground

AGE_MAX = 89  # ages above are written as 90 (HIPAA safe harbor)
PLACEHOLDERS = {
    "age": ("[年龄]", "[AGE]"), "name": ("[姓名]", "[NAME]"), "phone": ("[电话]", "[PHONE]"), "id": ("[证件号]", "[ID]"), "number": ("[编号]", "[NUMBER]"),
    "email": ("[邮箱]", "[EMAIL]"), "address": ("[地址]", "[ADDRESS]"), "hospital": ("[医院]", "[HOSPITAL]"), "date": ("[日期]", "[DATE]"),
}  # fmt: skip
_INITIAL = re.compile(r" [A-Z]\.?(?![A-Za-z])")  # a middle initial after a latin name


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    kind: str
    replacement: str | None = None  # None: the placeholder of its kind


def scrub(text: str, known: Sequence[str] = (), shift_days: int = 0) -> Scrubbed:
    """The text with placeholders, and how many values of each kind went.

    ``known``: raw strings of the patient and staff (names in any written form, numbers), found blank-, case-, width- and
    script-insensitively and as pinyin. Dates move by ``shift_days``; a date that cannot be (31.02.2021) becomes [日期].
    """
    if not text:
        return Scrubbed("", {})
    folded = fold(text)
    spans: list[_Span] = []
    ground = Ground(len(text))
    for found in (_known(text, folded, tuple(known)), _patterns(text, folded), _dates(folded, shift_days), _ages(folded)):
        spans += [span for span in found if ground.claim(span.start, span.end)]
    language = 0 if re.search(r"[\u4e00-\u9fff]", text) else 1
    pieces, at = [], 0
    counts: Counter[str] = Counter()
    for span in sorted(spans, key=lambda s: s.start):
        pieces += [text[at : span.start], PLACEHOLDERS[span.kind][language] if span.replacement is None else span.replacement]
        counts[span.kind] += 1
        at = span.end
    return Scrubbed("".join([*pieces, text[at:]]), dict(counts))


@dataclass(frozen=True, slots=True)
class _KnownForm:
    squeezed: str  # folded, without blanks and marks
    kind: str
    single: bool  # a lone latin word: only where it is written with a capital


@lru_cache(maxsize=4096)
def _forms(known: tuple[str, ...]) -> tuple[_KnownForm, ...]:
    """What to look for, longest first."""
    forms: dict[str, _KnownForm] = {}
    for value in known:
        name = parse_name(value)
        if any(character.isdigit() for character in value):
            number = re.sub(r"[\W_]+", "", fold(value))
            for form in (number, number_key(value).lower()):
                if len(form) >= 4:
                    forms.setdefault(form, _KnownForm(form, "number", False))
        elif name:
            for written in written_forms(value):
                form = re.sub(r"[\W_]+", "", fold(written))
                latin = form.isascii()
                single = latin and form in name.tokens
                if len(form) >= (3 if latin else 2) and not (single and form in scrub_policy().common_latin):
                    forms.setdefault(form, _KnownForm(form, "name", single))
        elif len(form := re.sub(r"[\W_]+", "", fold(value))) >= 4:
            forms.setdefault(form, _KnownForm(form, "number", False))
    return tuple(sorted(forms.values(), key=lambda form: -len(form.squeezed)))


def _known(text: str, folded: str, known: tuple[str, ...]) -> list[_Span]:
    forms = _forms(known)
    if not forms:
        return []
    positions = [n for n, character in enumerate(folded) if character.isalnum()]  # \w without _
    squeezed = "".join(folded[n] for n in positions)
    found: list[_Span] = []
    for form in forms:
        at = squeezed.find(form.squeezed)
        while at >= 0:
            start, end = positions[at], positions[at + len(form.squeezed) - 1] + 1
            if _whole(folded, start, end) and _compact(folded, start, end) and (not form.single or text[start].isupper()):
                initial = _INITIAL.match(text, end) if form.kind == "name" and form.squeezed.isascii() else None
                found.append(_Span(start, initial.end() if initial else end, form.kind))
            at = squeezed.find(form.squeezed, at + 1)
    ground = Ground(len(text))
    return [span for span in found if ground.claim(span.start, span.end)]


def _whole(folded: str, start: int, end: int) -> bool:
    """Not inside a longer latin word or number."""

    def same(a: str, b: str) -> bool:
        return a.isascii() and b.isascii() and a.isalnum() and b.isalnum() and a.isdigit() == b.isdigit()

    return not (start > 0 and same(folded[start - 1], folded[start])) and not (end < len(folded) and same(folded[end - 1], folded[end]))


def _compact(folded: str, start: int, end: int) -> bool:
    """Its characters stand together: no sentence mark, line break or long gap between them."""
    return not re.search(r"[。；;:：\n]|[,，、]{2}|\W{4}|\d[,，、]\d|[.!?] ", folded[start:end])


@dataclass(frozen=True, slots=True)
class ScrubPolicy:
    """The rules of text_rules.toml: (kind, pattern) in order of precedence, and the version that scrubbed text carries."""

    number: int
    sha256: str
    rules: tuple[tuple[str, re.Pattern[str]], ...]
    common_latin: frozenset[str]


@lru_cache(maxsize=1)
def scrub_policy() -> ScrubPolicy:
    content = files("services.ingest.deidentify").joinpath("text_rules.toml").read_bytes()
    body = tomllib.loads(content.decode("utf-8"))
    rules = tuple((rule["kind"], re.compile(_expanded(rule["pattern"], body["fragments"]), re.IGNORECASE)) for rule in body["rules"])
    return ScrubPolicy(int(body["number"]), hashlib.sha256(content).hexdigest(), rules, frozenset(body["common"]["latin"]))


def _expanded(pattern: str, fragments: Mapping[str, str]) -> str:
    """Fragments put in for their <names>; a fragment may hold others."""
    while True:
        before = pattern
        for name, fragment in fragments.items():
            pattern = pattern.replace(f"<{name}>", fragment)
        if pattern == before:
            return pattern


def _patterns(text: str, folded: str) -> list[_Span]:
    """Half-width text is matched, so that full-width digits are found; its length is that of the text."""
    half = "".join(f if f.isascii() and not c.isascii() else c for c, f in zip(text, folded, strict=True))
    kept: list[_Span] = []
    ground = Ground(len(half))
    for kind, pattern in scrub_policy().rules:
        for match in pattern.finditer(half):
            start, end = match.span("v") if "v" in pattern.groupindex else match.span()
            if end > start and ground.claim(start, end):
                kept.append(_Span(start, end, kind))
    return kept


def _dates(folded: str, shift_days: int) -> Iterable[_Span]:
    return [_Span(start, end, "date", moved) for start, end, moved in date_spans(folded, shift_days)]


_AGE = re.compile(
    r"(?<![\d.])(?P<v>1[0-2]\d|9\d)(?=\s*(?:岁|周岁|y\b|y/o|yo\b|yrs?\b|[- ]years?[- ]old|[- ]year[- ]old))"
    r"|(?:年龄|age[d]?)\s*[:：]?\s*(?P<w>1[0-2]\d|9\d)(?!\d)"
)


def _ages(folded: str) -> Iterable[_Span]:
    found = []
    for match in _AGE.finditer(folded):
        start, end = match.span("v") if match["v"] else match.span("w")
        if int(folded[start:end]) > AGE_MAX and folded[start:end] != "90":
            found.append(_Span(start, end, "age", "90"))
    return found
