"""What all units of an export share; light, so that the service can make it without importing the converters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isocenter.keys import SiteKey
from isocenter.objects import StoreConfig
from services.catalog.exports.spec import Spec


@dataclass(frozen=True, slots=True, repr=False)
class Workplace:
    """``folder``: prefix of the export's objects; ``scratch``: local folder for files under conversion."""

    store: StoreConfig
    key: SiteKey
    scratch: Path
    folder: str
    spec: Spec


def note_key(folder: str, ordinal: int) -> str:
    """Where the outcome of a unit stands."""
    return f"{folder}/units/{ordinal:09d}.json"
