"""Counts: the overview, and by one or two dimensions, in the form ECharts takes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from isocenter.auth import Permission
from isocenter.models import Disease, Series
from isocenter.web import Opened, Statistician
from services.stats.schemas import DiseaseNumbers, Overview, RecentImport, Statistics
from services.stats.store import counts
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


@router.get("")
async def statistics(
    opened: Opened,
    who: Statistician,
    by: Annotated[str, Query(max_length=64)],
    cross: Annotated[str, Query(max_length=64)] = "",
    disease: Annotated[str, Query(max_length=400, description="Codes with commas between them; empty = all")] = "",
    modality: Annotated[str, Query(max_length=200)] = "",
    scheme: Annotated[str, Query(max_length=32, description="Label scheme of the dimension label; empty = the first of each disease")] = "",
) -> Statistics:
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
    return Statistics(
        dimensions=[*(dimension.name for dimension in dimensions), *MEASURES],
        source=[list(row) for row in rows[: counts.ROWS_MOST]],
        totals=dict(zip(MEASURES, totals, strict=True)),
        truncated=len(rows) > counts.ROWS_MOST,
    )
