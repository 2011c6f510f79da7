"""What Alertmanager tells (its webhook, version 4) as values of ours, and how its bodies are known again. Pure.

Only the labels of ``LABELS`` are kept: what a rule may say about a site is a closed set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

LABELS = ("service", "instance", "job", "device", "mountpoint", "kind", "stage", "receiver")
SEVERITIES = frozenset({"info", "warning", "critical"})
# Alertmanager itself sends the same bytes again only after its repeat_interval (4 h in deploy/alertmanager); sooner is a replay.
BODIES_KEPT = timedelta(hours=1)
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


def told(fingerprint: str, status: str, labels: Mapping[str, str], annotations: Mapping[str, str], started_at: datetime, ended_at: datetime | None) -> Told:
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


def digest_of(body: bytes) -> str:
    """SHA-256 in hex: what a body is known by."""
    return hashlib.sha256(body).hexdigest()
