"""A service at a URL as a raw ASGI app: streams both ways in bounded memory, the first byte at once.

The request's body is read as the service takes it, the answer is sent as the client takes it (both sides push back).
When the client goes, the request to the service is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import anyio
import httpx
from starlette.types import Message, Receive, Scope, Send

from isocenter.errors import Unavailable
from isocenter.web import send_problem

log = logging.getLogger(__name__)

# RFC 9110 7.6.1, and what httpx sets itself.
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
CONNECT_SECONDS = 5.0
# A service may think for long before its first byte (a freeze), and event streams are quiet between events.
FIRST_BYTE_SECONDS = 300.0


class ClientGone(Exception):
    """The client closed the connection while it was sending its body."""


def end_to_end(headers: list[tuple[bytes, bytes]], *, drop: frozenset[bytes] = frozenset()) -> list[tuple[bytes, bytes]]:
    """Headers without the hop-by-hop ones and those that ``Connection`` names."""
    named = {part.strip().lower() for name, value in headers if name.lower() == b"connection" for part in value.split(b",")}
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP | named | drop]


class HttpUpstream:
    """Relays requests to ``url``. Its HTTP client is opened and closed by the lifespan protocol, like any service."""

    def __init__(self, url: str, name: str = "service") -> None:
        self.url = httpx.URL(url.rstrip("/"))
        self.name = name
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._relay(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)  # the gateway's limits bound the number
        timeout = httpx.Timeout(FIRST_BYTE_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False, follow_redirects=False) as self._client:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._client is not None, "the upstream's lifespan has not run"
        body_read = anyio.Event()
        gone = False

        async def body() -> AsyncIterator[bytes]:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                if chunk := message.get("body", b""):
                    yield chunk
                if not message.get("more_body", False):
                    body_read.set()
                    return

        async def watch(group: anyio.abc.TaskGroup) -> None:
            nonlocal gone
            await body_read.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            gone = True
            group.cancel_scope.cancel()

        names = {name for name, _ in scope["headers"]}
        has_body = b"transfer-encoding" in names or b"content-length" in names
        if not has_body:
            body_read.set()
        request = httpx.Request(
            scope["method"],
            self._target(scope),
            headers=[*end_to_end(scope["headers"], drop=frozenset({b"host"})), *_forwarded(scope)],
            content=body() if has_body else None,
            extensions={"timeout": {"connect": CONNECT_SECONDS, "read": FIRST_BYTE_SECONDS, "write": FIRST_BYTE_SECONDS, "pool": CONNECT_SECONDS}},
        )
        async with anyio.create_task_group() as group:
            group.start_soon(watch, group)
            await self._exchange(self._client, request, send)
            group.cancel_scope.cancel()
        if gone:
            log.info("client gone upstream=%s", self.name)

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request, send: Send) -> None:
        started = False
        try:
            answer = await client.send(request, stream=True)
            try:
                started = True
                await send({"type": "http.response.start", "status": answer.status_code, "headers": end_to_end(answer.headers.raw)})
                async for chunk in answer.aiter_raw():
                    message: Message = {"type": "http.response.body", "body": chunk, "more_body": True}
                    await send(message)
                await send({"type": "http.response.body", "body": b""})
            finally:
                # Shielded: an aborted answer must give its connection back even while we are being cancelled.
                with anyio.CancelScope(shield=True):
                    await answer.aclose()
        except ClientGone:
            return
        except httpx.HTTPError as error:
            log.warning("upstream failed upstream=%s kind=%s started=%s", self.name, type(error).__name__, started)
            if started:
                raise  # half an answer: the connection must break, or the client would take it for whole
            await send_problem(send, Unavailable(f"The service {self.name} does not answer; try again in a moment.", retry_after=5))

    def _target(self, scope: Scope) -> httpx.URL:
        raw: bytes = (scope.get("raw_path") or scope["path"].encode()).split(b"?", 1)[0]
        path = self.url.raw_path.rstrip(b"/") + raw
        return self.url.copy_with(raw_path=path + (b"?" + scope["query_string"] if scope["query_string"] else b""))


def _forwarded(scope: Scope) -> list[tuple[bytes, bytes]]:
    server = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return [(b"x-forwarded-host", server), (b"x-forwarded-proto", scope.get("scheme", "http").encode())]
