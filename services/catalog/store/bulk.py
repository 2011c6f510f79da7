"""SQL of one change to many cases: all or nothing, one audit event each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.db import for_update
from isocenter.errors import NotFound
from isocenter.models import AuditEvent, Case, now

AT_ONCE = 5000  # ids of one statement: below every back-end's limit of parameters


async def change_cases(session: AsyncSession, principal: Principal, keys: Sequence[str], action: str, note: str) -> int:
    """Delete, restore or note the cases of these keys; how many were changed. NotFound for a key that is none: then nothing was.

    Those that are already so are left alone, and so are their revisions.
    """
    found: dict[str, tuple[int, bool, str]] = {}
    for some in _chunks(sorted(set(keys)), AT_ONCE):
        wanted = select(Case.key, Case.id, Case.deleted_at, Case.note).where(Case.key.in_(some), Case.merged_into.is_(None)).order_by(Case.id)
        for key, case_id, deleted_at, old in await session.execute(for_update(wanted, session)):
            found[key] = (case_id, deleted_at is not None, old)
    if missing := sorted(set(keys) - found.keys()):
        raise NotFound(f"{len(missing)} of the keys are no cases; nothing was changed.", field="keys", missing=missing[:20])
    if action == "note":
        if gone := sorted(key for key, (_, deleted, _) in found.items() if deleted):
            raise NotFound(f"{len(gone)} of the cases are deleted; restore them first. Nothing was changed.", field="keys", missing=gone[:20])
        touched = {key: case_id for key, (case_id, _, old) in found.items() if old != note}
    else:
        touched = {key: case_id for key, (case_id, deleted, _) in found.items() if deleted != (action == "delete")}
    moment = now()
    values: dict[str, Any] = {"note": note} if action == "note" else {"deleted_at": moment if action == "delete" else None}
    for some_ids in _chunks(sorted(touched.values()), AT_ONCE):
        await session.execute(update(Case).where(Case.id.in_(some_ids)).values(revision=Case.revision + 1, **values))
    verb, after = ("change", {"changed": ["note"], "characters": len(note)}) if action == "note" else (action, None)
    events = [
        {"at": moment, "actor": principal.name, "verb": verb, "subject": f"case:{key}", "after": after, "request_id": principal.request_id}
        for key in sorted(touched)
    ]
    for some_events in _chunks(events, AT_ONCE):
        await session.execute(insert(AuditEvent), some_events)
    if touched:
        await note_changes(session, touched.values())
    return len(touched)


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
