"""The sample's report tables, each in the form its hospital would export: GB18030, an XLSX with a title row, English CSV."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from openpyxl import Workbook

CITY_IMAGING = ("检查号", "住院号", "姓名", "性别", "年龄", "检查日期", "检查项目", "影像所见", "诊断意见")
CITY_PATHOLOGY = ("病理号", "住院号", "姓名", "性别", "年龄", "收到日期", "送检部位", "肉眼所见", "镜下所见", "病理诊断")
CITY_IMAGES = ("文件路径", "住院号", "姓名", "性别", "检查日期", "病理号", "检查部位")
NORTH_IMAGING = ("Accession #", "MRN", "Patient Name", "Sex", "Age", "Exam Date", "Procedure", "Findings", "Impression")
NORTH_PATHOLOGY = (
    *("Case No", "MRN", "Patient Name", "Sex", "Age", "Collected"),
    *("Specimen", "Gross Description", "Microscopic Description", "Final Diagnosis"),
)
NORTH_IMAGES = ("file", "MRN", "patient name", "sex", "exam date", "pathology number", "body part")
LABELS = ("patient_id", "label")

Rows = Sequence[Sequence[str]]


def write_csv(path: Path, header: Sequence[str], rows: Rows, encoding: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def write_xlsx(path: Path, title: str, header: Sequence[str], rows: Rows, date_column: int) -> None:
    """First row a title over merged cells, second the header; the date column holds real Excel dates."""
    book = Workbook()
    book.properties.created = book.properties.modified = datetime(2024, 7, 1)
    sheet = book.active
    assert sheet is not None
    sheet.title = "报告"
    sheet.append([title])
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(header))
    sheet.append(list(header))
    for row in rows:
        cells: list[str | date] = list(row)
        cells[date_column] = date.fromisoformat(row[date_column])
        sheet.append(cells)
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    core = parts["docProps/core.xml"]  # openpyxl stamps the time of saving over ours
    start, end = core.index(b"<dcterms:modified"), core.index(b"</dcterms:modified>")
    parts["docProps/core.xml"] = core[: core.index(b">", start) + 1] + b"2024-07-01T00:00:00Z" + core[end:]
    write_zip(path, parts)


def write_zip(path: Path, parts: dict[str, bytes]) -> None:
    """A zip with these members; no time of making in it."""
    with zipfile.ZipFile(path, "w") as out:
        for name, data in parts.items():
            out.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def us_date(iso: str) -> str:
    """MM/DD/YYYY, as American systems write it."""
    return date.fromisoformat(iso).strftime("%m/%d/%Y")


def age_on(birth: str, day: str) -> int:
    """Whole years."""
    born, then = date.fromisoformat(birth), date.fromisoformat(day)
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))
