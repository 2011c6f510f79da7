"""Pure ASGI routes: those that carry image bytes (hot-path-serving.md section 8). Each says who may call it, like the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from isocenter.auth import Permission, Principal
from isocenter.errors import IsocenterError
from isocenter.resources import Resources
from isocenter.web import principal_of_scope, send_problem

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Asked:
    """One request to a raw route."""

    scope: Scope
    send: Send
    principal: Principal

    def path(self, name: str) -> str:
        return str(self.scope["path_params"][name])

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.scope["headers"] if key == name), b"")

    async def answer(self, body: bytes, media_type: str, headers: Headers, status: int = 200) -> None:
        """One whole body; 304 without it when the client's ETag is the one in ``headers``."""
        tag = next((value for name, value in headers if name == b"etag"), b"")
        if status == 200 and tag and tag in self.header(b"if-none-match"):
            await self.start(304, headers)
            await self.send({"type": "http.response.body", "body": b""})
            return
        await self.start(status, [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode()), *headers])
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Headers) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def pieces(self, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})


class RawRoute:
    """An ASGI endpoint at ``path`` for those who have ``permission``; its errors are problem+json."""

    def __init__(self, path: str, permission: Permission, answer: Callable[[Asked], Awaitable[None]], resources: Resources) -> None:
        self.path = path
        self.permission = permission
        self._answer = answer
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["isocenter_route"] = self.path
        try:
            principal = principal_of_scope(scope, self._resources)
            principal.require(self.permission)
            await self._answer(Asked(scope, send, principal))
        except IsocenterError as error:
            await send_problem(send, error)

    def as_route(self) -> Route:
        return Route(self.path, self, methods=["GET"], include_in_schema=False)
