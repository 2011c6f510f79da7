"""Wire shapes of datasets and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from isocenter.paging import Page
from services.catalog.balance import MAX_FOLDS
from services.catalog.split import SEED_LIMIT

DATASET_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class DatasetIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=DATASET_NAME, max_length=64, description="Small letters, digits, - and _; it stands in name@version.")
    title: str = Field("", max_length=255)
    description: str = Field("", max_length=20_000)
    disease: str = Field(max_length=32)
    scheme: str = Field("", max_length=32, description="Label scheme; empty = the first of the disease.")
    licence: str = Field("", max_length=255)


class FreezeIn(BaseModel):
    """What a version is made of. The disease and scheme are the dataset's."""

    model_config = ConfigDict(extra="forbid")

    query: dict[str, Any] = {}
    label_states: list[Literal["sure", "decided"]] = Field(["sure", "decided"], min_length=1, max_length=2)
    split: dict[str, float] | None = None
    seed: int = Field(0, ge=0, lt=SEED_LIMIT)
    balance: Literal["under", "over", "weights"] | None = Field(
        None, description="By patient: under leaves patients of the larger classes out, over says `repeats`, weights says `weight` in labels.csv."
    )
    balance_parts: list[str] | None = Field(None, min_length=1, max_length=10, description="Parts to balance; null = train when there is one, else all.")
    folds: int | None = Field(None, ge=2, le=MAX_FOLDS, description="Folds of what is not in the part test, by patient, stratified by label.")


class SplitPreviewIn(FreezeIn):
    """A freeze that is only asked about. The dataset, or its disease and scheme, stands here; else the one disease the query names."""

    dataset: str = Field("", max_length=64, description="Name of a dataset: its disease and scheme.")
    disease: str = Field("", max_length=32)
    scheme: str = Field("", max_length=32, description="Label scheme; empty = the first of the disease.")


class PartCountOut(BaseModel):
    part: str = Field(description='"" without a split; the number of the fold in `folds`.')
    label: str
    patients: int
    cases: int


class SplitPreview(BaseModel):
    parts: list[PartCountOut] = Field(description="Every part with every label, in the order of the parts' names.")
    folds: list[PartCountOut]
    share: float = Field(description="The largest distance, in patients, between what a part has of a class and its share of it, before balancing.")
    cases: int
    patients: int
    balanced_away: int = Field(description="Cases that under-sampling leaves out.")


class DatasetEdit(BaseModel):
    """What may change of a dataset; its name, disease and scheme may not, and its versions never do."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, max_length=255)
    description: str | None = Field(None, max_length=20_000)
    licence: str | None = Field(None, max_length=255)


class CaseChange(BaseModel):
    case_id: str
    before: dict[str, Any]
    after: dict[str, Any]


class Comparison(BaseModel):
    """From one version of a dataset to another, by case. Lists are cut at ``limit``; the counts are not."""

    before: str = Field(description="name@number")
    after: str
    counts: dict[str, int] = Field(description="added, removed, relabelled, moved, other_files, same")
    added: list[str]
    removed: list[str]
    relabelled: list[CaseChange]
    moved: list[CaseChange] = Field(description="Cases in another part than before.")
    other_files: list[str] = Field(description="Cases with other images, or other bytes of them.")


class WithdrawalIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    case: str = Field(max_length=32, description="Key of a case of the patient; all cases of the patient are meant.")


class WithdrawalOut(BaseModel):
    withdrawn_at: datetime
    cases: list[str]
    closed: list[str] = Field(description="Versions whose bytes are no longer served.")
    made: list[str] = Field(description="Versions that follow, without the patient.")


class VersionOut(BaseModel):
    name: str
    number: int
    reference: str = Field(description="name@number")
    digest: str = Field(description="SHA-256 of the canonical manifest")
    counts: dict[str, Any]
    query: dict[str, Any]
    recipe: dict[str, Any]
    policies: dict[str, Any]
    created_at: datetime
    created_by: str
    withdrawn_at: datetime | None = Field(description="Set when a patient in it withdrew: the bytes are no longer served.")


class VersionDetail(VersionOut):
    card: dict[str, Any]


class DatasetOut(BaseModel):
    name: str
    title: str
    description: str
    disease: str
    scheme: str
    licence: str
    created_by: str
    created_at: datetime
    latest: int | None = Field(description="Number of the newest version.")
    revision: int


class DatasetPage(Page[DatasetOut]):
    pass


class DatasetDetail(DatasetOut):
    versions: list[VersionOut] = Field(description="Newest first.")


class AttributeOut(BaseModel):
    """A name of the search language."""

    name: str
    grain: str = Field(description="case | label | series | stack | report: conditions on series and stacks hold for one and the same series")
    kind: str = Field(description="code (equal) | text (equal in any case) | words (contains) | number (ranges)")
    title_en: str
    title_zh: str
    unit: str
    values: list[str] = Field(description="The closed set, empty when open.")


class ValueCount(BaseModel):
    value: str
    cases: int


class AttributeValues(BaseModel):
    """Values with the number of visible cases that have them; for numbers the range instead."""

    name: str
    values: list[ValueCount]
    minimum: float | None = None
    maximum: float | None = None
    missing: int = Field(description="Visible cases without any value.")
    more: bool = Field(False, description="There are more values than are listed.")
