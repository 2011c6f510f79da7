"""Tables in HTML, as which hospital programs save what they call .xls."""

from __future__ import annotations

from html.parser import HTMLParser

_SPAN_MAX = 100


class MarkupTables(HTMLParser):
    """All tables of a page as rows of text cells; a cell over several columns or rows fills them all. Tables within a cell are its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self._depth = 0
        self._cell: list[str] | None = None
        self._spans = (1, 1)
        self._below: dict[int, tuple[str, int]] = {}  # column -> text and rows still to fill

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self.tables.append([])
                self._below = {}
        elif self._depth == 1 and tag == "tr":
            self._end_cell()
            self.tables[-1].append([])
        elif self._depth == 1 and tag in ("td", "th"):
            self._end_cell()
            if not self.tables[-1]:
                self.tables[-1].append([])
            told = dict(attrs)
            self._spans = (_span(told.get("colspan")), _span(told.get("rowspan")))
            self._cell = []
        elif tag in ("br", "p", "div") and self._cell:
            self._cell.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr") and self._depth == 1:
            self._end_cell()
        if tag == "table" and self._depth:
            self._end_cell()
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None or self._depth != 1:
            return
        row = self.tables[-1][-1]
        self._fill_from_above(row)
        text = "\n".join(line for line in (" ".join(part.split()) for part in "".join(self._cell).split("\n")) if line)
        for _ in range(self._spans[0]):
            if self._spans[1] > 1:
                self._below[len(row)] = (text, self._spans[1] - 1)
            row.append(text)
        self._cell = None

    def _fill_from_above(self, row: list[str]) -> None:
        while len(row) in self._below:
            text, rows = self._below.pop(len(row))
            if rows > 1:
                self._below[len(row)] = (text, rows - 1)
            row.append(text)


def _span(told: str | None) -> int:
    return max(1, min(_SPAN_MAX, int(told))) if told and told.isdigit() else 1


def tables_of(text: str) -> list[list[list[str]]]:
    """Every table with at least one row, the largest first."""
    parser = MarkupTables()
    parser.feed(text)
    parser.close()
    return sorted((table for table in parser.tables if table), key=len, reverse=True)
