"""What becomes of a file: image, resource, review, refusal; no content may raise."""

from __future__ import annotations

import csv
import gzip
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from image_samples import bundled
from PIL import Image
from pydicom.dataset import Dataset

from isocenter.keys import SiteKey
from services.ingest.readers import read
from services.ingest.records import Outcome, Reading, ReadResult, Refusal, ResourceReading

Save = Callable[..., Path]


def word(result: ReadResult) -> str:
    """The manifest's word for a result."""
    if isinstance(result, Reading):
        return "review" if result.review else "ingest"
    if isinstance(result, ResourceReading):
        return "other"
    return {Outcome.REFUSED: "reject", Outcome.REVIEW: "review", Outcome.INDEX_OR_ARCHIVE: "skip", Outcome.EMPTY: "empty"}[result.outcome]


@pytest.mark.shared
def test_development_set_when_read_then_every_outcome_is_the_manifests(shared_data: Path, key: SiteKey) -> None:
    root = shared_data / "images"
    with (root / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    differing = [(row["path"], row["expected"], word(result)) for row in rows if word(result := read(root / row["path"], key)) != row["expected"]]
    assert differing == []
    assert len(rows) == 285


def code(result: ReadResult) -> str:
    if isinstance(result, Reading):
        return result.review.code if result.review else "image"
    return result.code


def test_dicom_when_identifiers_are_missing_then_review_and_facts_stay_empty(ct: Dataset, saved: Save, key: SiteKey) -> None:
    del ct.StudyInstanceUID
    del ct.Modality
    result = read(saved(ct), key)
    assert isinstance(result, Reading)
    assert result.review is not None
    assert (result.review.outcome, result.review.code, result.facts.study_uid) == (Outcome.REVIEW, "missing-identifiers", "")


def test_dicom_when_all_pixels_are_equal_then_empty(ct: Dataset, saved: Save, key: SiteKey) -> None:
    ct.PixelData = struct.pack("<h", 7) * (128 * 128)
    assert read(saved(ct), key) == Refusal(Outcome.EMPTY, "constant-pixels", "All pixels have the same value: there is no picture.")


def test_dicom_when_pixels_are_cut_off_then_refused(ct: Dataset, saved: Save, key: SiteKey) -> None:
    path = saved(ct)
    path.write_bytes(path.read_bytes()[:-500])
    assert code(read(path, key)) == "truncated-pixel-data"


def test_dicom_when_encapsulated_pixels_are_cut_off_then_refused(tmp_path: Path, key: SiteKey) -> None:
    path = tmp_path / "cut.dcm"
    path.write_bytes(bundled("JPEG2000.dcm").read_bytes()[:-1500])
    assert code(read(path, key)) == "truncated-pixel-data"


def test_dicom_when_colour_under_ct_then_review_as_screen(saved: Save, key: SiteKey) -> None:
    ds = pydicom.dcmread(bundled("SC_rgb_rle.dcm"))
    ds.Modality = "CT"
    ds.file_meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    assert code(read(saved(ds), key)) == "burned-in-text-suspect"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtplan.dcm", "non-image-object"),
        ("rtdose.dcm", "derived-object"),
        ("liver_1frame.dcm", "derived-object"),
        ("badVR.dcm", "pixel-decode-failed"),
        ("test-SR.dcm", "non-image-object"),
        ("MR_truncated.dcm", "truncated-pixel-data"),
        ("no_meta_group_length.dcm", "no-pixel-data-no-uids"),
        ("meta_missing_tsyntax.dcm", "no-rows-columns"),
        ("JPEG-lossy.dcm", "pixel-decode-failed"),
        ("JPGExtended.dcm", "image"),
        ("dicomdirtests/DICOMDIR", "dicomdir"),
        ("ExplVR_BigEndNoMeta.dcm", "non-image-object"),
    ],
)
def test_bundled_file_when_read_then_code(name: str, expected: str, key: SiteKey) -> None:
    assert code(read(bundled("CT_small.dcm").parent / name, key)) == expected


def test_dicom_when_it_has_neither_preamble_nor_meta_then_read(ct: Dataset, saved: Save, key: SiteKey, tmp_path: Path) -> None:
    data = saved(ct).read_bytes()
    length = struct.unpack_from("<I", data, 140)[0]
    bare = tmp_path / "bare"
    bare.write_bytes(data[132 + 12 + length :])
    result = read(bare, key)
    assert isinstance(result, Reading)
    assert result.facts.transfer_syntax_uid == "1.2.840.10008.1.2.1"


