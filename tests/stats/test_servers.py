"""Samples of hosts, alerts that rise and end, and who may see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import func, select

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.keys import create_key_file
from isocenter.models import Alert, HostSample, now
from isocenter.resources import Resources, open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats import servers
from services.stats.alerts import firing
from services.stats.app import create_app
from services.stats.filling import Filling
from services.stats.sampler import Sampler
from services.stats.servers import HostMeter, Values, mean, thinned

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def _values(cpu: float = 10, memory: float = 10, disk: float = 10) -> Values:
    return {"cpu_percent": cpu, "memory_percent": memory, "disk_percent": disk}


def _history(*cpu: float) -> list[tuple[datetime, Values]]:
    """One sample a second."""
    return [(T0 + timedelta(seconds=n), _values(value)) for n, value in enumerate(cpu)]


def _fires_after(history: list[tuple[datetime, Values]]) -> list[int]:
    """Which samples find cpu-high on, with the alert's own state carried along as the sampler does."""
    on: frozenset[str] = frozenset()
    found = []
    for n in range(len(history)):
        on = frozenset(fired.name for fired in firing("h", history[: n + 1], on))
        if "cpu-high" in on:
            found.append(n)
    return found


@pytest.mark.parametrize("tenths", range(10))
def test_firing_when_the_cpu_is_overloaded_then_within_ten_seconds_whenever_it_began(tenths: int) -> None:
    """The overload begins ``tenths`` of a second before a sample, which is busy in part only; it lasts 20 s."""
    history = _history(*[5] * 30, 10 * tenths, *[100] * 20, *[5] * 20)
    on = _fires_after(history)
    assert on[0] - (30 - tenths / 10) < 9  # the sampler's and the page's own second on top
    assert on == list(range(on[0], on[-1] + 1))
    assert 0 < on[-1] - 50 <= 6  # and it ends soon after


def test_firing_when_work_is_short_or_the_server_just_started_then_nothing_fires() -> None:
    assert _fires_after(_history(*[5] * 10, *[100] * 7, 60, *[100] * 7, 5)) == []
    assert _fires_after(_history(*[100] * 7)) == []
    assert firing("h", [], frozenset()) == []


def test_firing_when_import_work_keeps_the_cpu_busy_then_nothing_fires() -> None:
    niced = [(at, values | {"cpu_niced_percent": 40.0}) for at, values in _history(*[95] * 13)]
    assert firing("h", niced, frozenset()) == []


def test_firing_when_the_value_is_at_the_edge_then_the_alert_does_not_ring_again_and_again() -> None:
    on = _fires_after(_history(*[5] * 3, *[99] * 12, 86, 70, 92, 80, 88, 60, *[70] * 8))
    assert on == list(range(10, on[-1] + 1))
    assert on[-1] == 23  # 88 was the last one over the lower limit; five seconds of calm follow


def test_firing_when_open_files_near_their_most_then_files_high() -> None:
    values = {"open_files": 95.0, "open_files_most": 100.0}
    history = [(T0 + timedelta(seconds=n), values) for n in range(10)]
    assert [(f.name, f.value) for f in firing("h", history, frozenset())] == [("files-high", 95.0)]
    assert firing("h", [(at, {"open_files": 5.0, "open_files_most": 0.0}) for at, _ in history], frozenset()) == []


def test_mean_when_samples_are_kept_then_each_value_is_their_mean() -> None:
    assert mean([{"a": 1.0}, {"a": 3.0, "b": 4.0}]) == {"a": 2.0, "b": 2.0}
    assert mean([]) == {}


def test_meter_when_read_twice_then_each_value_is_plausible(tmp_path: Path) -> None:
    meter = HostMeter(tmp_path / "not" / "there")
    meter.read()
    values = meter.read()
    assert 0 <= values["cpu_percent"] <= 100
    assert 0 < values["memory_used_bytes"] < values["memory_total_bytes"]
    assert 0 < values["disk_used_bytes"] < values["disk_total_bytes"]
    assert values["network_sent_bytes_per_s"] >= 0
    assert 0 <= values["cpu_niced_percent"] <= values["cpu_percent"]
    assert 0 < values["open_files"] < values["open_files_most"]
    assert all(values[f"disk_{name}"] >= 0 for name in ("busy_percent", "read_bytes_per_s", "written_bytes_per_s"))


def test_thinned_when_many_then_few_with_the_last() -> None:
    points = _history(*range(1000))
    few = thinned(points, 240)
    assert len(few) <= 240
    assert few[-1] == points[-1]
    assert thinned([], 5) == []


@pytest.fixture
async def resources(tmp_path: Path, catalog_url: str) -> AsyncIterator[Resources]:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    opened = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
    await migrate(opened.db)
    yield opened
    await opened.close()


def _headers(resources: Resources, role: Role) -> dict[str, str]:
    return {PRINCIPAL_HEADER: sign(Principal(1, "ops", role), resources.key)}


async def _alerts(resources: Resources) -> list[tuple[str, bool]]:
    async with resources.db.read() as session:
        return [(row.name, row.ended_at is None) for row in (await session.scalars(select(Alert).order_by(Alert.id))).all()]


async def test_sampler_when_a_disk_fills_and_empties_then_one_alert_rises_and_ends(resources: Resources) -> None:
    sampler = Sampler(resources.settings, resources, host="node_1")
    up = {"object store": True, "viewer": True}
    for number, (disk, ready) in enumerate([(50, up), (95, up), (96, up), (89, up | {"viewer": False}), (80, up), (80, up)]):
        await sampler.tick(T0 + timedelta(seconds=5 * number), _values(disk=disk), ready)
        if number == 3:
            assert await _alerts(resources) == [("disk-high", True), ("not-ready-viewer", True)]
    assert await _alerts(resources) == [("disk-high", False), ("not-ready-viewer", False)]
    other = Sampler(resources.settings, resources, host="nodeX1")  # "_" is no wildcard
    await sampler.tick(T0 + timedelta(seconds=60), _values(disk=99), up)
    await other.tick(T0 + timedelta(seconds=60), _values(disk=10), up)
    assert await _alerts(resources) == [("disk-high", False), ("not-ready-viewer", False), ("disk-high", True)]


