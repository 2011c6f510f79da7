"""What is told outside about an alert: a mail, or a body in Alertmanager's webhook form. Pure. No patient data: an alert has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

NEVER = "0001-01-01T00:00:00Z"  # how Alertmanager writes an end that is not there


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice: an alert as it began or ended."""

    notice_id: int
    attempts: int
    created_at: datetime
    event: str  # began | ended
    way: str  # mail | webhook
    name: str
    severity: str
    summary: str
    labels: Mapping[str, str]
    value: float | None
    fingerprint: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.event == "ended"


def mail(letter: Letter, sender: str, receivers: str) -> EmailMessage:
    """``receivers`` comma separated, as in the setting."""
    host = letter.labels.get("host", "")
    message = EmailMessage()
    message["Subject"] = f"[{'ended' if letter.ended else letter.severity}] {letter.name}{' on ' + host if host else ''}"
    message["From"], message["To"] = sender, receivers
    message["Date"] = format_datetime(letter.ended_at if letter.ended and letter.ended_at else letter.started_at)
    message["Message-ID"] = make_msgid(f"alert-{letter.notice_id}", "isocenter.invalid")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notices in return
    lines = [letter.summary, "", f"Alert     {letter.name}", f"Severity  {letter.severity}"]
    lines += [f"Host      {host}"] if host else []
    lines += [f"Value     {letter.value:g}"] if letter.value is not None else []
    lines += [f"Began     {letter.started_at:%Y-%m-%d %H:%M:%S} UTC"]
    lines += [f"Ended     {letter.ended_at:%Y-%m-%d %H:%M:%S} UTC"] if letter.ended and letter.ended_at else []
    message.set_content("\n".join([*lines, "", "What to do: docs/operations.md, From an alert to its cause.", ""]))
    return message


def body(letter: Letter) -> dict[str, Any]:
    """As Alertmanager's webhook, version 4: what understands it understands us."""
    status = "resolved" if letter.ended else "firing"
    labels = {**letter.labels, "alertname": letter.name, "severity": letter.severity}
    annotations = {"summary": letter.summary} | ({"value": f"{letter.value:g}"} if letter.value is not None else {})
    alert = {
        "status": status, "labels": labels, "annotations": annotations, "startsAt": letter.started_at.isoformat(), "generatorURL": "",
        "endsAt": letter.ended_at.isoformat() if letter.ended and letter.ended_at else NEVER, "fingerprint": letter.fingerprint,
    }  # fmt: skip
    return {
        "version": "4", "groupKey": letter.fingerprint, "truncatedAlerts": 0, "status": status, "receiver": "isocenter", "groupLabels": {},
        "commonLabels": labels, "commonAnnotations": annotations, "externalURL": "", "alerts": [alert],
    }  # fmt: skip
