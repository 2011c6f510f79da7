"""Bytes that a decoder needs: read by itself from the file of a local store, or brought to it from S3."""

from __future__ import annotations

from dataclasses import dataclass

from isocenter.errors import NotFound

SHORTER = "The stored object is shorter than its index says; run `isocenter restore` or import it again."


@dataclass(frozen=True, slots=True)
class Part:
    """``length`` bytes from ``offset`` of the file ``path`` (None: to its end), or ``data`` where there is no file."""

    path: str = ""
    offset: int = 0
    length: int | None = None
    data: bytes | None = None

    def read(self) -> bytes:
        """NotFound when the object is missing or shorter."""
        if self.data is not None:
            return self.data
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read() if self.length is None else file.read(self.length)
        except FileNotFoundError as error:
            raise NotFound("The stored object is missing; run `isocenter restore` or import it again.") from error
        if self.length is not None and len(data) != self.length:
            raise NotFound(SHORTER)
        return data
