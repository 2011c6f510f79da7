"""Frames and objects in another transfer syntax than the stored one: decoded to explicit little endian, or encoded without loss.

Arithmetic only; called in the viewer's threads. JPEG baseline (4.50) is the one lossy target, for single 8-bit frames.
"""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, ExplicitVRLittleEndian

from isocenter.errors import NotAcceptable
from isocenter.imaging.decode import Pixels, decode
from isocenter.imaging.frames import frame_count, native_frame_bits
from isocenter.imaging.quiet import quiet
from services.viewer.render import one_frame

BASELINE, LOSSLESS_JPEG, HTJ2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.201"
OBJECT_LIMIT_BYTES = 1 << 30  # an object that decodes to more is sent as it is stored
BASELINE_QUALITY = 90


def frame_as(header: bytes, frame: bytes, syntax: str) -> bytes:
    """One stored frame (``header``: the file up to its pixel data) as a code stream of ``syntax``."""
    with quiet():
        ds = one_frame(header, frame)
        return encode_frame(decode(ds, 0), ds, syntax)


def frame_of_object_as(data: bytes, number: int, syntax: str) -> bytes:
    """As :func:`frame_as`, frame ``number`` (0-based) of a whole object."""
    with quiet():
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        return encode_frame(decode(ds, number), ds, syntax)


def encode_frame(pixels: Pixels, ds: Dataset, syntax: str) -> bytes:
    """Decoded stored values as a code stream; NotAcceptable when ``syntax`` cannot hold them."""
    pixels = np.ascontiguousarray(pixels)
    bits_allocated, bits_stored = 8 * pixels.dtype.itemsize, int(ds.get("BitsStored", 8 * pixels.dtype.itemsize))
    try:
        if syntax == BASELINE:
            if pixels.dtype.itemsize > 1:
                raise NotAcceptable("JPEG baseline holds 8 bits; these pixels have more. Take image/jls, image/jp2 or octet-stream.", field="Accept")
            return bytes(imagecodecs.jpeg8_encode(pixels.view(np.uint8), level=BASELINE_QUALITY))
        if syntax == LOSSLESS_JPEG:
            unsigned = pixels.view(f"u{pixels.dtype.itemsize}")
            return bytes(imagecodecs.ljpeg_encode(unsigned, bitspersample=bits_allocated if ds.get("PixelRepresentation") else max(bits_stored, 2)))
        if syntax == HTJ2K:
            return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))
        photometric = str(ds.get("PhotometricInterpretation", "MONOCHROME2"))
        colour = pixels.ndim == 3
        return bytes(
            get_encoder(UID(syntax)).encode(
                pixels, rows=pixels.shape[0], columns=pixels.shape[1], samples_per_pixel=3 if colour else 1, bits_allocated=bits_allocated,
                bits_stored=min(bits_stored, bits_allocated), pixel_representation=int(pixels.dtype.kind == "i"), number_of_frames=1,
                photometric_interpretation="RGB" if colour else photometric, planar_configuration=0,
            )
        )  # fmt: skip
    except NotAcceptable:
        raise
    except Exception as error:  # third-party encoders raise anything; all of it means that this syntax cannot hold these pixels
        raise NotAcceptable("These pixels cannot be encoded that way; octet-stream gives them decoded.", field="Accept") from error


def object_as(data: bytes, syntax: str) -> bytes:
    """A Part-10 file in another transfer syntax; NotAcceptable when its pixels cannot be brought there."""
    with quiet():
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        if "PixelData" in ds:
            _recode(ds, syntax)
        elif "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
            syntax = str(ExplicitVRLittleEndian)
        ds.file_meta.TransferSyntaxUID = UID(syntax) if "PixelData" in ds else ExplicitVRLittleEndian
        out = io.BytesIO()
        pydicom.dcmwrite(out, ds, implicit_vr=False, little_endian=True, enforce_file_format=True)
        return out.getvalue()


def _recode(ds: Dataset, syntax: str) -> None:
    stored = UID(str(ds.file_meta.get("TransferSyntaxUID", "")))
    if int(ds.get("BitsAllocated", 16)) == 1:
        if stored.is_encapsulated or not stored.is_little_endian or syntax != ExplicitVRLittleEndian:
            raise NotAcceptable("One-bit pixels are only sent as they are stored.", field="Accept")
        return
    if native_frame_bits(ds) // 8 * frame_count(ds) > OBJECT_LIMIT_BYTES:
        raise NotAcceptable("This object is too large to be encoded anew; take transfer-syntax=*.", field="Accept")
    if not stored.is_encapsulated and stored.is_little_endian and syntax == ExplicitVRLittleEndian:
        return
    frames = [_as_allocated(decode(ds, number), ds) for number in range(frame_count(ds))]
    if frames[0].ndim == 3:
        ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            delattr(ds, keyword)
    if syntax == ExplicitVRLittleEndian:
        value = b"".join(np.ascontiguousarray(one, one.dtype.newbyteorder("<")).tobytes() for one in frames)
        ds.PixelData = value + b"\0" * (len(value) % 2)
        ds["PixelData"].VR = "OW" if int(ds.BitsAllocated) > 8 else "OB"
        ds["PixelData"].is_undefined_length = False
    else:
        ds.PixelData = encapsulate([encode_frame(one, ds, syntax) for one in frames])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True


def _as_allocated(pixels: Pixels, ds: Dataset) -> Pixels:
    wanted = np.dtype(f"{'i' if ds.get('PixelRepresentation') else 'u'}{int(ds.BitsAllocated) // 8}")
    return pixels if pixels.dtype == wanted or pixels.dtype.kind == "f" else pixels.astype(wanted)
