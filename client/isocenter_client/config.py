"""Where the token is kept: ``$XDG_CONFIG_HOME/isocenter/client.json``, mode 0600. ``ISOCENTER_URL`` and ``ISOCENTER_TOKEN`` come first."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isocenter_client.errors import NotSignedIn


@dataclass(frozen=True, repr=False)
class Site:
    """A server and the token for it."""

    url: str
    token: str
    account: str = ""


def config_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "isocenter"


def load_site() -> Site:
    """The server signed in to; NotSignedIn when there is none."""
    url, token = os.environ.get("ISOCENTER_URL", ""), os.environ.get("ISOCENTER_TOKEN", "")
    if url and token:
        return Site(url, token)
    try:
        kept = json.loads((config_folder() / "client.json").read_text())
        return Site(url or kept["url"], token or kept["token"], kept.get("account", ""))
    except (OSError, ValueError, KeyError, TypeError):
        raise NotSignedIn("You are not signed in; isc login URL --name NAME does it, or set ISOCENTER_URL and ISOCENTER_TOKEN.") from None


def save_site(site: Site) -> Path:
    """The file it was written to; readable by its owner only from its first byte on."""
    return write_private("client.json", {"url": site.url, "token": site.token, "account": site.account})


def write_private(name: str, document: dict[str, Any]) -> Path:
    folder = config_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{name}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=1)
    os.replace(fresh, folder / name)
    return folder / name


def read_private(name: str) -> dict[str, Any]:
    """An empty dict when there is no such file."""
    try:
        found = json.loads((config_folder() / name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
