"""Keyed hashes of source files: lookups for duplicates that cannot be tried against known files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isocenter.keys import SiteKey

CHUNK_BYTES = 1 << 20


def file_hmac(path: Path, key: SiteKey) -> str:
    """Keyed hash of a file's bytes, 64 hex digits."""
    hasher = key.content_hasher("source")
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def files_hmac(paths: Sequence[Path], key: SiteKey, purpose: str = "source") -> str:
    """One keyed hash of several files' bytes, in their order, each with its length."""
    hasher = key.content_hasher(purpose)
    for path in paths:
        hasher.update(f"{path.stat().st_size} ".encode())
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                hasher.update(chunk)
    return hasher.hexdigest()


def bytes_hmac(data: bytes, key: SiteKey) -> str:
    """As :func:`file_hmac`, of bytes already read."""
    hasher = key.content_hasher("source")
    hasher.update(data)
    return hasher.hexdigest()
