"""Hospitals, diseases and their label schemes, and the versioned policies (rules, mappings, profiles) that decided things."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Double, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import Base, Code, LongText, code32, code64, document, maybe_time, owned, pk, revision, short_text, timestamp


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
    """A way to class the cases of a disease (the paper's 最终分类的类别), by number. Created and changed by catalog."""

    __tablename__ = "label_scheme"
    __table_args__ = (UniqueConstraint("disease_id", "code", "number"), owned("catalog", "catalog"))
    id: Mapped[pk]
    disease_id: Mapped[int] = mapped_column(ForeignKey("disease.id"))
    code: Mapped[code32]
    number: Mapped[int] = mapped_column(default=1)
    title_en: Mapped[short_text]
    title_zh: Mapped[short_text]
    meaning_en: Mapped[str] = mapped_column(LongText, default="")  # the card's 标注意义
    meaning_zh: Mapped[str] = mapped_column(LongText, default="")
    threshold: Mapped[float] = mapped_column(Double, default=0.9)  # confidence from which a rule's label counts without a person
    active: Mapped[bool] = mapped_column(default=True)
    revision: Mapped[revision]


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


class SavedSearch(Base):
    """A named filter of an account. Created and changed by catalog."""

    __tablename__ = "saved_search"
    __table_args__ = (UniqueConstraint("account_id", "name"), owned("catalog", "catalog"))
    id: Mapped[pk]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    name: Mapped[str] = mapped_column(String(120))
    query: Mapped[document]
    created_at: Mapped[timestamp]
