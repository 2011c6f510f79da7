"""Places where identity hides besides the listed attributes (facts: 11 extra hiding places that leaked in five peers)."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from image_samples import bundled
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from isocenter.imaging.decode import decode_frame
from isocenter.keys import SiteKey
from services.ingest.deidentify import deidentify
from services.ingest.deidentify.dicom import verify
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.readers import read
from services.ingest.records import Identified, NewUids, Reading, Refusal, Released, Subject

Save, Release = Callable[..., Path], Callable[..., Any]
MARK = b"Zqhidden"


def header_of(result: Released, path: Path) -> bytes:
    return path.read_bytes()[: result.pixel_offset]


def test_preamble_when_it_holds_text_then_zeroed(ct: Dataset, saved: Save, release: Release) -> None:
    ct.preamble = (MARK * 16)[:128]
    _, out = release(saved(ct))
    assert out.read_bytes()[:132] == b"\0" * 128 + b"DICM"


def test_meta_group_when_it_names_a_source_and_private_information_then_replaced(ct: Dataset, saved: Save, release: Release) -> None:
    ct.file_meta.SourceApplicationEntityTitle = "ZQHIDDEN"
    ct.file_meta.PrivateInformationCreatorUID = "1.2.3.4"
    ct.file_meta.PrivateInformation = MARK
    _, out = release(saved(ct))
    meta = pydicom.dcmread(out).file_meta
    assert "SourceApplicationEntityTitle" not in meta
    assert "PrivateInformation" not in meta
    assert MARK not in out.read_bytes()
    assert b"ZQHIDDEN" not in out.read_bytes()


def test_trailing_padding_when_it_holds_text_then_dropped(ct: Dataset, saved: Save, release: Release) -> None:
    ct.add(DataElement(0xFFFCFFFC, "OB", MARK * 4))
    path = saved(ct)
    path.write_bytes(path.read_bytes())
    _, out = release(path)
    assert MARK not in out.read_bytes()


def test_pixel_data_when_longer_than_its_frames_then_cut(ct: Dataset, saved: Save, release: Release) -> None:
    ct.PixelData = ct.PixelData + MARK
    result, out = release(saved(ct))
    assert MARK not in out.read_bytes()
    assert "pixel-padding-removed" in result.notes


def raw_element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr in (b"UN", b"SQ", b"OB"):
        return head + vr + struct.pack("<HI", 0, len(value)) + value
    return head + vr + struct.pack("<H", len(value)) + value


def with_raw_elements(ct: Dataset, path: Path, *elements: bytes) -> Path:
    """The dataset in a file with hand-made elements sorted in by tag."""
    head = path.read_bytes()
    ds = pydicom.dcmread(path)
    start = 132 + 12 + ds.file_meta.FileMetaInformationGroupLength
    parsed, position = [], start
    while position < len(head):
        group, element = struct.unpack_from("<HH", head, position)
        vr = head[position + 4 : position + 6]
        if vr in (b"OW", b"OB", b"UN", b"SQ", b"UT", b"OF"):
            end = position + 12 + struct.unpack_from("<I", head, position + 8)[0]
        else:
            end = position + 8 + struct.unpack_from("<H", head, position + 6)[0]
        parsed.append((group << 16 | element, head[position:end]))
        position = end
    for raw in elements:
        group, element = struct.unpack_from("<HH", raw)
        parsed = [entry for entry in parsed if entry[0] != (group << 16 | element)] + [(group << 16 | element, raw)]
    path.write_bytes(head[:start] + b"".join(raw for _, raw in sorted(parsed, key=lambda entry: entry[0])))
    return path


def flat(ct: Dataset) -> Dataset:
    for tag in [tag for tag in ct.keys() if ct[tag].VR == "SQ"]:  # noqa: SIM118
        del ct[tag]
    return ct


def test_known_tag_when_encoded_as_un_then_treated_by_its_real_vr(ct: Dataset, saved: Save, release: Release) -> None:
    path = with_raw_elements(
        ct,
        saved(flat(ct)),
        raw_element(0x00081048, b"UN", b"Zqhidden^Doctor "),  # PhysiciansOfRecord X
        raw_element(0x00080021, b"UN", b"20200310"),  # SeriesDate, shifted
        raw_element(0x00081030, b"UN", b"CT abdomen Zqhidden "),  # StudyDescription, cleaned
    )
    result, out = release(path)
    assert isinstance(result, Released), result
    after = pydicom.dcmread(out)
    assert MARK not in out.read_bytes()
    assert after.SeriesDate == "20191201"
    assert after.StudyDescription == "CT abdomen"


def test_sequence_when_encoded_as_un_then_cleaned_inside(ct: Dataset, saved: Save, release: Release) -> None:
    # Implicit VR little endian inside UN (PS3.5 6.2.2 note 2): item with PatientComments.
    inner = struct.pack("<HHI", 0x0010, 0x4000, 8) + MARK
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
    result, out = release(with_raw_elements(ct, saved(flat(ct)), raw_element(0x00089215, b"UN", item)))
    assert isinstance(result, Released), result
    assert MARK not in out.read_bytes()


def test_private_group_when_nested_then_removed(ct: Dataset, saved: Save, release: Release) -> None:
    item = Dataset()
    item.add(DataElement(0x00091001, "LO", MARK.decode()))
    item.add(DataElement(0x00090010, "LO", "CREATOR"))
    ct.DerivationCodeSequence = Sequence([item])
    _result, out = release(saved(ct))
    assert MARK not in out.read_bytes()


@pytest.mark.parametrize("text", ["ZHANG WEI", "zhang^wei", "Contrast Zhang, 3 ml", "MRN4711", "张伟", "for 张 伟 only", "weizhang", "ＺＨＡＮＧ"])
def test_kept_attribute_when_it_repeats_a_known_value_then_blanked(text: str, ct: Dataset, saved: Save, release: Release) -> None:
    ct.SpecificCharacterSet = "ISO_IR 192"
    ct.FilterType = "KEEP ME"
    ct.SoftwareVersions = text
    ct.FilterMaterial = "ALUMINUM"
    result, out = release(saved(ct))
    assert isinstance(result, Released), result
    after = pydicom.dcmread(out)
    assert not after.get("SoftwareVersions") or "zhang" not in str(after.SoftwareVersions).lower()
    assert "张" not in str(after.get("SoftwareVersions", ""))
    assert "4711" not in str(after.get("SoftwareVersions", ""))
    assert after.FilterMaterial == "ALUMINUM"


def test_value_when_it_only_contains_a_known_word_as_a_part_then_kept(ct: Dataset, saved: Save, release: Release) -> None:
    ct.SoftwareVersions = "WEIGHTED 1.2"
    _, out = release(saved(ct))
    assert pydicom.dcmread(out).SoftwareVersions == "WEIGHTED 1.2"


def test_safe_word_when_it_is_also_a_name_part_then_kept(ct: Dataset, saved: Save, release: Release) -> None:
    ct.PatientName, ct.StudyDescription = "HEAD^PLASTIC", "CT Head plain"
    _, out = release(saved(ct), whose=Subject("ISO-2", -5, ("HEAD^PLASTIC",)))
    assert pydicom.dcmread(out).StudyDescription == "CT Head plain"


@pytest.mark.parametrize("text", ["13812345678", "11010519491231002X", "someone@hospital.example", "see https://pacs.example/1"])
def test_kept_attribute_when_it_holds_a_personal_number_or_address_then_blanked(text: str, ct: Dataset, saved: Save, release: Release) -> None:
    ct.SoftwareVersions = text
    _, out = release(saved(ct))
    assert not pydicom.dcmread(out).get("SoftwareVersions")


def test_person_name_when_multi_valued_and_ideographic_then_gone_in_all_groups(ct: Dataset, saved: Save, release: Release) -> None:
    ct.SpecificCharacterSet = "ISO_IR 192"
    ct.PatientName = "Zqhidden^Wang=王^小明=ㄨㄤˊ"
    ct.OtherPatientNames = ["Zqhidden^A", "王^小东"]
    ct.OperatorsName = ["Zqhidden^B", "李^雷"]
    result, out = release(saved(ct))
    data = out.read_bytes()
    assert isinstance(result, Released)
    assert MARK not in data
    assert not any(name.encode(codec) in data for name in ("王^小明", "小明", "李^雷") for codec in ("utf-8", "gb18030"))
    assert str(pydicom.dcmread(out).PatientName) == "ISO-000001"


@pytest.mark.parametrize("declared", ["ISO_IR 100", None, "ISO_IR 192"])
def test_chinese_under_a_wrong_declaration_when_released_then_name_is_found_and_words_stay(
    declared: str | None, ct: Dataset, saved: Save, release: Release
) -> None:
    ct = flat(ct)
    ct.SpecificCharacterSet = declared
    path = with_raw_elements(
        ct,
        saved(ct),
        raw_element(0x00100010, b"PN", "张伟".encode("gb18030")),
        raw_element(0x00081030, b"LO", "上腹部增强张伟".encode("gb18030")),
    )
    result, out = release(path)
    assert isinstance(result, Released), result
    assert pydicom.dcmread(out).StudyDescription == "上腹部 增强"
    assert "张伟".encode("gb18030") not in out.read_bytes()


def jpeg_with_comment(ds: Dataset, syntax: str, frames: list[bytes]) -> Dataset:
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def test_jpeg_frame_when_it_holds_a_comment_and_exif_then_cut_and_pixels_equal(saved: Save, release: Release) -> None:
    ds = pydicom.dcmread(bundled("SC_rgb_jpeg_dcmtk.dcm"))
    stream = next(generate_frames(ds.PixelData, number_of_frames=1))
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(MARK)) + MARK
    exif = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(MARK)) + b"Exif\0\0" + MARK
    path = saved(jpeg_with_comment(ds, JPEGBaseline8Bit, [stream[:2] + comment + exif + stream[2:] + MARK + b"\0" * (len(MARK) % 2)]))
    result, out = release(path)
    assert isinstance(result, Released), result
    assert MARK not in out.read_bytes()
    assert (decode_frame(path) == decode_frame(out)).all()
    assert "stream-comments-removed" in result.notes


def test_jpeg_2000_frame_when_it_holds_a_comment_then_blanked_and_pixels_equal(saved: Save, release: Release) -> None:
    ds = pydicom.dcmread(bundled("MR_small_jp2klossless.dcm"))
    stream = next(generate_frames(ds.PixelData, number_of_frames=1))
    at = stream.index(b"\xff\x52")  # before COD: main header
    comment = b"\xff\x64" + struct.pack(">HH", 4 + len(MARK), 1) + MARK
    path = saved(jpeg_with_comment(ds, JPEG2000Lossless, [stream[:at] + comment + stream[at:]]))
    assert MARK in path.read_bytes()
    result, out = release(path)
    assert isinstance(result, Released), result
    assert MARK not in out.read_bytes()
    assert (decode_frame(path) == decode_frame(out)).all()


def test_number_attribute_when_it_holds_letters_then_emptied(ct: Dataset, saved: Save, release: Release) -> None:
    path = with_raw_elements(ct, saved(flat(ct)), raw_element(0x00180060, b"DS", b"Zqhidden"))
    _, out = release(path)
    assert MARK not in out.read_bytes()


def test_overlay_and_curve_when_present_then_removed(ct: Dataset, saved: Save, release: Release) -> None:
    ct.add(DataElement(0x60003000, "OW", MARK * 8))
    ct.add(DataElement(0x60004000, "LT", MARK.decode()))
    ct.add(DataElement(0x60000022, "LO", MARK.decode()))
    result, out = release(saved(ct))
    assert MARK not in out.read_bytes()
    assert "overlays-removed" in result.notes


def test_verify_when_a_known_value_remains_then_says_where_and_never_what(ct: Dataset, saved: Save, release: Release, policy: DeidPolicy) -> None:
    _, out = release(saved(ct))
    ds = pydicom.dcmread(out)
    ds.SoftwareVersions = "of Zhang Wei"
    ds.save_as(out)
    codes = verify(out, Subject("ISO-000001", -1, ("ZHANG^WEI",)), Identified(), policy)
    assert codes == ["value-in-00181020"]


def test_verify_when_the_value_is_in_another_encoding_in_bytes_then_found(ct: Dataset, saved: Save, release: Release, policy: DeidPolicy) -> None:
    _, out = release(saved(ct))
    for codec in ("gb18030", "utf-16-le", "utf-8"):
        ds = pydicom.dcmread(out)
        ds.add(DataElement(0x00281201, "OW", "张伟".encode(codec) * 2))
        buffer = io.BytesIO()
        ds.save_as(buffer)
        leaked = out.with_suffix(f".{codec}")
        leaked.write_bytes(buffer.getvalue())
        assert "value-in-00281201" in verify(leaked, Subject("ISO-000001", -1, ("张伟",)), Identified(), policy)


def test_release_when_method_is_stated_then_codes_of_cid_7050_are_there(ct: Dataset, saved: Save, release: Release) -> None:
    _, out = release(saved(ct))
    ds = pydicom.dcmread(out)
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == ["113100", "113105", "113107", "113108"]
    assert {item.CodingSchemeDesignator for item in ds.DeidentificationMethodCodeSequence} == {"DCM"}


def test_release_when_pixels_may_hold_text_then_held_and_removal_not_claimed(ct: Dataset, saved: Save, release: Release) -> None:
    ct.BurnedInAnnotation = "YES"
    result, out = release(saved(ct))
    assert result.held == "burned-in-annotation"
    assert pydicom.dcmread(out).PatientIdentityRemoved == "NO"


def test_stream_when_it_cannot_be_walked_then_review_and_nothing_written(saved: Save, release: Release, tmp_path: Path) -> None:
    ds = pydicom.dcmread(bundled("SC_rgb_jpeg_dcmtk.dcm"))
    stream = next(generate_frames(ds.PixelData, number_of_frames=1))
    # A segment whose length runs past the end, behind the scan: decoders stop before it, the cutter must not.
    broken = stream[:-2] + b"\xff\xe1\xff\xff" + MARK + b"\0" * (len(MARK) % 2)
    result, out = release(saved(jpeg_with_comment(ds, JPEGBaseline8Bit, [broken])))
    assert isinstance(result, Refusal)
    assert result.code == "pixel-stream-not-cleanable"
    assert not out.exists()


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "SC_rgb_jpeg_dcmtk.dcm", "JPEG2000.dcm"])
def test_mutated_file_when_deidentified_then_a_value_and_the_name_is_gone(
    name: str, tmp_path: Path, key: SiteKey, policy: DeidPolicy, subject: Subject
) -> None:
    """Header bytes changed at random (seeded); what is still readable as an image must be released clean or refused."""
    draw = random.Random(name)
    ds = pydicom.dcmread(bundled(name))
    ds.PatientName, ds.PatientComments, ds.OperatorsName = "Zqhidden^Patient", "about Zqhidden", "Zqhidden^Operator"
    ds.DerivationDescription, ds.SoftwareVersions = "by Zqhidden", "Zqhidden"
    ds.save_as(tmp_path / "in.dcm")
    source = (tmp_path / "in.dcm").read_bytes()
    header_bytes = source.rindex(b"\xe0\x7f\x10\x00" if b"\xe0\x7f\x10\x00" in source else b"\x7f\xe0\x00\x10")
    released = 0
    for round_ in range(60):
        data = bytearray(source)
        for _ in range(draw.randrange(1, 5)):
            data[draw.randrange(340, header_bytes)] = draw.randrange(256)
        path = tmp_path / f"{round_}.dcm"
        path.write_bytes(bytes(data))
        reading = read(path, key)
        if not isinstance(reading, Reading):
            continue
        uids = NewUids(key.uid("s"), key.uid("e"), key.uid(f"i{round_}"))
        result = deidentify(path, reading.facts, subject, uids, key, policy, tmp_path)
        assert isinstance(result, Released | Refusal)
        if isinstance(result, Released):
            released += 1
            assert MARK.lower() not in (tmp_path / f"{uids.sop_uid}.dcm").read_bytes()[: result.pixel_offset].lower()
    assert released > 10
