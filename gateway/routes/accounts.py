"""Accounts and the audit trail, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gateway import store
from gateway.passwords import check_password, new_password
from gateway.routes.sessions import Authenticates, Hashes, account_view
from gateway.schemas import AccountChange, AccountView, AuditView, CreatedAccount, Name, NewAccount, OncePassword
from isocenter.audit import record
from isocenter.auth import Role
from isocenter.errors import Conflict, InvalidInput
from isocenter.models import Account, now
from isocenter.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from isocenter.web import Administrator, Opened, check_revision, etag

router = APIRouter(prefix="/api/v1", tags=["gateway"])

AUDITED = ("role", "active", "identity_permission")


@router.get("/accounts")
async def accounts(opened: Opened, who: Administrator, limit: Limit = 100, cursor: Cursor = None) -> Page[AccountView]:
    after = str(decode_cursor(cursor, 1)[0]) if cursor else ""
    async with opened.db.read() as session:
        rows = await store.accounts(session, after, limit + 1)
    more = encode_cursor(rows[limit - 1].name) if len(rows) > limit else None
    return Page(items=[account_view(row) for row in rows[:limit]], next=more)


@router.post("/accounts", status_code=201)
async def create_account(body: NewAccount, response: Response, opened: Opened, who: Administrator, hashes: Hashes) -> CreatedAccount:
    """Without a password one is made and returned this once."""
    if body.password is not None:
        check_password(body.password, body.name)
    generated = new_password() if body.password is None else None
    hashed = await hashes.hash(body.password or generated or "")
    account = Account(
        name=body.name, full_name=body.full_name, email=body.email, department=body.department, role=body.role.value, password_hash=hashed,
        identity_permission=body.identity_permission, language=body.language, active=True, created_at=now(), password_changed_at=now(), revision=1,
    )  # fmt: skip
    async with opened.db.write() as session:
        if await store.account_by_name(session, body.name) is not None:
            raise Conflict(f"There is an account named {body.name} already.", field="name")
        session.add(account)
        record(session, who, "create-account", f"account:{body.name}", after={name: getattr(body, name) for name in ("role", "identity_permission")})
    response.headers.update(etag(account.revision) | {"Cache-Control": "no-store"})
    return CreatedAccount(**account_view(account).model_dump(), password=generated)


@router.get("/accounts/{name}")
async def account(name: str, response: Response, opened: Opened, who: Administrator) -> AccountView:
    async with opened.db.read() as session:
        found = await store.require_account(session, name)
    response.headers.update(etag(found.revision))
    return account_view(found)


@router.patch("/accounts/{name}")
async def change_account(
    name: Name, body: AccountChange, request: Request, response: Response, opened: Opened, who: Administrator, auth: Authenticates
) -> AccountView:
    """Change role, rights or data (If-Match). Closing an account ends its sessions and revokes its tokens."""
    changes = body.model_dump(exclude_unset=True, exclude_none=True)
    async with opened.db.write() as session:
        found = await store.require_account(session, name)
        check_revision(request, found.revision)
        loses_admin = changes.get("role", found.role) != Role.ADMIN or not changes.get("active", found.active)
        if found.role == Role.ADMIN and found.active and loses_admin:
            await store.keep_an_administrator(session, found)
        before = {field: getattr(found, field) for field in AUDITED if field in changes}
        for field, value in changes.items():
            setattr(found, field, value.value if isinstance(value, Role) else value)
        found.revision += 1
        if not found.active:
            await store.close_sessions(session, found.id)
            await store.revoke_tokens(session, found.id)
        after = {field: getattr(found, field) for field in before} | {"fields": sorted(changes)}
        record(session, who, "change-account", f"account:{name}", before=before, after=after)
    auth.forget(found.id)
    response.headers.update(etag(found.revision))
    return account_view(found)


@router.post("/accounts/{name}/password")
async def reset_password(name: Name, response: Response, opened: Opened, who: Administrator, auth: Authenticates, hashes: Hashes) -> OncePassword:
    """A new random password, returned this once; all sessions of the account end."""
    password = new_password()
    hashed = await hashes.hash(password)
    async with opened.db.write() as session:
        found = await store.require_account(session, name)
        if found.id == who.account_id:
            raise InvalidInput("Change your own password in your profile.", field="name")
        found.password_hash, found.password_changed_at = hashed, now()
        found.revision += 1
        await store.close_sessions(session, found.id)
        record(session, who, "reset-password", f"account:{name}")
    auth.forget(found.id)
    response.headers["Cache-Control"] = "no-store"
    return OncePassword(password=password)


@router.get("/audit")
async def audit(
    opened: Opened,
    who: Administrator,
    actor: Annotated[str, Query(max_length=64)] = "",
    verb: Annotated[str, Query(max_length=64)] = "",
    subject: Annotated[str, Query(max_length=160, description="Beginning of the subject, such as case:LIV-000012")] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AuditView]:
    """Events, newest first."""
    before = None
    if cursor:
        before = decode_cursor(cursor, 1)[0]
        if not isinstance(before, int):
            raise InvalidInput("This cursor belongs to another list; leave it out to start again.", field="cursor")
    async with opened.db.read() as session:
        rows = await store.audit_events(session, actor=actor, verb=verb, subject=subject, before=before, limit=limit + 1)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[AuditView.model_validate(row, from_attributes=True) for row in rows[:limit]], next=more)
