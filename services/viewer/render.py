"""One frame as a picture: decode, window, encode. Arithmetic only; called in the viewer's threads.

A frame is drawn from two ranged reads, the header before the pixel data and the frame's own bytes; a multi-frame object is never read whole.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from isocenter.errors import InvalidInput
from isocenter.imaging.decode import Pixels, decode
from isocenter.imaging.window import Window, auto_window, to_uint8, windowed
from services.viewer.quick import plain_header, shown

JPEG_QUALITY = 90
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is wanted: window in modality units (Hounsfield for CT), longest side in px, ``image/jpeg`` or ``image/png``.

    ``viewport``: (width, height) in px to fit into, larger or smaller; ``crop``: (left, top, width, height) in px of the image, first;
    ``annotations``: patient, technique; ``profile``: embed the object's ICC profile.
    """

    window: Window | None = None
    size_px: int | None = None
    media_type: str = "image/jpeg"
    quality: int = JPEG_QUALITY
    viewport: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    annotations: tuple[str, ...] = ()
    profile: bool = False


def parse_window(text: str | None) -> Window | None:
    """``centre,width[,function]`` (PS3.18 8.3.5.1.4); InvalidInput names what is wrong."""
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    try:
        center, width = float(parts[0]), float(parts[1])
        function = _FUNCTIONS[parts[2].lower()] if len(parts) > 2 else "LINEAR"
    except (ValueError, IndexError, KeyError) as error:
        raise InvalidInput("A window is centre,width or centre,width,linear|linear-exact|sigmoid, such as 40,400.", field="window") from error
    if not (np.isfinite([center, width]).all() and (width >= 1 or (function != "LINEAR" and width > 0))):
        raise InvalidInput("The window's width must be at least 1 (more than 0 for the other functions).", field="window")
    return Window(center, width, function)


def one_frame(header: bytes, frame: bytes) -> Dataset:
    """A dataset with the header's attributes and just this frame. ``header``: the file up to its pixel data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(header), stop_before_pixels=True, force=True)
    syntax = UID(str(ds.file_meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)))
    ds.NumberOfFrames = 1
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            delattr(ds, keyword)
    if syntax.is_encapsulated:
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    else:
        ds.PixelData = frame
        ds["PixelData"].VR = "OW" if int(ds.get("BitsAllocated", 16)) > 8 else "OB"
    return ds


def frame_picture(header: bytes, frame: bytes, number: int, look: Look) -> bytes:
    """Frame ``number`` (0-based; its functional groups are the header's) as JPEG or PNG."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = one_frame(header, frame)
        return _dicom_picture(to_uint8(decode(ds, 0), ds, look.window, number), ds, look)


def plain_picture(data: memoryview | bytes, frame_at: int, look: Look) -> bytes | None:
    """A plain grey frame as JPEG or PNG; ``data``: header and frame, the frame from ``frame_at``. None when it needs :func:`frame_picture`."""
    if look.annotations or look.profile:
        return None
    plain = plain_header(data[:frame_at])
    pixels = shown(plain, data[frame_at:], look.window) if plain is not None else None
    return None if pixels is None else picture(_placed(pixels, look), look)


def object_picture(data: bytes, number: int, look: Look) -> bytes:
    """As :func:`frame_picture`, from a whole object (frames that share bytes, or no index)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        return _dicom_picture(to_uint8(decode(ds, number), ds, look.window, number), ds, look)


def _dicom_picture(pixels: NDArray[np.uint8], ds: Dataset, look: Look) -> bytes:
    shown = _placed(pixels, look)
    if look.annotations:
        shown = _annotated(shown, ds, look.annotations)
    holder = (ds.get("OpticalPathSequence") or [ds])[0]
    profile = holder.get("ICCProfile") if look.profile else None
    if not profile:
        return picture(shown, look)
    buffer = io.BytesIO()
    kind = {"image/png": ("PNG", {}), "image/jpeg": ("JPEG", {"quality": look.quality})}[look.media_type]
    Image.fromarray(shown).save(buffer, kind[0], icc_profile=bytes(profile), **kind[1])
    return buffer.getvalue()


def _placed(pixels: NDArray[np.uint8], look: Look) -> NDArray[np.uint8]:
    """Cropped, then fitted into the viewport with its proportions (PS3.18 8.3.5.1.3)."""
    if look.crop is not None:
        left, top, width, height = look.crop
        pixels = pixels[top : top + height, left : left + width]
        if not pixels.size:
            raise InvalidInput("The region of the viewport lies outside the image.", field="viewport")
    if look.viewport is not None:
        scale = min(look.viewport[0] / pixels.shape[1], look.viewport[1] / pixels.shape[0])
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
        pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, method))
    return np.ascontiguousarray(pixels)


def _annotated(pixels: NDArray[np.uint8], ds: Dataset, annotations: tuple[str, ...]) -> NDArray[np.uint8]:
    """Text in the upper corners: the pseudonym, or modality, slice thickness and tube voltage or field strength."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    white = 255 if image.mode == "L" else (255, 255, 255)
    if "patient" in annotations:
        draw.text((2, 2), str(ds.get("PatientID", ""))[:32], fill=white, stroke_width=1, stroke_fill=0)
    if "technique" in annotations:
        told = [str(ds.get("Modality", ""))]
        told += [f"{ds.get(name)} {unit}" for name, unit in (("SliceThickness", "mm"), ("KVP", "kV"), ("MagneticFieldStrength", "T")) if ds.get(name)]
        draw.text((image.width - 2, 2), " ".join(told)[:48], fill=white, stroke_width=1, stroke_fill=0, anchor="ra")
    return np.asarray(image)


def native_frame(header: bytes, frame: bytes) -> bytes:
    """An encapsulated frame decoded to little endian native bytes, for clients that take no other transfer syntax."""
    return _native(decode(one_frame(header, frame), 0))


def native_frame_of_object(data: bytes, number: int) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _native(decode(pydicom.dcmread(io.BytesIO(data), force=True), number))


def _native(pixels: Pixels) -> bytes:
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()


def grey_picture(values: Pixels, look: Look) -> bytes:
    """A plane of a volume, windowed; without a window by its percentiles. Values that are no numbers become 0."""
    plane = np.nan_to_num(np.abs(values) if np.iscomplexobj(values) else values)
    return picture(np.asarray(windowed(plane, look.window or auto_window(plane)) + 0.5, np.uint8), look)


def picture(pixels: NDArray[np.uint8], look: Look) -> bytes:
    """(rows, columns) or (rows, columns, 3) uint8 encoded, made smaller to ``size_px`` but never larger."""
    if look.size_px is not None and max(pixels.shape[:2]) > look.size_px:
        small = Image.fromarray(np.ascontiguousarray(pixels))
        small.thumbnail((look.size_px, look.size_px), Image.Resampling.LANCZOS)
        pixels = np.asarray(small)
    if look.media_type == "image/png":
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()
    # imagecodecs and not Pillow: it lets go of the interpreter, so two threads encode twice as much (hot-path-serving.md section 4).
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels), level=look.quality))


def raster_picture(data: bytes, look: Look) -> bytes:
    """A PNG or JPEG as a picture: transparency on white, deep grey by its percentiles; InvalidInput when it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _raster_picture(data, look)
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise InvalidInput("This picture is damaged or too large to be drawn; download it.") from error


def _raster_picture(data: bytes, look: Look) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I") or image.mode == "F":
            return grey_picture(np.asarray(image), look)
        if "A" in image.getbands() or "transparency" in image.info:
            layered = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)  # type: ignore[assignment]
        pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    return picture(pixels, replace(look, window=None))
