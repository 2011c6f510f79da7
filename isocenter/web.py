"""What every service's HTTP side shares: the FastAPI app with problem answers, health, metrics, and who is asking.

Routes that carry image bytes are pure ASGI and use :func:`send_problem` and :func:`principal_of_scope`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

import anyio.to_thread
import orjson
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isocenter.auth import PRINCIPAL_HEADER, Permission, Principal, verify
from isocenter.db import translated
from isocenter.errors import InvalidInput, IsocenterError, NotFound, StaleRevision, problem, status_of
from isocenter.logs import request_id
from isocenter.metrics import CONTENT_TYPE, Metrics, MetricsMiddleware, new_metrics, show_connections
from isocenter.resources import Resources

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
REQUEST_ID_HEADER = b"x-request-id"
BODY_LIMIT_BYTES = 4 << 20  # JSON bodies; uploads have their own routes and limits

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def problem_response(error: IsocenterError) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if retry := error.extra.get("retry_after"):
        headers["Retry-After"] = str(retry)
    return JSONResponse(problem(error), int(status_of(error)), headers, media_type=PROBLEM_TYPE)


async def send_problem(send: Send, error: IsocenterError) -> None:
    """The same answer from a pure ASGI route."""
    body = orjson.dumps(problem(error))
    headers = [(b"content-type", PROBLEM_TYPE.encode()), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    if retry := error.extra.get("retry_after"):
        headers.append((b"retry-after", str(retry).encode()))
    await send({"type": "http.response.start", "status": int(status_of(error)), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def resources_of(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Opened = Annotated[Resources, Depends(resources_of)]


def principal_of_scope(scope: Scope, resources: Resources) -> Principal:
    """Who asks, from the signed header of a raw ASGI request."""
    wanted = PRINCIPAL_HEADER.encode()
    header = next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)
    return verify(header, resources.key)


def allow(permission: Permission) -> Callable[[Request], Awaitable[Principal]]:
    """The dependency that answers who asks and refuses who may not. A test walks all routes by the mark it leaves."""

    async def caller(request: Request) -> Principal:
        resources: Resources = request.app.state.resources
        principal = verify(request.headers.get(PRINCIPAL_HEADER), resources.key)
        principal.require(permission)
        return principal

    caller.permission = permission  # type: ignore[attr-defined]
    return caller


SignedIn = Annotated[Principal, Depends(allow(Permission.SIGNED_IN))]
CatalogReader = Annotated[Principal, Depends(allow(Permission.READ_CATALOG))]
Downloader = Annotated[Principal, Depends(allow(Permission.DOWNLOAD))]
Freezer = Annotated[Principal, Depends(allow(Permission.FREEZE))]
Importer = Annotated[Principal, Depends(allow(Permission.IMPORT))]
Editor = Annotated[Principal, Depends(allow(Permission.EDIT_CATALOG))]
Reviewer = Annotated[Principal, Depends(allow(Permission.REVIEW))]
Configurer = Annotated[Principal, Depends(allow(Permission.CONFIGURE))]
Administrator = Annotated[Principal, Depends(allow(Permission.ADMINISTER))]
Operator = Annotated[Principal, Depends(allow(Permission.SERVERS))]
Statistician = Annotated[Principal, Depends(allow(Permission.STATISTICS))]


def check_revision(request: Request, revision: int) -> None:
    """Optimistic locking: ``If-Match`` must be the current ETag; 412 when not, 428-like InvalidInput when missing."""
    given = request.headers.get("if-match")
    if given is None:
        raise InvalidInput("Send If-Match with the ETag you read, so that nobody's change is overwritten.", field="If-Match")
    if given.strip('W/" ') != str(revision) and given.strip() != "*":
        raise StaleRevision("Somebody changed this since you read it; read it again and repeat your change.", current=revision)


def etag(revision: int) -> dict[str, str]:
    return {"ETag": f'"{revision}"'}


class RequestIdMiddleware:
    """Takes the gateway's request id or makes one; it is in every log line and in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == REQUEST_ID_HEADER), b"")
        current = given.decode("latin-1") if given and len(given) <= 64 and given.isalnum() else secrets.token_hex(8)
        token = request_id.set(current)

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message.get("headers", []) if pair[0] != REQUEST_ID_HEADER]
                message = {**message, "headers": [*headers, (REQUEST_ID_HEADER, current.encode())]}
            await send(message)

        try:
            await self.app(scope, receive, with_id)
        finally:
            request_id.reset(token)


