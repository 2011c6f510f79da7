"""All SQL of the gateway: accounts, sessions, tokens, audit."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal, Role
from isocenter.errors import Conflict, NotFound
from isocenter.models import Account, AuditEvent, Token, now
from isocenter.models import Session as BrowserSession

TOKEN_PREFIX = "isc_"  # noqa: S105 - lets secret scanners recognise our tokens


def digest(secret: str) -> str:
    """What is kept of a cookie or token: SHA-256 hex. They hold 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def principal_of(account: Account) -> Principal:
    return Principal(account.id, account.name, Role(account.role), account.identity_permission)


@dataclass(frozen=True, slots=True)
class Known:
    """Who a cookie or token belongs to, and until when it is good."""

    principal: Principal
    expires_at: datetime
    token_id: int | None = None  # None for a browser session
    last_used_at: datetime | None = None


async def known_session(session: AsyncSession, cookie: str) -> Known | None:
    """The account of a living browser session, None when unknown, expired or the account is closed."""
    query = select(BrowserSession, Account).join(Account, Account.id == BrowserSession.account_id)
    row = (await session.execute(query.where(BrowserSession.token_sha256 == digest(cookie), BrowserSession.expires_at > now(), Account.active))).first()
    return Known(principal_of(row[1]), row[0].expires_at) if row else None


async def known_token(session: AsyncSession, secret: str) -> Known | None:
    """The account of a living API token, None when unknown, revoked, expired or the account is closed."""
    query = select(Token, Account).join(Account, Account.id == Token.account_id)
    living = (Token.token_sha256 == digest(secret), Token.revoked_at.is_(None), Token.expires_at > now(), Account.active)
    row = (await session.execute(query.where(*living))).first()
    return Known(principal_of(row[1]), row[0].expires_at, row[0].id, row[0].last_used_at) if row else None


async def known_account(session: AsyncSession, account_id: int, life: timedelta) -> Known | None:
    """The account that a signed link names, None when it is closed. It may see no names and numbers by a link."""
    account = await session.get(Account, account_id)
    return Known(replace(principal_of(account), identity_permission=False), now() + life) if account is not None and account.active else None


async def note_token_use(session: AsyncSession, token_id: int, at: datetime) -> None:
    await session.execute(update(Token).where(Token.id == token_id).values(last_used_at=at))


async def account_by_name(session: AsyncSession, name: str) -> Account | None:
    return (await session.scalars(select(Account).where(Account.name == name))).first()


async def require_account(session: AsyncSession, name: str) -> Account:
    account = await account_by_name(session, name)
    if account is None:
        raise NotFound(f"There is no account named {name[:64]}.", field="name")
    return account


async def own_account(session: AsyncSession, principal: Principal) -> Account:
    account = await session.get(Account, principal.account_id)
    if account is None:
        raise NotFound("This account does not exist any more.")
    return account


def open_session(session: AsyncSession, account: Account, hours: int) -> str:
    """Add a browser session; returns the cookie's value (its hash is kept)."""
    cookie = secrets.token_urlsafe(32)
    session.add(BrowserSession(token_sha256=digest(cookie), account_id=account.id, created_at=now(), expires_at=now() + timedelta(hours=hours)))
    return cookie


async def close_session(session: AsyncSession, cookie: str) -> None:
    await session.execute(delete(BrowserSession).where(BrowserSession.token_sha256 == digest(cookie)))


async def close_sessions(session: AsyncSession, account_id: int, *, but: str = "") -> None:
    """End all browser sessions of an account, except the one with the cookie ``but``."""
    await session.execute(delete(BrowserSession).where(BrowserSession.account_id == account_id, BrowserSession.token_sha256 != digest(but)))


async def revoke_tokens(session: AsyncSession, account_id: int) -> None:
    await session.execute(update(Token).where(Token.account_id == account_id, Token.revoked_at.is_(None)).values(revoked_at=now()))


async def forget_expired_sessions(session: AsyncSession) -> None:
    await session.execute(delete(BrowserSession).where(BrowserSession.expires_at < now()))


async def tokens_of(session: AsyncSession, account_id: int) -> Sequence[Token]:
    """All living and expired tokens, newest first; revoked ones are not listed."""
    return (await session.scalars(select(Token).where(Token.account_id == account_id, Token.revoked_at.is_(None)).order_by(Token.id.desc()))).all()


def issue_token(session: AsyncSession, account_id: int, name: str, days: int) -> tuple[Token, str]:
    """Add a token; returns the row and the secret, which is shown once."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = Token(
        token_sha256=digest(secret), account_id=account_id, name=name, prefix=secret[:10], created_at=now(), expires_at=now() + timedelta(days=days)
    )
    session.add(token)
    return token, secret


async def revoke_token(session: AsyncSession, account_id: int, token_id: int) -> Token:
    token = await session.get(Token, token_id)
    if token is None or token.account_id != account_id or token.revoked_at is not None:
        raise NotFound("You have no such token.")
    token.revoked_at = now()
    return token


async def accounts(session: AsyncSession, after: str, limit: int) -> Sequence[Account]:
    """Accounts by name, those after ``after``."""
    return (await session.scalars(select(Account).where(Account.name > after).order_by(Account.name).limit(limit))).all()


async def keep_an_administrator(session: AsyncSession, account: Account) -> None:
    """Conflict when ``account`` is the last active administrator."""
    others = select(func.count()).select_from(Account).where(Account.role == Role.ADMIN, Account.active, Account.id != account.id)
    if (await session.scalar(others) or 0) == 0:
        raise Conflict("This is the last active administrator; make another one first.")


async def audit_events(session: AsyncSession, *, actor: str, verb: str, subject: str, before: int | None, limit: int) -> Sequence[AuditEvent]:
    """Newest first; ``subject`` is a prefix (``case:LIV-0001``), the others are exact. ``before``: only ids below it."""
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
    if actor:
        query = query.where(AuditEvent.actor == actor)
    if verb:
        query = query.where(AuditEvent.verb == verb)
    if subject:
        query = query.where(AuditEvent.subject.startswith(subject, autoescape=True))
    if before is not None:
        query = query.where(AuditEvent.id < before)
    return (await session.scalars(query)).all()
