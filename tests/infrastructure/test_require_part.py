"""A missing part skips its tests with a reason, fails them in CI, and servers end with their session."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.keeper import HELD
from fixtures.parts import KEEPER, require_part


def test_require_part_when_present_then_goes_on() -> None:
    require_part("MariaDB", True, "never said")


def test_require_part_when_missing_outside_ci_then_skips_with_name_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="MariaDB is missing: no mariadbd"):
        require_part("MariaDB", False, "no mariadbd")


def test_require_part_when_missing_in_ci_then_fails_with_name_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="MariaDB is missing: no mariadbd"):
        require_part("MariaDB", False, "no mariadbd")


def _session_with_server(folder: Path) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes], int]:
    """A stand-in for a pytest session, the keeper of its server, and the server's pid."""
    folder.mkdir(parents=True)
    (folder / HELD).touch()
    session = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    server = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    command = [sys.executable, "-I", str(KEEPER), str(session.pid), str(folder), sys.executable, "-c", server]
    keeper = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert keeper.stdout is not None
    return session, keeper, int(keeper.stdout.readline())


def test_keeper_when_session_is_killed_then_ends_the_server_and_removes_its_folder(tmp_path: Path) -> None:
    session, keeper, server = _session_with_server(tmp_path / "session" / "part")
    (tmp_path / "session" / "left-over").mkdir()
    session.kill()
    session.wait()
    assert keeper.wait(20) == 0
    assert not Path(f"/proc/{server}").exists()
    assert not (tmp_path / "session").exists()


def test_keeper_when_killed_itself_then_takes_the_server_along(tmp_path: Path) -> None:
    session, keeper, server = _session_with_server(tmp_path / "session" / "part")
    handle = os.pidfd_open(server)
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    assert select.select([handle], [], [], 20)[0], "the server outlived its keeper"
    os.close(handle)
    session.kill()
    session.wait()
