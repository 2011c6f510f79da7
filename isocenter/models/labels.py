"""Links, labels, filled values, reviews and decisions: what was concluded, by whom or what, and on which evidence.

Created and changed by ingest; catalog deletes them with the case or report that is purged.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Double, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, BigKey, Code, code32, code64, document, maybe_time, owned, pk, revision, short_text, timestamp


class Link(Base):
    """A study and a report that belong together. Appended: ``active`` marks the generation that counts."""

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("study_id", "report_id", "generation"), Index("ix_link_report", "report_id"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"))
    generation: Mapped[int] = mapped_column(default=0)
    score: Mapped[float] = mapped_column(Double)
    components: Mapped[document]  # field -> {"agreement": agree|partial|differ|missing, "weight": bits}; no values
    state: Mapped[str] = mapped_column(Code(16))  # sure | review | accepted | rejected
    active: Mapped[bool] = mapped_column(default=True)
    source: Mapped[str] = mapped_column(Code(16))  # rule | reviewer
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy_version.id"))
    decided_by: Mapped[str | None] = mapped_column(Code(64))
    created_at: Mapped[timestamp]


class Label(Base):
    """A label of a case, study or report with its source and evidence; appended, never changed (a purge takes its evidence along).

    ``fingerprint`` = SHA-256 over what it says and why, so that a repeated run adds nothing.
    """

    __tablename__ = "label"
    __table_args__ = (Index("ix_label_case", "case_id", "scheme_id"), Index("ix_label_report", "report_id"), owned("ingest", "catalog"))
    id: Mapped[pk]
    fingerprint: Mapped[str] = mapped_column(Code(64), unique=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"))
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"))
    report_id: Mapped[int | None] = mapped_column(ForeignKey("report.id"))
    scheme_id: Mapped[int] = mapped_column(ForeignKey("label_scheme.id"))
    value: Mapped[code32]  # a class code, or "review"
    source: Mapped[str] = mapped_column(Code(16))  # rule | model | reviewer | provided
    confidence: Mapped[float] = mapped_column(Double)
    report_text_id: Mapped[int | None] = mapped_column(ForeignKey("report_text.id"))
    evidence: Mapped[list[Any]] = mapped_column(JSON)  # [{"section", "start", "end", "rule"}], offsets into report_text
    reason: Mapped[str] = mapped_column(Code(64), default="")  # why unsure: conflict | hedged | ... (closed set)
    policy_id: Mapped[int | None] = mapped_column(ForeignKey("policy_version.id"))
    decided_by: Mapped[str | None] = mapped_column(Code(64))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import.id"), index=True)  # that brought a provided label: withdrawn with it
    created_at: Mapped[timestamp]


class CaseLabel(Base):
    """The pointer to the label that counts now: state sure | review | decided. A decision outranks every rule."""

    __tablename__ = "case_label"
    __table_args__ = (owned("ingest", "catalog,ingest"),)
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"), primary_key=True)
    scheme_id: Mapped[int] = mapped_column(ForeignKey("label_scheme.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"))
    value: Mapped[code32]
    state: Mapped[str] = mapped_column(Code(16))
    revision: Mapped[revision]


class FilledValue(Base):
    """A missing value filled from another place of the same patient, with where it came from; never invented."""

    __tablename__ = "filled_value"
    __table_args__ = (UniqueConstraint("case_id", "series_key", "name", "source"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    case_id: Mapped[int] = mapped_column(ForeignKey("case.id"))
    series_key: Mapped[int] = mapped_column(BigKey, default=0)
    name: Mapped[code32]
    value: Mapped[short_text]
    source: Mapped[code64]


class Review(Base):
    """A question for a person: kind link | label | identifiers | pixels | resource | leak. State open | decided | closed.

    ``question_sha`` = SHA-256 of what is asked, so that the same question is asked once and a new one anew.
    """

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "question_sha"),
        Index("ix_review_queue", "state", "kind", "priority", "id"),
        owned("ingest", "catalog,ingest"),
    )
    id: Mapped[pk]
    key: Mapped[str] = mapped_column(Code(32), unique=True)
    kind: Mapped[str] = mapped_column(Code(16))
    subject: Mapped[str] = mapped_column(Code(160))  # "case:LIV-000001:malignancy", "report:<key>", "item:<import>/<ordinal>", "series:<uid>"
    question_sha: Mapped[code64]
    hospital_id: Mapped[int | None] = mapped_column(ForeignKey("hospital.id"))
    disease_id: Mapped[int | None] = mapped_column(ForeignKey("disease.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("case.id"), index=True)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import.id"), index=True)
    item_id: Mapped[int | None] = mapped_column(BigKey)
    proposal: Mapped[document]  # what the machine would say and why unsure; no identified values
    choices: Mapped[list[Any]] = mapped_column(JSON)  # codes a person may answer
    priority: Mapped[float] = mapped_column(Double, default=0.5)  # low first
    state: Mapped[str] = mapped_column(Code(16), default="open")
    lease_account: Mapped[str | None] = mapped_column(Code(64))
    lease_until: Mapped[maybe_time]
    created_at: Mapped[timestamp]
    revision: Mapped[revision]


class ReviewDecision(Base):
    """A person's answer; appended, undone by setting ``undone_at``."""

    __tablename__ = "review_decision"
    __table_args__ = (Index("ix_review_decision_review", "review_id"), owned("ingest", "catalog,ingest"))
    id: Mapped[pk]
    review_id: Mapped[int] = mapped_column(ForeignKey("review.id"))
    account: Mapped[code64]
    value: Mapped[document]
    note: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[timestamp]
    undone_at: Mapped[maybe_time]
    undo: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # what to put back


