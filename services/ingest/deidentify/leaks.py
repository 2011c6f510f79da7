"""The leak check: a released dataset is searched again for every value that may not remain."""

from __future__ import annotations

from pydicom.dataset import Dataset

from services.ingest.deidentify.policy import TEXT_VRS, DeidPolicy
from services.ingest.deidentify.words import KnownValues, holds_personal_pattern
from services.ingest.readers.charset import decode_text
from services.ingest.readers.identity import DEPTH_LIMIT, vr_of

# Values that we made ourselves or that are plain numbers: a digit run in them says nothing.
_NUMBER_VRS = frozenset({"UI", "DA", "DT", "TM", "DS", "IS", "AS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT"})
_OWN_TAGS = frozenset({0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00120064, 0x00080005, 0x00020012, 0x00020013})


def leaks_in_dataset(ds: Dataset, known: KnownValues, policy: DeidPolicy, meta: bool = False, depth: int = 0) -> list[str]:
    """Codes of where a known value, a private group or a preamble remains; never the values themselves."""
    codes: list[str] = []
    for tag in list(ds.keys()):
        if int(tag) in _OWN_TAGS:
            continue
        if tag.is_private:
            codes.append("private-attribute")
            continue
        vr = vr_of(ds, tag)
        if vr == "SQ":
            if depth > DEPTH_LIMIT:
                codes.append("nesting-too-deep")
                continue
            for item in ds[tag].value:
                codes += leaks_in_dataset(item, known, policy, meta, depth + 1)
        elif _leaks(ds, int(tag), vr, known):
            codes.append(f"value-in-{int(tag):08x}")
    return codes


def _leaks(ds: Dataset, tag: int, vr: str, known: KnownValues) -> bool:
    element = ds.get_item(tag)
    value = element.value if element is not None else None
    if value is None or value == "":
        return False
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
    if vr in TEXT_VRS:
        text = decode_text(raw, ("utf8",))
        return known.found_in(text) or known.in_bytes(raw) or holds_personal_pattern(text)
    if vr in _NUMBER_VRS:
        return vr in ("UI", "DA", "DT", "TM", "DS", "IS", "AS") and known.in_bytes(raw, digits_from=1 << 30)
    return known.in_bytes(raw)
