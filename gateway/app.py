"""The gateway: request id, metrics, limits, login, then the table of upstreams. All layers are pure ASGI (22 us a request).

The same code stands in front of services in this process and of services at URLs.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Mapping

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import store
from gateway.lifespans import Lifespans, StartFailed
from gateway.limits import LimitsMiddleware
from gateway.login import Authenticator, LoginMiddleware
from gateway.openapi import MergedDocument, fetch
from gateway.pages import Pages
from gateway.passwords import Passwords
from gateway.routes import accounts, links, profile, sessions
from gateway.throttle import forget_old
from gateway.upstreams import Dispatch, open_upstreams
from isocenter.errors import IsocenterError, NotFound, Unavailable
from isocenter.metrics import CONTENT_TYPE, MetricsMiddleware
from isocenter.resources import Resources
from isocenter.settings import Settings
from isocenter.web import RequestIdMiddleware, create_service

log = logging.getLogger(__name__)

SWEEP_SECONDS = 600


class Gateway:
    """The whole product as one ASGI app; its lifespan runs those of the upstreams."""

    def __init__(self, own: FastAPI, upstreams: Mapping[str, ASGIApp], resources: Resources) -> None:
        self.resources = resources
        self.own = own
        self.upstreams = dict(upstreams)
        self.authenticator: Authenticator = own.state.authenticator
        app: ASGIApp = Dispatch({**self.upstreams, "gateway": own}, Pages())
        app = LoginMiddleware(app, self.authenticator)
        app = LimitsMiddleware(app)
        app = MetricsMiddleware(app, own.state.metrics)
        self._app = RequestIdMiddleware(app)
        self._lifespans = Lifespans({**self.upstreams, "gateway": own})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._lifespans.start()
        except StartFailed as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        sweeper = asyncio.create_task(self._sweep())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        sweeper.cancel()
        await asyncio.wait([sweeper])
        await self._lifespans.stop()
        await self.authenticator.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _sweep(self) -> None:
        """Delete expired sessions and old throttle counts, every ten minutes."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                async with self.resources.db.write() as session:
                    await store.forget_expired_sessions(session)
                    await forget_old(session)
            except IsocenterError as error:
                log.warning("sweep of sessions failed kind=%s", type(error).__name__)


def create_app(
    settings: Settings, resources: Resources, upstreams: Mapping[str, ASGIApp] | None = None, *, passwords: Passwords | None = None
) -> Gateway:
    """The gateway over ``upstreams`` (service name -> ASGI app; None = what the settings say)."""
    apps = dict(upstreams) if upstreams is not None else open_upstreams(settings, resources)
    own = create_service("gateway", resources, [sessions.router, profile.router, accounts.router, links.router])
    own.state.authenticator = Authenticator(resources)
    own.state.passwords = passwords or Passwords()
    _add_documents(own, apps, settings.metrics_networks)
    _replace_readiness(own, apps)
    return Gateway(own, apps, resources)


def _add_documents(own: FastAPI, apps: Mapping[str, ASGIApp], networks: str) -> None:
    own.router.routes[:] = [route for route in own.router.routes if getattr(route, "path", "") not in ("/openapi.json", "/metrics")]
    described: dict[str, ASGIApp] = {**apps, "gateway": _own_document(own)}
    merged = MergedDocument(described)

    async def openapi() -> Response:
        """The merged OpenAPI document of all services."""
        return Response(await merged.body(), media_type="application/json", headers={"Cache-Control": "no-cache"})

    async def own_metrics(request: Request) -> Response:
        require_near(request, networks)
        return Response(own.state.metrics.render(), media_type=CONTENT_TYPE)

    async def service_metrics(service: str, request: Request) -> Response:
        require_near(request, networks)
        if service == "gateway":
            return Response(own.state.metrics.render(), media_type=CONTENT_TYPE)
        if service not in apps:
            raise NotFound("There is no service of this name.")
        status, body = await fetch(apps[service], "/metrics")
        return Response(body, status, media_type=CONTENT_TYPE)

    own.add_api_route("/openapi.json", openapi, methods=["GET"], include_in_schema=False)
    own.add_api_route("/metrics", own_metrics, methods=["GET"], include_in_schema=False)
    own.add_api_route("/metrics/{service}", service_metrics, methods=["GET"], include_in_schema=False)


def _own_document(own: FastAPI) -> ASGIApp:
    async def document(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import JSONResponse

        await JSONResponse(own.openapi())(scope, receive, send)

    return document


def _replace_readiness(own: FastAPI, apps: Mapping[str, ASGIApp]) -> None:
    own.router.routes[:] = [route for route in own.router.routes if getattr(route, "path", "") != "/readyz"]

    async def readyz() -> dict[str, str]:
        resources: Resources = own.state.resources
        await resources.db.ping()
        await anyio.to_thread.run_sync(resources.store.ping)
        answers = await asyncio.gather(*(fetch(app, "/readyz") for app in apps.values()))
        waiting = [name for name, (status, _) in zip(apps, answers, strict=True) if status != 200]
        if waiting:
            raise Unavailable(f"Not ready: {', '.join(waiting)}.", retry_after=5)
        return {"status": "ready"}

    own.add_api_route("/readyz", readyz, methods=["GET"], include_in_schema=False)


def require_near(request: Request, networks: str) -> None:
    """NotFound for a peer that is neither this machine nor in ``networks``: metrics are not public (a proxy in front names the real peer)."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise NotFound("There is nothing at this address.") from None
    if not address.is_loopback and not any(address in ipaddress.ip_network(part.strip()) for part in networks.split(",") if part.strip()):
        raise NotFound("There is nothing at this address.")
