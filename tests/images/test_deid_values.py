"""Dates, UIDs, determinism and frame offsets of released DICOM files."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_samples import bundled
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.sequence import Sequence

from isocenter.imaging.decode import decode_frame
from isocenter.imaging.frames import frame_index, read_span
from isocenter.keys import SiteKey
from services.ingest.deidentify.elements import shifted
from services.ingest.deidentify.policy import DeidPolicy, load_policy
from services.ingest.deidentify.words import known_values
from services.ingest.records import Released, Subject

Save, Release = Callable[..., Path], Callable[..., Any]

SYNTAXES = [
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "JPGExtended.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "image_dfl.dcm",
    "693_J2KI.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "examples_ybr_color.dcm",
    "examples_palette.dcm",
    "J2K_pixelrep_mismatch.dcm",
]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("20200310", "20191201"),
        ("20200310121530.5+0800", "20191201121530.5+0800"),
        ("2020.03.10", "20191201"),
        ("202003", ""),
        ("20200231", ""),
        ("", ""),
        ("00010101", ""),
        ("20200310Zhang", "20191201"),
    ],
)
def test_date_when_shifted_by_100_days_then_moved_or_emptied(before: str, after: str) -> None:
    assert shifted(before, -100) == after


@given(st.dates(min_value=__import__("datetime").date(1900, 1, 1)), st.integers(-3650, -1), st.integers(0, 2000))
def test_interval_when_both_dates_are_shifted_then_unchanged(day: Any, shift: int, later: int) -> None:
    import datetime

    if (datetime.date.max - day).days < later:
        return
    other = day + datetime.timedelta(days=later)
    first, second = shifted(day.strftime("%Y%m%d"), shift), shifted(other.strftime("%Y%m%d"), shift)
    between = datetime.datetime.strptime(second, "%Y%m%d") - datetime.datetime.strptime(first, "%Y%m%d")
    assert between.days == later


def test_times_and_birth_date_when_released_then_times_stay_and_birth_date_goes(ct: Dataset, saved: Save, release: Release) -> None:
    ct.StudyTime, ct.PatientBirthDate, ct.StudyDate = "101112", "19500102", "20200310"
    ct.pop("PatientAge", None)
    _, out = release(saved(ct))
    after = pydicom.dcmread(out)
    assert (after.StudyTime, after.PatientBirthDate, after.StudyDate, after.PatientAge) == ("101112", "", "20191201", "070Y")


def test_uids_when_the_same_in_two_files_then_keyed_to_the_same_and_standard_ones_stay(ct: Dataset, saved: Save, release: Release, key: SiteKey) -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5"
    ct.ReferencedImageSequence = Sequence([reference])
    ct.FrameOfReferenceUID = "1.2.3.4.9"
    own = str(ct.SOPInstanceUID)
    _, first = release(saved(ct))
    other = Dataset(ct)
    other.file_meta = ct.file_meta
    other.SOPInstanceUID = "1.2.3.4.5"
    back = Dataset()
    back.ReferencedSOPClassUID, back.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", own
    other.ReferencedImageSequence = Sequence([back])
    _, second = release(saved(other, "second.dcm"))
    one, two = pydicom.dcmread(first), pydicom.dcmread(second)
    assert one.ReferencedImageSequence[0].ReferencedSOPInstanceUID == two.SOPInstanceUID == key.uid("1.2.3.4.5")
    assert two.ReferencedImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert one.FrameOfReferenceUID == two.FrameOfReferenceUID == key.uid("1.2.3.4.9")
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize("name", SYNTAXES)
def test_release_when_done_twice_then_bytes_are_equal(name: str, release: Release) -> None:
    first, one = release(bundled(name), "one")
    second, two = release(bundled(name), "two")
    assert isinstance(first, Released), first
    assert (first, one.read_bytes()) == (second, two.read_bytes())


@pytest.mark.parametrize("name", SYNTAXES)
def test_pixels_when_released_then_every_frame_decodes_to_the_same_values(name: str, release: Release) -> None:
    source = bundled(name)
    _result, out = release(source)
    frames = int(pydicom.dcmread(source, stop_before_pixels=True).get("NumberOfFrames", 1) or 1)
    for number in range(min(frames, 4)):
        assert np.array_equal(decode_frame(source, number), decode_frame(out, number))


@pytest.mark.parametrize("name", SYNTAXES)
def test_frame_index_when_read_by_span_then_it_is_the_frame(name: str, release: Release) -> None:
    """Expected values by pydicom's own parser: fragments of the written file, or slices of its PixelData."""
    result, out = release(bundled(name))
    ds = pydicom.dcmread(out)
    assert frame_index(out) == (result.pixel_offset, result.frame_index)
    spans = [read_span(out, span) for span in result.frame_index]
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        assert spans == list(generate_fragments(ds.PixelData))[1:]
        assert len(spans) == int(ds.get("NumberOfFrames", 1) or 1)
    else:
        assert b"".join(spans) == ds.PixelData[: sum(len(span) for span in spans)]
        assert out.read_bytes()[result.pixel_offset :] == ds.PixelData


