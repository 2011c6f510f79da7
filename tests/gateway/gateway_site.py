"""A gateway over an echoing service, with cheap password hashes, and ways to ask it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import httpx
from starlette.types import Receive, Scope, Send

from gateway.app import Gateway
from gateway.passwords import Passwords
from isocenter.auth import Role
from isocenter.models import Account
from isocenter.resources import Resources

PASSWORD = "correct horse battery"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what it was asked: method, path, headers, body length."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    raw = (scope.get("raw_path") or b"").decode("latin-1")
    body = json.dumps({"method": scope["method"], "path": scope["path"], "raw_path": raw, "query": scope["query_string"].decode(), "headers": headers,
                       "length": length}).encode()  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Site:
    """A running gateway and ways to ask it."""

    app: Gateway
    resources: Resources
    hashes: Passwords
    names: list[str] = field(default_factory=list)

    def client(self, address: str = "10.0.0.7", base_url: str = "http://localhost") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app, client=(address, 4711)), base_url=base_url)

    async def add(self, name: str, role: Role = Role.RESEARCHER, password: str = PASSWORD, active: bool = True) -> None:
        hashed = await self.hashes.hash(password)
        async with self.resources.db.write() as session:
            session.add(Account(name=name, full_name="", email="", department="", role=role.value, password_hash=hashed, active=active))

    async def signed_in(self, name: str, password: str = PASSWORD, address: str = "10.0.0.7") -> httpx.AsyncClient:
        """A browser that has signed in and sends its CSRF token with everything."""
        client = self.client(address)
        answer = await client.post("/api/v1/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["X-Isocenter-CSRF"] = answer.json()["csrf_token"]
        return client


OpenSite = Callable[..., AbstractAsyncContextManager[Site]]
