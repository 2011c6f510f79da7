"""Wire shapes of managing images, slides, reports and other files: lists, changes, bulk actions, history."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from isocenter.paging import Page
from services.catalog.schemas.cases import HistoryOut, SeriesOut

Key = Annotated[str, Field(min_length=1, max_length=64)]
Line = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
# A DICOM code string (PS3.5 6.2): capital letters, digits, blank and underscore, at most 16.
CodeString = Annotated[str, Field(max_length=16, pattern=r"^[A-Z0-9_ ]*$")]
Contrast = Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9+*_./-]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SeriesRow(SeriesOut):
    """A series in the lists of imaging and pathology, with the cases that hold it."""

    cases: list[str]
    deleted: bool
    revision: int


class SeriesRows(Page[SeriesRow]):
    pass


class ReportRow(BaseModel):
    key: str
    kind: str
    shifted_date: date | None
    language: str
    body_part: str
    characters: int = Field(description="Of all sections of the newest text.")
    cases: list[str]
    deleted: bool
    revision: int


class ReportRows(Page[ReportRow]):
    pass


class ReportDetailOut(ReportRow):
    sections: dict[str, str]
    versions: int = Field(description="Texts there have been; a changed link writes the next.")


class ResourceRow(BaseModel):
    case: str
    sha256: str
    title: str
    media_type: str
    code: str
    size_bytes: int
    state: str = Field(description="held until a reviewer has looked, then visible")
    created_at: datetime
    deleted: bool
    revision: int
    url: str


class ResourceRows(Page[ResourceRow]):
    pass


class SeriesChange(_Body):
    """A correction; what is left out stays. ``phase`` and ``sequence`` go to every stack of the series."""

    description: Line | None = None
    body_part: CodeString | None = None
    modality: Annotated[str, Field(max_length=16, pattern=r"^[A-Z][A-Z0-9]*$")] | None = None
    phase: Contrast | None = None
    sequence: Contrast | None = None


class ReportChange(_Body):
    kind: Literal["imaging", "pathology"] | None = None
    body_part: CodeString | None = None


class ResourceChange(_Body):
    title: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f/\\]+$")] | None = None
    code: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_-]*$")] | None = None


class BulkRows(_Body):
    """One change to many rows, by UID or key: all or none, one audit event each."""

    action: Literal["delete", "restore"]
    keys: list[Key] = Field(min_length=1, max_length=50_000)


class Purged(BaseModel):
    """What is gone for good."""

    objects: int = Field(description="Objects that a sweep removes within minutes, unless something else still refers to them.")


class History(Page[HistoryOut]):
    """Newest first."""
