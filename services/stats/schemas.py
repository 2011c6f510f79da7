"""Wire shapes of statistics, servers and alerts."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class DiseaseNumbers(BaseModel):
    """What is there of one disease, as far as this account may see it."""

    code: str
    title_en: str
    title_zh: str
    patients: int
    cases: int
    studies: int
    labelled: int
    review: int
    series: int
    instances: int
    size_bytes: int


class RecentImport(BaseModel):
    key: str
    hospital: str
    account: str
    state: str
    stage: str
    created_at: datetime
    finished_at: datetime | None


class Overview(BaseModel):
    """``totals`` count each patient and series once, however many diseases they belong to."""

    diseases: list[DiseaseNumbers]
    totals: dict[str, int]
    reviews_open: int
    imports_recent: list[RecentImport]


class Statistics(BaseModel):
    """An ECharts dataset: column names and rows. ``truncated`` when there were more rows than are sent."""

    dimensions: list[str]
    source: list[list[str | int]]
    totals: dict[str, int]
    truncated: bool


class Sample(BaseModel):
    at: datetime
    values: dict[str, float]


class HostView(BaseModel):
    """``stale`` when the last sample is older than half a minute."""

    host: str
    latest: Sample
    stale: bool
    history: list[Sample]


class Servers(BaseModel):
    hosts: list[HostView]


class AlertView(BaseModel):
    id: int
    name: str
    severity: str
    summary: str
    labels: dict[str, str]
    value: float | None
    started_at: datetime
    ended_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
