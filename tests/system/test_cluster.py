"""``make cluster``: real MariaDB, Swift, nginx, Prometheus, Alertmanager and node exporter, every service its own process; the main job through nginx."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fixtures.parts import require_part, require_programs
from fixtures.running import Api, Platform
from prometheus_client.parser import text_string_to_metric_families
from system_orders import order_of

from deploy.cluster.parts import PROGRAMS, SYSTEM_PYTHON
from deploy.grafana.dashboards import DASHBOARDS, document

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

# What a healthy site has no series of: no error, no slide, nothing that came back in pieces.
MAY_BE_EMPTY = {"Slide tiles"}


class Cluster(Platform):
    """The cluster as a platform of the system tests; ``ports`` by part."""

    ports: dict[str, int]

    def direct(self, part: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}"


def _make(action: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    program = Path(__file__).resolve().parents[2] / "deploy" / "cluster" / "run.py"
    command = [sys.executable, str(program), action, "--folder", str(folder), *more]
    # a file, not a pipe: the parts go on when this has ended
    with (folder.parent / f"{action}.out").open("w+") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=400, check=False)
        out.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, out.read(), "")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, sample_folder: Path) -> Iterator[Cluster]:
    require_programs("the cluster", *PROGRAMS)
    require_part("the cluster", Path(SYSTEM_PYTHON).exists(), f"no {SYSTEM_PYTHON}")
    folder = tmp_path_factory.mktemp("c") / "cluster"
    try:
        started = _make("start", folder, "--port", "0", "--import-root", str(sample_folder))
        assert started.returncode == 0, started.stdout
        login = json.loads((folder / "login.json").read_text())
        assert login["password"] in started.stdout
        found = Cluster("distributed", folder / "data", sample_folder, {}, admin_name=login["name"], admin_password=login["password"])
        found.ports = json.loads((folder / "cluster.json").read_text())["ports"]
        found.url = found.direct("nginx")
        yield found
        logs = "".join(path.read_text(errors="replace") for path in (folder / "log").glob("*.log"))
        assert login["password"] not in logs
    finally:
        stopped = _make("stop", folder)
    assert stopped.stdout.strip() == "Stopped."
    assert _make("status", folder).stdout == ""


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    return cluster.client()


@pytest.fixture(scope="module")
def imported(cluster: Cluster, api: Api) -> list[Any]:
    return [api.wait_import(api.post("/imports", order_of(cluster, hospital))["key"], 600) for hospital in ("CITY", "NORTH")]


def _counted(url: str, service: str, **labels: str) -> float:
    """Requests that a service has answered."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").raise_for_status().text)
    samples = [one for family in families for one in family.samples if one.name == f"isocenter_{service}_requests_total"]
    return sum(one.value for one in samples if labels.items() <= one.labels.items())


