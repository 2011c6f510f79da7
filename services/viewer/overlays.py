"""Segmentations and structure sets as pictures that lie over the frames they were drawn on. Arithmetic only; runs in a decoder.

PS3.3 A.51 (SEG: binary, fractional, label map) and A.19 (RTSTRUCT). Their files are resources, kept as they came: the UIDs in them are those of
the hospital, and only the service, which has the key, knows which released image each one means.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset

from isocenter.errors import InvalidInput
from isocenter.imaging.quiet import quiet
from services.viewer import segmentation, structures
from services.viewer.parts import Part
from services.viewer.regions import KINDS, RTSTRUCT, SEG, Grid, OverlayFacts

READ_AT_A_TIME = 2


def overlay_facts(data: bytes) -> OverlayFacts | None:
    """What an object shows and over what; None when it is neither a segmentation nor a structure set."""
    with quiet():
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        return _facts(ds)


def _facts(ds: Dataset) -> OverlayFacts | None:
    kind = KINDS.get(str(ds.get("SOPClassUID", "")))
    try:
        if kind == SEG:
            return segmentation.facts(ds)
        if kind == RTSTRUCT:
            return structures.facts(ds)
    except (AttributeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise InvalidInput("This overlay lacks attributes that it must have.") from error
    return None


@lru_cache(maxsize=READ_AT_A_TIME)
def _read(_sha256: str, source: tuple[Part]) -> Dataset:
    """``source`` in a tuple: it is read only when the object is not among the last ones."""
    with quiet():
        ds = pydicom.dcmread(io.BytesIO(source[0].read()), force=True)
    return ds


def overlay_picture(sha256: str, source: tuple[Part], instance_uid: str, frame: int, grid: Grid, wanted: Sequence[int] | None, opacity: float) -> bytes:
    """The segments ``wanted`` (None: all) over frame ``frame`` (1-based) of an instance, as a PNG of the frame's size, transparent where there is none.

    A later segment lies over an earlier one. ``instance_uid`` as the file says it, '' when it does not name the instance: then by position.
    """
    with quiet():
        ds = _read(sha256, source)
        facts = _facts(ds)
        if facts is None:
            raise InvalidInput("This file is no segmentation and no structure set.")
        masks = segmentation.masks if facts.kind == SEG else structures.masks
        canvas = np.zeros((grid.rows, grid.columns, 4), np.uint8)
        chosen = [one for one in facts.segments if wanted is None or one.number in wanted]
        try:
            drawn = masks(ds, instance_uid, frame, grid, [one.number for one in chosen])
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InvalidInput("This overlay cannot be drawn: its attributes or pixels are damaged.") from error
    for one in chosen:
        mask = drawn.get(one.number)
        if mask is not None and mask.any():
            canvas[mask > 0, :3] = one.colour
            canvas[..., 3] = np.where(mask > 0, np.round(mask * opacity), canvas[..., 3])
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
