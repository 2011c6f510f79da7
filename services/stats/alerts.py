"""When a host or a part needs somebody: rules over the last samples. Pure: samples in, what fires out.

A sample's rates are means over the second before it. An alert begins when its value was too high for all of ``lasting``, and ends when it
was below the lower limit for all of ``calm``, so that a value at the edge does not ring every second. cpu-high: 7 s and the second that was
busy in part stay below the 10 s within which an overload is to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.stats.servers import Values


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires when ``metric`` is over ``fires`` for all of ``lasting``; ends when it is at most ``clears`` for all of ``calm``."""

    name: str
    metric: str
    fires: float
    clears: float
    lasting: timedelta
    severity: str
    summary: str
    without: str = ""  # a metric taken off, such as the niced work of imports
    share_of: str = ""  # the metric that is 100 %
    calm: timedelta = timedelta(seconds=5)

    def value(self, values: Values) -> float:
        """In the metric's unit, in per cent with ``share_of``."""
        value = values.get(self.metric, 0.0) - (values.get(self.without, 0.0) if self.without else 0.0)
        if not self.share_of:
            return value
        whole = values.get(self.share_of, 0.0)
        return 100 * value / whole if whole > 0 else 0.0


RULES = (
    Rule("cpu-high", "cpu_percent", 90, 85, timedelta(seconds=7), "warning",
         "CPU over 90 % without the imports' niced work: pages and pictures are slow.", without="cpu_niced_percent"),
    Rule("memory-high", "memory_percent", 90, 87, timedelta(seconds=8), "warning", "Memory over 90 %: the kernel may end processes soon."),
    Rule("disk-high", "disk_percent", 90, 88, timedelta(0), "critical", "The data disk is over 90 % full: imports stop when it is full.", calm=timedelta(0)),
    Rule("files-high", "open_files", 90, 85, timedelta(seconds=8), "warning", "Over 90 % of the files that this host may have open are open.",
         share_of="open_files_most"),
    Rule("network-errors", "network_errors_per_s", 1, 0, timedelta(minutes=1), "warning",
         "A network card reports errors: look at cable, switch port and duplex."),
    Rule("network-full", "network_busy_percent", 90, 85, timedelta(minutes=1), "warning",
         "A network card carries over 90 % of its speed: downloads and imports wait for it."),
    Rule("disk-busy", "disk_busy_percent", 95, 90, timedelta(minutes=10), "warning",
         "The disk has been busy over 95 % of the time for ten minutes: catalog and pictures wait for it."),
)  # fmt: skip
LONGEST = max(max(rule.lasting, rule.calm) for rule in RULES)


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
        if rule.name in open_names:
            on = any(rule.value(values) > rule.clears for at, values in history if at > last_at - rule.calm or at == last_at)
        else:
            covered = history[0][0] <= last_at - rule.lasting  # a server that just started has not been busy for so long
            on = covered and rule.value(last) > rule.fires
            on = on and all(rule.value(values) > rule.fires for at, values in history if at >= last_at - rule.lasting)
        if on:
            found.append(Firing(rule.name, subject, rule.severity, rule.summary, rule.value(last)))
    return found


def parts_not_ready(subject: str, ready: Mapping[str, bool]) -> list[Firing]:
    """One alert for each part (catalog, object store, a service) that does not answer."""
    return [Firing(f"not-ready-{name}", subject, "critical", f"{name} does not answer; see its log.") for name, up in sorted(ready.items()) if not up]


@dataclass(frozen=True, slots=True)
class ServiceRule:
    """Fires when ``ratio`` of a service is over ``fires`` in each of ``looks`` samples; ends when it was not in two."""

    name: str
    metric: str
    of: str  # the metric that it is a share of; "" = none
    fires: float
    looks: int
    severity: str
    summary: str

    def over(self, values: Values) -> bool:
        if self.of != "connections_most" and values.get("requests_per_s", 0.0) < LEAST_REQUESTS_PER_S:
            return False
        whole = values.get(self.of, 0.0) if self.of else 1.0
        return whole > 0 and values.get(self.metric, 0.0) / whole > self.fires


LEAST_REQUESTS_PER_S = 0.05  # one failed request in the night is no alert; as in deploy/prometheus/rules/services.yml
SERVICE_RULES = (  # samples come every 15 s
    ServiceRule("service-errors", "errors_per_s", "requests_per_s", 0.05, 4, "critical", "Over 5 % of a service's answers are errors of ours."),
    ServiceRule("service-slow", "p95_ms", "", 2000, 8, "warning", "One answer in twenty takes over 2 s."),
    ServiceRule("connections-short", "connections_in_use", "connections_most", 0.9, 4, "warning", "Over 90 % of the catalog connections are in use."),
)
SERVICE_LOOKS = max(rule.looks for rule in SERVICE_RULES)


def firing_of_services(subject: str, history: Sequence[Mapping[str, Values]], open_names: frozenset[str]) -> list[Firing]:
    """What fires now. history: service -> values, oldest first, at most ``SERVICE_LOOKS``; the alert's name ends with the service's."""
    found = []
    for service in history[-1] if history else ():
        for rule in SERVICE_RULES:
            name = f"{rule.name}-{service}"
            last = history[-2:] if name in open_names else history[-rule.looks :]
            over = [rule.over(values.get(service, {})) for values in last]
            if any(over) if name in open_names else len(over) == rule.looks and all(over):
                found.append(Firing(name, subject, rule.severity, rule.summary, history[-1][service].get(rule.metric)))
    return found
