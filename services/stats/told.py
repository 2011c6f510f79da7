"""What Alertmanager tells (its webhook, version 4) as values of ours, and which bodies are old. Pure.

Only the labels of ``LABELS`` are kept: what a rule may say about a site is a closed set.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from isocenter.errors import Conflict

LABELS = ("service", "instance", "job", "device", "mountpoint", "kind", "stage", "receiver")
SEVERITIES = frozenset({"info", "warning", "critical"})
SOURCE = "alertmanager:"  # begins the fingerprint; the sampler's begin with "<host>/"


@dataclass(frozen=True, slots=True)
class Told:
    """One alert of a body. ``ended_at`` None while it fires."""

    fingerprint: str
    firing: bool
    name: str
    severity: str
    labels: dict[str, str]
    summary: str
    value: float | None
    started_at: datetime
    ended_at: datetime | None


def told(
    fingerprint: str, status: str, labels: Mapping[str, str], annotations: Mapping[str, str], started_at: datetime, ended_at: datetime | None
) -> Told:
    """An alert as Alertmanager writes it; lengths are those of the table."""
    severity = labels.get("severity", "")
    kept = {name: labels[name][:120] for name in LABELS if labels.get(name)}
    # "host" is what the product's own alerts say, without the port
    if "instance" in kept:
        kept["host"] = kept["instance"].rpartition(":")[0] or kept["instance"]
    return Told(
        f"{SOURCE}{fingerprint}"[:64], status == "firing", labels.get("alertname", "alert")[:64], severity if severity in SEVERITIES else "warning",
        kept, annotations.get("summary", "")[:255], _number(annotations.get("value")), started_at, None if status == "firing" else ended_at,
    )  # fmt: skip


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None  # no NaN, no infinity: JSON has neither


class Bodies:
    """Digests of the bodies taken within ``KEPT``.

    Alertmanager itself sends the same bytes again only after its repeat_interval (4 h in deploy/alertmanager); sooner is a replay.
    """

    KEPT = timedelta(hours=1)
    MOST = 10_000

    def __init__(self) -> None:
        self._taken: OrderedDict[bytes, datetime] = OrderedDict()

    def check(self, body: bytes, at: datetime) -> bytes:
        """The body's digest; Conflict when it was taken before."""
        while self._taken and (len(self._taken) > self.MOST or next(iter(self._taken.values())) < at - self.KEPT):
            self._taken.popitem(last=False)
        digest = hashlib.sha256(body).digest()
        if digest in self._taken:
            raise Conflict("This notice was taken before; the same body is not taken twice.")
        return digest

    def remember(self, digest: bytes, at: datetime) -> None:
        """After the commit: a body that could not be written may come again."""
        self._taken[digest] = at
