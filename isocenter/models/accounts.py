"""Who works here: accounts, sessions, tokens, projects, members, grants, and the audit trail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from isocenter.models.base import (
    Base,
    BigKey,
    Code,
    LongText,
    code32,
    code64,
    maybe_time,
    owned,
    pk,
    revision,
    short_text,
    timestamp,
)


class Account(Base):
    """A person or program that may sign in. Created and changed by gateway."""

    __tablename__ = "account"
    __table_args__ = (owned("gateway", "gateway"),)
    id: Mapped[pk]
    name: Mapped[str] = mapped_column(Code(64), unique=True)
    full_name: Mapped[short_text]
    email: Mapped[short_text]
    department: Mapped[short_text]
    role: Mapped[code32]
    password_hash: Mapped[str] = mapped_column(String(255))
    identity_permission: Mapped[bool] = mapped_column(default=False)  # may see names and numbers, audited
    language: Mapped[str] = mapped_column(String(8), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[timestamp]
    password_changed_at: Mapped[timestamp]
    revision: Mapped[revision]


class Session(Base):
    """A signed-in browser. Only a hash of the cookie is kept. Created and changed by gateway."""

    __tablename__ = "session"
    __table_args__ = (owned("gateway", "gateway"), )
    id: Mapped[pk]
    token_sha256: Mapped[str] = mapped_column(Code(64), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    created_at: Mapped[timestamp]
    expires_at: Mapped[timestamp]


class Token(Base):
    """A named API token, kept as a hash; revocable, expiring. Created and changed by gateway."""

    __tablename__ = "token"
    __table_args__ = (owned("gateway", "gateway"),)
    id: Mapped[pk]
    token_sha256: Mapped[str] = mapped_column(Code(64), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    name: Mapped[short_text]
    prefix: Mapped[str] = mapped_column(Code(16))  # first characters, so that a person can tell tokens apart
    created_at: Mapped[timestamp]
    expires_at: Mapped[timestamp]
    revoked_at: Mapped[maybe_time]
    last_used_at: Mapped[maybe_time]


class LoginThrottle(Base):
    """Failed logins of one name or address (keyed hash), so that every gateway process counts alike."""

    __tablename__ = "login_throttle"
    __table_args__ = (owned("gateway", "gateway"),)
    key: Mapped[str] = mapped_column(Code(64), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    blocked_until: Mapped[maybe_time]
    changed_at: Mapped[timestamp]


class Project(Base):
    """A group of accounts that grants are given to. Created and changed by catalog."""

    __tablename__ = "project"
    __table_args__ = (owned("catalog", "catalog"),)
    id: Mapped[pk]
    code: Mapped[str] = mapped_column(Code(64), unique=True)
    title: Mapped[short_text]
    revision: Mapped[revision]


class Member(Base):
    """An account in a project. Created and changed by catalog."""

    __tablename__ = "member"
    __table_args__ = (owned("catalog", "catalog"),)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True, index=True)


class Grant(Base):
    """What the members of a project see: one disease or one dataset, exactly one of them. Created and changed by catalog."""

    __tablename__ = "grant"
    __table_args__ = (
        UniqueConstraint("project_id", "disease_id"),
        UniqueConstraint("project_id", "dataset_id"),
        CheckConstraint("(disease_id IS NULL) <> (dataset_id IS NULL)", name="ck_grant_exactly_one"),
        owned("catalog", "catalog"),
    )
    id: Mapped[pk]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    disease_id: Mapped[int | None] = mapped_column(ForeignKey("disease.id"))
    dataset_id: Mapped[int | None] = mapped_column(ForeignKey("dataset.id"))


class AuditEvent(Base):
    """Who did what to what: appended by every service in the transaction of the act, never changed.

    ``once_key`` makes an event happen once (one view event per account, study and hour).
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_subject", "subject", "id"),
        Index("ix_audit_event_actor", "actor", "id"),
        owned("ingest,catalog,gateway,stats,viewer"),
    )
    id: Mapped[pk]
    at: Mapped[timestamp]
    actor: Mapped[code64]
    verb: Mapped[code64]
    subject: Mapped[str] = mapped_column(Code(160))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    request_id: Mapped[str] = mapped_column(Code(64), default="")
    once_key: Mapped[str | None] = mapped_column(Code(64), unique=True)


class SiteState(Base):
    """One row a name: the key fingerprint, the last backup. Created and changed by the process that starts (gateway)."""

    __tablename__ = "site_state"
    __table_args__ = (owned("gateway", "gateway"),)
    name: Mapped[str] = mapped_column(Code(64), primary_key=True)
    value: Mapped[str] = mapped_column(LongText)


__all__ = ["Account", "AuditEvent", "BigKey", "Grant", "LoginThrottle", "Member", "Project", "Session", "SiteState", "Token"]
