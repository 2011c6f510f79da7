"""Wire shapes of statistics, servers and alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


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
    """An ECharts dataset: column names and rows. ``truncated`` when there were more rows than are sent.

    ``hidden``: so many rows have null for their numbers, because they are of fewer patients than the site shows.
    """

    dimensions: list[str]
    source: list[list[str | int | None]]
    totals: dict[str, int | None]
    truncated: bool
    hidden: int = 0


class Exams(BaseModel):
    """Studies by true examination day or month, of all the site's imports; ECharts dataset form, oldest first."""

    dimensions: list[str]
    source: list[list[str | int | None]]


class Sample(BaseModel):
    at: datetime
    values: dict[str, float]


class HostView(BaseModel):
    """``stale`` when the last sample is older than half a minute."""

    host: str
    latest: Sample
    stale: bool
    history: list[Sample]


class ServiceView(BaseModel):
    """A service, or with the name isocenter the whole process; ``stale`` as for a host."""

    service: str
    latest: Sample
    stale: bool
    history: list[Sample]


class Servers(BaseModel):
    """``source``: sampler (this process looks itself) or prometheus."""

    hosts: list[HostView]
    services: list[ServiceView]
    source: Literal["sampler", "prometheus"]


class AlertView(BaseModel):
    """``silenced_until``: no notice on pages until then. ``resolved_by``: a person ended it, not its source."""

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
    silenced_until: datetime | None = None
    resolved_by: str | None = None


class NewSilence(BaseModel):
    """``matcher``: name, severity, host, service, instance ... -> the exact value; all must fit."""

    matcher: dict[str, str] = Field(min_length=1, max_length=8)
    minutes: int = Field(ge=1, le=60 * 24 * 30)
    comment: str = Field("", max_length=500)


class SilenceView(BaseModel):
    id: int
    matcher: dict[str, str]
    until: datetime
    created_by: str
    comment: str


class DeliveryView(BaseModel):
    """``way``: mail | webhook. ``failure`` '' when the last notice of this way was taken."""

    way: str
    waiting: int
    dropped: int
    sent_at: datetime | None = None
    failure: str = ""


class TriedView(BaseModel):
    """``failure`` '' when it was taken."""

    way: str
    failure: str


class ToldAlert(BaseModel):
    """One alert of Alertmanager's webhook."""

    model_config = ConfigDict(extra="ignore")
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(None, alias="endsAt")
    fingerprint: str = Field(min_length=1, max_length=40, pattern=r"^[0-9A-Za-z]+$")


class AlertmanagerBody(BaseModel):
    """Alertmanager's webhook, version 4 (its documentation, "webhook_config"); Grafana writes the same and calls it 1."""

    model_config = ConfigDict(extra="ignore")
    version: Literal["4", "1"]
    alerts: list[ToldAlert] = Field(min_length=1, max_length=200)


class Taken(BaseModel):
    """How many alerts began or ended by what was told."""

    changed: int
