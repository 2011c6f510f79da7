"""Read a table of any hospital export into text cells: CSV in every usual encoding and delimiter, XLSX, XLS, JSON lines."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from isocenter.errors import InvalidInput
from services.ingest.normalise import clean_text
from services.ingest.readers.markup import tables_of
from services.ingest.readers.workbooks import Sheet, WorkbookUnreadable, read_xls, read_xlsx
from services.ingest.report_records import Table

SIZE_BYTES_MAX = 512 * 2**20
ROWS_MAX = 2_000_000
COLUMNS_MAX = 1_000
CELL_CHARACTERS_MAX = 1_000_000
_HEADER_SEARCH_ROWS = 25
# an OLE2 container (BIFF5, BIFF8), or the bare streams of BIFF2, BIFF3 and BIFF4
_XLS_MARKS = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|meta|table|div|style|body|\?xml)", re.IGNORECASE)
_SHEETS_ALIKE = 2 / 3  # share of a sheet's columns that another must have to be joined to it
_DELIMITERS = ",\t;|^"


class TableError(InvalidInput):
    """The file is no table that can be used; the sentence says what to do."""


def read_table(path: Path) -> Table:
    """The fullest table in a file (workbook sheets with the same header are joined).

    The kind of file is told by its content, not its name. TableError: empty, unknown encoding, no header, no rows,
    over SIZE_BYTES_MAX, ROWS_MAX or COLUMNS_MAX.
    """
    size = path.stat().st_size
    if size > SIZE_BYTES_MAX:
        raise TableError(f"The table {path.name} has more than {SIZE_BYTES_MAX >> 20} MiB; split it.", field=path.name)
    content = path.read_bytes()
    if not content.strip(b"\x00\r\n\t ,;\xef\xbb\xbf\xff\xfe"):
        raise TableError(f"The table {path.name} is empty.", field=path.name)
    try:
        if content[:4] == b"PK\x03\x04":
            return _from_sheets(path.name, "xlsx", read_xlsx(io.BytesIO(content)))
        if content.startswith(_XLS_MARKS):
            return _from_sheets(path.name, "xls", read_xls(content))
    except (WorkbookUnreadable, zipfile.BadZipFile) as error:
        raise TableError(f"The workbook {path.name} cannot be read (damaged or protected); save it again as XLSX or CSV.", field=path.name) from error
    text, encoding = decode(content, path.name)
    if _MARKUP.match(text) and (grids := tables_of(text)):
        return _from_sheets(path.name, "html", [Sheet("", grid) for grid in grids])
    if text.lstrip()[:1] in "{[" and (table := _from_json(path.name, encoding, text)):
        return table
    return _from_grid(path.name, encoding, _split(text, path.name))


def decode(content: bytes, name: str) -> tuple[str, str]:
    """Text and encoding: BOM first, then UTF-8, UTF-16 by its zero bytes, GB18030; TableError when none of them fits."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return _strict(content, encoding, name), encoding
    zeros = content[:4096].count(0)
    if zeros > len(content[:4096]) // 5:
        encoding = "utf-16-le" if content[1:4096:2].count(0) >= content[0:4096:2].count(0) else "utf-16-be"
        return _strict(content, encoding, name), encoding
    for encoding in ("utf-8", "gb18030", "utf-16-le"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _plausible(text):
            return text, encoding
    raise TableError(f"The encoding of {name} is not UTF-8, GB18030 or UTF-16; save it as CSV UTF-8.", field=name)


def _strict(content: bytes, encoding: str, name: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(f"The table {name} claims {encoding} but has bytes that are none; save it again as CSV UTF-8.", field=name) from error
    if not _plausible(text):
        raise TableError(f"The file {name} is no text table.", field=name)
    return text


def _plausible(text: str) -> bool:
    """Few control, private-use and unassigned-looking characters: bytes of pictures or other encodings are not text."""
    sample = text[:20_000]
    odd = sum(1 for c in sample if (c < " " and c not in "\r\n\t") or "\ue000" <= c <= "\uf8ff" or c == "\ufffd" or c >= "\U000f0000")
    return odd * 200 <= len(sample)


def _split(text: str, name: str) -> list[list[str]]:
    """Rows of cells; the delimiter is the one that gives most lines the same number of cells. Blank lines are no rows."""
    csv.field_size_limit(CELL_CHARACTERS_MAX)
    head = "".join(text[:200_000].splitlines(keepends=True)[:200])
    best, best_score = ",", -1.0
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row)
        except csv.Error:
            continue
        width, lines = widths.most_common(1)[0]
        score = (lines / sum(widths.values())) * min(width - 1, 12)
        if score > best_score:
            best, best_score = delimiter, score
    try:
        grid = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=best) if row]
    except csv.Error as error:
        raise TableError(f"The table {name} has a cell over {CELL_CHARACTERS_MAX} characters or a quote that never ends.", field=name) from error
    return grid


