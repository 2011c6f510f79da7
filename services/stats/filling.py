"""When a disk will be full, from the last hour of samples: the rule HostDiskFillsIn24h of deploy/prometheus/rules/hosts.yml for one process. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

from services.stats.alerts import Firing
from services.stats.servers import Values

EVERY = timedelta(seconds=30)
LOOKED_AT = timedelta(hours=1)
LEAST_KNOWN = timedelta(minutes=30)
AHEAD = timedelta(hours=24)
LASTING = timedelta(minutes=5)
LEAST_USED = 0.5


class Filling:
    """The data disk of one host over the last hour; memory of 120 points."""

    def __init__(self) -> None:
        self._points: deque[tuple[datetime, float, float]] = deque()
        self._since: datetime | None = None  # it has been said to fill without a break since then

    def know(self, history: Iterable[tuple[datetime, Values]]) -> None:
        """What was sampled before this process started, oldest first."""
        for at, values in history:
            self.note(at, values)

    def note(self, at: datetime, values: Values) -> None:
        total = values.get("disk_total_bytes", 0.0)
        if total <= 0 or (self._points and at - self._points[-1][0] < EVERY):
            return
        self._points.append((at, values["disk_used_bytes"], total))
        while self._points[0][0] < at - LOOKED_AT:
            self._points.popleft()
        self._since = (self._since or at) if self._will_be_full() else None

    def _will_be_full(self) -> bool:
        """As predict_linear: the least-squares line through the free space of the hour, a day on, is below zero."""
        last, used, total = self._points[-1]
        if last - self._points[0][0] < LEAST_KNOWN or used <= LEAST_USED * total:
            return False
        seconds = np.array([(at - last).total_seconds() for at, _, _ in self._points])
        free = np.array([whole - taken for _, taken, whole in self._points])
        slope, now = np.polyfit(seconds, free, 1)
        return bool(now + slope * AHEAD.total_seconds() < 0)

    def fires(self, subject: str) -> list[Firing]:
        if self._since is None or self._points[-1][0] - self._since < LASTING:
            return []
        _, used, total = self._points[-1]
        return [Firing("disk-fills-in-24h", subject, "warning", "At the last hour's pace the data disk is full within 24 h.", 100 * used / total)]
