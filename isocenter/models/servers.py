"""Samples of hosts and services, alerts, silences, and what is told outside. Created and changed by stats."""

from __future__ import annotations

from sqlalchemy import Double, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, BigKey, Code, code64, document, maybe_time, owned, pk, short_text, timestamp


class HostSample(Base):
    """One sample of a host; values by metric name with unit suffix."""

    __tablename__ = "host_sample"
    __table_args__ = (Index("ix_host_sample_host", "host", "at"), owned("stats", "stats"))
    id: Mapped[pk]
    host: Mapped[code64]
    at: Mapped[timestamp]
    values: Mapped[document]


class ServiceSample(Base):
    """One sample of a service (or of the whole process), as HostSample."""

    __tablename__ = "service_sample"
    __table_args__ = (Index("ix_service_sample_service", "service", "at"), owned("stats", "stats"))
    id: Mapped[pk]
    service: Mapped[code64]
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


class Notice(Base):
    """Something to tell outside about an alert. ``event``: began | ended; ``way``: mail | webhook; ``state``: waiting | sent | dropped."""

    __tablename__ = "notice"
    __table_args__ = (Index("ix_notice_due", "state", "due_at"), Index("ix_notice_alert", "alert_id"), owned("stats", "stats"))
    id: Mapped[pk]
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alert.id"))
    event: Mapped[str] = mapped_column(Code(16))
    way: Mapped[str] = mapped_column(Code(16))
    state: Mapped[str] = mapped_column(Code(16), default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[timestamp]
    created_at: Mapped[timestamp]
    failure: Mapped[short_text]


class TakenBody(Base):
    """SHA-256 of a webhook body that was taken: the same bytes are a replay, also after a restart."""

    __tablename__ = "taken_body"
    __table_args__ = (UniqueConstraint("digest"), Index("ix_taken_body_at", "at"), owned("stats", "stats"))
    id: Mapped[pk]
    digest: Mapped[code64]
    at: Mapped[timestamp]
