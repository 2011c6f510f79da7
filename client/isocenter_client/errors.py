"""What can go wrong, as sentences for the person at the keyboard."""

from __future__ import annotations


class ClientError(Exception):
    """Base of all. ``status`` is the server's HTTP status, 0 when it was not the server that said so."""

    def __init__(self, detail: str, *, status: int = 0, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.field = field


class NotSignedIn(ClientError):
    """No token, or one that no longer counts: ``isc login URL``."""


class NotFound(ClientError):
    """Nothing by that name that this account may see."""


class Withdrawn(ClientError):
    """The version's bytes are no longer served, because a patient withdrew."""


class ServerAway(ClientError):
    """The server does not answer; the same command goes on where it stopped."""


class DamagedDownload(ClientError):
    """Bytes that do not have the hash they should have, twice in a row."""


class FolderInUse(ClientError):
    """The folder holds another version, or another pull runs in it."""