def test_pixel_hash_when_header_is_rewritten_then_the_same_and_source_differs(ct: Dataset, saved: Save, key: SiteKey) -> None:
    first = read(saved(ct), key)
    ct.PatientName, ct.SOPInstanceUID, ct.PatientID = "OTHER", "1.2.3", "X9"
    second = read(saved(ct, "again.dcm"), key)
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert first.pixel_hash == second.pixel_hash
    assert first.source_hmac != second.source_hmac
    assert read(saved(ct, "third.dcm"), SiteKey(b"x" * 32)).pixel_hash != first.pixel_hash  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "content", "expected", "outcome"),
    [
        ("empty.dcm", b"", "zero-bytes", Outcome.EMPTY),
        (".DS_Store", b"\0\0\0\1Bud1", "system-file", Outcome.INDEX_OR_ARCHIVE),
        ("._slice.dcm", b"\0\5\x16\7", "system-file", Outcome.INDEX_OR_ARCHIVE),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0", "system-file", Outcome.INDEX_OR_ARCHIVE),
        ("a.rar", b"Rar!\x1a\x07\0" + b"x" * 50, "archive", Outcome.INDEX_OR_ARCHIVE),
        ("random.bin", bytes(range(256)) * 4, "unsupported-format", Outcome.REFUSED),
        ("notes.dcm", b"just some words", "unsupported-format", Outcome.REFUSED),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "unreadable-picture", Outcome.REFUSED),
        ("cut.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "unreadable-picture", Outcome.REFUSED),
        ("cut.svs", b"II*\0\x08\0\0\0\xff\xff", "unreadable-tiff", Outcome.REFUSED),
        ("cut.nii.gz", gzip.compress(b"\0" * 400, mtime=0)[:20], "truncated-pixel-data", Outcome.REFUSED),
    ],
)
def test_odd_file_when_read_then_it_ends_with_a_reason(name: str, content: bytes, expected: str, outcome: Outcome, tmp_path: Path, key: SiteKey) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = read(path, key)
    assert isinstance(result, Refusal)
    assert (result.code, result.outcome) == (expected, outcome)


@pytest.mark.parametrize(
    ("name", "content", "media"),
    [("r.pdf", b"%PDF-1.7\n", "application/pdf"), ("t.csv", "住院号,姓名\n1,张三\n".encode("gb18030"), "text/csv"), ("j.json", b"{}", "application/json")],
)
def test_document_when_read_then_a_resource(name: str, content: bytes, media: str, tmp_path: Path, key: SiteKey) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = read(path, key)
    assert isinstance(result, ResourceReading)
    assert (result.code, result.media_type) == ("document", media)


def test_zip_when_it_is_an_office_file_then_a_document_else_an_archive(tmp_path: Path, key: SiteKey) -> None:
    for name, member in (("a.zip", "x/1.dcm"), ("b.xlsx", "xl/workbook.xml")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "x")
    assert code(read(tmp_path / "a.zip", key)) == "archive"
    assert code(read(tmp_path / "b.xlsx", key)) == "document"


