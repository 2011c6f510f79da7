"""What the routes of statistics are asked with, and how a table of counts is answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response

from isocenter.errors import InvalidInput
from services.stats.picture import drawn
from services.stats.schemas import Statistics
from services.stats.store.answers import Counted
from services.stats.store.groups import Row
from services.stats.store.scope import Asked, filter_of
from services.stats.table import Cell, as_csv, hidden
from services.stats.tally import MEASURES, Dimension, nearest

Form = Annotated[Literal["json", "csv", "svg"], Query(alias="format")]


def window(since: date | None, until: date | None, *, days_most: int | None = None) -> None:
    """InvalidInput for a window upside down or with more days than one answer holds."""
    if since is None or until is None:
        return
    if until < since:
        raise InvalidInput("until is before since, so nothing can match.", field="until")
    if days_most is not None and (until - since).days >= days_most:
        raise InvalidInput(f"That are {(until - since).days + 1:,} days, one answer holds {days_most:,}: ask by month or for a shorter time.", field="since")


def asked(
    query: Annotated[str, Query(max_length=20_000, description="A filter of the search language as JSON: terms, ranges, include_null")] = "",
    disease: Annotated[str, Query(max_length=400, description="Short form: codes with commas between them; empty = all")] = "",
    modality: Annotated[str, Query(max_length=200, description="Short form, as disease")] = "",
    scheme: Annotated[str, Query(max_length=32, description="Label scheme of the dimension label; empty = the first of each disease")] = "",
    version: Annotated[str, Query(max_length=80, description="Only what a dataset version holds, name@number; its labels are those it was frozen with")] = "",
    since: Annotated[date | None, Query(description="Day of import, included")] = None,
    until: Annotated[date | None, Query(description="Day of import, included")] = None,
) -> Asked:
    window(since, until)
    return Asked(filter_of(query, disease, modality), scheme, version, since.isoformat() if since else "", until.isoformat() if until else "")


Question = Annotated[Asked, Depends(asked)]


def measure_of(name: str) -> str:
    if name not in MEASURES:
        raise InvalidInput(f"{name[:64]!a} is no measure; {nearest(name, MEASURES)}", field="measure", known=list(MEASURES))
    return name


def shown(found: Counted, dimensions: Sequence[Dimension], rows: Sequence[Row], totals: Sequence[int], *, more: bool) -> Statistics:
    """The table with small cells hidden, as the site wants it."""
    least = found.resources.settings.small_cell_least
    width = len(dimensions)
    table, hidden_rows, no_total = hidden(rows, width, least, totals[0])
    shares = [None if row[width] is None or no_total or not totals[0] else round(int(row[width] or 0) / totals[0], 6) for row in table]
    return Statistics(
        dimensions=[*(dimension.name for dimension in dimensions), *MEASURES],
        source=table,
        totals=dict.fromkeys(MEASURES) if no_total else dict(zip(MEASURES, totals, strict=True)),
        shares=shares,
        truncated=more,
        hidden=hidden_rows,
        counted_at=found.at,
        stale=found.stale,
    )


def in_form(table: Statistics, width: int, name: str, form: str, *, measure: str, dated: bool) -> Statistics | Response:
    """JSON as it is, or a file that says in its headers when it was counted."""
    if form == "json":
        return table
    when = table.counted_at.isoformat(timespec="seconds")
    if form == "csv":
        return download(as_csv(table.dimensions, table.source), name, "csv", when)
    note = f"{when}{' (stale)' if table.stale else ''}{' · * hidden: fewer patients than this site shows' if table.hidden else ''}"
    return download(drawn(table.dimensions, table.source, width, measure, dated=dated, note=note), name, "svg", when)


def download(text: str, name: str, form: str, counted_at: str = "") -> Response:
    headers = {"Content-Disposition": f'attachment; filename="statistics-{name}.{form}"', "Cache-Control": "no-store"}
    if counted_at:
        headers["X-Isocenter-Counted-At"] = counted_at
    if form == "svg":
        return Response(text.encode(), media_type="image/svg+xml", headers=headers)
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)  # the mark tells Excel that it is UTF-8


def only_large(row: Sequence[Any], place: int, least: int) -> list[Cell]:
    """A row of one number: nothing instead of it when it is 1 to ``least`` - 1."""
    return [*row[:place], None if 0 < int(row[place]) < least else row[place], *row[place + 1 :]]
