"""Files that are no image: kept as resources, hidden until a person releases them."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from isocenter.keys import SiteKey
from services.ingest.readers.sources import file_hmac
from services.ingest.records import Identified, ResourceReading

_BY_MAGIC = (
    (b"%PDF", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"PK", "application/zip"),
    (b"\xd0\xcf\x11\xe0", "application/x-ole-storage"),
)


def read_document(path: Path, key: SiteKey, name: str = "") -> ResourceReading:
    """A PDF, office file, table or text as a resource; nothing is read out of it."""
    with path.open("rb") as file:
        head = file.read(16)
    media_type = mimetypes.guess_type(name or path.name)[0] or next((kind for magic, kind in _BY_MAGIC if head.startswith(magic)), "text/plain")
    return ResourceReading(media_type, "document", Identified(), file_hmac(path, key))