def test_big_endian_when_released_then_explicit_little_endian(release: Release) -> None:
    result, out = release(bundled("MR_small_bigendian.dcm"))
    assert pydicom.dcmread(out).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert "written-as-explicit-little-endian" in result.notes


def test_released_file_when_parsed_then_every_attribute_converts(release: Release) -> None:
    for name in SYNTAXES:
        _, out = release(bundled(name))
        pydicom.dcmread(out).to_json_dict()


def test_policy_when_pickled_then_it_is_the_same(policy: DeidPolicy) -> None:
    again = pickle.loads(pickle.dumps(policy))
    assert again == policy
    assert again.sha256 == load_policy().sha256


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("CT Abdomen w contrast ZHANG WEI 13812345678", "CT Abdomen w contrast"),
        ("上腹部平扫+增强 张伟", "上腹部 平扫 增强"),
        ("t1_vibe_fs_tra_bh_dyn", "t1 vibe fs tra bh dyn"),
        ("Prof. Müller: Thorax 5mm Lungö", "Thorax 5mm"),
        ("b1000 3D FLAIR", "b1000 3D FLAIR"),
        ("北京协和医院 胰腺三期增强", "胰腺 三期增强"),
        ("MRN 4711 on 2020-03-10", ""),
        ("CT HEAD WO CONTRAST", "CT HEAD WO CONTRAST"),
        ("Abdomen C-", "Abdomen C-"),
        ("t1+c tra", "t1+c tra"),
    ],
)
def test_description_when_cleaned_then_only_safe_words_stay(text: str, kept: str, policy: DeidPolicy) -> None:
    assert policy.words.clean(text) == kept


def test_description_when_released_then_words_stay_in_chinese(ct: Dataset, saved: Save, release: Release) -> None:
    ct.SpecificCharacterSet = "GB18030"
    ct.SeriesDescription = "胰腺 动脉期 王小明"
    _, out = release(saved(ct), whose=Subject("ISO-3", -3, ("王小明",)))
    after = pydicom.dcmread(out)
    assert after.SeriesDescription == "胰腺 动脉期"
    assert after.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    ("known", "text", "found"),
    [
        ("ZHANG^WEI", "wei zhang", True),
        ("ZHANG^WEI", "ZhangWei", True),
        ("张^伟", "张伟", True),
        ("欧阳^娜娜", "娜娜", True),
        ("MA^MIN", "Ma Min", True),
        ("MA^MIN", "5 min", False),
        ("HEAD^PLASTIC", "CT Head", False),
        ("HEAD^PLASTIC", "of plastic", True),
        ("Li", "liver", False),
        ("O'Brien^Pat", "O'BRIEN", True),
        ("Müller^Jörg", "MÜLLER", True),
        ("1234", "no. 1234", True),
        ("1234", "12345", False),
        ("First People Hospital", "First floor", False),
        ("北京协和医院", "在北京协和医院做", True),
        ("Anonymous", "anonymous", False),
        ("Siemens^Anna", "SIEMENS", False),
        ("김^철수", "김철수", True),
    ],
)
def test_known_value_when_looked_for_in_a_text_then_found_in_any_form_and_not_by_parts(known: str, text: str, found: bool, policy: DeidPolicy) -> None:
    assert known_values([known], [], policy.words).found_in(text) is found


def test_meta_group_when_written_then_complete_as_ps3_10_asks(release: Release) -> None:
    """PS3.10 7.1: version and a right group length; libdicom (OpenSlide 4) refuses files without them."""
    result, out = release(bundled("CT_small.dcm"))
    data = out.read_bytes()
    meta = pydicom.dcmread(out).file_meta
    assert meta.FileMetaInformationVersion == b"\0\x01"
    assert data[144 + meta.FileMetaInformationGroupLength :][:2] == b"\x08\x00"
    assert isinstance(result, Released)


@pytest.mark.shared
def test_dicom_slide_when_released_then_openslide_opens_it_with_the_same_pixels(shared_data: Path, release: Release) -> None:
    import openslide

    for source in sorted((shared_data / "images" / "dicom-wsi-breast").iterdir()):
        _, out = release(source)
        with openslide.OpenSlide(source) as before, openslide.OpenSlide(out) as after:
            assert after.dimensions == before.dimensions
            region = ((300, 300), 0, (256, 256))
            assert np.array_equal(np.asarray(after.read_region(*region)), np.asarray(before.read_region(*region)))
