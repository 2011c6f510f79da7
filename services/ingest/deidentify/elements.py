"""Rewriting the attributes of a dataset by the policy, at every nesting level."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np
from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from isocenter.keys import SiteKey
from services.ingest.deidentify.policy import TEXT_VRS, Decision, DeidPolicy
from services.ingest.deidentify.words import KnownValues, holds_personal_pattern
from services.ingest.readers.charset import decode_text, encodings_of
from services.ingest.readers.identity import DEPTH_LIMIT, vr_of
from services.ingest.records import Subject

_DUMMIES: dict[str, object] = {
    "DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y", "DS": "0", "IS": "0", "UR": "urn:removed",
    "OB": b"\0\0", "OW": b"\0\0", "UN": b"\0\0", "OD": b"\0" * 8, "OF": b"\0" * 4, "OL": b"\0" * 4, "OV": b"\0" * 8,
    "US": 0, "SS": 0, "UL": 0, "SL": 0, "UV": 0, "SV": 0, "FL": 0.0, "FD": 0.0, "AT": 0,
}  # fmt: skip
_NUMERIC_TEXT = re.compile(r"[0-9+\-.eE\\ :\0]*")
_STRING_NUMBER_VRS = frozenset({"DS", "IS", "TM"})
_REFERENCE_VRS = frozenset({"UI", "IS", "US"})
_CODE_STRING = re.compile(r"[A-Z0-9_ \\]*")
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_CLEANING = (Decision.CLEAN, Decision.CLEAN_OR_EMPTY, Decision.CLEAN_OR_DUMMY)


class Rewriter:
    """One file's rewriting: what the policy decides, done with this subject's pseudonym, shift and known values.

    ``replaced``: the object's own UIDs; all others are keyed. ``notes`` collects codes of what was met.
    """

    def __init__(
        self, policy: DeidPolicy, subject: Subject, key: SiteKey, replaced: dict[str, str], known: KnownValues, big_endian: bool = False
    ) -> None:
        self.policy = policy
        self.subject = subject
        self.key = key
        self.replaced = replaced
        self.known = known
        self.big_endian = big_endian
        self.notes: set[str] = set()

    def rewrite(self, ds: Dataset, encodings: tuple[str, ...], depth: int = 0) -> None:
        """Changes ``ds`` in place; its texts become UTF-8 (ISO_IR 192) where any is not ASCII."""
        declared = ds.get_item(0x00080005) if 0x00080005 in ds else None
        if depth and declared is not None and declared.value:
            value = declared.value
            encodings = encodings_of(value if isinstance(value, bytes) else "\\".join(value) if isinstance(value, MultiValue) else str(value))
        for tag in list(ds.keys()):
            vr = vr_of(ds, tag)
            decision = self.policy.decision(int(tag), vr)
            if decision is Decision.REMOVE or depth > DEPTH_LIMIT:
                if int(tag) >> 16 in range(0x6000, 0x6100):
                    self.notes.add("overlays-removed")
                del ds[tag]
            elif vr == "SQ":
                self._sequence(ds, tag, decision, encodings, depth)
            else:
                self._value(ds, tag, vr, decision, encodings)
        if depth == 0:
            ds.add(_element(BaseTag(0x00080005), "CS", "ISO_IR 192"))

    def _sequence(self, ds: Dataset, tag: BaseTag, decision: Decision, encodings: tuple[str, ...], depth: int) -> None:
        if decision not in (Decision.RECURSE, Decision.REFERENCES):
            # An item without content: a value that says nothing and keeps a mandatory sequence non-empty.
            ds[tag] = DataElement(tag, "SQ", Sequence([Dataset()] if decision is Decision.DUMMY else []))
            return
        try:
            items = ds[tag].value
        except Exception:  # a damaged sequence raises many kinds when it is converted; nobody can clean it
            items = None
        if not isinstance(items, Sequence):
            del ds[tag]
            self.notes.add("unreadable-sequence-removed")
            return
        for item in items:
            if decision is Decision.REFERENCES:
                for inner in [inner for inner in item.keys() if vr_of(item, inner) not in _REFERENCE_VRS]:  # noqa: SIM118 - iterating converts
                    del item[inner]
            self.rewrite(item, encodings, depth + 1)
            item.is_undefined_length_sequence_item = False
        ds[tag] = DataElement(tag, "SQ", Sequence(list(items)))

    def _value(self, ds: Dataset, tag: BaseTag, vr: str, decision: Decision, encodings: tuple[str, ...]) -> None:
        if decision is Decision.KEEP:
            self._keep(ds, tag, vr, encodings)
            return
        text = self._text(ds, tag, vr, encodings) if vr in TEXT_VRS or vr in ("UI", "DA", "DT", "AS") else ""
        new: object = ""
        if decision is Decision.UID:
            new = "\\".join(self._uid(part) for part in text.split("\\"))
        elif decision is Decision.SHIFT:
            new = "\\".join(shifted(part, self.subject.shift_days) for part in text.split("\\"))
        elif decision is Decision.AGE:
            new = "\\".join(self._age(part) for part in text.split("\\"))
        elif decision is Decision.PSEUDONYM:
            new = self.subject.pseudonym
        elif decision in _CLEANING:
            new = self._cleaned(text)
            if not new and decision is Decision.CLEAN:
                del ds[tag]
                return
            if not new and decision is Decision.CLEAN_OR_DUMMY:
                new = "REMOVED"
        elif decision is Decision.DUMMY:
            new = self._uid(text or "none") if vr == "UI" else _DUMMIES.get(vr, "REMOVED")
        ds[tag] = _element(tag, vr, new if new != "" or vr in _TEXTUAL else None)

    def _keep(self, ds: Dataset, tag: BaseTag, vr: str, encodings: tuple[str, ...]) -> None:
        if vr in TEXT_VRS:
            text = self._text(ds, tag, vr, encodings)
            if vr == "CS" and not _CODE_STRING.fullmatch(text):
                text = self._cleaned(text)
            elif self.known.found_in(text) or holds_personal_pattern(text):
                self.notes.add("echo-blanked")
                text = self._cleaned(text)
            ds[tag] = _element(tag, vr, text)
        elif vr in _STRING_NUMBER_VRS:
            if not _NUMERIC_TEXT.fullmatch(self._text(ds, tag, vr, encodings)):
                self.notes.add("text-in-number-removed")
                ds[tag] = _element(tag, vr, "")
        else:
            self._keep_binary(ds, tag, vr)

    def _keep_binary(self, ds: Dataset, tag: BaseTag, vr: str) -> None:
        element = ds.get_item(tag)
        raw = element.value if element is not None else None
        if isinstance(raw, bytes) and vr in ("OB", "OW", "UN") and self.known.in_bytes(raw):
            self.notes.add("echo-blanked")
            ds[tag] = _element(tag, vr, b"")
            return
        if not (self.big_endian or (isinstance(element, RawDataElement) and element.VR in (None, "UN"))):
            return
        try:
            converted = ds[tag]
        except Exception:  # a value that is no number of its VR raises many kinds
            del ds[tag]
            self.notes.add("unreadable-value-removed")
            return
        width = _WORD_BYTES.get(str(converted.VR))
        if self.big_endian and width and isinstance(converted.value, bytes) and len(converted.value) % width == 0:
            converted.value = np.frombuffer(converted.value, f"u{width}").byteswap().tobytes()

    def _cleaned(self, text: str) -> str:
        """Safe words of each part, and nothing at all when what is left still repeats a known value."""
        parts = [self.policy.words.clean(part)[:64] for part in text.split("\\")]
        cleaned = "\\".join(parts) if any(parts) else ""
        return "" if self.known.found_in(cleaned) or holds_personal_pattern(cleaned) else cleaned

    def _uid(self, text: str) -> str:
        text = text.strip("\0 ")
        return self.replaced.get(text) or self.key.uid(text)

    def _age(self, text: str) -> str:
        match = re.fullmatch(r"(\d{1,3})([DWMY])", text.strip().upper())
        if match is None:
            return ""
        number, unit = int(match.group(1)), match.group(2)
        years = number * {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}[unit]
        return f"{self.policy.age_cap_years:03d}Y" if years >= self.policy.age_cap_years else f"{number:03d}{unit}"

    @staticmethod
    def _text(ds: Dataset, tag: BaseTag, vr: str, encodings: tuple[str, ...]) -> str:
        element = ds.get_item(tag)
        value = element.value if element is not None else None
        if value is None:
            return ""
        if isinstance(value, bytes):
            return decode_text(value, encodings, person_name=vr == "PN")
        if isinstance(value, MultiValue | list | tuple):
            return "\\".join(str(part) for part in value)
        return str(value)


_TEXTUAL = TEXT_VRS | {"UI", "DA", "DT", "TM", "AS", "DS", "IS"}


def shifted(text: str, days: int) -> str:
    """A DA or DT value moved by whole days, its time of day and zone kept; '' for what states no day of the calendar."""
    match = re.match(r"\s*(\d{4})([.\-/]?)(\d{2})\2(\d{2})(.*)", text, re.DOTALL)
    if match is None:
        return ""
    try:
        moved = date(int(match.group(1)), int(match.group(3)), int(match.group(4))) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    rest = re.match(r"[\d.]*(?:[+\-]\d{4})?", match.group(5))
    return moved.strftime("%Y%m%d").rjust(8, "0") + (rest.group(0) if rest else "")


def _element(tag: BaseTag, vr: str, value: object) -> DataElement:
    return DataElement(tag, vr, value, validation_mode=config.IGNORE)
