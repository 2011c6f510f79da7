"""Which alerts a silence covers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

Matcher = dict[str, str]
NAMES = frozenset({"name", "severity", "host", "service", "instance", "mountpoint", "device", "kind"})


def covers(matcher: Mapping[str, str], name: str, severity: str, labels: Mapping[str, str]) -> bool:
    """True when every entry of the matcher is the alert's; an empty matcher covers nothing."""
    known = {**labels, "name": name, "severity": severity}
    return bool(matcher) and all(known.get(key) == value for key, value in matcher.items())


def silenced_until(silences: Iterable[tuple[Mapping[str, str], datetime]], name: str, severity: str, labels: Mapping[str, str]) -> datetime | None:
    """When the last silence that covers an alert runs out; None when none does."""
    return max((until for matcher, until in silences if covers(matcher, name, severity, labels)), default=None)
