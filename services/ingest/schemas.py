"""Wire shapes of ingest."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Source(Strict):
    """Where the files are: a folder on the server, an upload, or none (tables only)."""

    kind: Literal["folder", "upload", "none"]
    root: str | None = Field(None, max_length=200, description="Name of an allowed root; `path` is then relative to it.")
    path: str | None = Field(None, max_length=4000)
    upload: str | None = Field(None, max_length=64)


class TableSource(Strict):
    """A table on the server or in an upload; `mapping` (noun -> column) as a person confirmed it."""

    kind: Literal["imaging", "pathology", "labels", "image_list"] | None = None
    root: str | None = Field(None, max_length=200)
    path: str = Field(max_length=4000)
    upload: str | None = Field(None, max_length=64)
    mapping: dict[str, str] | None = None
    date_order: Literal["ymd", "mdy", "dmy"] | None = None


class NewImport(Strict):
    hospital: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")
    source: Source
    tables: list[TableSource] = Field(default_factory=list, max_length=50)
    diseases: list[str] | Literal["auto"] = "auto"
    schemes: dict[str, str] = Field(default_factory=dict)


class TablesPreview(Strict):
    hospital: str = Field("", max_length=32)
    tables: list[TableSource] = Field(min_length=1, max_length=50)


class Guess(BaseModel):
    column: str
    confidence: float
    why: str


class TablePreview(BaseModel):
    kind: str
    kind_confidence: float
    encoding: str
    rows: int
    columns: list[str]
    sample_rows: list[list[str]]
    mapping: dict[str, Guess]
    nouns: list[str]
    unmapped: list[str]
    missing: list[str]
    date_order: str
    notes: list[str]
    remembered: bool = False


class StageProgress(BaseModel):
    name: str
    state: Literal["waiting", "running", "done"]
    done: int
    total: int
    rate_per_s: float | None


class ImportView(BaseModel):
    key: str
    hospital: str
    account: str
    source_kind: str
    state: str
    stage: str
    diseases: list[str]
    created_at: datetime
    finished_at: datetime | None
    failure: str
    stages: list[StageProgress]
    eta_seconds: float | None
    counts: dict[str, dict[str, int]]
    totals: dict[str, int]
    sums_ok: bool
    links: dict[str, int]
    labels: dict[str, int]
    held: int
    reviews_open: int
    revision: int


class ItemView(BaseModel):
    ordinal: int
    kind: str
    origin: str
    row_number: int | None
    extension: str
    size_bytes: int
    outcome: str | None
    reason: str
    detail: str
    link_state: str
    label_state: str
    study_uid: str | None
    series_uid: str | None
    report_key: str | None
    path: str | None = None


class Reason(BaseModel):
    kind: str
    outcome: str
    reason: str
    count: int


class Choice(BaseModel):
    value: str
    title_en: str
    title_zh: str
    final: bool = Field(False, description="Once given, it cannot be taken back.")


class ReviewView(BaseModel):
    key: str
    kind: str
    subject: str
    disease: str | None
    case_key: str | None
    import_key: str | None
    priority: float
    state: str
    created_at: datetime
    lease_account: str | None
    choices: list[Choice]
    proposal: dict[str, Any]
    decisions: list[dict[str, Any]] = Field(default_factory=list)
    revision: int


class NextReview(Strict):
    kind: str | None = None
    disease: str | None = None


class Decision(Strict):
    value: str = Field(min_length=1, max_length=64)
    note: str = Field("", max_length=2000)
    revision: int


class DecisionResult(BaseModel):
    review: ReviewView
    next: ReviewView | None


class ReviewCounts(BaseModel):
    open: int
    by_kind: dict[str, int]
    by_disease: dict[str, int]


class Reopen(Strict):
    scheme: str = Field(max_length=32)


class LinkChange(Strict):
    """A report put to a study by hand, or taken from it."""

    study_uid: str = Field(min_length=1, max_length=64)
    report_key: str = Field(min_length=1, max_length=32)
    linked: bool


class LinkView(BaseModel):
    study_uid: str
    report_key: str
    generation: int
    state: str
    active: bool


class Root(BaseModel):
    name: str


class Roots(BaseModel):
    roots: list[Root]


class Entry(BaseModel):
    name: str
    kind: Literal["folder", "file"]
    size_bytes: int


class Folder(BaseModel):
    root: str
    path: str
    entries: list[Entry]


class UploadFile(BaseModel):
    path: str
    size_bytes: int


class UploadView(BaseModel):
    key: str
    files: list[UploadFile]
    size_bytes: int
