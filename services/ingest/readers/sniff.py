"""What a file is, by its content and never by its extension alone."""

from __future__ import annotations

import struct
import zipfile
import zlib
from enum import StrEnum
from pathlib import Path

from pydicom.valuerep import VR

HEAD_BYTES = 4096
_ARCHIVES = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"MSCF")
_DOCUMENTS = (b"%PDF", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf")
# Text or unknown bytes under these names are a damaged image, not a document.
_IMAGE_SUFFIXES = {
    ".dcm", ".ima", ".nii", ".hdr", ".img", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".svs", ".ndpi", ".scn", ".bif", ".mrxs",
}  # fmt: skip
_OFFICE_PARTS = ("[Content_Types].xml", "mimetype", "xl/", "word/", "ppt/")
_JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", ".localized"}
_VRS = frozenset(str(vr) for vr in VR if len(vr) == 2)


class Kind(StrEnum):
    """What :func:`sniff` tells apart."""

    DICOM = "dicom"
    NIFTI = "nifti"
    ANALYZE = "analyze"
    PAIRED_DATA = "paired-data"
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    SLIDE_FOLDER = "slide-folder"
    ARCHIVE = "archive"
    DOCUMENT = "document"
    JUNK = "junk"
    EMPTY = "empty"
    UNKNOWN = "unknown"


def sniff(path: Path, name: str = "") -> Kind:
    """The kind of one file; OSError when it cannot be read. ``name``: its own name where ``path`` is a temporary copy."""
    size = path.stat().st_size
    if is_junk(name or path.name):
        return Kind.JUNK
    if size == 0:
        return Kind.EMPTY
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[128:132] == b"DICM":
        return Kind.DICOM
    suffix = path.suffix.lower()
    # A .mrxs file is itself a JPEG of the whole glass with its label: never a picture of its own.
    if suffix == ".mrxs" or (suffix in (".vms", ".vmu", ".svslide") and (path.with_suffix("").is_dir() or not head.startswith(b"\xff\xd8"))):
        return Kind.SLIDE_FOLDER
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return Kind.TIFF
    volume = _volume_kind(path, head, size)
    if volume is not None:
        return volume
    if _is_bare_dicom(head, size):
        return Kind.DICOM
    return _container_or_text(path, head, Path(name or path.name).suffix.lower())


def is_junk(name: str) -> bool:
    """Files that operating systems leave behind: .DS_Store, Thumbs.db, AppleDouble ``._*``."""
    return name.lower() in _JUNK_NAMES or name.startswith("._")


def pair_header(path: Path) -> Path | None:
    """The .hdr file that belongs to a .img file of a NIfTI or Analyze pair, None where there is none."""
    name = path.name
    for data, header in ((".img", ".hdr"), (".img.gz", ".hdr.gz"), (".IMG", ".HDR")):
        if name.endswith(data):
            candidate = path.with_name(name[: -len(data)] + header)
            if candidate.is_file() and volume_header_kind(_gunzip_head(_head(candidate))) is not None:
                return candidate
    return None


def volume_header_kind(head: bytes) -> Kind | None:
    """NIfTI-1, NIfTI-2 or Analyze 7.5 by the header's first bytes; either byte order."""
    if len(head) < 348:
        return None
    if head[344:348] in (b"n+1\x00", b"ni1\x00"):
        return Kind.NIFTI
    if head[4:8] in (b"n+2\x00", b"ni2\x00"):
        return Kind.NIFTI
    if struct.unpack("<i", head[:4])[0] == 348 or struct.unpack(">i", head[:4])[0] == 348:
        return Kind.ANALYZE
    return None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _gunzip_head(head: bytes) -> bytes:
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""


def _volume_kind(path: Path, head: bytes, size: int) -> Kind | None:
    if pair_header(path) is not None:
        return Kind.PAIRED_DATA
    inner = _gunzip_head(head)
    kind = volume_header_kind(inner)
    if kind is not None:
        return kind
    if head.startswith(b"\x1f\x8b"):
        # A .nii.gz that is cut off inside its header is still a volume, so that its refusal says so.
        return Kind.NIFTI if path.name.lower().endswith((".nii.gz", ".nii")) else Kind.ARCHIVE
    if path.suffix.lower() == ".nii" and size < 348:
        return Kind.NIFTI
    return None


def _is_bare_dicom(head: bytes, size: int) -> bool:
    """A dataset without preamble: its first element is of group 0002 or 0008, in either byte order, explicit or implicit."""
    if len(head) < 8:
        return False
    for order in ("<", ">"):
        group, element = struct.unpack(f"{order}HH", head[:4])
        if group not in (0x0002, 0x0008) or element > 0x0100:
            continue
        if head[4:6].decode("latin-1") in _VRS:
            return True
        (length,) = struct.unpack(f"{order}I", head[4:8])
        if order == "<" and length % 2 == 0 and length < min(size, 4096):
            return True
    return False


def _container_or_text(path: Path, head: bytes, suffix: str) -> Kind:
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _zip_kind(path)
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        return Kind.ARCHIVE
    if head.startswith(_DOCUMENTS):
        return Kind.DOCUMENT
    return Kind.DOCUMENT if is_text(head) and suffix not in _IMAGE_SUFFIXES else Kind.UNKNOWN


def _zip_kind(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:50]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return Kind.ARCHIVE
    office = any(name.startswith(_OFFICE_PARTS) for name in names)
    return Kind.DOCUMENT if office else Kind.ARCHIVE


def is_text(head: bytes) -> bool:
    """Whether bytes read as text in UTF-8, UTF-16 with a BOM, or GB18030, with nearly no control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in head:
        return False
    else:
        encodings = ["utf-8", "gb18030"]
    for encoding in encodings:
        # The head may cut the last character: up to three bytes are given away.
        for cut in range(4):
            try:
                text = head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            control = sum(ch < " " and ch not in "\t\r\n\f\x1b" for ch in text)
            return control * 100 <= len(text)
    return False
