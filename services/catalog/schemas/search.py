"""Wire shapes of facets, text search and saved searches."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from isocenter.paging import Page
from services.catalog.schemas.datasets import AttributeValues


class FacetQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: dict[str, Any] = {}
    names: list[str] | None = Field(None, min_length=1, max_length=30, description="Attributes wanted; null = all but case keys and descriptions.")


class Facets(BaseModel):
    """Each attribute's values with the cases one finds when the attribute is set to that value and the rest stays."""

    cases: int = Field(description="Cases of the filter itself.")
    facets: list[AttributeValues]


class ReportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=200, description="Found as it stands, in any case; Chinese or English.")
    query: dict[str, Any] = Field({}, description="Only reports of the cases this filter finds.")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=500)


class TextHit(BaseModel):
    """A place of the text in a section, in Unicode characters from 0."""

    section: str
    start: int
    end: int
    before: str = Field(description="Up to 40 characters before it.")
    found: str
    after: str


class ReportHit(BaseModel):
    report: str
    kind: str
    cases: list[str]
    hits: list[TextHit] = Field(description="The first 20 places.")


class ReportHits(Page[ReportHit]):
    reports: int = Field(description="Reports found in all, exactly.")
    cases: int = Field(description="Cases they belong to.")


class SavedSearchIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")
    query: dict[str, Any]


class SavedSearchOut(BaseModel):
    """A named filter of the account that asks; nobody else sees it."""

    id: int
    name: str
    query: dict[str, Any]
    created_at: datetime


class SavedSearches(Page[SavedSearchOut]):
    pass
