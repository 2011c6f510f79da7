"""Imports, their batches with leases, their items with one outcome each. Created and changed by ingest."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, BigKey, Code, code32, code64, document, maybe_time, owned, pk, revision, short_text, timestamp


class Import(Base):
    """One import. ``state``: running | paused | cancelled | failed | finished | withdrawn; ``stage`` is where it is.

    ``options`` hold no path and no name: source and table paths are in the capsule of the import.
    """

    __tablename__ = "import"
    __table_args__ = (Index("ix_import_state", "state", "id"), owned("ingest", "ingest"))
    id: Mapped[pk]
    key: Mapped[str] = mapped_column(Code(32), unique=True)
    hospital_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    account: Mapped[code64]
    source_kind: Mapped[code32]  # folder | upload | none
    state: Mapped[str] = mapped_column(Code(16), default="running")
    stage: Mapped[str] = mapped_column(Code(16), default="scan")
    options: Mapped[document]
    failure: Mapped[short_text]
    created_at: Mapped[timestamp]
    finished_at: Mapped[maybe_time]
    revision: Mapped[revision]


class ImportBatch(Base):
    """Work of one stage with a lease; the token is checked at commit, so that a zombie changes nothing."""

    __tablename__ = "import_batch"
    __table_args__ = (UniqueConstraint("import_id", "stage", "ordinal"), Index("ix_import_batch_claim", "state", "lease_until"), owned("ingest", "ingest"))
    id: Mapped[pk]
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"))
    stage: Mapped[str] = mapped_column(Code(16))
    ordinal: Mapped[int]
    state: Mapped[str] = mapped_column(Code(16), default="open")  # open | done | failed
    payload: Mapped[document]
    size: Mapped[int] = mapped_column(default=0)  # items in it, for progress
    lease_token: Mapped[str | None] = mapped_column(Code(32))
    lease_until: Mapped[maybe_time]
    attempt: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[maybe_time]


class ImportItem(Base):
    """One scanned file or table row: exactly one outcome with its reason, and apart from it a link and a label state.

    A purge by catalog lets it point to nothing.
    """

    __tablename__ = "import_item"
    __table_args__ = (
        UniqueConstraint("import_id", "ordinal"),
        Index("ix_import_item_outcome", "import_id", "outcome", "ordinal"),
        Index("ix_import_item_series", "series_id"),
        Index("ix_import_item_source", "import_id", "source_hmac"),
        Index("ix_import_item_study", "study_id"),
        owned("ingest", "catalog,ingest"),
    )
    id: Mapped[pk]
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"))
    ordinal: Mapped[int]
    kind: Mapped[str] = mapped_column(Code(8))  # file | row
    origin: Mapped[str] = mapped_column(Code(64), default="")  # "files", or "imaging#1" for rows of the first imaging table
    row_number: Mapped[int | None]
    extension: Mapped[str] = mapped_column(Code(16), default="")
    size_bytes: Mapped[int] = mapped_column(BigKey, default=0)
    outcome: Mapped[str | None] = mapped_column(Code(24))
    reason: Mapped[str] = mapped_column(Code(64), default="")
    detail: Mapped[short_text]
    link_state: Mapped[str] = mapped_column(Code(16), default="")  # "" | linked | review | unlinked
    label_state: Mapped[str] = mapped_column(Code(16), default="")  # "" | sure | review | decided | none
    source_hmac: Mapped[str | None] = mapped_column(Code(64))
    override: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # a reviewer's decision for a second pass
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"))
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"))
    instance_id: Mapped[int | None] = mapped_column(ForeignKey("instance.id"), index=True)
    report_id: Mapped[int | None] = mapped_column(ForeignKey("report.id"), index=True)
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resource.id"), index=True)
    duplicate_of: Mapped[int | None] = mapped_column(BigKey)