class BodyLimitMiddleware:
    """413 for a JSON body over the limit, counted while it is read; routes under ``free`` prefixes are left alone."""

    def __init__(self, app: ASGIApp, limit_bytes: int, free: tuple[str, ...]) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self.free):
            await self.app(scope, receive, send)
            return
        from isocenter.errors import TooLarge

        error = TooLarge(f"The body is larger than {self.limit_bytes >> 20} MiB; send less at a time.")
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > self.limit_bytes:
            await send_problem(send, error)
            return
        seen, started = 0, False

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.limit_bytes:
                    raise error
            return message

        async def answered(message: Message) -> None:
            """What the framework makes of the error (a 400 about parsing) is not the answer."""
            nonlocal started
            if started or seen <= self.limit_bytes:
                started = True
                await send(message)

        try:
            await self.app(scope, limited, answered)
        except TooLarge:
            if started or seen <= self.limit_bytes:
                raise
        if seen > self.limit_bytes and not started:
            await send_problem(send, error)


def create_service(
    name: str,
    resources: Resources,
    routers: Sequence[APIRouter],
    *,
    lifespan: Lifespan | None = None,
    free_bodies: tuple[str, ...] = (),
    metrics: Metrics | None = None,
) -> FastAPI:
    """A service's app: ``/healthz``, ``/readyz``, ``/metrics`` and the given routers, with problem+json everywhere."""

    @asynccontextmanager
    async def nothing(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title=f"Isocenter {name}", version="1", lifespan=lifespan or nothing, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.state.resources = resources
    app.state.metrics = metrics or new_metrics(name)
    show_connections(app.state.metrics, resources.db.connections)
    resources.metrics[name] = app.state.metrics
    for router in routers:
        app.include_router(router)
    add_health(app)
    add_problems(app)
    app.add_middleware(BodyLimitMiddleware, limit_bytes=BODY_LIMIT_BYTES, free=free_bodies or ("/api/v1/uploads",))
    app.add_middleware(MetricsMiddleware, metrics=app.state.metrics)
    app.add_middleware(RequestIdMiddleware)
    return app


def add_health(app: FastAPI) -> None:
    """``/healthz`` says the process runs, ``/readyz`` that catalog and store answer."""

    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    async def readyz(request: Request) -> dict[str, str]:
        resources = resources_of(request)
        await resources.db.ping()
        await anyio.to_thread.run_sync(resources.store.ping)
        return {"status": "ready"}

    async def metrics(request: Request) -> Response:
        return Response(request.app.state.metrics.render(), media_type=CONTENT_TYPE)

    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)


def add_problems(app: FastAPI) -> None:
    """Every error as problem+json, none with patient data or a stack trace."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, IsocenterError)
        return problem_response(error)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
        places = [{"field": ".".join(str(p) for p in e["loc"][1:]), "detail": e["msg"]} for e in error.errors()[:20]]
        return problem_response(InvalidInput(f"{field or 'The body'}: {first['msg']}", field=field or None, errors=places))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return problem_response(NotFound("There is nothing at this address."))
        document = {"type": "about:blank", "title": error.detail, "status": error.status_code, "detail": str(error.detail)}
        return JSONResponse(document, error.status_code, error.headers, media_type=PROBLEM_TYPE)

    async def driver(_: Request, error: Exception) -> Response:
        return problem_response(translated(error))

    async def unexpected(_: Request, error: Exception) -> Response:
        log.error("unexpected error kind=%s", type(error).__name__, exc_info=error)
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "Something failed on our side; the operator finds it in the log under the request id.",
            "request_id": request_id.get(),
        }
        return JSONResponse(document, 500, media_type=PROBLEM_TYPE)

    app.add_exception_handler(IsocenterError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(DBAPIError, driver)
    app.add_exception_handler(Exception, unexpected)
