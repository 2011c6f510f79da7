"""A folder without a catalog: every file has one outcome, the source stays as it was."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path

import pydicom
import pytest
from image_samples import bundled
from PIL import Image

from isocenter.errors import InvalidInput
from isocenter.keys import SiteKey
from services.ingest.deidentify.folder import deidentify_folder
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.records import Outcome


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two slices of one patient (one names a doctor, the other repeats that name), a duplicate, a screen, a PDF, junk."""
    folder = tmp_path / "Zhang Wei"
    folder.mkdir()
    for number, (keyword, text) in enumerate((("ReferringPhysicianName", "Zqdoctor^A"), ("SoftwareVersions", "for Zqdoctor"))):
        ds = pydicom.dcmread(bundled("CT_small.dcm"))
        ds.PatientName, ds.PatientID, ds.SOPInstanceUID = "ZHANG^WEI", "MRN4711", f"1.2.3.{number}"
        ds.PixelData = bytes([number]) + ds.PixelData[1:]
        setattr(ds, keyword, text)
        ds.save_as(folder / f"zhangwei{number}.dcm")
    shutil.copy(folder / "zhangwei0.dcm", folder / "zz_copy.dcm")
    shutil.copy(bundled("SC_rgb_rle.dcm"), folder / "screen.dcm")
    Image.effect_noise((30, 20), 50).save(folder / "patch.png")
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM")
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_folder_when_deidentified_then_each_file_has_one_outcome_and_nothing_leaks(source: Path, tmp_path: Path, key: SiteKey, policy: DeidPolicy) -> None:
    before = tree(source)
    result = deidentify_folder(source, tmp_path / "out", key, policy)
    assert tree(source) == before
    assert result.counts == {
        Outcome.ACCEPTED: 3,
        Outcome.DUPLICATE: 1,
        Outcome.REVIEW: 1,
        Outcome.OTHER_RESOURCE: 1,
        Outcome.REFUSED: 1,
        Outcome.INDEX_OR_ARCHIVE: 1,
    }
    assert sum(result.counts.values()) == len(before)
    written = tree(tmp_path / "out")
    everything = b"".join((tmp_path / "out" / name).read_bytes() for name in written) + "".join(written).encode()
    assert not any(word in everything.lower() for word in (b"zhang", b"4711", b"zqdoctor"))
    assert all(Path(row.output).stem.startswith("2.25.") for row in result.rows if row.output)
    held = [row for row in result.rows if row.outcome is Outcome.REVIEW]
    assert held[0].output.startswith("held/")


def test_folder_report_when_written_then_it_tells_files_by_ordinal_only(source: Path, tmp_path: Path, key: SiteKey, policy: DeidPolicy) -> None:
    deidentify_folder(source, tmp_path / "out", key, policy)
    text = (tmp_path / "out" / "report.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["ordinal"] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
    assert "zhang" not in text.lower()


def test_folder_when_done_twice_with_one_key_then_the_same_bytes(source: Path, tmp_path: Path, key: SiteKey, policy: DeidPolicy) -> None:
    deidentify_folder(source, tmp_path / "one", key, policy)
    deidentify_folder(source, tmp_path / "two", key, policy)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize("where", ["same", "inside", "above", "full", "missing"])
def test_folder_when_source_or_destination_is_not_usable_then_a_clear_error(where: str, source: Path, tmp_path: Path, key: SiteKey, policy: DeidPolicy) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").touch()
    pairs = {
        "same": (source, source),
        "inside": (source, source / "out"),
        "above": (source, tmp_path),
        "full": (source, full),
        "missing": (tmp_path / "no", tmp_path / "o"),
    }
    with pytest.raises(InvalidInput):
        deidentify_folder(*pairs[where], key, policy)
