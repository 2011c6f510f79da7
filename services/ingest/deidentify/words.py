"""Words that may stay in descriptions, and values that may stay nowhere."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

# A run of Chinese, or a run of other letters, digits and the signs that words of technique hold ("h&e", "c+").
_WORD = re.compile(r"[\u4e00-\u9fff]+|(?![\u4e00-\u9fff_])\w(?:(?![\u4e00-\u9fff_])[\w.&*=+-])*")
_HAN_RUN = re.compile(r"[\u4e00-\u9fff]+")
_PLACEHOLDERS = frozenset({
    "anonymous", "anonymized", "anonymised", "anon", "anonymize", "unknown", "none", "null", "name", "patient", "removed", "deidentified", "test", "phantom",
})  # fmt: skip
_NAME_SUFFIXES = frozenset({"dr", "md", "phd", "mr", "mrs", "ms", "jr", "sr", "prof", "the", "and", "von", "van", "der"})
_NO_PERSON = re.compile(
    r"\d|hospital|clinic|medical|university|universit|institut|cent(?:er|re)|department|radiology|system|health|street|road|医院|中心|大学|学院|研究|科室|放射科|诊所",
    re.IGNORECASE,
)
# What no kept text may hold whoever it belongs to: resident identity number, mobile number, e-mail, web address.
_PERSONAL = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)|(?<!\d)1[3-9]\d{9}(?!\d)|[\w.+-]+@[\w-]+\.[\w.]+|https?://")


@dataclass(frozen=True, slots=True)
class SafeWords:
    """The allow-list of descriptions."""

    latin: frozenset[str]
    chinese: tuple[str, ...]  # longest first
    patterns: tuple[str, ...]

    def clean(self, text: str) -> str:
        """The safe words of a text in their order, single blanks between them; '' when there is none.

        Words are compared in NFKC lower case and given back as they were written.
        """
        kept: list[str] = []
        for word in _WORD.findall(unicodedata.normalize("NFKC", text)):
            if _HAN_RUN.fullmatch(word):
                kept.extend(self._chinese_words(word))
            else:
                kept.extend(part for part in self._latin_parts(word) if self.holds(part))
        return " ".join(kept)

    def holds(self, word: str) -> bool:
        """Whether one Latin word (or word with a number) is safe."""
        lowered = word.lower()
        return lowered in self.latin or any(re.fullmatch(pattern, lowered) for pattern in self.patterns)

    def _latin_parts(self, word: str) -> list[str]:
        if self.holds(word):
            return [word]  # "c-" and "c+" mean opposite things
        stripped = word.strip(".&=-")
        return [stripped] if self.holds(stripped) else re.split(r"[.&*=+-]+", stripped)

    def _chinese_words(self, run: str) -> list[str]:
        found, position = [], 0
        while position < len(run):
            match = next((word for word in self.chinese if run.startswith(word, position)), None)
            if match:
                found.append(match)
            position += len(match) if match else 1
        return found


def load_words(toml: bytes) -> SafeWords:
    """The allow-list of a safe_words.toml."""
    content = tomllib.loads(toml.decode())
    chinese = sorted(set(content["chinese"].split()), key=lambda word: (-len(word), word))
    return SafeWords(frozenset(content["latin"].lower().split()), tuple(chinese), tuple(content["patterns"]))


@dataclass(frozen=True, slots=True)
class KnownValues:
    """Strings that may not remain anywhere, folded; a single safe word is none (a patient called HEAD hides in any HEAD CT)."""

    words: tuple[str, ...]  # letters or digits, matched at word boundaries
    runs: tuple[str, ...]  # Chinese or other script without blanks, matched anywhere

    def found_in(self, text: str) -> bool:
        """Whether any known value stands in a text, in any case, width or composition."""
        if not (self.words or self.runs):
            return False
        folded = fold(text)
        closed = folded.replace(" ", "")  # names are also written with blanks between the characters
        if any(run in folded or run in closed for run in self.runs):
            return True
        return any(_bounded(word, folded) for word in self.words)

    def in_bytes(self, data: bytes, digits_from: int = 6) -> bool:
        """Whether any known value stands in bytes as UTF-8, GB18030, UTF-16 or Latin-1. Short numbers are not looked for
        (they occur by chance), nor are words under four characters."""
        lowered = data.lower()
        for word in self.words:
            if len(word) < (digits_from if word.replace(" ", "").isdigit() else 4):
                continue
            for form in (word, word.replace(" ", "^")):
                if any(_bounded_bytes(encoded, lowered) for encoded in _encodings(form)):
                    return True
                # bytes.lower() leaves letters outside ASCII alone
                if not form.isascii() and any(_bounded_bytes(encoded, data) for encoded in _encodings(form.upper())):
                    return True
        return any(encoded in data for run in self.runs for encoded in _encodings(run) if len(encoded) >= 4)


def known_values(names: Iterable[str], others: Iterable[str], words: SafeWords) -> KnownValues:
    """Known values of names (all their written forms and parts) and of other strings (as a whole).

    Kept: at least two characters of Chinese or other non-Latin script, at least three Latin letters or digits. Not kept:
    single safe words, and ``others`` made of safe words only ("Philips Medical Systems" as an institution).
    """
    wanted: set[str] = set()
    for name in names:
        wanted.update(name_forms(name))
    wanted.update(fold(other).strip() for other in others if not all(words.holds(part) for part in re.split(r"[^a-z0-9]+", fold(other)) if part))
    latin: set[str] = set()
    runs: set[str] = set()
    for value in wanted:
        if not value or value in _PLACEHOLDERS or value in _NAME_SUFFIXES:
            continue
        if value.isascii():
            if len(re.sub(r"[^a-z0-9]", "", value)) >= 3 and value not in words.latin and re.search(r"[a-z]|[1-9]", value):
                latin.add(value)
        elif len(value) >= 2 and value not in words.chinese:
            (runs if any(ch >= "\u2e80" for ch in value) else latin).add(value)
    return KnownValues(tuple(sorted(latin)), tuple(sorted(runs)))


def name_forms(name: str) -> set[str]:
    """The ways one person name (PN or free text) is written: parts, with and without blanks, given name first. A value that
    is no person's name (an institution, a number, a sentence) has one form: itself."""
    if "^" not in name and (_NO_PERSON.search(name) or len(re.split(r"[\^,，\s]+", name)) > 6):
        return {fold(name).strip()}
    forms: set[str] = set()
    for group in re.split(r"[=\\]", name):
        parts = [part for part in re.split(r"[\^,，、\s·.]+", fold(group)) if part]
        if not parts:
            continue
        forms.update(part for part in parts if len(part) > 1 and not part.isdigit())
        forms.update({" ".join(parts), "".join(parts)})
        if len(parts) > 1:
            forms.update({" ".join(reversed(parts[:2])), "".join(reversed(parts[:2])), " ".join(parts[:2]), "".join(parts[:2])})
    return forms


