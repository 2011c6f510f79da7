"""``make demo`` as a newcomer meets it: started, imported, told how to sign in; run again it goes on."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest


def _demo(repo_root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "deploy/demo/run.py", "--folder", str(folder), "--port", "0", "--once"]
    return subprocess.run(command, cwd=repo_root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=220, check=False)


@pytest.mark.timeout(480)
def test_demo_when_run_twice_then_imports_once_and_says_how_to_sign_in(repo_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first = _demo(repo_root, folder)
    assert first.returncode == 0, first.stdout + first.stderr
    login = json.loads((folder / "login.json").read_text())
    assert stat.S_IMODE(os.stat(folder / "login.json").st_mode) == 0o600
    assert f"Sign in   {login['name']}" in first.stdout
    assert f"Password  {login['password']}" in first.stdout
    assert "CITY   finished" in first.stdout
    assert "NORTH  finished" in first.stdout
    assert login["password"] not in (folder / "server.log").read_text()
    keys = (folder / "imports.json").read_text()

    second = _demo(repo_root, folder)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Going on with the demo" in second.stdout
    assert (folder / "imports.json").read_text() == keys


def test_demo_when_the_server_cannot_start_then_says_why(repo_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "data").write_text("a file where the data folder should be")
    (folder / "sample").mkdir()
    (folder / "sample" / "summary.json").write_text('{"hospitals": [], "patients": 0, "files": 0, "size_bytes": 0, "labels": {}}')
    done = _demo(repo_root, folder)
    assert done.returncode == 1
    assert "demo: The server did not start: isocenter:" in done.stdout
