"""What services do: rates and latency from the registries, as Prometheus would say; its own answer read; alerts about services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.errors import Unavailable
from isocenter.keys import create_key_file
from isocenter.metrics import new_metrics
from isocenter.resources import Resources, open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.alerts import firing_of_services
from services.stats.app import create_app
from services.stats.meters import ServiceMeter, quantile
from services.stats.prometheus import HOSTS, Prometheus, query
from services.stats.watch import ServiceWatch


def test_meter_when_requests_were_answered_then_rates_and_latency_of_the_time_between() -> None:
    metrics, meter = new_metrics("viewer"), ServiceMeter()
    metrics.requests.labels("GET", "/a", "200").inc(50)  # before the first look: not of the time between
    meter.read({"viewer": metrics})
    metrics.requests.labels("GET", "/a", "200").inc(9)
    metrics.requests.labels("GET", "/a", "503").inc(1)
    for _ in range(20):
        metrics.seconds.labels("GET", "/a").observe(0.03)
        metrics.seconds.labels("GET", "/api/v1/alerts/events").observe(100)  # an event stream is no slow answer
    values = meter.read({"viewer": metrics})["viewer"]
    assert values["errors_per_s"] / values["requests_per_s"] == pytest.approx(0.1)
    assert values["p95_ms"] == pytest.approx(20 + 0.95 * 30)  # within the bucket from 20 to 50 ms
    assert values["in_flight"] == 0


def test_quantile_when_computed_then_as_promql() -> None:
    """histogram_quantile of Prometheus 2.42 for these buckets: 0.95 -> 0.5 (beyond the last bound), 0.5 -> 0.1."""
    buckets = {0.1: 5.0, 0.5: 8.0, float("inf"): 10.0}
    assert quantile(buckets, 0.95) == 0.5
    assert quantile(buckets, 0.5) == pytest.approx(0.1)
    assert quantile({}, 0.5) == quantile({0.1: 0.0, float("inf"): 0.0}, 0.5) == 0.0


def test_service_rules_when_errors_last_a_minute_then_fire_and_end_after_two_good_looks() -> None:
    bad = {"viewer": {"requests_per_s": 2.0, "errors_per_s": 0.5, "p95_ms": 20.0}}
    good = {"viewer": {"requests_per_s": 2.0, "errors_per_s": 0.0, "p95_ms": 20.0}}
    named = "service-errors-viewer"
    assert firing_of_services("h", [bad] * 3, frozenset()) == []
    assert firing_of_services("h", [bad, good, bad, bad, bad], frozenset()) == []
    assert [one.name for one in firing_of_services("h", [good, *[bad] * 4], frozenset())] == [named]
    assert [one.name for one in firing_of_services("h", [bad, good], frozenset({named}))] == [named]
    assert firing_of_services("h", [bad, good, good], frozenset({named})) == []
    rare = {"viewer": {"requests_per_s": 0.01, "errors_per_s": 0.01}}
    assert firing_of_services("h", [rare] * 8, frozenset()) == []
    full = {"isocenter": {"connections_in_use": 16.0, "connections_most": 16.0}}
    assert [one.name for one in firing_of_services("h", [full] * 4, frozenset())] == ["connections-short-isocenter"]


@pytest.fixture
async def resources(tmp_path: Path, catalog_url: str) -> AsyncIterator[Resources]:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    opened = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
    await migrate(opened.db)
    yield opened
    await opened.close()


def _client(resources: Resources) -> httpx.AsyncClient:
    headers = {PRINCIPAL_HEADER: sign(Principal(1, "ops", Role.OPERATOR), resources.key)}
    transport = httpx.ASGITransport(app=create_app(resources.settings, resources))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


async def test_servers_when_services_were_looked_at_then_each_with_its_values(resources: Resources) -> None:
    client = _client(resources)
    resources.metrics["ingest"] = new_metrics("ingest")
    await ServiceWatch(resources.settings, resources, lambda: {"reviews_open": 3.0}).look()
    body = (await client.get("/api/v1/servers")).json()
    services = {one["service"]: one["latest"]["values"] for one in body["services"]}
    assert body["source"] == "sampler"
    assert services.keys() == {"stats", "ingest", "isocenter"}
    assert services["ingest"]["reviews_open"] == 3
    process = services["isocenter"]
    assert process["store_up"] == 1
    assert process["connections_most"] == 16
    assert process["memory_bytes"] > 1e6
    assert process["open_files"] > 0


def _prometheus(answer: httpx.Response | Exception) -> Prometheus:
    def reply(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Prometheus("http://prometheus", httpx.AsyncClient(transport=httpx.MockTransport(reply)))


async def test_prometheus_when_it_answers_then_values_by_instance_and_none_that_is_no_number() -> None:
    result = [
        {"metric": {"instance": "node1:9100", "is": "cpu_percent"}, "value": [1700000000.5, "12.5"]},
        {"metric": {"instance": "node1:9100", "is": "disk_percent"}, "value": [1700000000.5, "NaN"]},
    ]
    at, found = await _prometheus(httpx.Response(200, json={"data": {"result": result}})).hosts()
    assert (at.timestamp(), found) == (1700000000.5, {"node1": {"cpu_percent": 12.5}})
    assert query(HOSTS, "instance").count('"is"') == len(HOSTS)


@pytest.mark.parametrize("answer", [httpx.ConnectError("away"), httpx.Response(503), httpx.Response(200, text="<html>"), httpx.Response(200, json={})])
async def test_prometheus_when_it_is_away_then_unavailable(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Unavailable, match="Prometheus"):
        await _prometheus(answer).services()
