"""Signing in and out: /api/v1/session."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from gateway import store
from gateway.login import COOKIE, Authenticator, cookie_of
from gateway.passwords import Passwords
from gateway.schemas import AccountView, SessionView, SignIn
from gateway.throttle import count_try, forgive, throttle_keys
from isocenter.audit import record
from isocenter.auth import PRINCIPAL_HEADER, Permission, Principal
from isocenter.errors import NotAuthenticated
from isocenter.models import Account, AuditEvent, now
from isocenter.web import Opened, SignedIn

router = APIRouter(prefix="/api/v1/session", tags=["gateway"])


def authenticator_of(request: Request) -> Authenticator:
    found: Authenticator = request.app.state.authenticator
    return found


def passwords_of(request: Request) -> Passwords:
    found: Passwords = request.app.state.passwords
    return found


Authenticates = Annotated[Authenticator, Depends(authenticator_of)]
Hashes = Annotated[Passwords, Depends(passwords_of)]


def account_view(account: Account) -> AccountView:
    return AccountView.model_validate(account, from_attributes=True)


def is_loopback_host(host: str) -> bool:
    """Whether a ``Host`` header names this machine itself: only there a cookie may travel without https."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _view(account: Account, principal: Principal, csrf_token: str) -> SessionView:
    return SessionView(account=account_view(account), csrf_token=csrf_token, permissions=[p for p in Permission if principal.may(p)])


def _set_cookie(request: Request, response: Response, value: str, seconds: int) -> None:
    secure = not is_loopback_host(request.headers.get("host", ""))
    response.set_cookie(COOKIE, value, max_age=seconds, path="/", httponly=True, samesite="strict", secure=secure)


@router.get("")
async def current_session(request: Request, opened: Opened, who: SignedIn, auth: Authenticates) -> SessionView:
    """Who is signed in. With an API token ``csrf_token`` is empty: it needs none."""
    async with opened.db.read() as session:
        account = await store.own_account(session, who)
    cookie = cookie_of(list(request.headers.raw))
    return _view(account, who, auth.csrf_token(cookie) if cookie else "")


@router.get("/authorized", status_code=204, include_in_schema=False)
async def authorized(request: Request, _who: SignedIn) -> Response:
    """For nginx's auth_request (deploy/nginx.conf): the signed header that a service believes for a minute. nginx gives it to nobody outside."""
    return Response(status_code=204, headers={PRINCIPAL_HEADER: request.headers[PRINCIPAL_HEADER], "Cache-Control": "no-store"})


@router.post("")
async def sign_in(body: SignIn, request: Request, response: Response, opened: Opened, auth: Authenticates, hashes: Hashes) -> SessionView:
    """Sign in with name and password; sets the session cookie. 401 says nothing about which of the two was wrong."""
    name = body.name.strip().lower()
    keys = throttle_keys(opened.key, name, request.client.host if request.client else "")
    await count_try(opened.db, keys)
    async with opened.db.read() as session:
        account = await store.account_by_name(session, name)
    right = await hashes.matches(body.password, account.password_hash if account else None)
    if account is None or not right or not account.active:
        if account is not None:
            async with opened.db.write() as session:
                session.add(AuditEvent(at=now(), actor="system", verb="login-failed", subject=f"account:{account.name}"))
        raise NotAuthenticated("Name or password is wrong.")
    principal = store.principal_of(account)
    old = cookie_of(list(request.headers.raw))
    async with opened.db.write() as session:
        await forgive(session, keys)
        if old:
            await store.close_session(session, old)
        cookie = store.open_session(session, account, opened.settings.session_hours)
        record(session, principal, "login", f"account:{account.name}")
    if old:
        auth.forget(account.id)
    _set_cookie(request, response, cookie, opened.settings.session_hours * 3600)
    response.headers["Cache-Control"] = "no-store"
    return _view(account, principal, auth.csrf_token(cookie))


sign_in.permission = Permission.PUBLIC  # type: ignore[attr-defined]


@router.delete("", status_code=204)
async def sign_out(request: Request, opened: Opened, who: SignedIn, auth: Authenticates) -> Response:
    """End this browser session."""
    cookie = cookie_of(list(request.headers.raw))
    async with opened.db.write() as session:
        await store.close_session(session, cookie)
        record(session, who, "logout", f"account:{who.name}")
    auth.forget(who.account_id)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=not is_loopback_host(request.headers.get("host", "")))
    return response