def fold(text: str) -> str:
    """NFKC, lower case, with PN carets, underscores and runs of blanks as one blank."""
    return re.sub(r"[\s_^]+", " ", unicodedata.normalize("NFKC", text).lower())


def holds_personal_pattern(text: str) -> bool:
    """Whether a text holds a number or address that belongs to some person."""
    return bool(_PERSONAL.search(text))


def _bounded(word: str, folded: str) -> bool:
    start = folded.find(word)
    while start >= 0:
        end = start + len(word)
        before, after = folded[start - 1 : start], folded[end : end + 1]
        if not _joins(before) and not _joins(after):
            return True
        start = folded.find(word, start + 1)
    return False


def _joins(neighbour: str) -> bool:
    return neighbour.isascii() and neighbour.isalnum()


def _bounded_bytes(word: bytes, data: bytes) -> bool:
    start = data.find(word)
    while start >= 0:
        before, after = data[start - 1 : start] if start else b"", data[start + len(word) : start + len(word) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        start = data.find(word, start + 1)
    return False


@lru_cache(maxsize=4096)
def _encodings(text: str) -> frozenset[bytes]:
    forms: set[bytes] = set()
    for codec in ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "latin-1", "shift_jis", "euc_kr", "big5"):
        try:
            forms.add(text.encode(codec))
        except UnicodeEncodeError:
            continue
    return frozenset(forms)
