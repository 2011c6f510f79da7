"""Wire shapes of cases with all their parts. URLs are relative to the server."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from isocenter.paging import Page


class _Body(BaseModel):
    """What a client sends: an unknown name is an error, not a condition that silently does nothing."""

    model_config = ConfigDict(extra="forbid")


class CurrentLabel(BaseModel):
    """The label that counts now."""

    scheme: str
    value: str
    state: str = Field(description="sure | review | decided")
    source: str = Field(description="rule | model | reviewer | provided")
    confidence: float


class CaseHead(BaseModel):
    key: str
    disease: str
    sex: str = Field(description="M, F, O, or empty when nobody knows")
    age_years: float | None = Field(description="At the first examination; ages above 89 are 90.")
    label: CurrentLabel | None
    modalities: list[str]
    formats: list[str]
    thumbnail: str | None
    created_at: datetime
    deleted: bool = False
    revision: int


class CaseOut(CaseHead):
    studies: int
    series: int
    reports: int


class CasePage(Page[CaseOut]):
    pass


class CaseSearch(_Body):
    """A filter of the search language, and where to go on."""

    query: dict[str, Any] = {}
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=500)


class CaseQuery(_Body):
    query: dict[str, Any] = {}


class CaseCount(BaseModel):
    cases: int
    series: int
    instances: int
    size_bytes: int
    by_label: dict[str, int] = Field(description="Cases by class of each disease's first scheme; `review` and `none` beside the classes.")
    left_out_null: int = Field(description="Cases that lack a value the filter asks for; `include_null` takes them in.")


class StackOut(BaseModel):
    ordinal: int
    sequence: str
    phase: str
    source: str
    doubt: str
    spacing_mm: float | None = Field(description="Between slices, along the normal.")
    echo_time_ms: float | None
    b_value: float | None
    instance_count: int


class SlideOut(BaseModel):
    mpp: float | None = Field(description="Micrometres per pixel at level 0.")
    objective_power: float | None
    width_px: int
    height_px: int


class SeriesOut(BaseModel):
    uid: str
    study_uid: str
    format: str
    modality: str
    number: int | None
    body_part: str
    description: str
    sequence: str
    phase: str
    slice_thickness_mm: float | None
    spacing_mm: list[float] | None = Field(description="Between rows, between columns.")
    rows: int
    columns: int
    instance_count: int
    frame_count: int
    manufacturer: str
    model_name: str
    size_bytes: int
    state: str = Field(description="visible, or held until a reviewer has looked at the pixels")
    thumbnail: str | None
    version: str = Field(description="As ?v= of an address of this series' pictures: such an answer never changes and is kept by the browser.")
    stacks: list[StackOut]
    slide: SlideOut | None


class InstanceOut(BaseModel):
    sop_uid: str
    number: int
    size_bytes: int
    sha256: str
    frames: int
    rows: int
    columns: int
    media_type: str
    transfer_syntax_uid: str
    state: str


class InstancePage(Page[InstanceOut]):
    pass


class StudyOut(BaseModel):
    uid: str
    hospital: str
    shifted_date: date | None
    age_years: float | None
    sex: str
    body_part: str
    description: str
    series: list[SeriesOut]
    reports: list[str]


class LabelOut(BaseModel):
    """A label with why; one of a case, or of a report."""

    scheme: str
    value: str
    source: str
    confidence: float
    state: str = Field(description="State of the case's label when this one counts now, else empty.")
    reason: str
    decided_by: str | None
    undone: bool = Field(False, description="A reviewer's answer that was taken back.")
    created_at: datetime
    report_key: str | None
    evidence: list[Any] = Field(description="[{section, start, end, ...}]: offsets into the report's sections.")
    rule_set: str | None


class LinkOut(BaseModel):
    study_uid: str
    score: float
    state: str


class ReportOut(BaseModel):
    key: str
    kind: str
    shifted_date: date | None
    language: str
    sections: dict[str, Any]
    links: list[LinkOut]
    labels: list[LabelOut]


class ResourceOut(BaseModel):
    title: str
    media_type: str
    code: str
    size_bytes: int
    sha256: str
    state: str
    url: str


class FilledOut(BaseModel):
    name: str
    value: str
    source: str


class HistoryOut(BaseModel):
    at: datetime
    actor: str
    verb: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class CaseDetail(CaseHead):
    note: str
    studies: list[StudyOut]
    reports: list[ReportOut]
    labels: list[LabelOut]
    resources: list[ResourceOut]
    filled: list[FilledOut]
    history: list[HistoryOut] = Field(description="Newest first, the last 100; for those who see every disease.")


class CaseChange(_Body):
    note: str = Field(max_length=2000)


class BulkChange(_Body):
    """One change to many cases, by key."""

    action: Literal["delete", "restore", "note"]
    keys: list[Annotated[str, Field(max_length=32)]] = Field(min_length=1, max_length=50_000)
    note: str | None = Field(None, max_length=2000, description="The new note, for `note`.")


class BulkDone(BaseModel):
    changed: int
    unchanged: int = Field(description="They were so before.")
