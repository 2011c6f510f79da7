"""The value of one attribute of a stored object, by its path."""

from __future__ import annotations

import io

import pydicom

from isocenter.imaging.quiet import quiet

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def value_at(data: bytes, path: str) -> bytes | None:
    """Little endian bytes of ``00420011`` or ``54000100/0/54001010`` (items from 0); None when there is none, or it is no bulk data."""
    tags, items = path.split("/")[::2], [int(part) for part in path.split("/")[1::2]]
    with quiet():
        ds = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
        for tag, item in zip(tags, items, strict=False):
            sequence = ds.get(int(tag, 16))
            if sequence is None or sequence.VR != "SQ" or item >= len(sequence.value):
                return None
            ds = sequence.value[item]
        element = ds.get(int(tags[-1], 16))
    if element is None or element.VR not in BINARY or not isinstance(element.value, bytes):
        return None
    return element.value
