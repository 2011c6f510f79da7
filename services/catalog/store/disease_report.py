"""What the report of a disease says, through the account's grants: counts from the column copy, cases from the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from isocenter.auth import Principal
from isocenter.models import now
from isocenter.resources import Resources
from isocenter.search import ATTRIBUTES, Filter, parse_filter
from services.catalog.report import Cell, Report, Table, about, word
from services.catalog.schemas.cases import CaseOut
from services.catalog.store import cases as case_store
from services.catalog.store import counting
from services.catalog.store import diseases as disease_store

LISTED = 10_000  # cases one by one; the sums are of all
FACETS = (
    "sex", "label", "label_state", "Modality", "BodyPartExamined", "format", "hospital", "Manufacturer", "ManufacturerModelName", "sequence", "phase",
    "report_kind",
)  # fmt: skip
BANDS = (0, 18, 30, 40, 50, 60, 70, 80, 150)


async def gather(opened: Resources, principal: Principal, code: str, language: str) -> Report:
    """NotFound for a disease this account may not see."""
    chinese = language == "zh-CN"
    async with opened.db.read() as session:
        disease = await disease_store.disease_detail(session, principal, code)
    query = parse_filter({"terms": {"disease": [code]}})
    sums = await counting.count(opened, principal, query)
    rows: list[tuple[str, Cell]] = [("cases", sums.cases), ("series", sums.series), ("instances", sums.instances), ("bytes", sums.size_bytes)]
    cases = word("cases", language)
    tables = [Table(word("summary", language), (word("value", language), cases), [(word(name, language), number) for name, number in rows])]
    classes = {item.code: item.title_zh if chinese else item.title_en for scheme in reversed(disease.schemes) for item in scheme.classes}
    for facet in (await counting.facets(opened, principal, query, FACETS)).facets:
        named = classes if facet.name == "label" else {}
        found: list[tuple[str, Cell]] = [(named.get(str(item.value), word(str(item.value), language)), item.cases) for item in facet.values]
        if facet.missing:
            found.append((word("missing", language), facet.missing))
        attribute = ATTRIBUTES[facet.name]
        tables.append(Table(attribute.title_zh if chinese else attribute.title_en, (word("value", language), cases), found))
    bands = await _bands(opened, principal, query)
    tables.append(Table(word("age_band", language), (word("value", language), cases), bands))
    listed, cut = await _cases(opened, principal, query)
    heads = tuple(word(name, language) for name in ("key", "sex", "age", "label", "label_state", "modalities", "studies", "series", "reports"))
    note = word("cut", language).format(number=LISTED) if cut else ""
    tables.append(Table(word("list", language), heads, [_row(item, classes, language) for item in listed], note))
    title = disease.title_zh if chinese else disease.title_en
    return Report(f"{word('title', language)} - {title}", about(f"{title} ({code})", principal.name, now(), language), tables, language)


async def _bands(opened: Resources, principal: Principal, query: Filter) -> list[tuple[str, Cell]]:
    found: list[tuple[str, Cell]] = []
    for low, high in pairwise(BANDS):
        banded = parse_filter(query.document() | {"ranges": {"age": {"gte": low, "lte": high - 0.001}}})
        found.append((f"{low}-{high - 1}" if high < BANDS[-1] else f"{low}+", (await counting.count(opened, principal, banded)).cases))
    return found


async def _cases(opened: Resources, principal: Principal, query: Filter) -> tuple[Sequence[CaseOut], bool]:
    items: list[CaseOut] = []
    cursor = None
    while len(items) < LISTED:
        after = items[-1].key if items else ""
        ids = await counting.found_on_page(opened, principal, query, prefix="", deleted=False, after=after, limit=501)
        async with opened.db.read() as session:
            page = await case_store.page(session, principal, ids, prefix="", deleted=False, cursor=cursor, limit=500)
        items += page.items
        if (cursor := page.next) is None:
            return items, False
    return items[:LISTED], True


def _row(item: CaseOut, classes: dict[str, str], language: str) -> tuple[Cell, ...]:
    label = item.label
    value = word("none", language) if label is None else classes.get(label.value, label.value)
    state = "" if label is None else word(label.state, language)
    return (item.key, word(item.sex, language), item.age_years, value, state, " ".join(item.modalities), item.studies, item.series, item.reports)
