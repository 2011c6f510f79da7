"""Reading PNG and JPEG pictures: decoded once to prove them, with what the file name says about them."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from isocenter.keys import SiteKey
from services.ingest.readers.anatomy import part_in
from services.ingest.readers.sources import bytes_hmac
from services.ingest.records import Identified, ImageFacts, ImageFormat, Outcome, Reading, ReadResult, Refusal

PIXEL_LIMIT = 178_956_970
"""Pictures that state more pixels are refused before anything is allocated: Pillow's own bound against bombs (about 0.7 GiB
as RGBA). Larger pictures belong into a tiled format."""


def read_raster(path: Path, key: SiteKey, name: str = "") -> ReadResult:
    """A PNG or JPEG as a Reading without UIDs (the image list or the content gives them), or a Refusal."""
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "MPO")) as picture:
            if picture.width * picture.height > PIXEL_LIMIT:
                return Refusal(Outcome.REFUSED, "too-large-to-decode", "The picture states more pixels than are decoded here.")
            image_format = ImageFormat.PNG if picture.format == "PNG" else ImageFormat.JPEG
            if getattr(picture, "n_frames", 1) > 1 and picture.format == "PNG":
                return Refusal(Outcome.REVIEW, "animated-picture", "An animated PNG: a person decides whether it is one image.")
            picture.load()
            bands, extrema = len(picture.getbands()), picture.getextrema()
            rows, columns = picture.height, picture.width
            hasher = key.content_hasher("pixels")
            hasher.update(f"{rows}x{columns}x{picture.mode}".encode())
            hasher.update(picture.tobytes())
    except Image.DecompressionBombError:
        return Refusal(Outcome.REFUSED, "too-large-to-decode", "The picture states more pixels than are decoded here.")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return Refusal(Outcome.REFUSED, "unreadable-picture", "The picture is cut off or damaged.")
    ranges = extrema if isinstance(extrema[0], tuple) else (extrema,)
    if all(low == high for low, high in ranges):
        return Refusal(Outcome.EMPTY, "constant-pixels", "All pixels have the same value: there is no picture.")
    words = Path(name or path.name).stem
    part = part_in(words)
    facts = ImageFacts(
        format=image_format, study_uid="", series_uid="", sop_uid="", body_part=part, body_part_source="description" if part else "",
        rows=rows, columns=columns, samples_per_pixel=3 if bands >= 3 else 1,
    )  # fmt: skip
    return Reading(facts, Identified(descriptions=(words,)), bytes_hmac(data, key), hasher.hexdigest())
