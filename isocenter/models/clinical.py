"""Patient, case, study, series, stack, instance, slide, report, resource: what the catalog is about.

Created by ingest; changed, deleted, restored and purged by catalog. ``deleted_at`` is part of no unique key: a
re-import finds the row and ends as "deleted before".
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, Double, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import (
    Base,
    BigKey,
    Blob,
    Code,
    code32,
    code64,
    maybe_date,
    maybe_time,
    owned,
    pk,
    revision,
    short_text,
    timestamp,
)


class Patient(Base):
    """A person by pseudonym. ``key`` is a keyed HMAC; two identities of one person point to one patient."""

    __tablename__ = "patient"
    __table_args__ = (owned("ingest", "catalog,ingest"),)
    id: Mapped[pk]
    key: Mapped[str] = mapped_column(Code(32), unique=True)
    sex: Mapped[str] = mapped_column(Code(1), default="")
    birth_year: Mapped[int | None]
    withdrawn_at: Mapped[maybe_time]
    revision: Mapped[revision]


class PatientIdentity(Base):
    """A patient number of a hospital as keyed HMAC. A merge across hospitals repoints only this, and can be undone."""

    __tablename__ = "patient_identity"
    __table_args__ = (UniqueConstraint("hospital_id", "number_hmac", "pseudonym_key"), owned("ingest", "ingest"))
    id: Mapped[pk]
    hospital_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    number_hmac: Mapped[code32]
    pseudonym_key: Mapped[code32]  # fingerprint of the site key that made the pseudonym
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"), index=True)


class IdentityCapsule(Base):
    """AES-GCM: raw names, numbers, dates, report text, source paths of one owner. Created, changed and read by ingest only; a purge by catalog deletes it."""

    __tablename__ = "identity_capsule"
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    owner_kind: Mapped[code32]
    owner_id: Mapped[int] = mapped_column(BigKey)
    sealed: Mapped[bytes] = mapped_column(Blob)
    erase_after: Mapped[maybe_time]


class Case(Base):
    """A patient under one disease, renamed to one scheme: LIV-000123 (the paper's 数据重命名)."""

    __tablename__ = "case"
    __table_args__ = (UniqueConstraint("patient_id", "disease_id"), Index("ix_case_disease", "disease_id", "id"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    key: Mapped[str] = mapped_column(Code(32), unique=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
    disease_id: Mapped[int] = mapped_column(ForeignKey("disease.id"))
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("case.id"))
    note: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[timestamp]
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class CaseStudy(Base):
    """A study in a case; a duplicate import still adds it, else the second disease would be lost."""

    __tablename__ = "case_study"
    __table_args__ = (owned("ingest", "catalog,ingest"),)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True, index=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)


class Study(Base):
    """One examination. ``uid`` is the keyed UID, ``shifted_date`` the examination day plus the patient's shift."""

    __tablename__ = "study"
    __table_args__ = (
        Index("ix_study_identity", "identity_id"),
        Index("ix_study_shifted_date", "shifted_date", "id"),
        Index("ix_study_accession", "accession_hmac"),
        owned("ingest", "catalog,ingest"),
    )
    id: Mapped[pk]
    uid: Mapped[str] = mapped_column(Code(64), unique=True)
    hospital_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    identity_id: Mapped[int] = mapped_column(ForeignKey("patient_identity.id"))
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    shifted_date: Mapped[maybe_date]
    age_years: Mapped[float | None] = mapped_column(Double)
    sex: Mapped[str] = mapped_column(Code(1), default="")
    body_part: Mapped[str] = mapped_column(Code(64), default="")
    description: Mapped[short_text]
    accession_hmac: Mapped[str | None] = mapped_column(Code(32))
    created_at: Mapped[timestamp]
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class Series(Base):
    """One series of any format (a NIfTI volume, a PNG or a slide is a series of one instance)."""

    __tablename__ = "series"
    __table_args__ = (Index("ix_series_study", "study_id"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    uid: Mapped[str] = mapped_column(Code(64), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    format: Mapped[code32]
    modality: Mapped[str] = mapped_column(Code(16), default="")
    number: Mapped[int | None]
    body_part: Mapped[str] = mapped_column(Code(64), default="")
    description: Mapped[short_text]
    manufacturer: Mapped[short_text]
    model_name: Mapped[short_text]
    sequence: Mapped[str] = mapped_column(Code(32), default="")  # of the first stack; stacks tell all
    phase: Mapped[str] = mapped_column(Code(32), default="")
    slice_thickness_mm: Mapped[float | None] = mapped_column(Double)
    spacing_mm: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))  # between rows, between columns
    rows: Mapped[int] = mapped_column(default=0)
    columns: Mapped[int] = mapped_column(default=0)
    instance_count: Mapped[int] = mapped_column(default=0)
    frame_count: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(BigKey, default=0)
    metadata_key: Mapped[str | None] = mapped_column(Code(255))
    thumbnail_key: Mapped[str | None] = mapped_column(Code(255))
    state: Mapped[str] = mapped_column(Code(16), default="visible")  # held until a reviewer looked at the pixels
    created_at: Mapped[timestamp]
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class Stack(Base):
    """A part of a series with one contrast: two echoes in one series are two stacks, UIDs stay."""

    __tablename__ = "stack"
    __table_args__ = (UniqueConstraint("series_id", "ordinal"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    ordinal: Mapped[int]
    sequence: Mapped[str] = mapped_column(Code(32), default="")
    phase: Mapped[str] = mapped_column(Code(32), default="")
    sequence_source: Mapped[str] = mapped_column(Code(32), default="")
    doubt: Mapped[short_text]
    spacing_mm: Mapped[float | None] = mapped_column(Double)  # between slices along the normal
    echo_time_ms: Mapped[float | None] = mapped_column(Double)
    b_value: Mapped[float | None] = mapped_column(Double)
    instance_count: Mapped[int] = mapped_column(default=0)


class Instance(Base):
    """One stored object; ``generation`` 0 is current, a new de-identification profile makes another."""

    __tablename__ = "instance"
    __table_args__ = (
        UniqueConstraint("sop_uid", "generation"),
        Index("ix_instance_series", "series_id", "number"),
        Index("ix_instance_source", "source_hmac"),
        Index("ix_instance_pixels", "pixel_hash"),
        Index("ix_instance_object", "object_sha256"),
        owned("ingest", "catalog,ingest"),
    )
    id: Mapped[pk]
    sop_uid: Mapped[code64]
    generation: Mapped[int] = mapped_column(default=0)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    stack_id: Mapped[int | None] = mapped_column(ForeignKey("stack.id"))
    number: Mapped[int] = mapped_column(default=0)  # geometric order in the series, 1-based; 0 until the series closes
    sop_class_uid: Mapped[str] = mapped_column(Code(64), default="")
    object_key: Mapped[str] = mapped_column(Code(255))
    object_sha256: Mapped[code64]
    size_bytes: Mapped[int] = mapped_column(BigKey)
    media_type: Mapped[code64]
    source_hmac: Mapped[code64]
    pixel_hash: Mapped[code64]
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy_version.id"))
    transfer_syntax_uid: Mapped[str] = mapped_column(Code(64), default="")
    rows: Mapped[int] = mapped_column(default=0)
    columns: Mapped[int] = mapped_column(default=0)
    frames: Mapped[int] = mapped_column(default=1)
    pixel_offset: Mapped[int | None] = mapped_column(BigKey)
    frame_bytes: Mapped[int | None] = mapped_column(BigKey)  # native: every frame has this length
    frame_index: Mapped[list[list[int]] | None] = mapped_column(JSON(none_as_null=True))  # short encapsulated: (offset, length) each
    frame_index_key: Mapped[str | None] = mapped_column(Code(255))  # long ones: an object
    state: Mapped[str] = mapped_column(Code(16), default="visible")  # held | visible
    held_reason: Mapped[str] = mapped_column(Code(64), default="")
    deleted_at: Mapped[maybe_time]


class Slide(Base):
    """A whole slide: the series' level-0 scale and its tile index."""

    __tablename__ = "slide"
    __table_args__ = (owned("ingest", "catalog,ingest"),)
    id: Mapped[pk]
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), unique=True)
    mpp: Mapped[float | None] = mapped_column(Double)
    objective_power: Mapped[float | None] = mapped_column(Double)
    width_px: Mapped[int] = mapped_column(default=0)
    height_px: Mapped[int] = mapped_column(default=0)
    tile_index_key: Mapped[str | None] = mapped_column(Code(255))


class Report(Base):
    """An imaging or pathology report. ``key`` is a keyed HMAC of hospital, kind and number (or content)."""

    __tablename__ = "report"
    __table_args__ = (Index("ix_report_identity", "identity_id", "shifted_date"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    key: Mapped[str] = mapped_column(Code(32), unique=True)
    hospital_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    kind: Mapped[str] = mapped_column(Code(16))  # imaging | pathology
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("patient_identity.id"))
    import_id: Mapped[int] = mapped_column(ForeignKey("import.id"), index=True)
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("report.id"))
    shifted_date: Mapped[maybe_date]
    sex: Mapped[str] = mapped_column(Code(1), default="")
    age_years: Mapped[float | None] = mapped_column(Double)
    body_part: Mapped[str] = mapped_column(Code(64), default="")
    language: Mapped[str] = mapped_column(Code(8), default="")
    created_at: Mapped[timestamp]
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class ReportText(Base):
    """A scrubbed text of a report; never changed: a changed link writes the next version. A purge deletes it."""

    __tablename__ = "report_text"
    __table_args__ = (UniqueConstraint("report_id", "version"), owned("ingest", "catalog"))
    id: Mapped[pk]
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"))
    version: Mapped[int]
    sections: Mapped[dict[str, Any]] = mapped_column(JSON)  # section name -> scrubbed text
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy_version.id"))
    created_at: Mapped[timestamp]


class Resource(Base):
    """Any other file (SR, SEG, RTSTRUCT, PDF, table): hidden from researchers until a reviewer has released it."""

    __tablename__ = "resource"
    __table_args__ = (UniqueConstraint("scope", "sha256"), owned("ingest,catalog", "catalog,ingest"))
    id: Mapped[pk]
    scope: Mapped[str] = mapped_column(Code(32))  # case key, or "import:<key>" before it belongs to a case
    sha256: Mapped[code64]
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"), index=True)
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"), index=True)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import.id"), index=True)  # NULL: added by hand
    title: Mapped[short_text]
    media_type: Mapped[str] = mapped_column(Code(128))
    code: Mapped[code64]
    object_key: Mapped[str] = mapped_column(Code(255))
    size_bytes: Mapped[int] = mapped_column(BigKey)
    state: Mapped[str] = mapped_column(Code(16), default="held")
    created_at: Mapped[timestamp]
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class ExamTally(Base):
    """Counts by true examination day without any patient: released dates are shifted, so no statistic can use them."""

    __tablename__ = "exam_tally"
    __table_args__ = (UniqueConstraint("day", "hospital_id", "device", "modality"), owned("ingest", "ingest"))
    id: Mapped[pk]
    day: Mapped[date]
    hospital_id: Mapped[int] = mapped_column(ForeignKey("hospital.id"))
    device: Mapped[str] = mapped_column(Code(128), default="")
    modality: Mapped[str] = mapped_column(Code(16), default="")
    studies: Mapped[int] = mapped_column(default=0)


class Tombstone(Base):
    """What must never come back (withdrawn patient, purged object), as keyed HMAC; survives a purge."""

    __tablename__ = "tombstone"
    __table_args__ = (UniqueConstraint("kind", "key_hmac"), owned("ingest,catalog"))
    id: Mapped[pk]
    kind: Mapped[code32]
    key_hmac: Mapped[code64]
    reason: Mapped[short_text]
    created_at: Mapped[timestamp]


class DoomedObject(Base):
    """An object whose rows are gone; a sweep deletes the bytes, then this row."""

    __tablename__ = "doomed_object"
    __table_args__ = (UniqueConstraint("object_key"), owned("ingest,catalog", "ingest,catalog"))
    id: Mapped[pk]
    object_key: Mapped[str] = mapped_column(Code(255))
    created_at: Mapped[timestamp]


class StoreGate(Base):
    """One row that a sweep locks, so that two sweeps never meet."""

    __tablename__ = "store_gate"
    __table_args__ = (owned("ingest", "ingest,catalog"),)
    id: Mapped[pk]
    swept_at: Mapped[maybe_time]


class CatalogRevision(Base):
    """One row, raised by every writer as its last statement; readers of the column copy catch up to it."""

    __tablename__ = "catalog_revision"
    __table_args__ = (owned("ingest,catalog", "ingest,catalog"),)
    id: Mapped[pk]
    number: Mapped[int] = mapped_column(BigKey, default=0)


class Change(Base):
    """Which cases a revision changed. Appended by every writer."""

    __tablename__ = "change"
    __table_args__ = (owned("ingest,catalog"),)
    revision: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    case_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)