def _from_sheets(name: str, encoding: str, sheets: Sequence[Sheet]) -> Table:
    """Sheets like the fullest one (a sheet a year; columns in another order, one more or less) are joined in their order; others go into the notes."""
    tables: list[Table] = []
    problem: TableError | None = None
    for sheet in sheets:
        try:
            tables.append(_from_grid(name, encoding, sheet.cells, sheet=sheet.title))
        except TableError as error:
            problem = error
    if not tables:
        raise problem or TableError(f"The workbook {name} has no sheet with rows.", field=name)
    rows_under = Counter({table.columns: 0 for table in tables})
    for table in tables:
        rows_under[table.columns] += len(table.rows)
    fullest = rows_under.most_common(1)[0][0]
    joined = [table for table in tables if _alike(table.columns, fullest)]
    columns = tuple(dict.fromkeys((*fullest, *(column for table in joined for column in table.columns))))
    notes = tuple(sorted({*(note for table in joined for note in table.notes), *(("other-sheets-left-out",) if len(joined) < len(tables) else ())}))
    rows = tuple(row for table in joined for row in _under(columns, table))
    return Table(name, encoding, columns, rows, tuple(sheet for table in joined for sheet in table.sheets), notes)


def _alike(columns: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shared = len(set(columns) & set(other))
    return columns == other or (shared >= 2 and shared >= _SHEETS_ALIKE * max(len(columns), len(other)))


def _under(columns: tuple[str, ...], table: Table) -> Iterator[tuple[str, ...]]:
    """The table's rows in the order of ``columns``, '' where it has none."""
    if table.columns == columns:
        yield from table.rows
        return
    at = [table.columns.index(column) if column in table.columns else None for column in columns]
    for row in table.rows:
        yield tuple("" if n is None else row[n] for n in at)


def _from_json(name: str, encoding: str, text: str) -> Table | None:
    """JSON lines, or one array of objects; None when the text only looks like JSON."""
    try:
        lines = [text] if text.lstrip().startswith("[") else [line for line in text.splitlines() if line.strip()]
        records = [orjson.loads(line) for line in lines]
        records = records[0] if text.lstrip().startswith("[") else records
    except orjson.JSONDecodeError as error:
        if text.lstrip().startswith('{"'):
            raise TableError(f"{name} looks like JSON lines but has a line that is not JSON.", field=name) from error
        return None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise TableError(f"{name} is JSON but not one object a row.", field=name)
    records = [_flat(record) for record in records]
    columns = list(dict.fromkeys(key for record in records for key in record))
    grid = [columns, *([_json_cell(record.get(column)) for column in columns] for record in records)]
    return _from_grid(name, encoding, grid, header_row=0)


def _flat(record: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Objects within objects as columns of their own: {"patient": {"id": 7}} -> {"patient.id": 7}. Lists of texts become lines."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{above}{key}.")
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            flat[f"{above}{key}"] = "\n".join(value)
        else:
            flat[f"{above}{key}"] = value
    return flat


def _json_cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _from_grid(name: str, encoding: str, grid: Sequence[Sequence[str]], *, sheet: str = "", header_row: int | None = None) -> Table:
    """Find the header under any title rows, drop trailing blank rows and columns, make every row as long as the header."""
    cells = [[clean_text(cell) for cell in row] for row in grid]
    while cells and not any(cells[-1]):
        cells.pop()
    at = _header_row(cells) if header_row is None else header_row
    if at is None:
        raise TableError(f"The table {name} has no header row with column names.", field=name)
    width = max((n + 1 for row in cells[at:] for n, cell in enumerate(row) if cell), default=0)
    if width > COLUMNS_MAX or len(cells) > ROWS_MAX:
        raise TableError(f"The table {name} has over {COLUMNS_MAX} columns or {ROWS_MAX} rows; split it.", field=name)
    header, body = cells[at], cells[at + 1 :]
    if not body:
        raise TableError(f"The table {name} has a header but no rows.", field=name)
    columns = _unique(header, width)
    rows = tuple(tuple(row[:width]) + ("",) * (width - len(row)) for row in body)
    notes = (("title-rows-skipped",) if at else ()) + (("ragged-rows",) if any(len(row) < len(header) for row in body) else ())
    return Table(name, encoding, columns, rows, (sheet,) if sheet else (), notes)


_VALUE_LIKE = re.compile(r"[-+]?\d+(?:[.,]\d+)?%?|\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?(?:[ T].*)?|[-*/]+")


def _header_row(cells: Sequence[Sequence[str]]) -> int | None:
    """The first row whose filled cells are many, distinct, short and no values; title rows have few or merged cells."""
    typical = Counter(sum(1 for cell in row if cell) for row in cells[: _HEADER_SEARCH_ROWS * 4]).most_common(1)
    width = max((sum(1 for cell in row if cell) for row in cells[:_HEADER_SEARCH_ROWS]), default=0)
    need = max(1, min(width, typical[0][0] if typical else 1) // 2)
    for n, row in enumerate(cells[:_HEADER_SEARCH_ROWS]):
        filled = [cell for cell in row if cell]
        if len(filled) < need or (width > 1 and len(set(filled)) < 2):
            continue
        names = [cell for cell in filled if len(cell) <= 60 and not _VALUE_LIKE.fullmatch(cell)]
        if len(set(filled)) * 10 >= len(filled) * 8 and len(names) * 10 >= len(filled) * 8:
            return n
        if n >= 3 and len(filled) >= need:
            return None
    return None


def _unique(header: Sequence[str], width: int) -> tuple[str, ...]:
    """Column names without line breaks; unnamed and repeated ones get their number (``column 4``, ``date (2)``)."""
    seen: Counter[str] = Counter()
    columns = []
    for n in range(width):
        column = " ".join((header[n] if n < len(header) else "").split()) or f"column {n + 1}"
        seen[column] += 1
        columns.append(column if seen[column] == 1 else f"{column} ({seen[column]})")
    return tuple(columns)
