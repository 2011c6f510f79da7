"""Every attribute of PS3.15 Table E.1-1, at the top level, one deep and three deep: nothing of it may remain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import services.ingest.deidentify.policy as policy_module
from services.ingest.deidentify.policy import Decision, DeidPolicy
from services.ingest.records import Released

TABLE = json.loads((Path(policy_module.__file__).parent / "ps3.15_e1_1.json").read_text())
# A sequence that is in no row of the table, so that its items are kept and cleaned.
CARRIER = 0x00089215
KEPT_BY_OPTION = {"TM"}  # times of day stay under modified dates (PS3.15 E.3.6)
IDENTITY = {0x00100010, 0x00100020, 0x0020000D, 0x0020000E, 0x00080018}


def rows() -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for row in TABLE:
        try:
            tag = int(row["id"], 16)
            vr = dictionary_VR(tag)
        except (ValueError, KeyError):
            continue
        if tag >> 16 > 2:  # not the two command-set rows
            found.append((tag, vr, row))
    return found


def sentinel(number: int, vr: str) -> tuple[Any, bytes]:
    """A value that is valid for the VR and tells its row, and the bytes to look for."""
    word = f"Zq{number:04d}x"
    if vr == "SQ":
        item = Dataset()
        item.CodeMeaning = word
        item.PatientComments = word
        return Sequence([item]), word.encode()
    if vr == "UI":
        return f"1.2.3.{number}.77777", f"1.2.3.{number}.77777".encode()
    if vr in ("DA", "DT", "TM"):
        day = f"19{10 + number % 80:02d}{1 + number % 12:02d}{1 + number % 28:02d}"
        clock = f"{number % 24:02d}{number % 60:02d}{(number * 7) % 60:02d}.{number:06d}"
        value = {"DA": day, "DT": day + clock, "TM": clock}[vr]
        return value, value.encode()
    if vr in ("OB", "UN"):
        return (word + "x").encode(), word.encode()
    if vr == "US":
        return 40000 + number, (40000 + number).to_bytes(2, "little")
    if vr in ("DS", "IS"):
        return f"{700000 + number}", f"{700000 + number}".encode()
    if vr == "AS":
        return "093Y", b"093Y"
    if vr == "CS":
        return word.upper(), word.upper().encode()
    if vr == "UR":
        return f"https://{word}.example", word.encode()
    return word, word.encode()


def nested(ds: Dataset, depth: int) -> Dataset:
    """The innermost of ``depth`` new items, one in another."""
    for _ in range(depth):
        item = Dataset()
        ds.add(DataElement(CARRIER, "SQ", Sequence([item])))
        ds = item
    return ds


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_table_attribute_when_present_at_any_depth_then_treated_as_its_row_says(
    depth: int, ct: Dataset, saved: Callable[..., Path], release: Callable[..., Any], policy: DeidPolicy
) -> None:
    place = nested(ct, depth)
    marks: dict[int, tuple[str, bytes]] = {}
    for number, (tag, vr, _) in enumerate(rows()):
        if depth == 0 and tag in IDENTITY - {0x00100010, 0x00100020}:
            continue  # the object's own UIDs: another test
        value, mark = sentinel(number, vr)
        place.add(DataElement(tag, vr, value))
        marks[tag] = (vr, mark)
    result, out = release(saved(ct))
    assert isinstance(result, Released), result

    written = out.read_bytes()
    header = written[: result.pixel_offset]
    after = pydicom.dcmread(out)
    for _ in range(depth):
        after = after[CARRIER].value[0]
    leaked, wrong = [], []
    for tag, (vr, mark) in marks.items():
        decision = policy.decision(tag, vr)
        kept = decision is Decision.KEEP or (vr in KEPT_BY_OPTION and tag in after)
        if not kept and vr != "US" and mark in header:
            leaked.append(f"{tag:08x} {vr} {decision}")
        if decision is Decision.REMOVE and tag in after:
            wrong.append(f"{tag:08x} not removed")
        if decision is Decision.EMPTY and (tag not in after or (after[tag].value not in (None, "", []) and len(after[tag].value))):
            wrong.append(f"{tag:08x} not empty")
        if decision in (Decision.DUMMY, Decision.UID) and (tag not in after or after[tag].is_empty):
            wrong.append(f"{tag:08x} no dummy")
        if kept and tag not in after:
            wrong.append(f"{tag:08x} not kept")
    assert leaked == []
    assert wrong == []
    assert len(marks) > 600


def test_policy_when_compared_with_the_table_then_no_row_is_milder_than_the_basic_profile_without_an_option(policy: DeidPolicy) -> None:
    mild = []
    for tag, vr, row in rows():
        decision = policy.decision(tag, vr)
        optional = "rtnPatCharsOpt" in row or ("rtnLongModifDatesOpt" in row and vr in ("DA", "DT", "TM"))
        if decision is Decision.KEEP and not optional:
            mild.append(f"{tag:08x}")
        if row["basicProfile"] == "X" and not optional and "cleanDescOpt" not in row and decision is not Decision.REMOVE:
            mild.append(f"{tag:08x} {decision}")
    assert mild == []


@pytest.mark.parametrize(
    ("tag", "vr"),
    [(0x00091001, "LO"), (0x50000005, "US"), (0x50003000, "OW"), (0x60003000, "OW"), (0x60004000, "LT"), (0x60000022, "LO"), (0x00080000, "UL")],
)
def test_pattern_rows_when_decided_then_removed(tag: int, vr: str, policy: DeidPolicy) -> None:
    assert policy.decision(tag, vr) is Decision.REMOVE


@pytest.mark.parametrize("keyword", ["PatientSex", "PatientSize", "PatientWeight", "SmokingStatus", "EthnicGroup"])
def test_patient_characteristics_when_present_then_kept(keyword: str, ct: Dataset, saved: Callable[..., Path], release: Callable[..., Any]) -> None:
    value = {"PatientSex": "F", "PatientSize": "1.62", "PatientWeight": "60", "SmokingStatus": "NO", "EthnicGroup": "HAN"}[keyword]
    setattr(ct, keyword, value)
    _, out = release(saved(ct))
    assert str(pydicom.dcmread(out)[keyword].value) in (value, str(float(value)) if value[0].isdigit() else value)


@pytest.mark.parametrize(("before", "after"), [("093Y", "090Y"), ("089Y", "089Y"), ("090Y", "090Y"), ("012D", "012D"), ("034W", "034W"), ("old", "")])
def test_age_when_over_89_then_capped(before: str, after: str, ct: Dataset, saved: Callable[..., Path], release: Callable[..., Any]) -> None:
    ct.PatientAge = before
    ct.pop("PatientBirthDate", None)
    _, out = release(saved(ct))
    assert pydicom.dcmread(out).get("PatientAge", "") == after


def test_research_attributes_when_released_then_all_kept(ct: Dataset, saved: Callable[..., Path], release: Callable[..., Any]) -> None:
    """Retention counts as much as removal (MIDI-B scores both)."""
    kept = [
        "SOPClassUID",
        "Modality",
        "Manufacturer",
        "ManufacturerModelName",
        "Rows",
        "Columns",
        "PixelSpacing",
        "SliceThickness",
        "KVP",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "RescaleSlope",
        "RescaleIntercept",
        "BitsStored",
        "PixelRepresentation",
        "PhotometricInterpretation",
        "ImageType",
        "InstanceNumber",
        "SeriesNumber",
        "StudyTime",
        "GantryDetectorTilt",
        "PatientPosition",
    ]
    before = {keyword: ct[keyword].value for keyword in kept if keyword in ct}
    _, out = release(saved(ct))
    after = pydicom.dcmread(out)
    assert len(before) >= 18
    assert {keyword: after[keyword].value for keyword in before if keyword in after} == before
