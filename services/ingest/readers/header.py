"""A DICOM header read so that no attribute can raise: odd values give '' or None, never an exception.

Enhanced multi-frame objects (PS3.3 C.7.6.16) keep geometry, echo and diffusion in functional groups; a look-up falls back
to the shared groups and then to those of the first frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from services.ingest.readers.charset import decode_text, encodings_of

_NUMBER_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_FRAMES_LOOKED_AT = 4096


class Header:
    """Safe access to one dataset (or sequence item) by attribute keyword."""

    def __init__(self, ds: Dataset, encodings: tuple[str, ...] | None = None) -> None:
        self.ds = ds
        declared = self._raw(0x00080005)
        self.encodings = encodings_of(declared) if declared is not None or encodings is None else encodings

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self.ds

    def text(self, keyword: str | int) -> str:
        """The whole value as text (backslashes between parts), '' where absent."""
        tag = _tag(keyword)
        raw = self._raw(tag)
        if raw is None:
            return ""
        if isinstance(raw, bytes):
            return decode_text(raw, self.encodings, _vr(tag) == "PN").strip()
        return str(raw).strip()

    def texts(self, keyword: str | int) -> tuple[str, ...]:
        """The parts of a multi-valued text."""
        text = self.text(keyword)
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def numbers(self, keyword: str | int) -> tuple[float, ...]:
        """All parts that are finite numbers; () where absent or when one part is none."""
        tag = _tag(keyword)
        element = self._element(tag)
        if element is None or element.value is None:
            return ()
        try:
            if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
                return _parse_numbers(element)
            value = element.value
            parts = list(value) if isinstance(value, list | tuple | MultiValue) else [value]
            return _finite(float(part) for part in parts if part not in ("", None))
        except (ValueError, TypeError, struct.error, OverflowError):
            return ()

    def number(self, keyword: str | int) -> float | None:
        """The first number, None where there is none."""
        numbers = self.numbers(keyword)
        return numbers[0] if numbers else None

    def items(self, keyword: str | int) -> list[Header]:
        """The items of a sequence, [] where absent or unreadable."""
        tag = _tag(keyword)
        if tag not in self.ds:
            return []
        try:
            value = self.ds[tag].value
        except Exception:  # conversion of a damaged sequence raises many kinds; it then counts as absent
            return []
        return [Header(item, self.encodings) for item in value] if isinstance(value, Sequence) else []

    def item(self, *path: str) -> Header | None:
        """The first item at the end of a path of sequences."""
        here: Header | None = self
        for keyword in path:
            found = here.items(keyword) if here else []
            here = found[0] if found else None
        return here

    def frame_groups(self) -> Iterator[Header]:
        """Functional groups: the shared one, then those of the frames (at most 4,096 of them)."""
        yield from self.items("SharedFunctionalGroupsSequence")[:1]
        yield from self.items("PerFrameFunctionalGroupsSequence")[:_FRAMES_LOOKED_AT]

    def macro(self, sequence: str) -> Header | None:
        """The first item of a functional group macro: shared, else of the first frame that has it."""
        for group in self.frame_groups():
            items = group.items(sequence)
            if items:
                return items[0]
        return None

    def _element(self, tag: int) -> DataElement | RawDataElement | None:
        if tag not in self.ds:
            return None
        try:
            return self.ds.get_item(tag)
        except Exception:  # see items()
            return None

    def _raw(self, tag: int) -> bytes | str | None:
        element = self._element(tag)
        if element is None or element.value is None:
            return None
        value = element.value
        if isinstance(value, bytes):
            return value
        if isinstance(value, MultiValue | list | tuple):
            return "\\".join(str(part) for part in value)
        return str(value)


def _tag(keyword: str | int) -> int:
    return keyword if isinstance(keyword, int) else int(tag_for_keyword(keyword) or 0)


def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _parse_numbers(element: RawDataElement) -> tuple[float, ...]:
    raw = element.value or b""
    vr = element.VR if element.VR not in (None, "UN") else _vr(element.tag)
    form = _NUMBER_FORMATS.get(str(vr).split(" ")[0])
    if form is None:
        parts = raw.decode("latin-1").replace(",", ".").split("\\")
        return _finite(float(part.strip(" \0")) for part in parts if part.strip(" \0"))
    size = struct.calcsize(form)
    order = "<" if element.is_little_endian else ">"
    return _finite(float(v) for v in struct.unpack(f"{order}{len(raw) // size}{form}", raw[: len(raw) // size * size]))


def _finite(values: Iterator[float]) -> tuple[float, ...]:
    found = tuple(values)
    return found if all(abs(v) < 1e30 for v in found) else ()
