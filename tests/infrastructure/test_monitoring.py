"""The shipped Prometheus and Alertmanager files: accepted by promtool and amtool, every alert tested with and without its cause."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from fixtures.parts import find_program, require_programs


def _checked(*command: str, cwd: Path) -> str:
    require_programs("Prometheus", command[0])
    done = subprocess.run([str(find_program(command[0])), *command[1:]], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def prometheus(repo_root: Path) -> Path:
    return repo_root / "deploy" / "prometheus"


def test_prometheus_configuration_when_checked_then_is_accepted_with_its_rules(prometheus: Path) -> None:
    assert "SUCCESS: 3 rule files found" in _checked("promtool", "check", "config", "prometheus.yml", cwd=prometheus)


def test_alert_rules_when_tested_then_each_fires_on_its_cause(prometheus: Path) -> None:
    _checked("promtool", "test", "rules", *sorted(str(path) for path in (prometheus / "tests").glob("*.yml")), cwd=prometheus)


def test_alert_rules_when_compared_with_their_tests_then_each_is_tested_with_and_without_cause_and_explained(prometheus: Path, repo_root: Path) -> None:
    named = {name for path in (prometheus / "rules").glob("*.yml") for name in re.findall(r"- alert: (\w+)", path.read_text())}
    tests = "".join(path.read_text() for path in (prometheus / "tests").glob("*.yml"))
    firing = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n\s+- exp_labels", tests))
    quiet = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", tests))
    assert len(named) >= 15
    assert named == firing
    # the error and memory tests hold a series beside the firing one that must not fire
    assert named - quiet <= {"HostNetworkErrors", "HostDiskFull"}
    operations = (repo_root / "docs" / "operations.md").read_text()
    assert [name for name in sorted(named) if f"| {name} |" not in operations] == []


@pytest.mark.parametrize(("name", "receivers"), [("alertmanager.yml", 1), ("mail.yml", 2)])
def test_alertmanager_configuration_when_checked_then_is_accepted(repo_root: Path, name: str, receivers: int) -> None:
    assert f"{receivers} receivers" in _checked("amtool", "check-config", name, cwd=repo_root / "deploy" / "alertmanager")


def test_mail_routing_when_asked_then_critical_goes_to_mail_and_everything_to_the_product(repo_root: Path) -> None:
    folder = repo_root / "deploy" / "alertmanager"
    routed = ["amtool", "config", "routes", "test", "--config.file=mail.yml"]
    assert _checked(*routed, "severity=critical", cwd=folder).strip() == "operators,isocenter"
    assert _checked(*routed, "severity=warning", cwd=folder).strip() == "isocenter"