def volume(shape: tuple[int, ...] = (6, 5, 4)) -> nib.Nifti1Image:
    values = np.arange(int(np.prod(shape)), dtype=np.int16).reshape(shape)
    image = nib.Nifti1Image(values, np.diag([0.5, 0.7, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    return image


def test_volume_when_read_then_spacing_in_mm_and_what_its_name_says(tmp_path: Path, key: SiteKey) -> None:
    path = tmp_path / "liver_T2_0001.nii.gz"
    volume().to_filename(path)
    result = read(path, key)
    assert isinstance(result, Reading)
    facts = result.facts
    assert (facts.modality, facts.sequence, facts.body_part, facts.doubt) == ("MR", "T2", "LIVER", "filename-only")
    assert (facts.spacing_mm, facts.slice_thickness_mm, facts.rows, facts.columns, facts.frames) == ((0.7, 0.5), 3.0, 5, 6, 4)


def test_volume_when_units_are_metres_then_spacing_is_in_mm(tmp_path: Path, key: SiteKey) -> None:
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([0.001, 0.002, 0.003, 1.0]))
    image.header.set_xyzt_units("meter")
    image.to_filename(tmp_path / "a.nii")
    result = read(tmp_path / "a.nii", key)
    assert isinstance(result, Reading)
    assert result.facts.spacing_mm == (2.0, 1.0)


def test_volume_when_read_from_a_temporary_copy_then_its_own_name_counts(tmp_path: Path, key: SiteKey) -> None:
    path = tmp_path / "tmpabc.nii.gz"
    volume().to_filename(path)
    result = read(path, key, name="patient_DWI.nii.gz")
    assert isinstance(result, Reading)
    assert result.facts.sequence == "DWI"


def test_volume_pair_when_read_then_header_stands_for_both(tmp_path: Path, key: SiteKey) -> None:
    nib.Nifti1Pair(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)).to_filename(tmp_path / "p.img")
    assert code(read(tmp_path / "p.hdr", key)) == "image"
    assert code(read(tmp_path / "p.img", key)) == "paired-data-file"
    (tmp_path / "p.img").unlink()
    assert code(read(tmp_path / "p.hdr", key)) == "volume-data-missing"


def test_volume_when_gzip_is_cut_off_then_refused(tmp_path: Path, key: SiteKey) -> None:
    image = nib.Nifti1Image(np.random.default_rng(1).integers(0, 999, (20, 20, 20)).astype(np.int16), np.eye(4))
    image.to_filename(tmp_path / "a.nii.gz")
    (tmp_path / "a.nii.gz").write_bytes((tmp_path / "a.nii.gz").read_bytes()[:-900])
    assert code(read(tmp_path / "a.nii.gz", key)) == "truncated-pixel-data"


def test_picture_when_one_colour_then_empty(tmp_path: Path, key: SiteKey) -> None:
    Image.new("RGB", (9, 9), (3, 4, 5)).save(tmp_path / "a.png")
    assert code(read(tmp_path / "a.png", key)) == "constant-pixels"


def test_picture_when_it_states_a_bomb_then_refused_without_decoding(tmp_path: Path, key: SiteKey) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    struct.pack_into(">II", data, 16, 1 << 20, 1 << 20)
    import zlib

    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    assert code(read(tmp_path / "a.png", key)) == "too-large-to-decode"


def test_deflated_dataset_when_it_is_a_bomb_then_refused_without_inflating_it_whole(tmp_path: Path, key: SiteKey, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code(read(bundled("image_dfl.dcm"), key)) == "image"
    monkeypatch.setattr("services.ingest.readers.dicom.INFLATED_LIMIT_BYTES", 100_000)
    assert code(read(bundled("image_dfl.dcm"), key)) == "too-large-to-decode"


FUZZED = [
    "CT_small.dcm",
    "JPEG2000.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "image_dfl.dcm",
    "examples_palette.dcm",
]


@pytest.mark.parametrize("name", FUZZED)
def test_mutated_file_when_read_then_a_value_and_never_an_exception(name: str, tmp_path: Path, key: SiteKey) -> None:
    """Bit flips in the header, bytes cut out, and truncations: 40 of each file, seeded."""
    draw = random.Random(name)
    source = bundled(name).read_bytes()
    path = tmp_path / "fuzz"
    for round_ in range(40):
        data = bytearray(source)
        if round_ % 4 == 0:
            data = data[: draw.randrange(1, len(data))]
        elif round_ % 4 == 1:
            at = draw.randrange(len(data))
            del data[at : at + draw.randrange(1, 40)]
        for _ in range(draw.randrange(1, 12)):
            data[draw.randrange(min(len(data), 3000))] = draw.randrange(256)
        path.write_bytes(bytes(data))
        result: Any = read(path, key)
        assert isinstance(result, Reading | ResourceReading | Refusal)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".png", ".jpg", ".tif"])
def test_mutated_picture_or_volume_when_read_then_a_value_and_never_an_exception(suffix: str, tmp_path: Path, key: SiteKey) -> None:
    draw = random.Random(suffix)
    original = tmp_path / f"a{suffix}"
    if suffix.startswith(".nii"):
        volume().to_filename(original)
    else:
        Image.effect_noise((40, 30), 50).convert("RGB").save(original)
    source = original.read_bytes()
    for _ in range(60):
        data = bytearray(source[: draw.randrange(20, len(source))] if draw.random() < 0.3 else source)
        for _ in range(draw.randrange(1, 8)):
            data[draw.randrange(min(len(data), 600))] = draw.randrange(256)
        original.write_bytes(bytes(data))
        assert isinstance(read(original, key), Reading | ResourceReading | Refusal)
