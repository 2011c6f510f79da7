"""Files and values that tests of images share."""

from __future__ import annotations

from pathlib import Path

from pydicom.data import get_testdata_file

from services.ingest.records import ImageFacts, ImageFormat


def bundled(name: str) -> Path:
    """A test file that lies in the pydicom wheel."""
    found = get_testdata_file(name, download=False)
    assert found, name
    return Path(found)


def plain_facts(image_format: ImageFormat) -> ImageFacts:
    """Facts of a picture without a header."""
    return ImageFacts(format=image_format, study_uid="", series_uid="", sop_uid="")
