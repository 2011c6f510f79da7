"""Counts: the overview, by one or two dimensions, whole dashboards, completeness, examinations by true day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from isocenter.auth import Permission
from isocenter.errors import InvalidInput
from isocenter.web import Administrator, Opened, Reviewer, Statistician
from services.stats.routes.asking import Form, Question, download, in_form, measure_of, only_large, shown, window
from services.stats.schemas import Attribute, Chart, Completeness, Copy, CopyTable, Dashboard, DiseaseNumbers, Exams, Overview, RecentImport, Statistics
from services.stats.store import answers, counts
from services.stats.store.scope import Asked
from services.stats.table import as_csv
from services.stats.tally import DASHBOARDS, DIMENSIONS, MEASURES, dimensions_of, nearest

router = APIRouter(prefix="/api/v1/statistics", tags=["stats"])

EXAM_COLUMNS = ("day", "month", "hospital", "device", "modality")


@router.get("/overview")
async def overview(opened: Opened, who: Statistician) -> Overview:
    """Every disease this account sees; open reviews for reviewers, recent imports for those who import."""
    found = await answers.counted(opened, who, Asked())
    rows, _ = await found.groups((DIMENSIONS["disease"],))
    states, _ = await found.groups((DIMENSIONS["disease"], DIMENSIONS["label_state"]))
    totals = await found.totals()
    async with opened.db.read() as session:
        diseases = await counts.diseases(session, who)
        reviews = await counts.open_reviews(session) if who.may(Permission.REVIEW) else 0
        imports = await counts.recent_imports(session) if who.may(Permission.IMPORT) else []
    by_disease = {row[0]: dict(zip(MEASURES, row[1:], strict=True)) for row in rows}
    by_state = {(row[0], row[1]): row[3] for row in states}
    least = opened.settings.small_cell_least
    listed = []
    for one in diseases:
        numbers: dict[str, Any] = by_disease.get(one.code, dict.fromkeys(MEASURES, 0))
        numbers |= {"labelled": by_state.get((one.code, "sure"), 0) + by_state.get((one.code, "decided"), 0), "review": by_state.get((one.code, "review"), 0)}
        if 0 < numbers["patients"] < least:
            numbers = dict.fromkeys(numbers)
        listed.append(DiseaseNumbers(code=one.code, title_en=one.title_en, title_zh=one.title_zh, **numbers))
    recent = [
        RecentImport(key=record.key, hospital=hospital, account=record.account, state=record.state, stage=record.stage, created_at=record.created_at,
                     finished_at=record.finished_at)
        for record, hospital in imports
    ]  # fmt: skip
    shown_totals = dict.fromkeys(MEASURES) if 0 < totals[0] < least else dict(zip(MEASURES, totals, strict=True))
    return Overview(diseases=listed, totals=shown_totals, reviews_open=reviews, imports_recent=recent, counted_at=found.at, stale=found.stale)


@router.get("", response_model=Statistics)
async def statistics(
    opened: Opened,
    who: Statistician,
    question: Question,
    by: Annotated[str, Query(max_length=64)],
    cross: Annotated[str, Query(max_length=64)] = "",
    measure: Annotated[str, Query(max_length=32, description="What an SVG shows")] = "patients",
    form: Form = "json",
) -> Statistics | Response:
    """Distinct patients, cases, studies and series, and instances and bytes, of each group. Distinct numbers do not add up: see ``totals``."""
    dimensions, measured = dimensions_of(by, cross), measure_of(measure)
    found = await answers.counted(opened, who, question)
    (rows, more), (every, _) = await found.charts([dimensions, ()])
    table = shown(found, dimensions, rows, every[0], more=more)
    name = "-".join(dimension.name for dimension in dimensions)
    return in_form(table, len(dimensions), name, form, measure=measured, dated=dimensions[0].dated)


@router.get("/dashboard")
async def dashboard(opened: Opened, who: Statistician, question: Question, by: Annotated[str, Query(max_length=64)] = "disease") -> Dashboard:
    """All charts of one dashboard - patient, disease or modality - under one filter, from one moment of the catalog."""
    if by not in DASHBOARDS:
        raise InvalidInput(f"{by!a} is no dashboard; {nearest(by, list(DASHBOARDS))}", field="by", known=list(DASHBOARDS))
    found = await answers.counted(opened, who, question)
    wanted = [dimensions_of(first, second) for first, second in DASHBOARDS[by]]
    (every_row, _), *counted = await found.charts([(), *wanted])
    totals, charts = every_row[0], []
    for (first, second), dimensions, (rows, more) in zip(DASHBOARDS[by], wanted, counted, strict=True):
        table = shown(found, dimensions, rows, totals, more=more)
        attributes = [dimension.attribute for dimension in dimensions]
        charts.append(Chart(name="-".join(filter(None, (first, second))), by=first, cross=second, attributes=attributes, table=table))
    every = shown(found, (), [], totals, more=False)
    return Dashboard(by=by, totals=every.totals, charts=charts, counted_at=found.at, stale=found.stale)


@router.get("/completeness", response_model=Completeness)
async def completeness(opened: Opened, who: Statistician, question: Question, form: Form = "json") -> Completeness | Response:
    """Of the cases and series of a filter that could have an attribute, how many have it; slice thickness of CT, MR and PET, phase of CT ..."""
    found = await answers.counted(opened, who, question)
    least = opened.settings.small_cell_least
    listed = []
    for name, of, have, among, patients in await found.completeness():
        small = 0 < patients < least or 0 < have < least or 0 < among - have < least
        listed.append(Attribute(name=name, of=of, have=None if small else have, among=None if small else among))
    if form == "csv":
        rows = [[one.name, one.of, one.have, one.among] for one in listed]
        return download(as_csv(["attribute", "of", "have", "among"], rows), "completeness", "csv", found.at.isoformat(timespec="seconds"))
    return Completeness(attributes=listed, counted_at=found.at, stale=found.stale)


@router.get("/exams", response_model=Exams)
async def exams(
    opened: Opened,
    who: Reviewer,
    by: Annotated[str, Query(max_length=64)] = "month",
    cross: Annotated[str, Query(max_length=64)] = "",
    since: Annotated[date | None, Query(description="True day of the examination, included")] = None,
    until: Annotated[date | None, Query(description="True day of the examination, included")] = None,
    form: Form = "json",
) -> Exams | Response:
    """Studies by true examination day. They belong to no patient and no disease, so only those who see every disease may ask."""
    for field, name in (("by", by), ("cross", cross)):
        if name and name not in EXAM_COLUMNS:
            raise InvalidInput(f"Examinations are not counted by {name[:64]!a}; {nearest(name, EXAM_COLUMNS)}", field=field, known=list(EXAM_COLUMNS))
    if cross == by:
        raise InvalidInput("The two dimensions must not be the same.", field="cross")
    window(since, until, days_most=counts.ROWS_MOST if "day" in (by, cross) else None)
    async with opened.db.read() as session:
        rows = await counts.exams(session, by, cross, since, until, counts.ROWS_MOST + 1)
    if len(rows) > counts.ROWS_MOST:
        raise InvalidInput(f"That are more than {counts.ROWS_MOST:,} groups: ask by month or for a shorter time.", field="since")
    names = [by, *([cross] if cross else []), "studies"]
    least = opened.settings.small_cell_least
    listed = [only_large(row, len(names) - 1, least) for row in rows]
    if form == "csv":
        return download(as_csv(names, listed), f"exams-{by}", "csv")
    return Exams(dimensions=names, source=listed)


@router.get("/copy")
async def copy(opened: Opened, who: Administrator, check: bool = False) -> Copy:
    """The column copy of this process; with ``check`` every row of it is compared with the catalog, which takes a while."""
    found = await opened.columns.check() if check else {}
    tables = [CopyTable(name=name, rows=rows, different=different) for name, (rows, different) in found.items()]
    right = not any(table.different for table in tables) if check else None
    return Copy(revision=opened.columns.revision, caught_up_at=opened.columns.caught_up_at, tables=tables, right=right)


@router.post("/copy/rebuild")
async def rebuild(opened: Opened, who: Administrator) -> Copy:
    """Make the column copy of this process anew from the catalog."""
    await opened.columns.rebuild()
    return Copy(revision=opened.columns.revision, caught_up_at=opened.columns.caught_up_at, tables=[], right=None)
