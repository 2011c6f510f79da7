"""Who asks: the session cookie or the API token of a request becomes the signed header that services verify.

A ``X-Isocenter-Principal`` that comes from outside is dropped. A decision is kept for a few seconds in this process;
signing out, revoking and role changes here clear it at once, in other gateway processes within these seconds.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import store
from gateway.links import LINK_SECONDS, PREFIX, opened_link
from isocenter.auth import LINK_HEADER, PRINCIPAL_HEADER, Principal, sign
from isocenter.errors import IsocenterError, NotAllowed, NotAuthenticated, NotFound
from isocenter.logs import request_id
from isocenter.models import now
from isocenter.resources import Resources
from isocenter.web import REQUEST_ID_HEADER, send_problem

log = logging.getLogger(__name__)

COOKIE = "isocenter_session"
CSRF_HEADER = b"x-isocenter-csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
REMEMBERED_SECONDS = 5.0
REMEMBERED_MOST = 10_000
TOKEN_USE_SECONDS = 60  # last_used_at is written at most this often
_OURS = frozenset({PRINCIPAL_HEADER.encode(), LINK_HEADER.encode(), REQUEST_ID_HEADER})


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: float  # time.monotonic()


class Authenticator:
    """Looks up cookies and tokens, and remembers the answer for ``REMEMBERED_SECONDS``."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._generation = 0
        self._notes: set[asyncio.Task[None]] = set()

    def csrf_token(self, cookie: str) -> str:
        """What a browser repeats in ``X-Isocenter-CSRF``; another site can neither read nor compute it."""
        return self.resources.key.hmac_hex("csrf", cookie)

    def forget(self, account_id: int | None = None) -> None:
        """Forget what is remembered of one account, or of all."""
        self._generation += 1  # a look-up that is under way must not put its answer back
        for key in [key for key, kept in self._remembered.items() if account_id is None or kept.principal.account_id == account_id]:
            del self._remembered[key]

    async def by_cookie(self, cookie: str) -> Principal | None:
        return await self._find("session", cookie)

    async def by_token(self, secret: str) -> Principal | None:
        return await self._find("token", secret)

    async def by_link(self, account_id: int) -> Principal | None:
        return await self._find("account", str(account_id))

    async def _find(self, kind: str, secret: str) -> Principal | None:
        key = store.digest(kind + secret)
        kept = self._remembered.get(key)
        if kept is not None and kept.until > time.monotonic():
            return kept.principal
        generation = self._generation
        async with self.resources.db.read() as session:
            if kind == "account":
                known = await store.known_account(session, int(secret), timedelta(seconds=LINK_SECONDS))
            else:
                known = await (store.known_session if kind == "session" else store.known_token)(session, secret)
        if known is None:
            self._remembered.pop(key, None)
            return None
        if generation == self._generation:
            life = min(REMEMBERED_SECONDS, (known.expires_at - now()).total_seconds())
            self._remembered[key] = _Remembered(known.principal, time.monotonic() + life)
            if len(self._remembered) > REMEMBERED_MOST:
                self._remembered.popitem(last=False)
        if known.token_id is not None and (known.last_used_at is None or (now() - known.last_used_at).total_seconds() > TOKEN_USE_SECONDS):
            self._note_use(known.token_id)
        return known.principal

    def _note_use(self, token_id: int) -> None:
        async def note() -> None:
            try:
                async with self.resources.db.write() as session:
                    await store.note_token_use(session, token_id, now())
            except IsocenterError as error:
                log.warning("token use not noted token=%d kind=%s", token_id, type(error).__name__)

        # Beside the answer: a read must not wait for SQLite's one writer.
        task = asyncio.create_task(note())
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def close(self) -> None:
        if self._notes:
            await asyncio.wait(self._notes, timeout=5)


def cookie_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The session cookie's value, '' when there is none."""
    for name, value in headers:
        if name == b"cookie" and COOKIE.encode() in value:
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                continue
            if morsel is not None:
                return morsel.value
    return ""


class LoginMiddleware:
    """Puts the signed principal and the request id into the headers, or leaves the request anonymous.

    401 for a bearer token that is not good; 403 for a browser's write without its CSRF token or from another site.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self.app = app
        self.authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        link = b""
        principal: Principal | None
        try:
            if scope["path"].startswith(PREFIX):
                principal, link = await self._by_link(scope)
            else:
                principal = await self._who(scope)
        except IsocenterError as error:
            await send_problem(send, error)
            return
        current = request_id.get()
        headers = [pair for pair in scope["headers"] if pair[0] not in _OURS]
        headers.append((REQUEST_ID_HEADER, current.encode()))
        if link:
            headers.append((LINK_HEADER.encode(), link))
        if principal is not None:
            signed = sign(replace(principal, request_id=current), self.authenticator.resources.key)
            headers.append((PRINCIPAL_HEADER.encode(), signed.encode()))
        scope["headers"] = headers
        await self.app(scope, receive, send)

    async def _by_link(self, scope: Scope) -> tuple[Principal, bytes]:
        """Who made the link, and its prefix, which is taken off the address. Cookies and tokens beside it do not count."""
        link, prefix = opened_link(scope["path"], scope["method"], self.authenticator.resources.key)
        raw = scope.get("raw_path") or scope["path"].encode()
        if not raw.startswith(prefix.encode()):
            raise NotFound("There is nothing at this address.")
        principal = await self.authenticator.by_link(link.account_id)
        if principal is None:
            raise NotAuthenticated("The account that made this link is closed.")
        scope["path"], scope["raw_path"] = scope["path"].removeprefix(prefix), raw.removeprefix(prefix.encode())
        return principal, prefix.encode()

    async def _who(self, scope: Scope) -> Principal | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        authorization = next((value for name, value in headers if name == b"authorization"), b"")
        kind, _, secret = authorization.decode("latin-1").partition(" ")
        if kind.lower() == "bearer":
            principal = await self.authenticator.by_token(secret.strip())
            if principal is None:
                raise NotAuthenticated("This API token is unknown, revoked or expired; make a new one in your profile.")
            return principal
        if scope["method"] not in SAFE_METHODS:
            site = next((value for name, value in headers if name == b"sec-fetch-site"), b"")
            if site in (b"cross-site", b"same-site"):
                raise NotAllowed("A page of another site may not change anything here.")
        cookie = cookie_of(headers)
        if not cookie:
            return None
        principal = await self.authenticator.by_cookie(cookie)
        if principal is None or scope["method"] in SAFE_METHODS or (scope["method"], scope["path"]) == ("POST", "/api/v1/session"):
            return principal
        given = next((value for name, value in headers if name == CSRF_HEADER), b"")
        if not hmac.compare_digest(given, self.authenticator.csrf_token(cookie).encode()):
            raise NotAllowed("Send the header X-Isocenter-CSRF with the csrf_token of GET /api/v1/session.", field="X-Isocenter-CSRF")
        return principal
