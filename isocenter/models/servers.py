"""Host samples, alerts and silences. Created and changed by stats."""

from __future__ import annotations

from sqlalchemy import Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, Code, code64, document, maybe_time, owned, pk, short_text, timestamp


class HostSample(Base):
    """One sample of a host; values by metric name with unit suffix."""

    __tablename__ = "host_sample"
    __table_args__ = (Index("ix_host_sample_host", "host", "at"), owned("stats", "stats"))
    id: Mapped[pk]
    host: Mapped[code64]
    at: Mapped[timestamp]
    values: Mapped[document]


class Alert(Base):
    """An alert from its first firing to its end; acknowledged by a person."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_open", "ended_at", "id"), owned("stats", "stats"))
    id: Mapped[pk]
    fingerprint: Mapped[code64]
    name: Mapped[code64]
    severity: Mapped[str] = mapped_column(Code(16))
    labels: Mapped[document]
    summary: Mapped[short_text]
    started_at: Mapped[timestamp]
    ended_at: Mapped[maybe_time]
    acknowledged_by: Mapped[str | None] = mapped_column(Code(64))
    acknowledged_at: Mapped[maybe_time]
    value: Mapped[float | None] = mapped_column(Double)


class Silence(Base):
    """No notice for alerts that match until a time."""

    __tablename__ = "silence"
    __table_args__ = (owned("stats", "stats"),)
    id: Mapped[pk]
    matcher: Mapped[document]
    until: Mapped[timestamp]
    created_by: Mapped[code64]
    comment: Mapped[str] = mapped_column(String(500), default="")
