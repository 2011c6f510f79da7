"""Sheets of XLSX and XLS files as text cells: dates as ISO text, whole numbers without .0, merged cells filled."""

from __future__ import annotations

import datetime as dt
import warnings
import zipfile
from dataclasses import dataclass
from typing import IO, Any
from xml.etree.ElementTree import ParseError

import openpyxl
import xlrd

UNPACKED_BYTES_MAX = 4 * 2**30  # of all parts of an XLSX; more is a bomb


class WorkbookUnreadable(Exception):
    """Damaged, encrypted or too large when unpacked; turned into a TableError at once."""


@dataclass(frozen=True, slots=True)
class Sheet:
    title: str
    cells: list[list[str]]


def read_xlsx(file: IO[bytes]) -> list[Sheet]:
    """Visible sheets in order. Cells of a merged range all get its value (a title row then has one distinct text)."""
    with zipfile.ZipFile(file) as archive:
        if sum(part.file_size for part in archive.infolist()) > UNPACKED_BYTES_MAX:
            raise WorkbookUnreadable("unpacked size")
        merged_somewhere = any(
            b"<mergeCell" in archive.read(part) for part in archive.namelist() if part.startswith("xl/worksheets/") and part.endswith(".xml")
        )
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions that do not matter here
            # read_only streams rows but knows no merged ranges
            book = openpyxl.load_workbook(file, read_only=not merged_somewhere, data_only=True)
            return [_xlsx_sheet(sheet) for sheet in book.worksheets if sheet.sheet_state == "visible"]
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, ParseError, zipfile.BadZipFile) as error:
        raise WorkbookUnreadable(type(error).__name__) from error


def _xlsx_sheet(sheet: Any) -> Sheet:
    if hasattr(sheet, "reset_dimensions"):
        sheet.reset_dimensions()  # exports lie about them; read what is there
    cells = [[_text(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    for merged in getattr(getattr(sheet, "merged_cells", None), "ranges", ()):
        value = cells[merged.min_row - 1][merged.min_col - 1] if merged.min_row <= len(cells) else ""
        for row in cells[merged.min_row - 1 : merged.max_row]:
            for n in range(merged.min_col - 1, min(merged.max_col, len(row))):
                row[n] = value
    return Sheet(str(sheet.title), cells)


def read_xls(content: bytes) -> list[Sheet]:
    """Sheets of the old binary format, by xlrd."""
    try:
        book = xlrd.open_workbook(file_contents=content, formatting_info=False)
        return [_xls_sheet(book, sheet) for sheet in book.sheets() if not sheet.visibility]
    except (xlrd.XLRDError, xlrd.compdoc.CompDocError, ValueError, IndexError, KeyError, AssertionError, OverflowError, UnicodeDecodeError) as error:
        raise WorkbookUnreadable(type(error).__name__) from error
    except Exception as error:  # xlrd lets struct.error and others through on damaged files
        raise WorkbookUnreadable(type(error).__name__) from error


def _xls_sheet(book: Any, sheet: Any) -> Sheet:
    cells = [[_xls_text(cell, book.datemode) for cell in sheet.row(n)] for n in range(sheet.nrows)]
    for top, bottom, left, right in sheet.merged_cells:
        for row in cells[top:bottom]:
            row[left:right] = [cells[top][left]] * (min(right, len(row)) - left)
    return Sheet(str(sheet.name), cells)


def _xls_text(cell: Any, datemode: int) -> str:
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return _text(xlrd.xldate_as_datetime(cell.value, datemode))
        except (ValueError, OverflowError, xlrd.xldate.XLDateError):
            return _text(cell.value)
    if cell.ctype in (xlrd.XL_CELL_ERROR, xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return ""
    return _text(cell.value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
