"""Wire shapes of exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.catalog.split import SEED_LIMIT


class ExportIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: str = Field(max_length=32, description="nifti | png | jpeg | patches | labels | monai | nnunet | bids | coco | medmnist | imagefolder ...")
    options: dict[str, Any] = Field({}, description="Options of the format; docs/datasets.md lists them.")


class ExportOut(BaseModel):
    key: str = Field(description="Names the export within its version: the same format and options are the same export.")
    reference: str = Field(description="name@number")
    format: str
    options: dict[str, Any]
    state: str = Field(description="open | running | finished | failed | cancelled")
    done: int = Field(description="Series converted, and one for the last step.")
    total: int = Field(description="0 until it is known.")
    reason: str = Field(description="Why it failed; empty otherwise.")
    digest: str | None = Field(description="SHA-256 of the export's manifest, when finished.")
    files: int | None
    size_bytes: int | None
    refused: dict[str, int] = Field(description="Reason -> how many series or stacks were refused for it; refused.csv names them.")
    notes: list[str] = Field(description="What the format cannot hold of this version, such as masks that are not there.")
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ExportList(BaseModel):
    items: list[ExportOut]


class FormatOut(BaseModel):
    format: str
    options: list[str]


class FormatList(BaseModel):
    items: list[FormatOut]


class PreviewIn(BaseModel):
    """A recipe to look at before it is applied."""

    model_config = ConfigDict(extra="forbid")

    augment: list[Any] = Field(max_length=10)
    series_uid: str | None = Field(None, max_length=64, description="A series of the version; null = its first.")
    seed: int = Field(0, ge=0, lt=SEED_LIMIT)
    copies: int = Field(2, ge=1, le=5)