async def test_samples_when_older_than_a_day_then_trimmed(resources: Resources) -> None:
    await Sampler(resources.settings, resources, host="h").tick(T0, _values(), {})
    await Sampler(resources.settings, resources, host="h").tick(T0 + timedelta(days=1, seconds=1), _values(), {})
    async with resources.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(HostSample)) == 1


async def test_servers_and_alerts_when_asked_then_operators_only(resources: Resources) -> None:
    app = create_app(resources.settings, resources)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")
    sampler = Sampler(resources.settings, resources, host="h")
    moment = now()
    for number in range(3):
        await sampler.tick(moment - timedelta(seconds=10 - 5 * number), _values(cpu=number, disk=99), {})
    await Sampler(resources.settings, resources, host="old").tick(moment - timedelta(minutes=5), _values(disk=99), {})
    operator = _headers(resources, Role.OPERATOR)
    hosts = {host["host"]: host for host in (await client.get("/api/v1/servers", headers=operator)).json()["hosts"]}
    assert [sample["values"]["cpu_percent"] for sample in hosts["h"]["history"]] == [0, 1, 2]
    assert (hosts["h"]["stale"], hosts["old"]["stale"]) == (False, True)
    page = (await client.get("/api/v1/alerts?open=true&limit=1", headers=operator)).json()
    rest = (await client.get(f"/api/v1/alerts?open=true&limit=1&cursor={page['next']}", headers=operator)).json()
    found = {alert["labels"]["host"]: alert for alert in [*page["items"], *rest["items"]]}
    assert set(found) == {"h", "old"}
    assert rest["next"] is None
    seen = (await client.post(f"/api/v1/alerts/{found['h']['id']}/acknowledge", headers=operator)).json()
    assert seen["acknowledged_by"] == "ops"
    assert (await client.post("/api/v1/alerts/999/acknowledge", headers=operator)).status_code == 404
    for path in ("/api/v1/servers", "/api/v1/alerts"):
        assert (await client.get(path, headers=_headers(resources, Role.RESEARCHER))).status_code == 403


async def test_service_when_it_lives_then_it_samples_this_host(resources: Resources) -> None:
    app = create_app(resources.settings, resources)
    async with app.router.lifespan_context(app):
        for _ in range(200):
            async with resources.db.read() as session:
                if await session.scalar(select(func.count()).select_from(HostSample)):
                    break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("no sample was written")


def _disk(minutes: int, free_gb: float, lost_gb_a_minute: float, start: int = 0) -> list[tuple[datetime, Values]]:
    """One sample a minute of a disk of 1,000 GB."""
    used = [1e12 - (free_gb - lost_gb_a_minute * n) * 1e9 for n in range(minutes)]
    return [(T0 + timedelta(minutes=start + n), {"disk_used_bytes": one, "disk_total_bytes": 1e12}) for n, one in enumerate(used)]


def test_filling_when_the_hour_fills_the_disk_within_a_day_then_after_half_an_hour_and_five_minutes() -> None:
    filling, on = Filling(), []
    for n, (at, values) in enumerate(_disk(60, 400, 0.3)):  # 0.3 GB a minute are 432 GB a day, 400 are free
        filling.note(at, values)
        on += [n] if filling.fires("h") else []
    assert on == list(range(35, 60))
    for at, values in _disk(90, 383, 0, start=60):  # it stands still: half an hour later the line is flat enough
        filling.note(at, values)
    assert filling.fires("h") == []


@pytest.mark.parametrize(("free_gb", "lost"), [(400, 0.2), (600, 0.5), (400, -1.0)])
def test_filling_when_it_takes_longer_or_half_is_free_or_it_empties_then_nothing(free_gb: float, lost: float) -> None:
    filling = Filling()
    filling.know(_disk(60, free_gb, lost))
    assert filling.fires("h") == []
    filling.note(T0, {})  # a host that does not say
    assert filling.fires("h") == []


@pytest.mark.parametrize(
    ("metric", "name", "over", "seconds"),
    [("network_errors_per_s", "network-errors", 5.0, 60), ("network_busy_percent", "network-full", 95.0, 60), ("disk_busy_percent", "disk-busy", 99.0, 600)],
)
def test_firing_when_card_or_disk_is_over_its_limit_as_long_as_prometheus_waits_then_it_fires(metric: str, name: str, over: float, seconds: int) -> None:
    history = [(T0 + timedelta(seconds=n), {metric: over}) for n in range(seconds + 1)]
    assert firing("h", history[:-1], frozenset()) == []
    assert [fired.name for fired in firing("h", history, frozenset())] == [name]
    rest = [(T0 + timedelta(seconds=seconds + 1 + n), {metric: 0.0}) for n in range(6)]
    assert firing("h", history + rest, frozenset({name})) == []


def test_busiest_card_when_speeds_are_known_then_the_larger_direction_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(isup=True, speed=1000)  # Mbit/s = 125 MB a second
    monkeypatch.setattr(servers.psutil, "net_if_stats", lambda: {"eth0": card, "veth": SimpleNamespace(isup=True, speed=0)})
    before, after = {"eth0": (0, 0), "veth": (0, 0)}, {"eth0": (125_000_000, 25_000_000), "veth": (10**12, 0)}
    assert servers._busiest_card(before, after, 2.0) == pytest.approx(50.0)
