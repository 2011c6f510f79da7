"""Alerts told by Alertmanager: taken with the secret only, each once; acknowledged, silenced, ended by hand; pushed to open pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.keys import create_key_file
from isocenter.models import now
from isocenter.resources import open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.app import create_app
from services.stats.sampler import Sampler
from services.stats.silences import covers

SECRET = "a-shared-secret-of-tests"
WEBHOOK = "/api/v1/alerts/webhook"


def notice(fingerprint: str, status: str = "firing", minute: int = 0, **more: Any) -> dict[str, Any]:
    """One alert as Alertmanager 0.25 writes it."""
    return {
        "status": status,
        "labels": {"alertname": "HostCpuHigh", "severity": "warning", "instance": "node1:9100", "patient": "not kept"},
        "annotations": {"summary": "CPU over 90 %.", "value": "0.97"},
        "startsAt": f"2026-01-01T10:{minute:02}:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else f"2026-01-01T10:{minute + 1:02}:00.5Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint,
    } | more


def body(*notices: dict[str, Any]) -> dict[str, Any]:
    return {"version": "4", "receiver": "isocenter", "status": "firing", "groupKey": "{}", "truncatedAlerts": 0, "alerts": list(notices)}


class Desk:
    """The service, told by Alertmanager and asked by an operator."""

    def __init__(self, settings: Settings) -> None:
        self.resources = open_resources(settings, create_key_file(settings.data / "site.key"))
        self.app = create_app(settings, self.resources)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://localhost")

    def headers(self, role: Role = Role.OPERATOR) -> dict[str, str]:
        return {PRINCIPAL_HEADER: sign(Principal(1, "ops", role), self.resources.key)}

    async def tell(self, content: Any, secret: str = SECRET) -> httpx.Response:
        return await self.client.post(WEBHOOK, json=content, headers={"Authorization": f"Bearer {secret}"} if secret else {})

    async def alerts(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.client.get(f"/api/v1/alerts{query}", headers=self.headers())).json()["items"]
        return found

    async def post(self, path: str, content: Any = None) -> httpx.Response:
        return await self.client.post(f"/api/v1{path}", json=content, headers=self.headers())


@pytest.fixture
async def desk(tmp_path: Path, catalog_url: str) -> AsyncIterator[Desk]:
    desk = Desk(Settings(data=tmp_path / "site", catalog_url=catalog_url, alert_webhook_secret=SECRET))
    await migrate(desk.resources.db)
    yield desk
    await desk.resources.close()


async def test_webhook_when_an_alert_fires_and_ends_then_one_alert_begins_and_ends(desk: Desk) -> None:
    assert (await desk.tell(body(notice("aa")))).json() == {"changed": 1}
    (alert,) = await desk.alerts("?open=true")
    assert (alert["name"], alert["severity"], alert["summary"], alert["value"]) == ("HostCpuHigh", "warning", "CPU over 90 %.", 0.97)
    assert alert["labels"] == {"instance": "node1:9100", "host": "node1"}  # a closed set of labels
    assert alert["started_at"] == "2026-01-01T10:00:00.123456Z"
    assert (await desk.tell(body(notice("aa"), notice("bb")))).json() == {"changed": 1}
    assert (await desk.tell(body(notice("aa", "resolved"), notice("bb")))).json() == {"changed": 1}
    assert [(one["ended_at"] or "")[:22] for one in await desk.alerts()] == ["", "2026-01-01T10:01:00.50"]
    assert (await desk.tell(body(notice("aa", minute=5)))).json() == {"changed": 1}
    assert len(await desk.alerts()) == 3


async def test_webhook_when_grafana_tells_then_taken_as_of_alertmanager(desk: Desk) -> None:
    """Grafana 11, "webhook notifier": the same body with version 1 and more fields."""
    content = body(notice("aa")) | {"version": "1", "orgId": 1, "title": "[FIRING:1]", "state": "alerting", "message": "x"}
    assert (await desk.tell(content)).json() == {"changed": 1}


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], SECRET + "x"])
async def test_webhook_when_the_secret_is_wrong_then_401_and_nothing_is_written(desk: Desk, secret: str) -> None:
    answer = await desk.tell(body(notice("aa")), secret)
    assert (answer.status_code, answer.headers["content-type"], answer.json()["status"]) == (401, "application/problem+json", 401)
    assert SECRET not in answer.text
    assert await desk.alerts() == []


async def test_webhook_when_no_secret_is_set_then_only_operators_may_post(tmp_path: Path) -> None:
    desk = Desk(Settings(data=tmp_path / "site"))
    await migrate(desk.resources.db)
    assert (await desk.tell(body(notice("aa")), secret="x")).status_code == 401
    for role, status in ((Role.RESEARCHER, 403), (Role.OPERATOR, 200)):
        assert (await desk.client.post(WEBHOOK, json=body(notice("aa")), headers=desk.headers(role))).status_code == status
    await desk.resources.close()


async def test_webhook_when_a_body_is_replayed_then_409_and_nothing_changes(desk: Desk) -> None:
    assert (await desk.tell(body(notice("aa")))).status_code == 200
    again = await desk.tell(body(notice("aa")))
    assert (again.status_code, again.headers["content-type"], again.json()["type"]) == (409, "application/problem+json", "/problems/conflict")
    assert (await desk.tell(body(notice("aa", "resolved")))).status_code == 200
    restarted = create_app(desk.resources.settings, desk.resources)  # what was taken is known to a new process too
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=restarted), base_url="http://localhost") as client:
        answer = await client.post(WEBHOOK, content=again.request.content, headers=again.request.headers)
        assert answer.status_code == 409
    other_bytes = await desk.tell(body(notice("aa")) | {"receiver": "other"})  # not the same bytes, but the same old alert
    assert other_bytes.status_code == 409
    assert await desk.alerts("?open=true") == []
    assert len(await desk.alerts()) == 1


NO_NOTICES: list[Any] = [
    {}, [], {"version": "3", "alerts": []}, body(), body({"status": "firing"}), body(notice("a b")), body(notice("aa", startsAt="2026-01-01")),
    body(*[notice("aa")] * 201),
]  # fmt: skip


@pytest.mark.parametrize("content", NO_NOTICES)
async def test_webhook_when_the_body_is_none_of_alertmanager_then_422(desk: Desk, content: Any) -> None:
    answer = await desk.tell(content)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_alert_when_resolved_by_hand_then_ended_until_its_source_tells_it_again(desk: Desk) -> None:
    await desk.tell(body(notice("aa")))
    (alert,) = await desk.alerts()
    ended = (await desk.post(f"/alerts/{alert['id']}/resolve")).json()
    assert (ended["resolved_by"], ended["ended_at"] is None) == ("ops", False)
    assert (await desk.post(f"/alerts/{alert['id']}/resolve")).status_code == 409
    assert (await desk.post("/alerts/999/resolve")).status_code == 404
    assert (await desk.tell(body(notice("aa"), notice("bb")))).json() == {"changed": 2}
    assert len(await desk.alerts("?open=true")) == 2


async def test_silence_when_it_fits_then_the_alert_says_until_when(desk: Desk) -> None:
    await desk.tell(body(notice("aa"), notice("bb", labels={"alertname": "HostDown", "instance": "node2:9100"})))
    made = (await desk.post("/silences", {"matcher": {"name": "HostCpuHigh", "host": "node1"}, "minutes": 5})).json()
    shown = {one["name"]: one["silenced_until"] for one in await desk.alerts()}
    assert shown == {"HostCpuHigh": made["until"], "HostDown": None}
    assert (await desk.client.delete(f"/api/v1/silences/{made['id']}", headers=desk.headers())).status_code == 204
    assert {one["silenced_until"] for one in await desk.alerts()} == {None}
    assert (await desk.client.delete(f"/api/v1/silences/{made['id']}", headers=desk.headers())).status_code == 404
    refused = await desk.post("/silences", {"matcher": {"patient": "x"}, "minutes": 5})
    assert (refused.status_code, refused.json()["field"]) == (422, "matcher")


def test_silence_when_it_names_nothing_then_covers_nothing() -> None:
    assert not covers({}, "a", "warning", {})
    assert covers({"severity": "warning"}, "a", "warning", {})
    assert not covers({"severity": "warning", "host": "h"}, "a", "warning", {"host": "other"})


class Page:
    """An open page on /alerts/events, over raw ASGI: httpx.ASGITransport would wait for the end of the stream."""

    def __init__(self, desk: Desk) -> None:
        headers = [(name.encode(), value.encode()) for name, value in desk.headers().items()] + [(b"accept", b"text/event-stream")]
        path = "/api/v1/alerts/events"
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "",
                 "scheme": "http", "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80)}  # fmt: skip
        self._got: asyncio.Queue[bytes] = asyncio.Queue()
        self._closed = asyncio.Event()
        self.task = asyncio.create_task(desk.app(scope, self._receive, self._send))
        self._asked = False

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            await self._got.put(message["body"])

    async def next(self) -> list[dict[str, Any]]:
        text = await asyncio.wait_for(self._got.get(), 10)
        assert text.startswith(b"event: alerts\ndata: ")
        shown: list[dict[str, Any]] = orjson.loads(text.partition(b"data: ")[2])["open"]
        return shown

    async def close(self) -> None:
        self._closed.set()
        await asyncio.wait_for(self.task, 10)


async def test_open_page_when_alerts_change_then_it_is_told_at_once(desk: Desk) -> None:
    page = Page(desk)
    assert await page.next() == []
    await desk.tell(body(notice("aa")))
    (alert,) = await page.next()
    await desk.post(f"/alerts/{alert['id']}/acknowledge")
    assert (await page.next())[0]["acknowledged_by"] == "ops"
    await desk.post("/silences", {"matcher": {"name": "HostCpuHigh"}, "minutes": 1})
    assert (await page.next())[0]["silenced_until"]
    await desk.tell(body(notice("aa", "resolved")))
    assert await page.next() == []
    sampler = Sampler(desk.resources.settings, desk.resources, host="h", bell=desk.app.state.bell)
    await sampler.tick(now(), {"disk_percent": 99.0}, {})
    assert [one["name"] for one in await page.next()] == ["disk-high"]
    await page.close()
    once = await desk.client.get("/api/v1/alerts/events", headers=desk.headers())  # asks for no event stream: told once
    assert once.text.count("event: alerts") == 1
