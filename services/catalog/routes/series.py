"""Series and their instances; the search vocabulary and the values there are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from isocenter.paging import Cursor, Limit, Page
from isocenter.search import ATTRIBUTES, attribute_of
from isocenter.web import CatalogReader, Opened
from services.catalog.schemas.cases import InstancePage, SeriesOut
from services.catalog.schemas.datasets import AttributeOut, AttributeValues
from services.catalog.store import counting
from services.catalog.store import series as store

router = APIRouter(prefix="/api/v1", tags=["series"])


@router.get("/series/{uid}")
async def get_series(opened: Opened, who: CatalogReader, uid: str) -> SeriesOut:
    async with opened.db.read() as session:
        return await store.series_detail(session, who, uid)


@router.get("/series/{uid}/instances")
async def list_instances(opened: Opened, who: CatalogReader, uid: str, limit: Limit = 100, cursor: Cursor = None) -> InstancePage:
    """Instances in geometric order."""
    async with opened.db.read() as session:
        return await store.instance_page(session, who, uid, cursor, limit)


@router.get("/attributes")
async def list_attributes(who: CatalogReader) -> Page[AttributeOut]:
    """The names a filter may use."""
    items = [
        AttributeOut(
            name=item.name, grain=item.grain, kind=item.kind, title_en=item.title_en, title_zh=item.title_zh, unit=item.unit, values=list(item.values)
        )
        for item in ATTRIBUTES.values()
    ]
    return Page(items=items)


@router.get("/attributes/{name}/values")
async def list_values(opened: Opened, who: CatalogReader, name: str, disease: Annotated[str, Query(max_length=32)] = "") -> AttributeValues:
    """Values first: what there is to ask for, with the number of visible cases."""
    attribute = attribute_of(name, "name")
    return await counting.values_of(opened, who, attribute, disease)
