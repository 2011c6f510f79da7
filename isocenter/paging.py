"""Keyset pages: an opaque cursor of the last row's sort values; page 1,000 costs what page 1 costs."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from isocenter.errors import InvalidInput

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=500, description="Rows a page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before; empty = the first page.")]


class Page(BaseModel, Generic[Item]):
    """A page and the cursor of the next one, null at the end."""

    items: list[Item]
    next: str | None = None


def encode_cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, default=str, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[Any]:
    """The sort values of the last row; InvalidInput for anything that is not a cursor of ours."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("This is not a cursor of ours; take `next` from the page before, or leave it out.", field="cursor") from error
    if not isinstance(values, list) or len(values) != length or not all(_plain(value) for value in values):
        raise InvalidInput("This cursor belongs to another list; leave it out to start again.", field="cursor")
    return values


def _plain(value: Any) -> bool:
    """Whether a value can go into SQL: no containers, no lone surrogates, no numbers a BIGINT cannot hold."""
    if isinstance(value, str):
        return len(value) <= 300 and not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))


def cursor_number(value: Any) -> int:
    """A row number out of a cursor; InvalidInput when it is none."""
    if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19):
        return int(value)
    raise InvalidInput("This cursor belongs to another list; leave it out to start again.", field="cursor")
