"""The de-identification policy as one decision per (tag, VR), so that a fast walker can use the same one as pydicom.

Source: PS3.15 Annex E, Table E.1-1 (``ps3.15_e1_1.json``) with the options of ``policy.toml`` and the words of
``safe_words.toml``. Where the table leaves a choice (X/Z, X/D, Z/D, X/Z/D) the one is taken that keeps every IOD valid: the
last of the letters, so that no attribute type has to be known.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_has_tag

from services.ingest.deidentify.words import SafeWords, load_words

_HERE = Path(__file__).parent
TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "PN", "CS", "AE", "UR"})
_FREE_TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "CS"})
_LONG_TEXT_VRS = frozenset({"ST", "LT", "UT"})
_TIME_VRS = frozenset({"DA", "DT", "TM"})
_PATIENT_NAME, _PATIENT_ID, _CHARACTER_SET = 0x00100010, 0x00100020, 0x00080005
# UIDs that name a kind of thing and no instance of it; private ones among them (vendor SOP classes) stay as well.
_CLASS_UIDS = frozenset({
    0x00080016, 0x0008001A, 0x0008001B, 0x00081150, 0x0008115A, 0x0008010C, 0x00080117, 0x00080118, 0x00080062, 0x00020010,
    0x00041510, 0x00041512, 0x0004151A, 0x00083002,
})  # fmt: skip


class Decision(StrEnum):
    """What happens to one attribute."""

    KEEP = "keep"  # as it is, unless its value repeats a known one
    REMOVE = "remove"  # X
    EMPTY = "empty"  # Z
    DUMMY = "dummy"  # D: a value of the VR that says nothing
    UID = "uid"  # U: keyed
    SHIFT = "shift"  # dates by whole days; what is no date is emptied
    AGE = "age"  # kept up to 89 years
    CLEAN = "clean"  # safe words stay; removed when none is left
    CLEAN_OR_EMPTY = "clean-or-empty"
    CLEAN_OR_DUMMY = "clean-or-dummy"
    RECURSE = "recurse"  # a sequence whose items are decided one by one
    REFERENCES = "references"  # a sequence of which only UIDs (keyed) and numbers stay: X/Z/U*
    PSEUDONYM = "pseudonym"


@dataclass(frozen=True, slots=True)
class DeidPolicy:
    """A policy as released objects refer to it: name@number, and ``sha256`` over everything that decides."""

    name: str
    number: int
    sha256: str
    age_cap_years: int
    words: SafeWords
    actions: dict[int, dict[str, str]]  # the table's rows by tag
    overrides: dict[int, Decision]
    retain_patient_characteristics: bool
    modified_dates: bool
    clean_descriptors: bool

    def decision(self, tag: int, vr: str) -> Decision:
        """What happens to this attribute at any nesting level. ``vr``: as resolved from the dictionary where a file says UN."""
        group, element = tag >> 16, tag & 0xFFFF
        if group % 2 or group < 8 or element == 0 or tag == _CHARACTER_SET:
            return Decision.REMOVE  # private groups, command and meta groups, group lengths; the writer sets the character set
        if 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF:
            return Decision.REMOVE  # curves; overlays as a whole, since their data goes
        if tag in self.overrides:
            return self.overrides[tag]
        if tag in (_PATIENT_NAME, _PATIENT_ID):
            return Decision.PSEUDONYM
        row = self.actions.get(tag)
        return self._by_vr(tag, vr) if row is None else self._by_row(row, vr)

    def _by_row(self, row: dict[str, str], vr: str) -> Decision:
        basic = row["basicProfile"]
        if vr in _TIME_VRS and self.modified_dates and "rtnLongModifDatesOpt" in row:
            return Decision.KEEP if vr == "TM" else Decision.SHIFT
        if self.retain_patient_characteristics and row.get("rtnPatCharsOpt") == "K":
            return Decision.AGE if vr == "AS" else Decision.KEEP
        cleanable = (self.clean_descriptors and "cleanDescOpt" in row) or (
            self.retain_patient_characteristics and row.get("rtnPatCharsOpt") == "C"
        )
        last = basic.rstrip("*").split("/")[-1]
        if cleanable and vr in _FREE_TEXT_VRS:
            return {"X": Decision.CLEAN, "Z": Decision.CLEAN_OR_EMPTY}.get(last, Decision.CLEAN_OR_DUMMY)
        if last == "U":
            return Decision.REFERENCES if vr == "SQ" else Decision.UID
        return {"X": Decision.REMOVE, "Z": Decision.EMPTY}.get(last, Decision.DUMMY)

    def _by_vr(self, tag: int, vr: str) -> Decision:
        """Attributes that the table does not list: kept, except what their VR says about people, time and instances."""
        if vr == "UN" or not dictionary_has_tag(tag):
            return Decision.REMOVE
        if vr == "UI":
            return Decision.KEEP if tag in _CLASS_UIDS else Decision.UID
        if vr in _LONG_TEXT_VRS:
            return Decision.CLEAN_OR_EMPTY if self.clean_descriptors else Decision.EMPTY
        return {
            "SQ": Decision.RECURSE, "PN": Decision.EMPTY, "AE": Decision.EMPTY, "UR": Decision.EMPTY,
            "DA": Decision.SHIFT, "DT": Decision.SHIFT, "AS": Decision.AGE,
        }.get(vr, Decision.KEEP)  # fmt: skip


def load_policy(options: Path | None = None) -> DeidPolicy:
    """The policy of ``policy.toml``, or of a site's own file of the same form."""
    table_bytes = (_HERE / "ps3.15_e1_1.json").read_bytes()
    words_bytes = (_HERE / "safe_words.toml").read_bytes()
    options_bytes = (options or _HERE / "policy.toml").read_bytes()
    settings: dict[str, Any] = tomllib.loads(options_bytes.decode())
    chosen = settings["options"]
    overrides = {
        int(tag, 16): decision
        for name, decision in (("remove", Decision.REMOVE), ("empty", Decision.EMPTY))
        for tag in settings.get("override", {}).get(name, [])
    }
    digest = hashlib.sha256(b"\0".join((table_bytes, words_bytes, options_bytes))).hexdigest()
    return DeidPolicy(
        name=settings["name"],
        number=int(settings["number"]),
        sha256=digest,
        age_cap_years=int(chosen["age_cap_years"]),
        words=load_words(words_bytes),
        actions=_rows(table_bytes),
        overrides=overrides,
        retain_patient_characteristics=bool(chosen["retain_patient_characteristics"]),
        modified_dates=bool(chosen["modified_dates"]),
        clean_descriptors=bool(chosen["clean_descriptors"]),
    )


def _rows(table_bytes: bytes) -> dict[int, dict[str, str]]:
    """Rows that name one tag; the four patterns (curves, overlays, private) are decided by group."""
    rows: dict[int, dict[str, str]] = {}
    for row in json.loads(table_bytes):
        try:
            rows[int(row["id"], 16)] = {key: value for key, value in row.items() if key not in ("name", "tag", "id", "stdCompIOD")}
        except ValueError:
            continue
    return rows
