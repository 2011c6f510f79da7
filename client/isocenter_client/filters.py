"""Filters as a person writes them, turned into the server's search document. The server checks names and types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isocenter_client.errors import ClientError

_CONDITION = re.compile(r"\s*([A-Za-z_]+)\s*(>=|<=|=|\s+in\s+)\s*(.+?)\s*\Z", re.IGNORECASE)
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_SPAN = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})\Z")
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
NUMBERS = frozenset({"age", "SliceThickness", "mpp", "ObjectivePower"})


def parse_where(conditions: Iterable[str]) -> dict[str, Any]:
    """``Modality=CT,MR``, ``SliceThickness<=1.5``, ``age=40..70``, ``label in (0,1)``; several joined by ``and``."""
    query = _Query()
    for text in conditions:
        for condition in _AND.split(text.strip()):
            match = _CONDITION.match(condition)
            if match is None:
                raise ClientError(f"Cannot read the condition {condition!r}; write NAME=VALUE[,VALUE], NAME>=N, NAME<=N or NAME=LOW..HIGH.", field="where")
            name, operator, value = match[1], match[2].strip().lower(), match[3]
            if operator in (">=", "<="):
                query.bound(name, "gte" if operator == ">=" else "lte", _number(value, condition))
            elif span := _SPAN.match(value):
                query.bound(name, "gte", float(span[1]))
                query.bound(name, "lte", float(span[2]))
            else:
                query.values(name, [part.strip().strip("'\"") for part in value.strip("()").split(",")])
    return query.document


def from_keywords(where: Mapping[str, Any]) -> dict[str, Any]:
    """``Modality="CT"``, ``Modality=["CT", "MR"]``, ``age=(40, 70)``, ``SliceThickness__lte=1.5``."""
    query = _Query()
    for key, value in where.items():
        name, _, operator = key.partition("__")
        if operator:
            if operator not in ("gte", "lte"):
                raise ClientError(f"{key}: after __ comes gte (at least) or lte (at most).", field=name)
            query.bound(name, operator, value)
        elif name in NUMBERS and isinstance(value, tuple):
            if len(value) != 2:
                raise ClientError(f"{name} takes (at least, at most); None leaves a side open.", field=name)
            for side, limit in zip(("gte", "lte"), value, strict=True):
                if limit is not None:
                    query.bound(name, side, limit)
        else:
            query.values(name, list(value) if isinstance(value, list | tuple | set) else [value])
    return query.document


def merged(*documents: Mapping[str, Any] | None) -> dict[str, Any]:
    """Filters laid over one another: a name in a later one replaces it."""
    query: dict[str, Any] = {"terms": {}, "ranges": {}}
    for document in documents:
        for key, value in (document or {}).items():
            if isinstance(value, Mapping):
                query.setdefault(key, {}).update(value)
            else:
                query[key] = value
    return {key: value for key, value in query.items() if value not in ({}, None)}


class _Query:
    def __init__(self) -> None:
        self.document: dict[str, Any] = {"terms": {}, "ranges": {}}

    def values(self, name: str, values: list[Any]) -> None:
        if name in NUMBERS:
            values = [_number(value, f"{name}={value}") if isinstance(value, str) else value for value in values]
        self.document["terms"].setdefault(name, []).extend(values)

    def bound(self, name: str, side: str, value: float) -> None:
        self.document["ranges"].setdefault(name, {})[side] = value


def _number(text: str, condition: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ClientError(f"{condition!r} needs a number.", field="where") from None


def parse_split(text: str | tuple[float, ...] | Mapping[str, float] | None) -> dict[str, float] | None:
    """``70/15/15`` and ``(0.7, 0.15, 0.15)`` are train, val, test (two parts: train, test); a dict names its own."""
    if text is None or isinstance(text, Mapping):
        return dict(text) if text else None
    try:
        shares = [float(part) for part in text.split("/")] if isinstance(text, str) else [float(part) for part in text]
    except ValueError:
        raise ClientError("A split is written 70/15/15 (train, val, test) or 80/20 (train, test).", field="split") from None
    names = {2: ("train", "test"), 3: ("train", "val", "test")}.get(len(shares))
    if names is None:
        raise ClientError("A split has two parts (train, test) or three (train, val, test); name others in a dict.", field="split")
    if sum(shares) > 1.5:  # percent; the decimal that percent is, not the nearest binary number
        shares = [round(share / 100, 6) for share in shares]
    return dict(zip(names, shares, strict=True))


def parse_reference(reference: str) -> tuple[str, int]:
    """``name@2`` -> ("name", 2)."""
    match = re.match(r"([a-z0-9][a-z0-9_-]*)@([1-9][0-9]{0,8})\Z", reference)
    if match is None:
        raise ClientError(f"{reference!r} is no version; write name@number, as in lung-thin@1.", field="reference")
    return match[1], int(match[2])


def parse_options(given: Sequence[str]) -> dict[str, Any]:
    """``["size_px=64", "augment=[\"flip\"]", "slices=all"]`` -> values: JSON where it is JSON, else the text itself."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ClientError(f"An option is written NAME=VALUE, not {text!r}.", field="option")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found