def _until(ready: Callable[[], Any], seconds: float = 90) -> Any:
    """What ``ready`` answered once it was true."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if answer := ready():
                return answer
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.5)


def test_main_job_when_run_through_nginx_then_imported_reviewed_frozen_and_pulled(cluster: Cluster, api: Api, imported: list[Any], tmp_path: Path) -> None:
    from isocenter_client import Client

    for view in imported:
        assert (view["state"], view["sums_ok"]) == ("finished", True), view["failure"]
    review = api.post("/reviews/next", {"kind": "label"})
    assert api.post(f"/reviews/{review['key']}/decision", {"value": "1", "revision": review["revision"]})["review"]["state"] == "decided"
    token = api.post("/tokens", {"name": "cluster", "days": 1}, status=201)["token"]
    client = Client(cluster.url, token)
    frozen = client.freeze("clustered", disease="lung", split=(0.6, 0.2, 0.2), seed=7)
    folder = tmp_path / "pulled"
    dataset = client.pull(frozen.reference, folder)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert files
    assert [entry["path"] for entry in files if hashlib.sha256((folder / entry["path"]).read_bytes()).hexdigest() != entry["sha256"]] == []
    assert len(dataset.rows()) > 0


def test_image_when_asked_through_nginx_then_its_bytes_come_straight_from_the_viewer(cluster: Cluster, api: Api, imported: list[Any]) -> None:
    case = next(case for case in api.all("/cases") if case["thumbnail"])
    series = api.get(f"/cases/{case['key']}")["studies"][0]["series"][0]
    path = f"/series/{series['uid']}/thumbnail"
    before = [_counted(cluster.direct("viewer"), "viewer", status="200"), _counted(cluster.direct("gateway"), "gateway", route="/api/v1/series/*/thumbnail")]
    seen = api.call("GET", path)
    assert seen.headers["content-type"].startswith("image/")
    after = [_counted(cluster.direct("viewer"), "viewer", status="200"), _counted(cluster.direct("gateway"), "gateway", route="/api/v1/series/*/thumbnail")]
    assert (after[0] - before[0] >= 1, after[1] - before[1]) == (True, 0)
    # one request id crosses nginx, gateway and viewer
    assert len(seen.headers["x-request-id"]) == 16
    nobody = httpx.get(f"{cluster.url}/api/v1{path}")
    assert (nobody.status_code, nobody.headers["content-type"]) == (401, "application/problem+json")
    forged = httpx.get(f"{cluster.url}/api/v1{path}", headers={"X-Isocenter-Principal": "x.y"})
    assert forged.status_code == 401
    bad_token = httpx.get(f"{cluster.url}/api/v1{path}", headers={"Authorization": "Bearer isc_nothing"})
    assert (bad_token.status_code, bad_token.headers["content-type"]) == (401, "application/problem+json")
    assert httpx.post(f"{cluster.url}/api/v1{path}").status_code in (401, 405)


INNER = ("/metrics", "/metrics/viewer", "/api/v1/session/authorized", "/who", "/slides/%2e%2e/metrics", "/slides/x/..%2f..%2f..%2fmetrics")


@pytest.mark.parametrize("path", INNER)
def test_inner_address_when_asked_through_nginx_then_nothing_is_there(cluster: Cluster, api: Api, path: str) -> None:
    answer = api.http.get(f"{cluster.url}{path}")
    assert "isocenter_" not in answer.text
    assert "x-isocenter-principal" not in answer.headers
    assert answer.status_code in (404, 422) or "text/html" in answer.headers["content-type"]  # /who is a page of the web front end, if any


def _series(cluster: Cluster, expression: str) -> list[Any]:
    answer = httpx.get(f"{cluster.direct('prometheus')}/api/v1/query", params={"query": expression.replace("$__rate_interval", "1m")}, timeout=30)
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    found: list[Any] = answer.json()["data"]["result"]
    return found


def test_prometheus_when_the_cluster_runs_then_every_target_answers_and_every_panel_has_a_series(cluster: Cluster, api: Api, imported: list[Any]) -> None:
    _until(lambda: len(_series(cluster, "up == 1")) == 8)
    for case in api.all("/cases")[:10]:  # somebody looks, so that the viewer's panels have something to say
        for study in api.get(f"/cases/{case['key']}")["studies"]:
            for one in study["series"]:
                api.get(f"/series/{one['uid']}/thumbnail", status=(200, 404, 409, 422))
    api.get("/statistics/overview")
    empty: dict[str, str] = {}
    for name in DASHBOARDS:
        for panel in document(name)["panels"]:
            for target in panel["targets"]:
                with contextlib.suppress(AssertionError):
                    _until(lambda expression=target["expr"]: _series(cluster, expression), 30)  # type: ignore[misc]
                    continue
                empty[panel["title"]] = target["expr"]
    assert {title: expression for title, expression in empty.items() if title not in MAY_BE_EMPTY} == {}


def test_servers_page_when_prometheus_watches_then_hosts_and_all_services_with_their_values(cluster: Cluster, api: Api, imported: list[Any]) -> None:
    # rates want two scrapes of each process, so they come later than what is counted at once
    rated = {"requests_per_s", "cpu_percent"}
    body = _until(
        lambda: (seen := api.get("/servers")) and seen["hosts"] and sum(rated <= one["latest"]["values"].keys() for one in seen["services"]) == 5 and seen
    )
    assert body["source"] == "prometheus"
    services = {one["service"]: one["latest"]["values"] for one in body["services"]}
    assert services.keys() == {"gateway", "ingest", "catalog", "stats", "viewer"}
    assert {"requests_per_s", "in_flight", "connections_most", "memory_bytes", "open_files", "cpu_percent"} <= services["ingest"].keys()
    assert services["ingest"]["reviews_open"] >= 0
    (host,) = body["hosts"]
    assert {"cpu_percent", "memory_percent", "disk_percent", "open_files", "network_sent_bytes_per_s"} <= host["latest"]["values"].keys()
    assert host["latest"]["values"]["cpu_count"] >= 1
    assert not host["stale"]


def test_alert_when_prometheus_tells_it_then_it_is_on_the_servers_page(cluster: Cluster, api: Api) -> None:
    """Nobody has made a backup of this site: BackupOld fires within two minutes, by itself."""
    alert = _until(lambda: next((one for one in api.get("/alerts", params={"open": True})["items"] if one["name"] == "BackupOld"), None), 240)
    assert alert["severity"] == "warning"
