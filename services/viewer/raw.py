"""Pure ASGI routes: those that carry image bytes (hot-path-serving.md section 8). Each says who may call it, like the others."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from isocenter.auth import Permission, Principal
from isocenter.errors import BadRequest, InvalidInput, IsocenterError, NotAcceptable, RangeNotSatisfiable
from isocenter.imaging.decode import PixelsUnreadable
from isocenter.resources import Resources
from isocenter.spans import SPANS, Spans
from isocenter.web import principal_of_scope, send_problem

log = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection; nobody waits for the answer."""


@dataclass
class Asked:
    """One request to a raw route."""

    scope: Scope
    receive: Receive
    send: Send
    principal: Principal
    started: bool = False  # the head of the answer is sent: an error can only break the connection now
    _departure: asyncio.Task[None] | None = None

    async def while_waited_for(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns; ClientGone, and the work cancelled, when the client goes before."""
        if self._departure is None:  # one a request: an ASGI receive is not for two at a time
            self._departure = asyncio.create_task(self._gone())
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, self._departure}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            return task.result()
        finally:
            task.cancel()

    def close(self) -> None:
        if self._departure is not None:
            self._departure.cancel()

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def path(self, name: str) -> str:
        return str(self.scope["path_params"][name])

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.scope["headers"] if key == name), b"")

    async def answer(self, body: memoryview | bytes, media_type: str, headers: Headers, status: int = 200) -> None:
        """One whole body, or the range of it that the client asks for; 304 without it when the client's ETag is the one in ``headers``."""
        if status == 200 and await self.unchanged(headers):
            return
        kind = (b"content-type", media_type.encode())
        span = self.wanted_range(len(body), headers) if status == 200 else None
        if span is not None:
            offset, length = span
            place = (b"content-range", f"bytes {offset}-{offset + length - 1}/{len(body)}".encode())
            await self.start(206, [kind, (b"content-length", str(length).encode()), place, *headers])
            await self.send({"type": "http.response.body", "body": body[offset : offset + length]})
            return
        await self.start(status, [kind, (b"content-length", str(len(body)).encode()), *headers])
        await self.send({"type": "http.response.body", "body": body})

    async def unchanged(self, headers: Headers) -> bool:
        """True after a 304 was sent, because the client has what ``headers`` tag."""
        tag = next((value for name, value in headers if name == b"etag"), b"")
        if not tag or tag not in self.header(b"if-none-match"):
            return False
        await self.start(304, headers)
        await self.send({"type": "http.response.body", "body": b""})
        return True

    def wanted_range(self, size: int, headers: Headers = []) -> tuple[int, int] | None:  # noqa: B006 - never changed
        """(offset, length) of one byte range (RFC 9110 14.2); None for none, several, or an If-Range that is not the tag."""
        match = re.fullmatch(rb"bytes=(\d{0,18})-(\d{0,18})", self.header(b"range").strip())
        condition = self.header(b"if-range")
        if match is None or match.group() == b"bytes=-" or (condition and (b"etag", condition) not in headers):
            return None
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if start >= size or end <= start:
            raise RangeNotSatisfiable(f"The body has {size} bytes.", field="Range")
        return start, end - start

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def pieces(self, pieces: AsyncIterator[memoryview | bytes]) -> None:
        """The body piece by piece; nothing more is read when the client goes."""

        async def sent() -> None:
            async for piece in pieces:
                await self.send({"type": "http.response.body", "body": piece, "more_body": True})

        await self.while_waited_for(sent())
        await self.send({"type": "http.response.body", "body": b""})

    async def spans(self, spans: Spans) -> None:
        """The rest of a body that the server takes from files itself; only where ``SPANS`` is among the extensions."""
        await self.while_waited_for(self.send({"type": SPANS, "spans": spans}))  # type: ignore[arg-type]
        await self.send({"type": "http.response.body", "body": b""})

    @property
    def takes_spans(self) -> bool:
        return SPANS in self.scope.get("extensions", ())


asking: ContextVar[Asked | None] = ContextVar("asking", default=None)
"""The request that is being answered: whose account a picture counts for, and whether anybody still waits for it."""


class RawRoute:
    """An ASGI endpoint at ``path`` for those who have ``permission``; its errors are problem+json."""

    def __init__(
        self, path: str, permission: Permission, answer: Callable[[Asked], Awaitable[None]], resources: Resources, methods: Sequence[str] = ("GET",)
    ) -> None:
        self.path = path
        self.permission = permission
        self.methods = list(methods)
        self._answer = answer
        self._resources = resources
        # DICOMweb and IIIF answer 400 where the rest of the product answers 422.
        self._standard = path.startswith(("/dicom-web", "/iiif"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["isocenter_route"] = self.path
        asked = None
        try:
            principal = principal_of_scope(scope, self._resources)
            principal.require(self.permission)
            asked = Asked(scope, receive, send, principal)
            asking.set(asked)
            await self._answer(asked)
        except ClientGone:
            log.info("client gone route=%s", self.path)
        except IsocenterError as error:
            if asked is not None and asked.started:
                log.error("answer broken off route=%s kind=%s", self.path, type(error).__name__)
                raise
            await send_problem(send, self._as_standard(error))
        finally:
            if asked is not None:
                asked.close()

    def _as_standard(self, error: IsocenterError) -> IsocenterError:
        if not self._standard or not isinstance(error, InvalidInput) or isinstance(error, BadRequest):
            return error
        if isinstance(error, PixelsUnreadable):
            return NotAcceptable(f"{error.detail} The object itself can be retrieved as it is stored.")
        return BadRequest(error.detail, field=error.field)

    def as_route(self) -> Route:
        return Route(self.path, self, methods=self.methods, include_in_schema=False)
