"""Byte ranges of a download (RFC 9110 section 14): one range, or everything."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``length`` bytes from ``start``; ``partial`` when it was asked for (206)."""

    start: int
    length: int
    partial: bool


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """The range to send; None when it lies outside the file (416).

    No header, several ranges, another unit or nonsense: everything, as the RFC allows.
    """
    everything = ByteRange(0, size_bytes, False)
    match = _ONE.match(header or "")
    if match is None or (not match[1] and not match[2]):
        return everything
    if not match[1]:  # the last n bytes
        length = min(int(match[2]), size_bytes)
        return ByteRange(size_bytes - length, length, True) if length else None
    start = int(match[1])
    end = min(int(match[2]), size_bytes - 1) if match[2] else size_bytes - 1
    if match[2] and int(match[2]) < start:
        return everything
    return ByteRange(start, end - start + 1, True) if start < size_bytes else None
