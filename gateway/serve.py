"""Runs one ASGI app until SIGTERM or SIGINT: uvicorn with uvloop and httptools, no access log, graceful shutdown."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

import uvicorn
import uvloop
from starlette.types import ASGIApp

from gateway.memory import keep_freed_blocks
from gateway.spans import FileSpans
from gateway.start import check, lock_folder, prepare, require_safe_address
from gateway.upstreams import open_service
from isocenter.logs import configure
from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings

GRACE_SECONDS = 15  # requests under way get this long after SIGTERM; Kubernetes kills after 30


class Server(uvicorn.Server):
    """Tells ``ready`` the real address once requests are answered."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None], stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Event streams end first, or the others' grace would always be waited for in full."""
        self._stopping.set()
        await super().shutdown(sockets)


def serve(settings: Settings, service: str, say: Callable[[str], None]) -> int:
    """Serve everything (``service`` = ''), the gateway or one service; returns the exit code.

    ``say`` prints to the person at the console: the first password and the address. Neither is ever logged.
    """
    configure(settings.log_level)
    if service in ("", "viewer"):
        keep_freed_blocks()
    starting = _Starting()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, starting.end)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, service, say, starting))


class _Starting:
    """What a signal does before uvicorn listens to it: end the process. Afterwards nothing: uvicorn raises the signal once more after its own
    shutdown, and the default action would end us before the catalog is closed."""

    def __init__(self) -> None:
        self.over = False

    def end(self, number: int, _: object) -> None:
        if not self.over:
            raise SystemExit(128 + number)


async def _serve(settings: Settings, service: str, say: Callable[[str], None], starting: _Starting) -> int:
    if service in ("", "gateway"):
        require_safe_address(settings)
    lock = None
    if settings.embedded and service == "":
        lock = lock_folder(settings.data.absolute())
        started = await prepare(settings)
        key = started.key
        if started.password is not None:
            say(f"First start: sign in as admin with the password {started.password}\nIt is shown this once; change it in your profile.")
    else:
        key = await check(settings)
    resources = open_resources(settings, key)
    try:
        app = FileSpans(build(settings, resources, service))
        config = uvicorn.Config(
            app, host=settings.host, port=settings.port, loop="none", http="httptools", ws="none", lifespan="on", access_log=False, log_config=None,
            server_header=False, proxy_headers=True, forwarded_allow_ips=settings.trusted_proxies, timeout_graceful_shutdown=GRACE_SECONDS, backlog=512,
        )  # fmt: skip

        def ready(url: str) -> None:
            say(f"Isocenter {service + ' ' if service else ''}listens on {url}")

        server = Server(config, ready, resources.stopping)
        starting.over = True
        await server.serve()
        return 0 if server.started else 1
    finally:
        await resources.close()
        if lock is not None:
            lock.close()


def build(settings: Settings, resources: Resources, service: str) -> ASGIApp:
    """The app of a process: everything, the gateway over URLs, or one service."""
    if service in ("", "gateway"):
        from gateway.app import create_app

        return create_app(settings, resources)
    return open_service(service, settings, resources)
