"""Reading whole slides and TIFF pictures: SVS and other tiled TIFF by OpenSlide, plain TIFF by tifffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openslide
import tifffile

from isocenter.keys import SiteKey
from services.ingest.readers.sources import CHUNK_BYTES, file_hmac, files_hmac
from services.ingest.records import Identified, ImageFacts, ImageFormat, Outcome, Reading, ReadResult, Refusal
from services.ingest.slide_folders import files_of, folder_of, self_contained

_SAMPLE_PX = 256
_NAMING_KEYS = ("mirax.GENERAL.SLIDE_NAME", "mirax.GENERAL.PROJECT_NAME")
_DESCRIPTION_TAGS = (270, 271, 272, 305, 315, 316, 33432)


def read_slide(path: Path, key: SiteKey, _name: str = "") -> ReadResult:
    """A TIFF file as a slide without UIDs, or a Refusal."""
    try:
        with tifffile.TiffFile(path) as tiff:
            if not tiff.pages:
                return Refusal(Outcome.REFUSED, "unreadable-tiff", "The TIFF holds no picture.")
            first: Any = tiff.pages[0]
            tiled = first.is_tiled
            identified = Identified(descriptions=tuple(_texts(tiff)))
            digest = pixel_digest(tiff, path, key)
    except Exception:  # tifffile raises many kinds for damaged structure
        return Refusal(Outcome.REFUSED, "unreadable-tiff", "The TIFF's structure is damaged.")
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError:
        if not tiled:
            return _plain(path, key, identified, digest)
        return Refusal(Outcome.REFUSED, "unreadable-tiff", "The slide's structure or compression cannot be read.")
    with slide:
        try:
            varies = _varies(slide)
        except (openslide.OpenSlideError, OSError):
            return Refusal(Outcome.REFUSED, "unreadable-tiff", "The slide's tiles do not decode.")
        if not varies:
            return Refusal(Outcome.EMPTY, "constant-pixels", "All sampled regions have the same value: there is no picture.")
        columns, rows = slide.dimensions
        return Reading(_facts(slide.properties, rows, columns), identified, file_hmac(path, key), digest)


def read_slide_folder(path: Path, key: SiteKey, _name: str = "") -> ReadResult:
    """A MIRAX slide with its folder; a Refusal for other formats of several files and for one whose folder is missing."""
    if folder_of(path) is None:
        detail = "The slide's data lie in a folder of the same name or in other files that are not taken; convert it to SVS or DICOM."
        return Refusal(Outcome.REVIEW, "slide-folder-format", detail)
    files = files_of(path)
    try:
        if not self_contained(path):
            return Refusal(Outcome.REVIEW, "slide-folder-format", "The slide's folder has links, or its index names files outside it.")
        with openslide.OpenSlide(path) as slide:
            if not _varies(slide):
                return Refusal(Outcome.EMPTY, "constant-pixels", "All sampled regions have the same value: there is no picture.")
            columns, rows = slide.dimensions
            texts = tuple(text for name in _NAMING_KEYS if (text := slide.properties.get(name, "").strip()))
            facts = _facts(slide.properties, rows, columns)
    except (openslide.OpenSlideError, OSError):
        return Refusal(Outcome.REFUSED, "unreadable-slide", "The slide's index or tiles cannot be read.")
    pixels = [one for one in files if one.suffix.lower() == ".dat"]
    return Reading(facts, Identified(descriptions=texts), files_hmac(files, key), files_hmac(pixels, key, "pixels"))


def _facts(properties: Any, rows: int, columns: int) -> ImageFacts:
    mpp_x, mpp_y = _float(properties.get("openslide.mpp-x")), _float(properties.get("openslide.mpp-y"))
    if mpp_x is None:
        mpp_x = mpp_y = _mpp_by_resolution(properties)
    vendor = str(properties.get("openslide.vendor", ""))
    return ImageFacts(
        format=ImageFormat.WSI, study_uid="", series_uid="", sop_uid="", modality="SM",
        manufacturer="" if vendor == "generic-tiff" else vendor, rows=rows, columns=columns, samples_per_pixel=3, mpp=mpp_x,
        spacing_mm=(mpp_y / 1000, mpp_x / 1000) if mpp_x and mpp_y else None,
        objective_power=_float(properties.get("openslide.objective-power")),
    )  # fmt: skip


def _plain(path: Path, key: SiteKey, identified: Identified, digest: str) -> ReadResult:
    """A TIFF in strips: a picture of a camera or an export, which OpenSlide does not open."""
    try:
        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            if page.size * page.dtype.itemsize > 2 << 30:
                return Refusal(Outcome.REFUSED, "too-large-to-decode", "The picture states more pixels than are decoded here.")
            pixels = page.asarray()
    except Exception:  # see read_slide
        return Refusal(Outcome.REFUSED, "unreadable-tiff", "The picture's strips do not decode.")
    if pixels.size == 0 or pixels.min() == pixels.max():
        return Refusal(Outcome.EMPTY, "constant-pixels", "All pixels have the same value: there is no picture.")
    rows, columns = pixels.shape[:2]
    facts = ImageFacts(
        format=ImageFormat.WSI, study_uid="", series_uid="", sop_uid="", modality="SM", rows=int(rows), columns=int(columns),
        samples_per_pixel=3 if pixels.ndim == 3 else 1,
    )  # fmt: skip
    review = Refusal(Outcome.REVIEW, "untiled-tiff", "A TIFF picture in strips, not a tiled slide: a person decides what it is.")
    return Reading(facts, identified, file_hmac(path, key), digest, review)


def pixel_digest(tiff: tifffile.TiffFile, path: Path, key: SiteKey) -> str:
    """Keyed hash of the encoded tiles or strips of the first page, read in pieces."""
    page: Any = tiff.pages[0]
    hasher = key.content_hasher("pixels")
    hasher.update(f"{page.imagelength}x{page.imagewidth}x{page.compression}".encode())
    with path.open("rb") as file:
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            file.seek(offset)
            while length > 0 and (chunk := file.read(min(length, CHUNK_BYTES))):
                hasher.update(chunk)
                length -= len(chunk)
    return hasher.hexdigest()


def _varies(slide: openslide.OpenSlide) -> bool:
    """Whether pixels differ: in the coarsest level when it is small, else in nine regions of the finest level.

    One region of level 0 is always read, so that damaged tiles show here."""
    columns, rows = slide.dimensions
    side = _SAMPLE_PX
    corners = [(max(0, int((columns - side) * x)), max(0, int((rows - side) * y))) for x in (0.5, 0.25, 0.75) for y in (0.5, 0.25, 0.75)]
    size = (min(side, columns), min(side, rows))
    samples = [np.asarray(slide.read_region(corners[0], 0, size))]
    level = slide.level_count - 1
    if level and slide.level_dimensions[level][0] * slide.level_dimensions[level][1] <= 1 << 24:
        samples.append(np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level])))
    samples += [np.asarray(slide.read_region(corner, 0, size)) for corner in corners[1:]] if _flat(samples) else []
    return not _flat(samples)


def _flat(samples: list[np.ndarray[Any, Any]]) -> bool:
    first = samples[0][0, 0, :3]
    return all(bool((sample[..., :3] == first).all()) for sample in samples)


def _texts(tiff: tifffile.TiffFile) -> list[str]:
    texts = []
    pages: list[Any] = list(tiff.pages[:16])
    for page in pages:
        for code in _DESCRIPTION_TAGS:
            tag = page.tags.get(code)
            if tag is not None and isinstance(tag.value, str) and tag.value.strip():
                texts.append(tag.value.strip())
    return texts


def _mpp_by_resolution(properties: Any) -> float | None:
    value, unit = _float(properties.get("tiff.XResolution")), str(properties.get("tiff.ResolutionUnit", "")).lower()
    per_unit = {"inch": 25_400.0, "centimeter": 10_000.0}.get(unit)
    # 72 and 96 dots per inch are screen defaults of writers, no measurement.
    if not value or per_unit is None or value in (72.0, 96.0):
        return None
    return per_unit / value


def _float(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < 1e6 else None
