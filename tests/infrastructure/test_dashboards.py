"""Grafana's dashboards: whole, not overlapping, each with its datasource, and every expression one that Prometheus parses and the rules or services know."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fixtures.parts import find_program, require_programs

from deploy.grafana.dashboards import DASHBOARDS, document


def _panels() -> list[tuple[str, dict[str, Any]]]:
    return [(name, panel) for name in DASHBOARDS for panel in document(name)["panels"]]


def _expressions() -> list[str]:
    return [target["expr"] for _, panel in _panels() for target in panel["targets"]]


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_dashboard_when_written_then_the_committed_file_is_this_one(name: str, repo_root: Path) -> None:
    """If not: python deploy/grafana/dashboards.py"""
    assert json.loads((repo_root / f"deploy/grafana/dashboards/{name}.json").read_text()) == document(name)


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_dashboard_when_looked_at_then_ids_are_unique_and_no_panels_overlap(name: str) -> None:
    panels = document(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_panels_when_read_then_each_has_the_provisioned_datasource(repo_root: Path) -> None:
    provisioned = (repo_root / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    uids = {place["datasource"]["uid"] for _, panel in _panels() for place in (panel, *panel["targets"])}
    assert [f"uid: {uid}" in provisioned for uid in uids] == [True]
    assert all(re.fullmatch("[A-Z]", target["refId"]) for _, panel in _panels() for target in panel["targets"])


def _check(expressions: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """promtool has no parser of its own: each expression as a recording rule, Grafana's variables filled in."""
    require_programs("Prometheus", "promtool")
    rules = [{"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "1m")} for number, text in enumerate(expressions)]
    path = folder / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))  # JSON is YAML
    return subprocess.run([str(find_program("promtool")), "check", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False)


def test_expressions_when_checked_by_promtool_then_all_parse(tmp_path: Path) -> None:
    done = _check(_expressions(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _check(["rate(x_total)"], tmp_path).returncode != 0  # a planted mistake is caught


def test_expressions_when_compared_with_rules_and_code_then_name_what_there_is(repo_root: Path) -> None:
    rules = "".join(path.read_text() for path in (repo_root / "deploy/prometheus/rules").glob("*.yml"))
    recorded = set(re.findall(r"record: (\S+)", rules))
    code = "".join(path.read_text() for folder in ("isocenter", "services") for path in (repo_root / folder).rglob("*.py"))
    for expression in [*_expressions(), *re.findall(r"expr: (.*)", rules)]:
        for name in re.findall(r"\bisocenter:[a-z0-9_:]+", expression):
            assert name in recorded, expression
        for service, name in re.findall(r"\bisocenter_([a-z]+)_([a-z_]+)", expression):
            bare = re.sub(r"_(bucket|total)$", "", name)
            known = any(text in code for text in (f'isocenter_{service}_{bare}', f'"{bare}"', f"isocenter_{{service}}_{bare}"))
            assert known, f"{service} {name}"
