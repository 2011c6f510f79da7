"""Tables of every usual form give the same cells, or a clear error."""

from __future__ import annotations

import datetime as dt
import json
import struct
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.readers.tables import TableError, read_table

HEADER = ["检查号", "姓名", "检查日期", "影像所见"]
ROWS = [["CT001", "张伟", "2021-03-05", "肝右叶占位，\n边界不清"], ["CT002", "李娜", "2021-03-06", "未见异常"]]


def _csv(delimiter: str = ",") -> str:
    return "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in [HEADER, *ROWS]) + "\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_in_any_usual_encoding_gives_the_same_cells(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(_csv().encode(encoding))
    table = read_table(path)
    assert table.columns == tuple(HEADER)
    assert table.rows == tuple(tuple(row) for row in ROWS)


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_csv_with_any_delimiter_is_split(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "r.txt"
    path.write_text(_csv(delimiter), encoding="utf-8", newline="")
    assert read_table(path).rows[0][3] == "肝右叶占位，\n边界不清"


def test_csv_cell_with_export_artefact_is_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("a,b\n1,肝癌_x000D_\n", encoding="utf-8")
    assert read_table(path).rows == (("1", "肝癌"),)


def test_csv_with_short_and_blank_rows_keeps_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("a,b,c\n1,2,3\n,,\n4\n\n", encoding="utf-8")
    assert read_table(path).rows == (("1", "2", "3"), ("", "", ""), ("4", "", ""))


def test_xlsx_with_title_rows_dates_and_merged_cells_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["某院影像报告导出"])
    sheet.merge_cells("A1:D1")
    sheet.append(HEADER)
    sheet.append(["CT001", "张伟", dt.datetime(2021, 3, 5), "未见异常_x000D_"])
    sheet.append(["CT002", None, dt.datetime(2021, 3, 5, 9, 30), 12.0])
    book.create_sheet("empty")
    book.save(tmp_path / "r.xlsx")
    table = read_table(tmp_path / "r.xlsx")
    assert table.columns == tuple(HEADER)
    assert table.rows == (("CT001", "张伟", "2021-03-05", "未见异常"), ("CT002", "", "2021-03-05 09:30:00", "12"))
    assert "title-rows-skipped" in table.notes


def test_xlsx_sheets_with_one_header_are_joined_and_others_left_out(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "text"])
    book.active.append(["1", "first report"])
    for title, rows in {"second": [["id", "text"], ["2", "next report"]], "legend": [["code", "meaning", "x"], ["a", "b", "c"]]}.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "r.xlsx")
    table = read_table(tmp_path / "r.xlsx")
    assert table.rows == (("1", "first report"), ("2", "next report"))
    assert table.notes == ("other-sheets-left-out",)


def _biff2(cells: list[tuple[int, int, str | float]]) -> bytes:
    """A bare BIFF2 worksheet (OpenOffice's Excel file format, 5.8 BOF, 5.63 LABEL, 5.71 NUMBER)."""
    records = [struct.pack("<HHHH", 0x0009, 4, 0x0002, 0x0010)]
    for row, column, value in cells:
        head = struct.pack("<HH3x", row, column)
        body = head + (struct.pack("<d", value) if isinstance(value, float) else bytes([len(value)]) + value.encode("ascii"))
        records.append(struct.pack("<HH", 0x0003 if isinstance(value, float) else 0x0004, len(body)) + body)
    return b"".join([*records, struct.pack("<HH", 0x000A, 0)])


def test_old_xls_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.xls"
    path.write_bytes(_biff2([(0, 0, "MRN"), (0, 1, "Impression"), (1, 0, 731204.0), (1, 1, "Hepatic cyst.")]))
    table = read_table(path)
    assert (table.encoding, table.columns, table.rows) == ("xls", ("MRN", "Impression"), (("731204", "Hepatic cyst."),))


def test_json_lines_give_one_row_an_object(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) for row in ROWS), encoding="utf-8")
    assert read_table(path).rows == tuple(tuple(row) for row in ROWS)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"a,b,c\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "encoding"),
        (b"PK\x03\x04broken", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1broken", "workbook"),
        (b"1,2,3\n4,5,6\n7,8,9\n10,11,12\n", "header"),
        (b'{"a": 1}\n{broken\n', "JSON"),
    ],
)
def test_file_that_is_no_table_is_refused_with_a_reason(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "r.bin"
    path.write_bytes(content)
    with pytest.raises(TableError, match=word):
        read_table(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_give_a_table_or_a_table_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "r.csv"
    path.write_bytes(content)
    try:
        table = read_table(path)
    except TableError:
        return
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_xlsx_with_a_sheet_a_year_is_joined_though_columns_moved(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["病理号", "住院号", "病理诊断"], ["B1", "731", "肝癌"], ["B2", "732", "肝炎"]):
        book.active.append(row)
    later = book.create_sheet("2022")
    for row in (["病理号", "病理诊断", "住院号", "备注"], ["B3", "肝囊肿", "733", "外院"]):
        later.append(row)
    book.save(tmp_path / "r.xlsx")
    read = read_table(tmp_path / "r.xlsx")
    assert read.columns == ("病理号", "住院号", "病理诊断", "备注")
    assert read.rows == (("B1", "731", "肝癌", ""), ("B2", "732", "肝炎", ""), ("B3", "733", "肝囊肿", "外院"))
    assert read.notes == ()


def test_html_saved_as_xls_is_read_with_its_spans(tmp_path: Path) -> None:
    rows = "<tr><td rowspan=2>731</td><td>肝囊肿<br>脾大</td></tr><tr><td>肝癌 &amp; 腹水</td></tr>"
    page = f"<html><meta charset=gb2312><table><tr><th colspan=2>影像报告</th></tr><tr><th>住院号</th><th>诊断</th></tr>{rows}</table></html>"
    (tmp_path / "r.xls").write_bytes(page.encode("gb18030"))
    read = read_table(tmp_path / "r.xls")
    assert (read.columns, read.rows) == (("住院号", "诊断"), (("731", "肝囊肿\n脾大"), ("731", "肝癌 & 腹水")))


def test_json_objects_within_objects_become_columns(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"patient": {"id": "7", "sex": "M"}, "lines": ["a", "b"]}\n{"patient": {"id": "8"}}\n', "utf-8")
    assert read_table(tmp_path / "r.jsonl").columns == ("patient.id", "patient.sex", "lines")
    assert read_table(tmp_path / "r.jsonl").rows == (("7", "M", "a\nb"), ("8", "", ""))
