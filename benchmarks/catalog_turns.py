"""A peer asked in turns with us, and a turn of the machine for what is timed."""

from __future__ import annotations

import fcntl
import json
import os
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PEER = Path(__file__).with_name("catalog_peer.py")
NICED, NORMAL = 19, 0


class Peer:
    """idc-index in a process of its own; ``ask`` has it answer its three questions once."""

    def __init__(self, python: str) -> None:
        self.popen = subprocess.Popen([python, str(PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.to, self.out = self.popen.stdin, self.popen.stdout
        self.about = json.loads(self.out.readline())
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.pss = 0

    def ask(self) -> None:
        self.to.write("\n")
        self.to.flush()
        answer = json.loads(self.out.readline())
        self.pss = max(self.pss, int(answer["pss"]))
        for name, took in answer["seconds"].items():
            self.seconds[name].append(took)

    def shown(self) -> str:
        lines = [f"idc-index, in turns: start {self.about['start']:.1f} s, {self.about['series']} series, PSS {self.pss >> 20} MiB"]
        for name, taken in self.seconds.items():
            p95 = sorted(taken)[int(len(taken) * 0.95)]
            lines.append(f"  {name:<11} p50 {statistics.median(taken) * 1000:7.1f} ms  p95 {p95 * 1000:7.1f} ms  ({len(taken)} queries)")
        return "\n".join(lines)


@contextmanager
def turn(lock: Path | None, processes: Iterable[psutil.Process]) -> Iterator[None]:
    """Hold the lock file and give these processes normal priority meanwhile (needs root): for a machine that others use niced."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            _set_priority(processes, NORMAL)
            yield
        finally:
            _set_priority(processes, NICED)


def _set_priority(processes: Iterable[psutil.Process], niceness: int) -> None:
    for process in processes:
        for thread in process.threads():  # a priority is a thread's own on Linux
            os.setpriority(os.PRIO_PROCESS, thread.id, niceness)
