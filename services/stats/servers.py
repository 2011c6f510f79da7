"""What a host is doing now: one flat record of numbers, names with their unit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

Values = dict[str, float]

OPEN_FILES = Path("/proc/sys/fs/file-nr")  # allocated, unused, most (proc(5))
_IDLE = ("idle", "iowait")
_WITHIN = ("guest", "guest_nice")  # Linux counts them in user and nice too


@dataclass(frozen=True, slots=True)
class _Counters:
    """Totals since the host's start; CPU in seconds of all cores."""

    at: float  # time.monotonic()
    cpu_total: float
    cpu_busy: float
    cpu_niced: float
    disk_read_bytes: float
    disk_written_bytes: float
    disk_busy_seconds: float
    network_sent_bytes: float
    network_received_bytes: float
    network_errors: float
    cards: Mapping[str, tuple[int, int]]  # card -> bytes sent, bytes received


class HostMeter:
    """Reads the host; rates are over the time since the call before."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._before = _counters()

    def read(self) -> Values:
        """CPU, memory, disk of the data folder, network, open files. Blocks for about a millisecond."""
        memory, disk, now = psutil.virtual_memory(), psutil.disk_usage(str(_existing(self._disk))), _counters()
        before, self._before = self._before, now
        seconds = max(now.at - before.at, 1e-6)
        cpu = max(now.cpu_total - before.cpu_total, 1e-6)

        def rate(name: str) -> float:
            return max(0.0, float(getattr(now, name)) - float(getattr(before, name))) / seconds

        open_files, open_files_most = _open_files()
        return {
            "cpu_percent": _percent(now.cpu_busy - before.cpu_busy, cpu),
            "cpu_niced_percent": _percent(now.cpu_niced - before.cpu_niced, cpu),
            "cpu_count": float(psutil.cpu_count() or 1),
            "load_1m": float(psutil.getloadavg()[0]),
            "memory_percent": float(memory.percent),
            "memory_used_bytes": float(memory.total - memory.available),
            "memory_total_bytes": float(memory.total),
            "disk_percent": float(disk.percent),
            "disk_used_bytes": float(disk.used),
            "disk_total_bytes": float(disk.total),
            "disk_busy_percent": min(100.0, 100 * rate("disk_busy_seconds")),
            "disk_read_bytes_per_s": rate("disk_read_bytes"),
            "disk_written_bytes_per_s": rate("disk_written_bytes"),
            "network_sent_bytes_per_s": rate("network_sent_bytes"),
            "network_received_bytes_per_s": rate("network_received_bytes"),
            "network_errors_per_s": rate("network_errors"),
            "network_busy_percent": _busiest_card(before.cards, now.cards, seconds),
            "open_files": open_files,
            "open_files_most": open_files_most,
        }


def _busiest_card(before: Mapping[str, tuple[int, int]], now: Mapping[str, tuple[int, int]], seconds: float) -> float:
    """Per cent of its speed that the busiest card sends or receives; cards that do not say their speed (virtual ones) are left out."""
    speeds = {name: card.speed * 125_000 for name, card in psutil.net_if_stats().items() if card.isup and card.speed > 0}  # Mbit/s -> bytes a second
    shares = [
        max(sent - before[name][0], received - before[name][1]) / seconds / speeds[name]
        for name, (sent, received) in now.items()
        if name in before and name in speeds
    ]
    return _percent(max(shares, default=0.0), 1.0)


def _percent(part: float, whole: float) -> float:
    return min(100.0, max(0.0, 100 * part / whole))


def _counters() -> _Counters:
    cpu, disks = psutil.cpu_times()._asdict(), psutil.disk_io_counters(perdisk=True) or {}
    cards = {name: card for name, card in (psutil.net_io_counters(pernic=True) or {}).items() if name != "lo"}
    total = sum(seconds for mode, seconds in cpu.items() if mode not in _WITHIN)
    return _Counters(
        at=time.monotonic(),
        cpu_total=total,
        cpu_busy=total - sum(cpu.get(mode, 0.0) for mode in _IDLE),
        cpu_niced=cpu.get("nice", 0.0),
        disk_read_bytes=sum(disk.read_bytes for disk in disks.values()),
        disk_written_bytes=sum(disk.write_bytes for disk in disks.values()),
        disk_busy_seconds=max((getattr(disk, "busy_time", 0) / 1000 for disk in disks.values()), default=0.0),  # the busiest one; psutil says ms
        network_sent_bytes=sum(card.bytes_sent for card in cards.values()),
        network_received_bytes=sum(card.bytes_recv for card in cards.values()),
        network_errors=sum(card.errin + card.errout for card in cards.values()),
        cards={name: (card.bytes_sent, card.bytes_recv) for name, card in cards.items()},
    )


def _open_files() -> tuple[float, float]:
    """Open on the whole host, and the most there may be; zeros where the kernel does not say."""
    try:
        allocated, _, most = OPEN_FILES.read_text().split()[:3]
    except (OSError, ValueError):
        return 0.0, 0.0
    return float(allocated), float(most)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def mean(samples: Sequence[Values]) -> Values:
    """The mean of each value over some seconds, as it is kept; names of the last sample."""
    return {name: sum(one.get(name, 0.0) for one in samples) / len(samples) for name in samples[-1]} if samples else {}


def thinned(points: list[tuple[datetime, Values]], most: int) -> list[tuple[datetime, Values]]:
    """At most ``most`` of the points, evenly chosen, the last one always."""
    step = -(-len(points) // most) if points else 1
    return points[::-1][::step][::-1]
