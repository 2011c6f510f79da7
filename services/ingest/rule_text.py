"""A rule set as text: TOML to a checked document, a document to TOML. Pure; every complaint names its line and field.

The text has the shape of ``isocenter/diseases/*.toml``. What names cases and datasets (code, prefix, organ, classes) is
not a rule: a proposal that changes it is refused, the disease's own page does that.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isocenter.diseases import KINDS, MEANINGS, DiseaseDefinition, definition_of
from isocenter.errors import InvalidInput
from services.ingest.legible import legible
from services.ingest.ruleset import general, rule_set

TEXT_MAX = 1_000_000  # characters
WORD_MAX = 120
WORDS_MAX = 20_000
PROBLEMS_MAX = 20
KEYS = frozenset(["code", "prefix", "number", "title", "organ", "organ_words", "body_parts", "modalities", "schemes", "terms", "categories"])
TERM_KEYS = frozenset(["id", "meaning", "kind", "subtype", "words"])
CATEGORY_KEYS = frozenset(["id", "pattern", "grades"])
FIXED = ("code", "prefix", "organ", "title")  # not a matter of rules
_PLACE = re.compile(r"\(at line (\d+), column \d+\)")
_REPEATED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*(?:[+*]|\d,\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,)")  # (a+)+ can take for ever on a short text

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint: ``field`` like ``terms[3].words``, ``line`` counts from 1, None when the text has no such place."""

    field: str
    line: int | None
    detail: str


def checked(text: str, current: Mapping[str, Any]) -> tuple[dict[str, Any], DiseaseDefinition]:
    """The document of a text that may replace ``current``; InvalidInput with the first complaint and up to twenty as ``problems``."""
    document = _parsed(text)
    found = [Problem(_name(path), line_of(text, path), detail) for path, detail in _complaints(document, current)]
    if not found:
        try:
            definition = definition_of(document, str(current["code"]))
            rule_set(definition)
        except InvalidInput as error:
            found = [Problem(error.field or "", None, error.detail)]
    if found:
        first = found[0]
        where = f"line {first.line}, " if first.line else ""
        problems = [{"field": p.field, "line": p.line, "detail": p.detail} for p in found[:PROBLEMS_MAX]]
        raise InvalidInput(f"{where}{first.field}: {first.detail}", field=first.field, line=first.line, problems=problems)
    return document, definition


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > TEXT_MAX:
        raise InvalidInput(f"The rules are longer than {TEXT_MAX} characters.", field="text")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place else None
        reason = _PLACE.sub("", str(error)).strip()
        raise InvalidInput(f"{f'line {line}: ' if line else ''}this is not TOML ({reason}).", field="text", line=line) from error
    except RecursionError as error:
        raise InvalidInput("The text is nested too deeply.", field="text") from error


