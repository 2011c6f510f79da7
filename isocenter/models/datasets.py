"""Datasets, their immutable versions and members, exports. Created and changed by catalog."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, Code, LongText, code32, code64, document, maybe_time, owned, pk, revision, short_text, timestamp


class Dataset(Base):
    """A named dataset; its versions hold the content."""

    __tablename__ = "dataset"
    __table_args__ = (owned("catalog", "catalog"),)
    id: Mapped[pk]
    name: Mapped[str] = mapped_column(Code(64), unique=True)
    title: Mapped[short_text]
    description: Mapped[str] = mapped_column(LongText, default="")
    licence: Mapped[short_text]
    disease_id: Mapped[int] = mapped_column(ForeignKey("disease.id"))
    scheme_id: Mapped[int] = mapped_column(ForeignKey("label_scheme.id"))
    created_by: Mapped[code64]
    created_at: Mapped[timestamp]
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class DatasetVersion(Base):
    """An immutable version, name@number. ``digest`` = SHA-256 of the canonical manifest (no row ids, times, database order)."""

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("dataset_id", "number"), Index("ix_dataset_version_digest", "digest"), owned("catalog", "catalog"))
    id: Mapped[pk]
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    number: Mapped[int]
    digest: Mapped[code64]
    manifest_key: Mapped[str] = mapped_column(Code(255))
    query: Mapped[document]
    recipe: Mapped[document]  # split, seed, balance, null policy
    policies: Mapped[document]  # kind -> {number, sha256}
    counts: Mapped[document]
    card: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_by: Mapped[code64]
    created_at: Mapped[timestamp]
    withdrawn_at: Mapped[maybe_time]


class DatasetMember(Base):
    """A stack of a series in a version, with the label and split it had when frozen."""

    __tablename__ = "dataset_member"
    __table_args__ = (Index("ix_dataset_member_series", "series_id"), Index("ix_dataset_member_case", "case_id"), owned("catalog", "catalog"))
    version_id: Mapped[int] = mapped_column(ForeignKey("dataset_version.id"), primary_key=True)
    stack_id: Mapped[int] = mapped_column(ForeignKey("stack.id"), primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"))
    split: Mapped[str] = mapped_column(Code(16), default="")
    fold: Mapped[int | None]
    label: Mapped[code32]


class Export(Base):
    """A conversion of a version to another format, run with a lease. Its objects lie under ``exports/<id>/``."""

    __tablename__ = "export"
    __table_args__ = (UniqueConstraint("version_id", "format", "options_sha"), Index("ix_export_state", "state", "lease_until"), owned("catalog", "catalog"))
    id: Mapped[pk]
    version_id: Mapped[int] = mapped_column(ForeignKey("dataset_version.id"))
    format: Mapped[code32]
    options: Mapped[document]
    options_sha: Mapped[code64]
    state: Mapped[str] = mapped_column(Code(16), default="open")  # open | running | finished | failed | cancelled | removed
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    reason: Mapped[str] = mapped_column(String(255), default="", server_default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # digest of its manifest, files, size_bytes, refused
    lease_token: Mapped[str | None] = mapped_column(Code(32))
    lease_until: Mapped[maybe_time]
    created_by: Mapped[str] = mapped_column(Code(64), default="", server_default="")
    created_at: Mapped[timestamp]
    started_at: Mapped[maybe_time]
    finished_at: Mapped[maybe_time]
