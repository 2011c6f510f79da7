"""The container files, rendered as docker compose would: no engine is at hand, so what it would refuse or leave open is looked for here."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from fixtures.parts import find_program, require_programs

VARIABLE = re.compile(r"\$\{(\w+)(?:(:\?|:-)([^}]*))?\}")  # ${NAME}, ${NAME:?}, ${NAME:-default}
OURS = ("migrate", "ingest", "catalog", "stats", "viewer", "gateway")


class Missing(Exception):
    """A variable that must be set is empty or not set."""


def rendered(repo_root: Path, given: dict[str, str]) -> dict[str, Any]:
    """compose.yml with anchors merged and variables filled in (compose-spec, "Interpolation")."""

    def fill(found: re.Match[str]) -> str:
        name, kind, default = found[1], found[2], found[3]
        if given.get(name):
            return given[name]
        if kind == ":-":
            return default
        raise Missing(name)

    document = yaml.safe_load((repo_root / "deploy" / "compose.yml").read_text())  # YAML 1.1 merge keys, as compose reads them

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(one) for name, one in value.items()}
        if isinstance(value, list):
            return [walk(one) for one in value]
        return VARIABLE.sub(fill, value) if isinstance(value, str) else value

    found: dict[str, Any] = walk({name: part for name, part in document.items() if not name.startswith("x-")})
    return found


@pytest.fixture
def given(repo_root: Path) -> dict[str, str]:
    """Every name of env.example, filled in."""
    lines = [line for line in (repo_root / "deploy" / "env.example").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not line.endswith("=")] == [], "no default in it"
    return {line[:-1]: f"given-{line[:-1].lower()}" for line in lines}


def test_compose_when_a_value_is_missing_then_refused_with_its_name(repo_root: Path, given: dict[str, str]) -> None:
    rendered(repo_root, given)
    for name in given:
        with pytest.raises(Missing, match=f"^{name}$"):
            rendered(repo_root, given | {name: ""})
    text = (repo_root / "deploy" / "compose.yml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?\}", text)) == given.keys()
    assert [name for name, _ in re.findall(r"\$\{(\w+):-([^}]+)\}", text) if re.search("PASSWORD|SECRET|KEY|TOKEN", name)] == []


def test_compose_when_rendered_then_every_container_is_closed(repo_root: Path, given: dict[str, str]) -> None:
    services = rendered(repo_root, given)["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert not service.get("privileged"), name
        assert "docker.sock" not in json.dumps(service), name
    assert {name for name, service in services.items() if service.get("ports")} == {"nginx", "grafana"}
    assert services["grafana"]["ports"] == ["127.0.0.1:3000:3000"]
    for name in OURS:
        assert services[name]["environment"]["ISOCENTER_STAGING_URL"] != services[name]["environment"]["ISOCENTER_STORE_URL"]


def test_compose_when_rendered_then_its_mounts_volumes_and_secrets_are_there(repo_root: Path, given: dict[str, str]) -> None:
    document = rendered(repo_root, given)
    made_by_hand = {"./tls"}
    for name, service in document["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert source in made_by_hand or (repo_root / "deploy" / source).exists(), (name, source)
                assert mount.endswith(":ro"), (name, mount)
            elif not source.startswith("/") and source != given["IMPORT_FOLDER"]:
                assert source in document["volumes"], (name, source)
        for secret in service.get("secrets", []):
            assert secret in document["secrets"], (name, secret)
        needed = service.get("depends_on", [])
        assert set(needed) <= document["services"].keys()


def test_compose_when_compared_with_prometheus_and_nginx_then_names_and_ports_agree(repo_root: Path, given: dict[str, str]) -> None:
    services = rendered(repo_root, given)["services"]
    asked = yaml.safe_load((repo_root / "deploy/prometheus/prometheus.yml").read_text())
    targets = {target for job in asked["scrape_configs"] for place in job["static_configs"] for target in place["targets"]}
    assert {target.split(":")[0] for target in targets} - {"localhost"} <= services.keys()
    named = re.findall(r"server (\w+):(\d+);", (repo_root / "deploy/nginx.conf").read_text())
    assert named == [("gateway", "8600"), ("viewer", "8600")]
    assert all(services[name]["environment"]["ISOCENTER_PORT"] == port for name, port in named)


def test_compose_when_docker_compose_is_at_hand_then_it_takes_the_file(repo_root: Path, given: dict[str, str]) -> None:
    docker = find_program("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("docker compose is not on this machine; the tests above stand in for it")
    command = [docker, "compose", "-f", str(repo_root / "deploy/compose.yml"), "config", "--quiet"]
    done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_dockerfile_when_read_then_the_last_stage_is_small_and_not_root(repo_root: Path) -> None:
    text = (repo_root / "deploy" / "Dockerfile").read_text()
    stages = re.split(r"(?m)^FROM ", text)[1:]
    last = stages[-1]
    assert re.search(r"(?m)^USER 10001$", last)
    assert last.index("USER 10001") < last.index("ENTRYPOINT")
    assert "-slim" in last.split("\n")[0]
    assert not re.search(r"(?m)^(ADD|RUN .*(curl|wget|pip|npm|apt))", last)
    for stage in stages:
        assert re.match(r"\S+:\S*\d", stage), "an image without a version"
        for source in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", stage):
            for path in source.split():
                assert (repo_root / path).exists(), path
    ignored = (repo_root / ".dockerignore").read_text().split()
    assert {".git", "var"} <= set(ignored)


@pytest.fixture
def alerting(repo_root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((repo_root / "deploy/grafana/provisioning/alerting/isocenter.yml").read_text())
    return found


def test_grafana_alerts_when_read_then_each_has_its_datasource_condition_and_contact_point(repo_root: Path, alerting: dict[str, Any], tmp_path: Path) -> None:
    rules = [rule for group in alerting["groups"] for rule in group["rules"]]
    sources = yaml.safe_load((repo_root / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    known = {source["uid"] for source in sources} | {"__expr__"}
    assert len({rule["uid"] for rule in rules}) == len(rules) >= 2
    expressions = []
    for rule in rules:
        steps = {step["refId"]: step for step in rule["data"]}
        assert rule["condition"] in steps
        assert {step["datasourceUid"] for step in steps.values()} <= known
        assert all(step["model"]["refId"] == name for name, step in steps.items())
        assert steps[rule["condition"]]["model"]["expression"] in steps
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["noDataState"] in ("Alerting", "OK", "NoData")
        assert rule["execErrState"] in ("Alerting", "OK", "Error")
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", rule["uid"])
        expressions += [step["model"]["expr"] for step in steps.values() if "expr" in step["model"]]
    contacts = {contact["name"] for contact in alerting["contactPoints"]}
    assert {policy["receiver"] for policy in alerting["policies"]} <= contacts
    (receiver,) = alerting["contactPoints"][0]["receivers"]
    assert receiver["settings"]["authorization_credentials"].startswith("$"), "no secret in the file"
    require_programs("Prometheus", "promtool")
    checked = tmp_path / "rules.yml"
    checked.write_text(json.dumps({"groups": [{"name": "g", "rules": [{"record": f"r:{n}", "expr": text} for n, text in enumerate(expressions)]}]}))
    done = subprocess.run([str(find_program("promtool")), "check", "rules", str(checked)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    operations = (repo_root / "docs" / "operations.md").read_text()
    assert [rule["title"] for rule in rules if f"| {rule['title']} |" not in operations] == []
