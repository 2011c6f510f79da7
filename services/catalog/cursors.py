"""The cursors of this service, typed: what a client sends back may be anything."""

from __future__ import annotations

from isocenter.errors import InvalidInput
from isocenter.paging import decode_cursor

_WRONG = "This cursor belongs to another list; leave it out to start again."


def key_after(cursor: str) -> str:
    """The key of the last row of the page before."""
    (key,) = decode_cursor(cursor, 1)
    return _text(key)


def place_after(cursor: str) -> tuple[int, str]:
    """Number and key of the last row of the page before."""
    number, key = decode_cursor(cursor, 2)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**31:
        raise InvalidInput(_WRONG, field="cursor")
    return number, _text(key)


def _text(value: object) -> str:
    # "\ud800" is JSON and is no text a database can be given.
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidInput(_WRONG, field="cursor")
    return value
