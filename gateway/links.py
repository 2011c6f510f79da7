"""Short-lived signed links for viewers that can send neither our cookie nor a token: ``/signed/<token>/<address>``.

The token stands in front of the address and not behind it, so that what a viewer makes out of the address (the tiles beside a ``.dzi``, the frames
under a series) carries it too. It names an account, one series or resource and an end; at every use the account must still be active, and its
role and grants count as they are then. Only GET and HEAD, only addresses of that one thing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import time
from dataclasses import dataclass

from isocenter.errors import NotAllowed, NotAuthenticated, NotFound
from isocenter.keys import SiteKey

PREFIX = "/signed/"
LINK_SECONDS = 600
LINK_METHODS = frozenset({"GET", "HEAD"})
_NAME = r"[0-9A-Za-z._-]{1,128}"
# What a link of a kind opens; ``{}`` is the name of the one series or resource.
_ADDRESSES = {
    "series": (
        rf"/dicom-web/studies/{_NAME}/series/{{}}(/.*)?",
        r"/slides/{}\.dzi",
        r"/slides/{}(_files)?/.*",
        r"/iiif/3/{}(/.*)?",
        r"/api/v1/series/{}/(thumbnail|preview|slices|overlays|geometry)(/.*)?",
    ),
    "resource": (r"/api/v1/resources/{}",),
}


@dataclass(frozen=True, slots=True)
class Link:
    """``kind`` series or resource and its ``name``; ``expires`` in seconds since 1970."""

    account_id: int
    kind: str
    name: str
    expires: int

    def opens(self, path: str) -> bool:
        return any(re.fullmatch(pattern.replace("{}", re.escape(self.name)), path, re.DOTALL) for pattern in _ADDRESSES.get(self.kind, ()))


def link_token(link: Link, key: SiteKey) -> str:
    """``body.mac``, both base64 without padding: safe in a path."""
    body = _packed(json.dumps([link.account_id, link.kind, link.name, link.expires], separators=(",", ":")).encode())
    return f"{body}.{_mac(body, key)}"


def opened_link(path: str, method: str, key: SiteKey) -> tuple[Link, str]:
    """(link, prefix of the path to be taken off) of an address under ``/signed/``.

    NotAuthenticated for a token that is not ours or has ended, NotAllowed for a write, NotFound for another address than the link opens.
    """
    token, _, _ = path.removeprefix(PREFIX).partition("/")
    body, _, mac = token.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(body, key).encode()):
        raise NotAuthenticated("This link is not one of ours; ask for a new one.")
    try:
        link = Link(*json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (ValueError, TypeError, binascii.Error) as error:
        raise NotAuthenticated("This link is not one of ours; ask for a new one.") from error
    if link.expires < time.time():
        raise NotAuthenticated("This link has ended; ask for a new one.")
    if method not in LINK_METHODS:
        raise NotAllowed("A link only reads.")
    prefix = f"{PREFIX}{token}"
    if not link.opens(path.removeprefix(prefix)):
        raise NotFound("This link does not open that address.")
    return link, prefix


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _mac(body: str, key: SiteKey) -> str:
    return _packed(hmac.digest(key.digest("signed-link"), body.encode(), "sha256"))
