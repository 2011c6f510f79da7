"""The demo's sample is what its documentation says, is made without network, and is the same every time."""

from __future__ import annotations

import csv
import hashlib
import time
from pathlib import Path

import numpy as np
import openpyxl
import openslide
import pydicom
import pytest

from deploy.demo.sample import SampleSummary, find_sample, make_sample


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleSummary]:
    folder = tmp_path_factory.mktemp("sample")
    return folder, make_sample(folder)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(path.relative_to(folder).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _table(folder: Path, name: str, encoding: str) -> list[dict[str, str]]:
    with open(folder / name, encoding=encoding, newline="") as lines:
        return list(csv.DictReader(lines))


def _series(folder: Path) -> dict[str, list[pydicom.Dataset]]:
    series: dict[str, list[pydicom.Dataset]] = {}
    for path in folder.rglob("IM*"):
        if "backup" not in path.parts:
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            series.setdefault(ds.SeriesInstanceUID, []).append(ds)
    return series


def test_make_sample_when_run_twice_then_gives_the_same_bytes(made: tuple[Path, SampleSummary], tmp_path: Path) -> None:
    began = time.process_time()
    make_sample(tmp_path / "again")
    assert time.process_time() - began < 20
    assert _digest(tmp_path / "again") == _digest(made[0])


def test_make_sample_when_done_then_is_small_and_its_summary_is_found_again(made: tuple[Path, SampleSummary]) -> None:
    folder, summary = made
    assert summary.patients == 24
    assert summary.size_bytes < 60e6
    assert find_sample(folder) == summary
    assert find_sample(folder / "north") is None
    assert set(summary.labels.values()) == {"1", "0", "review"}


def test_make_sample_when_folder_is_not_empty_then_refuses(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError):
        make_sample(tmp_path)


def test_sample_series_when_read_then_have_regular_geometry_and_varying_pixels(made: tuple[Path, SampleSummary]) -> None:
    series = _series(made[0])
    assert len(series) == 24
    for slices in series.values():
        heights = np.diff(sorted(float(ds.ImagePositionPatient[2]) for ds in slices))
        assert 9 <= len(slices) <= 20
        assert np.allclose(heights, float(slices[0].SliceThickness))
        assert len({ds.SOPInstanceUID for ds in slices}) == len(slices)
    for path in [*made[0].rglob("IM0005.dcm"), *made[0].rglob("IM000005")]:
        assert pydicom.dcmread(path).pixel_array.std() > 50


def test_sample_city_when_tables_are_opened_then_have_the_promised_forms(made: tuple[Path, SampleSummary]) -> None:
    tables = made[0] / "city" / "tables"
    imaging = _table(tables, "imaging_reports.csv", "gb18030")
    with pytest.raises(UnicodeDecodeError):
        (tables / "imaging_reports.csv").read_text(encoding="utf-8")
    assert imaging[0]["检查号"] == "CT24030600101"
    assert sum(row == imaging[0] for row in imaging) == 2, "one row is exported twice"
    assert [row["姓名"] for row in imaging].count("王芳") == 2
    sheet = openpyxl.load_workbook(tables / "pathology_reports.xlsx").active
    assert sheet is not None
    assert sheet["A1"].value == "江城市第一医院病理科 2024年病理报告导出"
    assert sheet["A2"].value == "病理号"
    assert sheet["F3"].is_date


def test_sample_image_lists_when_followed_then_every_path_exists(made: tuple[Path, SampleSummary]) -> None:
    for hospital, column, encoding in (("city", "文件路径", "utf-8-sig"), ("north", "file", "utf-8")):
        rows = _table(made[0] / hospital / "tables", "image_list.csv", encoding)
        assert rows
        assert all((made[0] / hospital / "images" / row[column]).is_file() for row in rows)


def test_sample_headers_when_compared_with_reports_then_some_match_by_number_and_some_only_by_name(made: tuple[Path, SampleSummary]) -> None:
    accessions = {row["检查号"] for row in _table(made[0] / "city" / "tables", "imaging_reports.csv", "gb18030")}
    studies = [slices[0] for slices in _series(made[0] / "city").values()]
    by_number = [ds for ds in studies if ds.AccessionNumber and ds.AccessionNumber in accessions]
    only_name = [ds for ds in studies if not ds.AccessionNumber and not ds.PatientID]
    assert len(by_number) >= 8
    assert len(only_name) >= 4
    assert [str(ds.PatientName) for ds in only_name].count("WANG^FANG") == 2, "two that only a person can tell apart"


def test_sample_slide_when_opened_then_is_pyramidal_with_label_and_macro(made: tuple[Path, SampleSummary]) -> None:
    with openslide.OpenSlide(made[0] / "city" / "images" / "slides" / "S01.svs") as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert slide.level_dimensions == ((2048, 2048), (1024, 1024), (256, 256))
        assert {"label", "macro"} <= set(slide.associated_images)
        red, green, blue = np.asarray(slide.read_region((900, 900), 0, (256, 256)).convert("RGB")).mean(axis=(0, 1))
        assert red > blue > green, "pink, as haematoxylin and eosin"


def test_sample_oddities_when_looked_at_then_are_what_they_pretend(made: tuple[Path, SampleSummary]) -> None:
    images = made[0] / "city" / "images"
    capture = pydicom.dcmread(next(images.rglob("SR_DOSE.dcm")))
    assert capture.BurnedInAnnotation == "YES"
    assert pydicom.dcmread(next(images.rglob("REPORT.dcm"))).Modality == "SR"
    assert (images / "cd-0007" / "DICOMDIR").is_file()
    assert (images / "backup" / "consent.pdf").read_bytes().startswith(b"%PDF")
    cut = pydicom.dcmread(images / "backup" / "IM0099.dcm")
    assert len(cut.PixelData) < cut.Rows * cut.Columns * 2
    copy = (images / "backup" / "copy of IM0003.dcm").read_bytes()
    assert copy == next(images.rglob("CT006/IM0003.dcm")).read_bytes()
