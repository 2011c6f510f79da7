"""Audit rows, written by any service in its own transaction: who, what, to what. Never patient data.

``subject`` is ``noun:key`` (``case:LIV-000012``); before and after hold changed fields, never names or report text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.db import upsert_ignore
from isocenter.models import AuditEvent, now


def record(
    session: AsyncSession, principal: Principal | None, verb: str, subject: str, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    """Add an event to the writer's transaction; ``principal`` None = the system itself."""
    session.add(
        AuditEvent(
            at=now(),
            actor=principal.name if principal else "system",
            verb=verb,
            subject=subject,
            before=before,
            after=after,
            request_id=principal.request_id if principal else "",
        )
    )


async def record_view(session: AsyncSession, principal: Principal, subject: str, *, at: datetime | None = None) -> None:
    """One view event per account, subject and hour, however often it is looked at."""
    await record_views(session, principal, [subject], at=at)


async def record_views(session: AsyncSession, principal: Principal, subjects: Sequence[str], *, at: datetime | None = None) -> None:
    """As ``record_view``, of several subjects in one statement."""
    moment = at or now()
    rows = []
    for subject in subjects:
        once = hashlib.sha256(f"view|{principal.name}|{subject}|{moment:%Y%m%d%H}".encode()).hexdigest()
        rows.append({"at": moment, "actor": principal.name, "verb": "view", "subject": subject, "request_id": principal.request_id, "once_key": once})
    await upsert_ignore(session, AuditEvent.__table__, sorted(rows, key=lambda row: str(row["once_key"])))
