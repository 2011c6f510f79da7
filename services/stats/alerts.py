"""When a host or a part needs somebody: rules over the last samples. Pure: samples in, what fires out.

An alert that fires ends only below ``clears``, so that a value at the edge does not ring every five seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.stats.servers import Values


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires when ``metric`` is over ``fires`` percent for all of ``lasting``."""

    name: str
    metric: str
    fires: float
    clears: float
    lasting: timedelta
    severity: str
    summary: str
    without: str = ""  # a metric taken off, such as the niced work of imports

    def value(self, values: Values) -> float:
        return values.get(self.metric, 0.0) - (values.get(self.without, 0.0) if self.without else 0.0)


RULES = (
    Rule("cpu-high", "cpu_percent", 90, 85, timedelta(seconds=60), "warning", "CPU over 90 % for a minute: pages and pictures are slow.", "cpu_niced_percent"),
    Rule("memory-high", "memory_percent", 90, 87, timedelta(seconds=15), "warning", "Memory over 90 %: the kernel may end processes soon."),
    Rule("disk-high", "disk_percent", 90, 88, timedelta(0), "critical", "The data disk is over 90 % full: imports stop when it is full."),
)


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that is on. ``subject`` is the host or the part."""

    name: str
    subject: str
    severity: str
    summary: str
    value: float | None = None

    @property
    def fingerprint(self) -> str:
        return f"{self.subject}/{self.name}"[:64]


def firing(subject: str, history: Sequence[tuple[datetime, Values]], open_names: frozenset[str]) -> list[Firing]:
    """What fires on a host now. history: (time, values), oldest first; ``open_names``: rules whose alert is on already."""
    if not history:
        return []
    last_at, last = history[-1]
    found = []
    for rule in RULES:
        value = rule.value(last)
        if rule.name in open_names:
            on = value > rule.clears
        else:
            since = [values for at, values in history if at >= last_at - rule.lasting]
            covered = history[0][0] <= last_at - rule.lasting  # a server that just started has not been busy for a minute
            on = covered and all(rule.value(values) > rule.fires for values in since)
        if on:
            found.append(Firing(rule.name, subject, rule.severity, rule.summary, value))
    return found


def parts_not_ready(subject: str, ready: Mapping[str, bool]) -> list[Firing]:
    """One alert for each part (catalog, object store, a service) that does not answer."""
    return [Firing(f"not-ready-{name}", subject, "critical", f"{name} does not answer; see its log.") for name, up in sorted(ready.items()) if not up]
