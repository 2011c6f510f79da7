"""One file in, one value out: what it is, what is kept of it, or why it is not taken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from isocenter.imaging.quiet import quiet
from isocenter.keys import SiteKey
from services.ingest.readers import dicom, documents, nifti, raster, slide
from services.ingest.readers.sniff import Kind, sniff
from services.ingest.records import Outcome, ReadResult, Refusal

__all__ = ["read"]

log = logging.getLogger(__name__)

_READERS: dict[Kind, Callable[[Path, SiteKey, str], ReadResult]] = {
    Kind.DICOM: dicom.read_dicom,
    Kind.NIFTI: nifti.read_nifti,
    Kind.ANALYZE: nifti.read_nifti,
    Kind.PNG: raster.read_raster,
    Kind.JPEG: raster.read_raster,
    Kind.TIFF: slide.read_slide,
    Kind.SLIDE_FOLDER: slide.read_slide_folder,
    Kind.DOCUMENT: documents.read_document,
}

_ENDINGS: dict[Kind, Refusal] = {
    Kind.EMPTY: Refusal(Outcome.EMPTY, "zero-bytes", "The file has no content."),
    Kind.JUNK: Refusal(Outcome.INDEX_OR_ARCHIVE, "system-file", "A file that an operating system leaves behind, not data."),
    Kind.ARCHIVE: Refusal(Outcome.INDEX_OR_ARCHIVE, "archive", "An archive: import it as a source of its own so that its files are read."),
    Kind.PAIRED_DATA: Refusal(Outcome.INDEX_OR_ARCHIVE, "paired-data-file", "The data half of a .hdr/.img pair; the header file stands for both."),
    Kind.UNKNOWN: Refusal(Outcome.REFUSED, "unsupported-format", "The content is of no format that is known here."),
}


def read(path: Path, key: SiteKey, name: str = "") -> ReadResult:
    """What one file is. Never raises for any content: what cannot be read comes back as a Refusal with its reason.

    ``name``: the file's own name where ``path`` is a temporary copy; volumes and pictures say there what they are.
    ``source_hmac`` and ``pixel_hash`` are keyed (``SiteKey.content_hasher``): "source" over the file's bytes, "pixels" over
    the pixel bytes as stored (encoded where encapsulated) with their geometry.
    """
    try:
        kind = sniff(path, name)
    except OSError as error:
        return Refusal(Outcome.REFUSED, "unreadable-file", f"The file cannot be opened ({error.strerror or 'input/output error'}).")
    if kind in _ENDINGS:
        return _ENDINGS[kind]
    try:
        with quiet():
            return _READERS[kind](path, key, name or path.name)
    except MemoryError:
        return Refusal(Outcome.REFUSED, "too-large-to-decode", "The file needs more memory than a worker has.")
    except Exception as error:  # the boundary to hostile input and third-party parsers: refusals cross it as values
        log.warning("reader failed kind=%s error=%s", kind, type(error).__name__)
        return Refusal(Outcome.REFUSED, "unreadable", f"The file looks like {kind.value} but cannot be read.")
