"""What a host is doing now: one flat record of numbers, names with their unit."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import psutil

Values = dict[str, float]


class HostMeter:
    """Reads the host; rates are over the time since the call before."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._before: tuple[float, int, int] | None = None
        psutil.cpu_times_percent(interval=None)
        psutil.cpu_percent(interval=None)  # the first answer of psutil has no time to be over

    def read(self) -> Values:
        """CPU, memory, disk of the data folder, network. Blocks for about a millisecond."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(_existing(self._disk)))
        network = psutil.net_io_counters()
        moment, sent, received = time.monotonic(), int(network.bytes_sent), int(network.bytes_recv)
        before = self._before or (moment, sent, received)
        seconds = max(moment - before[0], 1e-6)
        self._before = (moment, sent, received)
        return {
            "cpu_percent": float(psutil.cpu_percent(interval=None)),
            "cpu_niced_percent": float(getattr(psutil.cpu_times_percent(interval=None), "nice", 0.0)),
            "cpu_count": float(psutil.cpu_count() or 1),
            "load_1m": float(psutil.getloadavg()[0]),
            "memory_percent": float(memory.percent),
            "memory_used_bytes": float(memory.total - memory.available),
            "memory_total_bytes": float(memory.total),
            "disk_percent": float(disk.percent),
            "disk_used_bytes": float(disk.used),
            "disk_total_bytes": float(disk.total),
            "network_sent_bytes_per_s": max(0.0, sent - before[1]) / seconds,
            "network_received_bytes_per_s": max(0.0, received - before[2]) / seconds,
        }


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def thinned(points: list[tuple[datetime, Values]], most: int) -> list[tuple[datetime, Values]]:
    """At most ``most`` of the points, evenly chosen, the last one always."""
    step = -(-len(points) // most) if points else 1
    return points[::-1][::step][::-1]
