"""De-identifying slides of the TIFF family: a new file with the pyramid's pages only, tiles copied unchanged.

Label and macro pictures show the slide's sticker, and every description, date and maker tag can hold a name or number: none is
copied. Slides that only OpenSlide reads are drawn and written anew (pyramid.py). The result is opened with OpenSlide and tifffile
and compared with the source before it is released.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import tifffile

from isocenter.keys import SiteKey
from services.ingest.deidentify import pyramid
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.deidentify.streams import DamagedStream, blank_jpeg_2000, strip_jpeg
from services.ingest.deidentify.tiff import write_pages
from services.ingest.deidentify.words import KnownValues, known_values
from services.ingest.records import ImageFacts, NewUids, Outcome, Refusal, Released, Subject

_JPEG, _JPEG_2000 = 7, (33003, 33004, 33005, 34712)
_SAMPLE_PX = 256
_JPEG_COST = 12.0  # mean difference in grey levels that quality 90 with halved colour stays under, noise included
_ASPECT_TOLERANCE = 0.05
_APERIO_KEYS = {"AppMag": r"\d+(?:\.\d+)?", "MPP": r"\d+(?:\.\d+)?"}
_CHUNK_BYTES = 1 << 20


def deidentify_slide(path: Path, facts: ImageFacts, subject: Subject, uids: NewUids, key: SiteKey, policy: DeidPolicy, out_dir: Path) -> Released | Refusal:
    """Writes ``out_dir/<new SOP UID>.svs|tif``. Aperio SVS and generic tiled TIFF; a TIFF in strips becomes a tiled one
    (deflate, same pixels). Other vendors' formats, which need their private metadata to open, become a JPEG pyramid; a Refusal for
    review where OpenSlide cannot draw them."""
    vendor = openslide.OpenSlide.detect_format(path)
    known = known_values(subject.known_values, (), policy.words)
    extension = "tif" if vendor in ("generic-tiff", None) else "svs"
    out = out_dir / f"{uids.sop_uid}.{extension}"
    try:
        if vendor not in ("aperio", "generic-tiff", None):
            return _converted(path, out, facts, known)
        with tifffile.TiffFile(path) as tiff:
            if vendor is None:
                notes = _tile_plain(tiff, out)
            else:
                pages = level_pages(tiff)
                texts = [_description(page, vendor, number == 0) for number, page in enumerate(pages)]
                write_pages(tiff, pages, texts, out, _clean_tile)
                notes = ("associated-images-removed",) if len(pages) < len(tiff.pages) else ()
    except (DamagedStream, ValueError, IndexError) as error:
        out.unlink(missing_ok=True)
        del error
        return Refusal(Outcome.REVIEW, "slide-not-cleanable", "The slide's pages or tiles cannot be copied one by one.")
    code = _checked(path, out, vendor, known)
    if code:
        out.unlink()
        return Refusal(Outcome.REVIEW, code, "The rewritten slide is not the same picture, or still holds text.")
    return _released(out, facts, notes)


def _released(out: Path, facts: ImageFacts, notes: tuple[str, ...]) -> Released:
    digest = hashlib.sha256()
    with out.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return Released(
        media_type="image/tiff", extension=out.suffix[1:], size_bytes=out.stat().st_size, sha256=digest.hexdigest(), pixel_offset=None,
        frame_index=(), held=facts.pixels_may_hold_text, notes=notes,
    )  # fmt: skip


def _converted(path: Path, out: Path, facts: ImageFacts, known: KnownValues) -> Released | Refusal:
    """A slide of another vendor, drawn by OpenSlide and written as a pyramid of JPEG tiles."""
    try:
        with openslide.OpenSlide(path) as before:
            pyramid.write_pyramid(before, out)
            code = _checked_pyramid(before, out, known)
    except openslide.OpenSlideError:
        out.unlink(missing_ok=True)
        return Refusal(Outcome.REVIEW, "slide-format-not-cleanable", "OpenSlide does not draw this slide; convert it to SVS or DICOM.")
    if code:
        out.unlink()
        return Refusal(Outcome.REVIEW, code, "The slide written anew is not the same picture, or still holds text.")
    return _released(out, facts, ("written-as-jpeg-pyramid", "associated-images-removed"))


def _left(after: openslide.OpenSlide, tiff: tifffile.TiffFile, known: KnownValues) -> str:
    """A code of what may not be in a released slide, '' when nothing of it is."""
    if after.associated_images:
        return "associated-image-left"
    pages: list[Any] = list(tiff.pages)
    texts = [*after.properties.values(), *(str(tag.value) for page in pages for tag in page.tags if isinstance(tag.value, str | bytes))]
    return "leak-suspected" if any(known.found_in(text) for text in texts) else ""


def _checked_pyramid(before: openslide.OpenSlide, out: Path, known: KnownValues) -> str:
    """As :func:`_checked`; pixels of the finest level may differ by what JPEG costs."""
    colour = pyramid.background(before.properties)
    with openslide.OpenSlide(out) as after, tifffile.TiffFile(out) as tiff:
        if left := _left(after, tiff, known):
            return left
        if before.dimensions != after.dimensions:
            return "pixels-differ"
        columns, rows = before.dimensions
        size = (min(_SAMPLE_PX, columns), min(_SAMPLE_PX, rows))
        for x in (0.0, 0.5, 1.0):
            for y in (0.0, 0.5, 1.0):
                corner = (int((columns - size[0]) * x), int((rows - size[1]) * y))
                drawn = [pyramid.flattened(slide.read_region(corner, 0, size), colour).astype(np.int16) for slide in (before, after)]
                if np.abs(drawn[0] - drawn[1]).mean() > _JPEG_COST:
                    return "pixels-differ"
    return ""


def level_pages(tiff: tifffile.TiffFile) -> list[Any]:
    """The pages of the pyramid, finest first: tiled, of the first page's proportions, each size once. Label and macro have
    other proportions, or are in strips, or say so in their description."""
    pages: list[Any] = list(tiff.pages)
    first = pages[0]
    levels: list[Any] = []
    sizes: set[tuple[int, int]] = set()
    for page in pages:
        size = (int(page.imagewidth), int(page.imagelength))
        if not page.is_tiled or size in sizes or re.search(r"\b(?:label|macro)\b", str(page.description), re.IGNORECASE):
            continue
        ratio = (size[0] / size[1]) / (first.imagewidth / first.imagelength)
        # Tiny levels are rounded to whole pixels, which bends their proportions.
        if abs(ratio - 1) > max(_ASPECT_TOLERANCE, 2 / min(size)) or size[0] > first.imagewidth:
            continue
        sizes.add(size)
        levels.append(page)
    if not levels or levels[0] is not first:
        raise ValueError("the first page is no level")
    return levels


def _description(page: Any, vendor: str, first: bool) -> str:
    """What OpenSlide needs to see an Aperio slide, with its numbers; nothing for other TIFF."""
    if vendor != "aperio":
        return ""
    text = f"Aperio Image Library\r\n{page.imagewidth}x{page.imagelength} ({page.tilewidth}x{page.tilelength})"
    source = str(page.description)
    for name, pattern in _APERIO_KEYS.items():
        match = re.search(rf"\|\s*{name}\s*=\s*({pattern})\s*(?:\||$)", source)
        if match and first:
            text += f"|{name} = {match.group(1)}"
    return text


def _clean_tile(tile: bytes, compression: int) -> bytes:
    """A tile without comments. Damaged tiles (zero-length or cut edge tiles occur in real SVS) stay when nothing in them
    can be a comment."""
    try:
        if compression == _JPEG:
            return strip_jpeg(tile)
        if compression in _JPEG_2000 and b"\xff\x64" in tile:
            return blank_jpeg_2000(tile)
    except DamagedStream:
        if any(marker in tile for marker in (b"\xff\xfe", b"\xff\xe1", b"\xff\xed", b"\xff\x64")):
            raise
    return tile


def _tile_plain(tiff: tifffile.TiffFile, out: Path) -> tuple[str, ...]:
    page: Any = tiff.pages[0]
    pixels = page.asarray()
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError("neither 8-bit grey nor RGB")
    pixels = pixels[..., :3] if pixels.ndim == 3 else pixels
    tifffile.imwrite(
        out, pixels, tile=(_SAMPLE_PX, _SAMPLE_PX), compression="adobe_deflate", photometric="rgb" if pixels.ndim == 3 else "minisblack",
        metadata=None, software=False,
    )  # fmt: skip
    return ("written-as-tiled-tiff",)


def _checked(source: Path, out: Path, vendor: str | None, known: KnownValues) -> str:
    """A code of what is wrong with the written slide, '' when nothing is."""
    with openslide.OpenSlide(out) as after, tifffile.TiffFile(out) as tiff:
        if left := _left(after, tiff, known):
            return left
        if vendor is None:
            with tifffile.TiffFile(source) as plain:
                pixels = plain.pages[0].asarray()
                same = np.array_equal(tiff.pages[0].asarray(), pixels[..., :3] if pixels.ndim == 3 else pixels)
            return "" if same else "pixels-differ"
        with openslide.OpenSlide(source) as before:
            return "" if _same_pixels(before, after) else "pixels-differ"


def _same_pixels(before: openslide.OpenSlide, after: openslide.OpenSlide) -> bool:
    if before.level_dimensions != after.level_dimensions:
        return False
    for level, (columns, rows) in enumerate(before.level_dimensions):
        scale = before.level_downsamples[level]
        size = (min(_SAMPLE_PX, columns), min(_SAMPLE_PX, rows))
        for x in (0.0, 0.5, 1.0):
            for y in (0.0, 0.5, 1.0):
                corner = (int((columns - size[0]) * x * scale), int((rows - size[1]) * y * scale))
                if not np.array_equal(np.asarray(before.read_region(corner, level, size)), np.asarray(after.read_region(corner, level, size))):
                    return False
    return True
