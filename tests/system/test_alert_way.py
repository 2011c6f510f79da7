"""From an overloaded host to the alert in the product: real Prometheus, real Alertmanager, the shipped rules; the load is a stand-in.

A shared machine is busy all the time, so the node exporter's counters come from here: idle until told otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn
from fixtures.parts import find_program, free_port, require_programs

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.keys import create_key_file
from isocenter.resources import Resources, open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.app import create_app

SECRET = "a-shared-secret-of-tests"


@dataclass
class Host:
    """A node exporter whose one core is idle, or busy from the moment it is told."""

    port: int = field(default_factory=free_port)
    mode: str = "idle"
    _since: float = field(default_factory=time.monotonic)
    _spent: dict[str, float] = field(default_factory=lambda: {"user": 0.0, "idle": 0.0})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def switch(self, mode: str) -> None:
        """``user`` or ``idle``. Only the present mode's counter moves: one that fell by a rounding would be a restart to Prometheus."""
        with self._lock:
            moment = time.monotonic()
            self._spent[self.mode] += moment - self._since
            self._since, self.mode = moment, mode

    def text(self) -> str:
        self.switch(self.mode)
        lines = [f'node_cpu_seconds_total{{cpu="0",mode="{mode}"}} {seconds}' for mode, seconds in sorted(self._spent.items())]
        return "\n".join(["# TYPE node_cpu_seconds_total counter", *lines, ""])

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        host = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = host.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


@contextlib.asynccontextmanager
async def stats_service(folder: Path) -> AsyncIterator[tuple[str, Resources]]:
    """The statistics service on a port of its own, as Alertmanager reaches it."""
    settings = Settings(data=folder / "site", alert_webhook_secret=SECRET)
    resources = open_resources(settings, create_key_file(folder / "site" / "site.key"))
    await migrate(resources.db)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(settings, resources), port=port, log_level="error", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    try:
        for _ in range(1500):
            if server.started:
                break
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}", resources
    finally:
        server.should_exit = True
        await task
        await resources.close()


@contextlib.contextmanager
def monitoring(repo_root: Path, folder: Path, host: Host, product: str, *, tight: bool) -> Iterator[int]:
    """Prometheus and Alertmanager with the shipped files, at these addresses; the port of Prometheus. ``tight``: 1 s instead of 5 s, shorter windows."""
    alertmanager, prometheus = free_port(), free_port()
    (folder / "rules").mkdir()
    for path in (repo_root / "deploy/prometheus/rules").glob("*.yml"):
        text = path.read_text()
        (folder / "rules" / path.name).write_text(text.replace("[30s]", "[4s]").replace("for: 15s", "for: 2s") if tight else text)
    text = (repo_root / "deploy/prometheus/prometheus.yml").read_text()
    text = text.replace("alertmanager:9093", f"127.0.0.1:{alertmanager}").replace("node-exporter:9100", f"127.0.0.1:{host.port}")
    text = text.replace("stats:8600", product.removeprefix("http://")).replace("localhost:9090", f"127.0.0.1:{prometheus}")
    if tight:
        text = text.replace("interval: 5s", "interval: 1s").replace("scrape_timeout: 4s", "scrape_timeout: 1s")
    # the other services do not run here, and would be told as down
    text = re.sub(r'      - \{ targets: \["(gateway|ingest|catalog|viewer):8600"\].*\n', "", text)
    (folder / "prometheus.yml").write_text(text)
    (folder / "secret").write_text(SECRET)
    text = (repo_root / "deploy/alertmanager/alertmanager.yml").read_text()
    text = text.replace("http://stats:8600", product).replace("/run/secrets/alert_webhook_secret", str(folder / "secret"))
    if tight:
        text = text.replace("group_wait: 5s", "group_wait: 0s").replace("group_interval: 1m", "group_interval: 1s")
    (folder / "alertmanager.yml").write_text(text)
    commands = [
        [str(find_program("prometheus-alertmanager")), f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am",
         f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address="],
        [str(find_program("prometheus")), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
         f"--web.listen-address=127.0.0.1:{prometheus}"],
    ]  # fmt: skip
    with contextlib.ExitStack() as stack, (folder / "monitoring.log").open("wb") as log:
        for command in commands:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
            stack.callback(process.wait, 30)
            stack.callback(process.kill)
        yield prometheus


class Product:
    """What an operator sees on an open page: the event stream."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def wait_for(self, name: str, there: bool, seconds: float) -> float:
        """How long until an open page shows the alert, or shows it no more."""
        started = time.monotonic()
        async with asyncio.timeout(seconds):
            async with self.client.stream("GET", "/api/v1/alerts/events", headers={"Accept": "text/event-stream"}) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: ") and (name in {one["name"] for one in json.loads(line[6:])["open"]}) is there:
                        return time.monotonic() - started
        raise AssertionError("the event stream ended")


async def _scraped(port: int, seconds: float = 30) -> None:
    """Until Prometheus has the host's rate."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get("/api/v1/query", params={"query": "isocenter:host_cpu_busy:ratio"})
                if answer.is_success and answer.json()["data"]["result"]:  # 503 until it is ready
                    return
            await asyncio.sleep(0.2)


async def _overload(repo_root: Path, folder: Path, *, tight: bool, most: float) -> tuple[float, float]:
    """Seconds from overload to alert on an open page, and from its end to the alert's end."""
    require_programs("Prometheus", "prometheus", "prometheus-alertmanager")
    host = Host()
    async with stats_service(folder) as (url, resources):
        with host.serving(), monitoring(repo_root, folder, host, url, tight=tight) as port:
            operator = {PRINCIPAL_HEADER: sign(Principal(1, "ops", Role.OPERATOR), resources.key, lifetime_seconds=600)}
            async with httpx.AsyncClient(base_url=url, headers=operator, timeout=most + 30) as client:
                await _scraped(port)
                if not tight:
                    await asyncio.sleep(30)  # a whole window of idleness, as on a host that is overloaded after hours of rest
                product = Product(client)
                host.switch("user")
                began = await product.wait_for("HostCpuHigh", True, most)
                host.switch("idle")
                return began, await product.wait_for("HostCpuHigh", False, most + 90)


async def test_overload_when_prometheus_and_alertmanager_watch_then_the_alert_is_on_open_pages_and_ends(repo_root: Path, tmp_path: Path) -> None:
    began, ended = await _overload(repo_root, tmp_path, tight=True, most=60)
    print(f"overload to alert {began:.1f} s, end to end of alert {ended:.1f} s, tight settings")


@pytest.mark.soak
async def test_overload_when_the_shipped_settings_are_used_then_visible_within_a_minute(repo_root: Path, tmp_path: Path) -> None:
    began, ended = await _overload(repo_root, tmp_path, tight=False, most=120)
    print(f"overload to alert {began:.1f} s, end to end of alert {ended:.1f} s, shipped settings")
    assert began <= 60
