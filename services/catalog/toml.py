"""A disease as TOML, its exchange form: what ``isocenter/diseases/*.toml`` look like. Reading is the standard library's, writing is here."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from isocenter.diseases import definition_of
from isocenter.errors import InvalidInput
from services.catalog.schemas.diseases import DiseaseDocument


def loads(content: bytes) -> DiseaseDocument:
    """The document of a file; InvalidInput names the place that is wrong."""
    try:
        body = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput("The body is not UTF-8 TOML.", field="body") from error
    try:
        document = DiseaseDocument.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{place}: {first['msg']}", field=place or "body") from error
    definition_of(document.model_dump(mode="json"), document.code)  # what the import stages will read
    return document


def dumps(document: Mapping[str, Any]) -> str:
    """Plain values first, then tables, then lists of tables; ``loads`` gives the same document back."""
    lines: list[str] = []
    _table(document, (), lines)
    return "\n".join(lines).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    later: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            later.append((name, value))
        else:
            lines.append(f"{_key(name)} = {_value(value)}")
    for name, value in later:
        inner = (*path, _key(name))
        for item in [value] if isinstance(value, Mapping) else value:
            head = ".".join(inner)
            lines += ["", f"[{head}]" if isinstance(value, Mapping) else f"[[{head}]]"]
            _table(item, inner, lines)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        # A TOML basic string is a JSON string, but for DEL and for surrogates, which no document of ours holds.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