def _complaints(document: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for key in document:
        if key not in KEYS and key not in current:
            yield (key,), f"there is no such key; known are {', '.join(sorted(KEYS))}."
    for key in FIXED:
        if document.get(key) != current.get(key):
            yield (key,), f"this is {_short(current.get(key))} and does not change with the rules."
    if not isinstance(document.get("number"), int) or isinstance(document.get("number"), bool):
        yield ("number",), "a whole number is needed here: the version of the rules."
    elif document["number"] <= int(current["number"]) and not same_rules(document, current):
        yield ("number",), f"raise it to {int(current['number']) + 1} or more: {current['number']} is the version in use."
    if classes_of(document) != classes_of(current):
        yield ("schemes",), "label schemes and their classes change at the disease, not with the rules."
    for key in ("organ_words", "body_parts", "modalities"):
        yield from _words((key,), document.get(key, []), empty=True)
    yield from _terms(document.get("terms", []))
    yield from _categories(document.get("categories", []))


def _terms(terms: object) -> Iterator[tuple[Place, str]]:
    if not isinstance(terms, list) or not all(isinstance(term, dict) for term in terms):
        yield ("terms",), "tables are needed here ([[terms]])."
        return
    if sum(len(term["words"]) for term in terms if isinstance(term.get("words"), list)) > WORDS_MAX:
        yield ("terms",), f"there are more than {WORDS_MAX} words."
    seen: dict[str, int] = {}
    for n, term in enumerate(terms):
        place: Place = ("terms", n)
        yield from _id(place, term, TERM_KEYS, seen)
        if term.get("meaning") not in MEANINGS:
            yield (*place, "meaning"), f"one of {', '.join(MEANINGS)} is needed here."
        if term.get("kind", "any") not in KINDS:
            yield (*place, "kind"), f"one of {', '.join(KINDS)} is needed here."
        if not isinstance(term.get("subtype", ""), str) or len(term.get("subtype", "")) > 64:
            yield (*place, "subtype"), "a text of at most 64 characters is needed here."
        yield from _words((*place, "words"), term.get("words"))


def _id(place: Place, item: Mapping[str, Any], keys: frozenset[str], seen: dict[str, int]) -> Iterator[tuple[Place, str]]:
    name = item.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        yield (*place, "id"), "a name of at most 64 characters is needed here."
    elif name in seen:
        yield (*place, "id"), f"{name} is the name of {place[0]}[{seen[name]}] already."
    else:
        seen[name] = int(place[1])
    for key in item:
        if key not in keys:
            yield (*place, key), f"there is no such key; known are {', '.join(sorted(keys))}."


def _words(place: Place, words: object, *, empty: bool = False) -> Iterator[tuple[Place, str]]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or not (words or empty):
        yield place, "a list of words is needed here."
        return
    for word in words:
        if not legible(word).text.strip() or len(word) > WORD_MAX:
            yield place, f"{_short(word)} is no word: it needs 1 to {WORD_MAX} characters."


def _categories(categories: object) -> Iterator[tuple[Place, str]]:
    if not isinstance(categories, list) or not all(isinstance(item, dict) for item in categories):
        yield ("categories",), "tables are needed here ([[categories]])."
        return
    seen: dict[str, int] = {}
    for n, item in enumerate(categories):
        place: Place = ("categories", n)
        yield from _id(place, item, CATEGORY_KEYS, seen)
        pattern = item.get("pattern")
        if not isinstance(pattern, str) or not 0 < len(pattern) <= 500:
            yield (*place, "pattern"), "a regular expression of at most 500 characters is needed here."
        else:
            try:
                if re.compile(pattern).groups < 1:
                    yield (*place, "pattern"), "a group in brackets must hold the grade."
                if _REPEATED_REPEAT.search(pattern):
                    yield (*place, "pattern"), "a repeat within a repeat can take for ever; write it without."
            except (re.error, RecursionError, OverflowError) as error:
                yield (*place, "pattern"), f"this is no regular expression ({error})."
        grades = item.get("grades")
        if not isinstance(grades, dict) or not grades or not all(value in MEANINGS for value in grades.values()):
            yield (*place, "grades"), f"a table of grades is needed here, each one of {', '.join(MEANINGS)}."


def classes_of(document: Mapping[str, Any]) -> list[tuple[str, int, list[str]]]:
    """(code, number, class values) of every scheme; empty for schemes of another shape."""
    try:
        return [(s["code"], int(s["number"]), [c["value"] for c in s.get("classes", ())]) for s in document["schemes"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def same_rules(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two documents say the same but for their number."""
    return {k: v for k, v in a.items() if k != "number"} == {k: v for k, v in b.items() if k != "number"}


def _name(path: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def line_of(text: str, path: Place) -> int | None:
    """The line (from 1) where a key of the document stands: its own, else that of the table or list it is in."""
    lines = text.splitlines()
    start, found = 0, None
    first = str(path[0])
    if len(path) > 1 and isinstance(path[1], int):
        header = re.compile(rf"\s*\[\[\s*{re.escape(first)}\s*\]\]")
        places = [n for n, line in enumerate(lines) if header.match(line)]
        if path[1] < len(places):
            start = places[path[1]]
            found = start + 1
        first = str(path[2]) if len(path) > 2 else ""
        if found is None:
            start, first = 0, str(path[0])
    key = re.compile(rf"\s*[\"']?{re.escape(first)}[\"']?\s*=") if first else None
    for n in range(start + (found is not None), len(lines)):
        if lines[n].lstrip().startswith("["):
            break
        if key is not None and key.match(lines[n]):
            return n + 1
    return found


def conflicts(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Words that two terms claim with different meanings; ``general`` = a term of the language rules that the disease overrides."""
    general_words = {legible(word).text: (str(term["id"]), str(term["meaning"])) for term in general()["terms"] for word in term["words"]}
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    found: list[dict[str, Any]] = []
    for term in document.get("terms", ()):
        for word in term["words"]:
            key = legible(word).text
            mine = (str(term["id"]), str(term["meaning"]))
            other = seen.setdefault((key, term.get("kind", "any")), mine)
            if other[1] != mine[1]:
                found.append({"word": word, "rules": [other[0], mine[0]], "meanings": [other[1], mine[1]], "general": False})
            elif key in general_words and general_words[key][1] != mine[1]:
                found.append({"word": word, "rules": [general_words[key][0], mine[0]], "meanings": [general_words[key][1], mine[1]], "general": True})
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a proposal adds, removes and changes, by term and category: words added and removed."""
    found = []
    for noun in ("terms", "categories"):
        before, after = ({item["id"]: item for item in body.get(noun, ())} for body in (old, new))
        for name in sorted({*before, *after}):
            a, b = before.get(name), after.get(name)
            if a == b or (a and b and _filled(a) == _filled(b)):
                continue
            was, now = (set(item.get("words", ())) if item else set() for item in (a, b))
            change = "added" if a is None else "removed" if b is None else "changed"
            found.append({"noun": noun, "id": name, "change": change, "added": sorted(now - was), "removed": sorted(was - now)})
    for key in ("organ_words", "body_parts", "modalities"):
        was, now = set(old.get(key, ())), set(new.get(key, ()))
        if was != now:
            found.append({"noun": key, "id": "", "change": "changed", "added": sorted(now - was), "removed": sorted(was - now)})
    return found


def _filled(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "any", "subtype": "", **item}


def text_of(document: Mapping[str, Any]) -> str:
    """The document as TOML; parsing it gives the document again."""
    plain = {key: value for key, value in document.items() if not _tables(value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in document.items():
        if _tables(value):
            for item in value:
                lines += ["", f"[[{_key(key)}]]", *(f"{_key(name)} = {_value(inner)}" for name, inner in item.items() if inner is not None)]
    return "\n".join(lines) + "\n"


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inside} }}" if inside else "{}"
    assert isinstance(value, Sequence)
    return f"[{', '.join(_value(item) for item in value)}]"
