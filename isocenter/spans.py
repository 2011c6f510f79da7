"""Parts of files as parts of an answer, without a copy in this process: an ASGI extension that our own server has (``gateway/spans.py``).

A route that finds :data:`SPANS` among ``scope["extensions"]`` may send one message ``{"type": SPANS, "spans": [...]}`` after a start with
``content-length``, then go on with ``http.response.body``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SPANS = "isocenter.response.spans"


class FileSpan(NamedTuple):
    """``length`` bytes of a file from ``offset``."""

    path: Path
    offset: int
    length: int


Spans = Sequence[bytes | FileSpan]


def size_of(spans: Spans) -> int:
    """Bytes of all."""
    return sum(span.length if isinstance(span, FileSpan) else len(span) for span in spans)
