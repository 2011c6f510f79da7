"""A small JPEG of a released object, of any format, recognised by its content (stored objects have no file extension)."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np
import openslide
import pydicom
from PIL import Image

from isocenter.imaging.decode import decode
from isocenter.imaging.frames import frame_count
from isocenter.imaging.quiet import quiet
from isocenter.imaging.window import Pixels, auto_window, to_uint8, windowed

THUMBNAIL_PX = 256
_QUALITY = 80


def content_format(path: Path) -> str:
    """DICOM, NIFTI, PNG, JPEG or WSI by the first bytes; '' for anything else."""
    with path.open("rb") as file:
        head = file.read(352)
    if head[128:132] == b"DICM":
        return "DICOM"
    if head.startswith(b"\x89PNG"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "WSI"
    if head.startswith(b"\x1f\x8b") or head[344:348] in (b"n+1\x00", b"ni1\x00") or head[4:7] == b"n+2":
        return "NIFTI"
    return ""


def thumbnail(path: Path, image_format: str = "", longest_px: int = THUMBNAIL_PX) -> bytes:
    """A JPEG whose longer side is at most ``longest_px``: the middle frame of DICOM, the middle slice of a volume, the whole of a
    picture or slide. Deterministic. PixelsUnreadable, OSError or ValueError when nothing can be decoded."""
    kind = image_format or content_format(path)
    with quiet():
        if kind == "DICOM":
            return as_jpeg(_dicom(path), longest_px)
        if kind == "NIFTI":
            return as_jpeg(_volume(path), longest_px)
        if kind == "WSI":
            with openslide.OpenSlide(path) as slide:
                return as_jpeg(np.asarray(slide.get_thumbnail((longest_px, longest_px)).convert("RGB")), longest_px)
        with Image.open(path) as picture:
            picture.draft("RGB", (longest_px * 2, longest_px * 2))
            return as_jpeg(np.asarray(_flattened(picture)), longest_px)


def as_jpeg(pixels: Pixels, longest_px: int = THUMBNAIL_PX) -> bytes:
    """(rows, columns[, 3]) uint8 as a JPEG of at most ``longest_px``; without any metadata."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.convert("RGB" if picture.mode not in ("L", "RGB") else picture.mode).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _dicom(path: Path) -> Pixels:
    ds = pydicom.dcmread(path, force=True)
    frame = frame_count(ds) // 2
    pixels = to_uint8(decode(ds, frame), ds, frame=frame)
    return _square_pixels(pixels, ds)


def _square_pixels(pixels: Pixels, ds: pydicom.Dataset) -> Pixels:
    """Rows repeated or dropped where pixels are not square (PixelSpacing, PixelAspectRatio)."""
    try:
        vertical, horizontal = (float(v) for v in ds.get("PixelSpacing") or ds.get("PixelAspectRatio") or (1, 1))
    except (TypeError, ValueError):
        return pixels
    if vertical <= 0 or horizontal <= 0 or abs(vertical / horizontal - 1) < 0.01 or not 0.05 < vertical / horizontal < 20:
        return pixels
    rows = max(1, round(pixels.shape[0] * vertical / horizontal))
    return np.asarray(Image.fromarray(pixels).resize((pixels.shape[1], rows), Image.Resampling.BILINEAR))


def _volume(path: Path) -> Pixels:
    """The middle axial slice of the first volume, shown with the patient's front up (canonical RAS axes)."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    raw = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    image = nib.Nifti2Image.from_bytes(raw) if raw[4:7] == b"n+2" else nib.Nifti1Image.from_bytes(raw)
    image = nib.as_closest_canonical(image)  # type: ignore[no-untyped-call]
    values = image.dataobj
    index = tuple(n // 2 if axis == 2 else 0 for axis, n in enumerate(image.shape[2:], 2))
    plane = np.asarray(values[(slice(None), slice(None), *index)] if image.ndim > 2 else values)
    if plane.dtype.fields:
        plane = np.stack([plane[name] for name in ("R", "G", "B")], -1)
    plane = np.flip(np.swapaxes(plane, 0, 1), (0, 1))
    if plane.ndim == 3:
        return np.asarray(plane, np.uint8)
    plane = np.abs(plane) if np.iscomplexobj(plane) else plane
    return np.asarray(windowed(np.nan_to_num(plane), auto_window(plane)), np.uint8)


def _flattened(picture: Image.Image) -> Image.Image:
    """RGB or grey; transparency on white, 16-bit grey by its percentiles."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        return Image.fromarray(np.asarray(windowed(values, auto_window(values)), np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")
