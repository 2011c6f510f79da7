"""Counts: the overview, and by one or two dimensions, in the form ECharts takes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from isocenter.auth import Permission
from isocenter.errors import InvalidInput
from isocenter.models import Disease, Series
from isocenter.web import Opened, Reviewer, Statistician
from services.stats.schemas import DiseaseNumbers, Exams, Overview, RecentImport, Statistics
from services.stats.store import counts
from services.stats.table import Cell, as_csv, hidden
from services.stats.tally import MEASURES, dimensions_of

router = APIRouter(prefix="/api/v1/statistics", tags=["stats"])


@router.get("/overview")
async def overview(opened: Opened, who: Statistician) -> Overview:
    """Every disease this account sees; open reviews for reviewers, recent imports for those who import."""
    async with opened.db.read() as session:
        diseases = await counts.overview(session, who)
        totals = (await counts.counted(session, who, [], []))[0]
        reviews = await counts.open_reviews(session) if who.may(Permission.REVIEW) else 0
        imports = await counts.recent_imports(session) if who.may(Permission.IMPORT) else []
    recent = [
        RecentImport(key=record.key, hospital=hospital, account=record.account, state=record.state, stage=record.stage, created_at=record.created_at,
                     finished_at=record.finished_at)
        for record, hospital in imports
    ]  # fmt: skip
    return Overview(
        diseases=[DiseaseNumbers(**found) for found in diseases], totals=dict(zip(MEASURES, totals, strict=True)), reviews_open=reviews, imports_recent=recent
    )


@router.get("", response_model=Statistics)
async def statistics(
    opened: Opened,
    who: Statistician,
    by: Annotated[str, Query(max_length=64)],
    cross: Annotated[str, Query(max_length=64)] = "",
    disease: Annotated[str, Query(max_length=400, description="Codes with commas between them; empty = all")] = "",
    modality: Annotated[str, Query(max_length=200)] = "",
    scheme: Annotated[str, Query(max_length=32, description="Label scheme of the dimension label; empty = the first of each disease")] = "",
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Statistics | Response:
    """Distinct patients, cases, studies and series, and instances and bytes, of each group. Distinct numbers do not add up: see ``totals``."""
    dimensions = dimensions_of(by, cross)
    where = []
    if disease:
        where.append(Disease.code.in_(disease.split(",")))
    if modality:
        where.append(Series.modality.in_(modality.split(",")))
    async with opened.db.read() as session:
        rows = await counts.counted(session, who, dimensions, where, scheme=scheme, limit=counts.ROWS_MOST + 1)
        totals = (await counts.counted(session, who, [], where, scheme=scheme))[0]
    shown, hidden_rows, no_total = hidden(rows[: counts.ROWS_MOST], len(dimensions), opened.settings.small_cell_least, totals[0])
    names = [*(dimension.name for dimension in dimensions), *MEASURES]
    if form == "csv":
        return _download(as_csv(names, shown), by)
    return Statistics(
        dimensions=names,
        source=shown,
        totals=dict.fromkeys(MEASURES) if no_total else dict(zip(MEASURES, totals, strict=True)),
        truncated=len(rows) > counts.ROWS_MOST,
        hidden=hidden_rows,
    )


def _download(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="statistics-{name}.csv"', "Cache-Control": "no-store"}
    return Response(text.encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)  # the mark tells Excel that it is UTF-8


ExamColumn = Literal["day", "month", "hospital", "device", "modality"]


@router.get("/exams", response_model=Exams)
async def exams(
    opened: Opened,
    who: Reviewer,
    by: ExamColumn = "month",
    cross: ExamColumn | None = None,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Exams | Response:
    """Studies by true examination day. They belong to no patient and no disease, so only those who see every disease may ask."""
    if cross == by:
        raise InvalidInput("The two dimensions must not be the same.", field="cross")
    async with opened.db.read() as session:
        rows = await counts.exams(session, by, cross or "")
    names = [by, *([cross] if cross else []), "studies"]
    least = opened.settings.small_cell_least
    shown: list[list[Cell]] = [[*row[:-1], None if 0 < row[-1] < least else row[-1]] for row in rows]
    return _download(as_csv(names, shown), f"exams-{by}") if form == "csv" else Exams(dimensions=names, source=shown)
