"""A real server on a socket: gateway and catalog in a thread, with the bytes it sends counted, held back or cut off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from catalog.rows import Person, Shot, Site, open_site
from sqlalchemy import update

from gateway.app import create_app
from gateway.passwords import Passwords
from gateway.serve import Server
from isocenter.models import Account

PASSWORD = "correct horse battery staple"


@dataclass
class Wire:
    """What a test sees of, and does to, the file downloads."""

    requests: list[tuple[str, str]] = field(default_factory=list)  # (path, Range)
    sent_bytes: int = 0
    hold_after: int | None = None  # bytes of one answer after which the server waits
    released: threading.Event = field(default_factory=threading.Event)
    cut_after: int | None = None  # bytes after which the connection breaks, once
    spoil: bool = False  # send wrong bytes
    round: int = 0  # answers begun before the last start_over are not counted

    def start_over(self) -> None:
        self.requests, self.sent_bytes, self.hold_after = [], 0, None
        self.round += 1


class Watched:
    """The gateway behind a tap on ``.../files/...`` answers."""

    def __init__(self, app, wire: Wire) -> None:
        self.app, self.wire = app, wire

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or "/files/" not in scope["path"]:
            await self.app(scope, receive, send)
            return
        asked = next((value.decode() for name, value in scope["headers"] if name == b"range"), "")
        self.wire.requests.append((scope["path"], asked))
        sent, begun = 0, self.wire.round

        async def tapped(message) -> None:
            nonlocal sent
            if message["type"] == "http.response.body":
                body = message.get("body", b"")
                if self.wire.spoil and body:
                    message = {**message, "body": bytes([body[0] ^ 1]) + body[1:]}
                if self.wire.hold_after is not None and sent >= self.wire.hold_after:
                    await asyncio.to_thread(self.wire.released.wait, 60)
                if self.wire.cut_after is not None and sent >= self.wire.cut_after:
                    self.wire.cut_after = None
                    raise ConnectionAbortedError("the test cuts the line")
                sent += len(body)
                self.wire.sent_bytes += len(body) if begun == self.wire.round else 0
            await send(message)

        await self.app(scope, receive, tapped)


@dataclass
class Served:
    """The running server; ``call`` runs a coroutine function in its loop."""

    url: str
    site: Site
    wire: Wire
    loop: asyncio.AbstractEventLoop

    def call(self, work: Callable):
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(60)

    def token(self) -> str:
        from isocenter_client.client import login

        return login(self.url, "admin", PASSWORD)


async def nothing_here(scope, receive, send) -> None:
    """An upstream these tests do not need."""
    if scope["type"] == "lifespan":
        for answer in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{answer}.complete"})
        return
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


PEOPLE = (
    Person("LIV-000001", shots=(Shot(instances=1, bytes_each=6 << 20), Shot(instances=5))),
    Person("LIV-000002", label="0", sex="M", age=None, shots=(Shot("MR", instances=4),)),
    Person("LIV-000003", label="1", shots=(Shot(format="NIFTI", instances=1),)),
    Person("LIV-000004", label="0", label_state="review"),
)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Four cases of liver disease, one dataset `livers` without a version yet; the client's config in a folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ISOCENTER_URL", raising=False)
    monkeypatch.delenv("ISOCENTER_TOKEN", raising=False)
    ready: threading.Event = threading.Event()
    found: dict[str, object] = {}

    async def run() -> None:
        async with open_site(f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}", tmp_path / "server") as site:
            await site.add(*PEOPLE)
            hashes = Passwords(time_cost=1, memory_kib=64, parallelism=1)
            hashed = await hashes.hash(PASSWORD)
            async with site.resources.db.write() as session:
                await session.execute(update(Account).where(Account.name == "admin").values(password_hash=hashed, role="admin"))
            apps = {name: nothing_here for name in ("ingest", "stats", "viewer")} | {"catalog": site.app}
            wire = Wire()
            gateway = create_app(site.resources.settings, site.resources, apps, passwords=hashes)
            config = uvicorn.Config(Watched(gateway, wire), port=0, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2)

            def told(url: str) -> None:
                found["url"] = url
                ready.set()

            server = Server(config, told, site.resources.stopping)
            found.update(site=site, wire=wire, loop=asyncio.get_running_loop(), server=server)
            await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(60)
    wire: Wire = found["wire"]
    yield Served(found["url"], found["site"], wire, found["loop"])
    wire.released.set()
    found["server"].should_exit = True
    thread.join(20)


@pytest.fixture
def client(served: Served):
    """Signed in as the administrator."""
    from isocenter_client import Client

    with Client(served.url, served.token()) as made:
        yield made
