"""Processes that go on when their starter has ended: started with a note of their id, found again, ended in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 20


class PartFailed(Exception):
    """A sentence for the person at the terminal."""


def start(folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Start it with its output in ``folder``/log/NAME.log; the process id, which is noted in ``folder``/run/NAME.pid."""
    (folder / "log").mkdir(exist_ok=True)
    (folder / "run").mkdir(exist_ok=True)
    descriptor = os.open(folder / "log" / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(descriptor, "ab") as log:
        told = None if environment is None else dict(environment)
        process = subprocess.Popen(list(command), env=told, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - ours
    (folder / "run" / f"{name}.pid").write_text(f"{process.pid} {_born(process.pid)}")
    return process.pid


def _born(pid: int) -> str:
    """When a process began, in clock ticks since the boot: an id that was given to another one is not taken for it. '' when it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


def running(folder: Path) -> dict[str, int]:
    """Name -> process id of those that live, in the order of their start."""
    found = {}
    for note in sorted((folder / "run").glob("*.pid"), key=lambda path: path.stat().st_mtime_ns) if (folder / "run").exists() else []:
        pid, _, born = note.read_text().partition(" ")
        if born and _born(int(pid)) == born:
            found[note.stem] = int(pid)
    return found


def stop(folder: Path) -> list[str]:
    """End all, the last started first; which had to be killed."""
    killed = []
    for name, pid in reversed(running(folder).items()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while name in running(folder) and time.monotonic() < end:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # when it is our own child
            time.sleep(0.05)
        if name in running(folder):
            killed.append(name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        (folder / "run" / f"{name}.pid").unlink(missing_ok=True)
    return killed


def wait(folder: Path, name: str, ready: Callable[[], bool], seconds: float = 180) -> None:
    """Return when ``ready()``; PartFailed with the end of its log when it ended or time is up (60 s were too few at a load of 34 on two cores)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        if name not in running(folder):
            break
        time.sleep(0.1)
    log = (folder / "log" / f"{name}.log").read_text(errors="replace").strip().splitlines()[-4:]
    raise PartFailed(f"{name} did not start; see {folder / 'log' / name}.log: {' | '.join(log)}")
