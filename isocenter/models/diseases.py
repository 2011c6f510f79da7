"""Hospitals, diseases and their label schemes, and the versioned policies (rules, mappings, profiles) that decided things."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Double, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, BigKey, Code, LongText, code32, code64, document, maybe_time, owned, pk, revision, short_text, timestamp


class Hospital(Base):
    """A site whose patient numbers form one number space. Created and changed by catalog."""

    __tablename__ = "hospital"
    __table_args__ = (owned("catalog,ingest", "catalog"),)
    id: Mapped[pk]
    code: Mapped[str] = mapped_column(Code(32), unique=True)
    title: Mapped[short_text]
    revision: Mapped[revision]


class Disease(Base):
    """A disease by configuration: ``definition`` is its TOML as a document (organ words, terms). Created and changed by catalog.

    ``next_case_number`` is raised by ingest when it names a case (LIV-000123).
    """

    __tablename__ = "disease"
    __table_args__ = (owned("catalog", "catalog,ingest"),)
    id: Mapped[pk]
    code: Mapped[str] = mapped_column(Code(32), unique=True)
    prefix: Mapped[str] = mapped_column(Code(8), unique=True)
    title_en: Mapped[short_text]
    title_zh: Mapped[short_text]
    definition: Mapped[document]
    next_case_number: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[maybe_time]
    revision: Mapped[revision]


class LabelScheme(Base):
    """A way to class the cases of a disease (the paper's 最终分类的类别), by number. Created and changed by catalog.

    Ingest keeps the wanted error rate and what it found in decided cases (``wanted_error``, ``learnt_threshold``, ``learnt_from``).
    """

    __tablename__ = "label_scheme"
    __table_args__ = (UniqueConstraint("disease_id", "code", "number"), owned("catalog", "catalog,ingest"))
    id: Mapped[pk]
    disease_id: Mapped[int] = mapped_column(ForeignKey("disease.id"))
    code: Mapped[code32]
    number: Mapped[int] = mapped_column(default=1)
    title_en: Mapped[short_text]
    title_zh: Mapped[short_text]
    meaning_en: Mapped[str] = mapped_column(LongText, default="")  # the card's 标注意义
    meaning_zh: Mapped[str] = mapped_column(LongText, default="")
    threshold: Mapped[float] = mapped_column(Double, default=0.9)  # confidence from which a rule's label counts without a person
    wanted_error: Mapped[float | None] = mapped_column(Double)  # share of wrong labels among those nobody looks at; None = ``threshold`` is set by hand
    learnt_threshold: Mapped[float | None] = mapped_column(Double)  # what holds ``wanted_error`` on decided cases; above 1 = nothing does yet
    learnt_from: Mapped[int] = mapped_column(default=0, server_default="0")  # decided cases it was found on
    active: Mapped[bool] = mapped_column(default=True)
    revision: Mapped[revision]

    @property
    def counts_from(self) -> float:
        """Confidence from which a label counts without a person: learnt where an error rate is wanted, else as set."""
        return self.threshold if self.wanted_error is None or self.learnt_threshold is None else self.learnt_threshold


class LabelClass(Base):
    """One class of a scheme. Created and changed by catalog."""

    __tablename__ = "label_class"
    __table_args__ = (UniqueConstraint("scheme_id", "code"), owned("catalog", "catalog"))
    id: Mapped[pk]
    scheme_id: Mapped[int] = mapped_column(ForeignKey("label_scheme.id"))
    code: Mapped[code32]
    ordinal: Mapped[int]
    title_en: Mapped[short_text]
    title_zh: Mapped[short_text]


class PolicyVersion(Base):
    """A numbered, hashed text that decided something: kind deid | scrub | mapping | link | rules | fill. Created by ingest, never changed."""

    __tablename__ = "policy_version"
    __table_args__ = (UniqueConstraint("kind", "scope", "number"), UniqueConstraint("kind", "scope", "sha256"), owned("ingest"))
    id: Mapped[pk]
    kind: Mapped[code32]
    scope: Mapped[code64]
    number: Mapped[int]
    sha256: Mapped[code64]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[timestamp]


class RuleProposal(Base):
    """A changed rule set of a disease: measured before it is applied. A job with a lease that goes on after a restart.

    State: waiting | previewing | ready | applying | applied | dropped | failed. ``text`` is the TOML as it was sent,
    ``body`` the document it says, ``tally`` what was counted so far, ``cursor`` the last case that is in it.
    """

    __tablename__ = "rule_proposal"
    __table_args__ = (Index("ix_rule_proposal_claim", "state", "lease_until"), owned("ingest", "ingest"))
    id: Mapped[pk]
    key: Mapped[str] = mapped_column(Code(32), unique=True)
    disease_id: Mapped[int] = mapped_column(ForeignKey("disease.id"), index=True)
    account: Mapped[code64]
    state: Mapped[str] = mapped_column(Code(16), default="waiting")
    number: Mapped[int]
    sha256: Mapped[code64]
    text: Mapped[str] = mapped_column(LongText)
    body: Mapped[document]
    base_revision: Mapped[int]  # of the disease it was measured against: applied to no other
    tally: Mapped[document]
    cursor: Mapped[int] = mapped_column(BigKey, default=0)
    done: Mapped[int] = mapped_column(default=0)  # cases
    total: Mapped[int] = mapped_column(default=0)
    failure: Mapped[short_text]
    lease_token: Mapped[str | None] = mapped_column(Code(32))
    lease_until: Mapped[maybe_time]
    attempt: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[timestamp]
    finished_at: Mapped[maybe_time]
    applied_by: Mapped[str | None] = mapped_column(Code(64))
    revision: Mapped[revision]


class SavedSearch(Base):
    """A named filter of an account. Created and changed by catalog."""

    __tablename__ = "saved_search"
    __table_args__ = (UniqueConstraint("account_id", "name"), owned("catalog", "catalog"))
    id: Mapped[pk]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(String(120))
    query: Mapped[document]
    created_at: Mapped[timestamp]
