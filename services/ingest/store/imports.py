"""Imports, batches with leases, items: the durable state of ingest."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import for_update
from isocenter.errors import Conflict, IsocenterError, NotFound
from isocenter.models import Hospital, Import, ImportBatch, ImportItem, Review, now
from services.ingest.records import Outcome

STAGES = ("scan", "tables", "read", "group", "link", "release", "close", "scrub", "label", "finish")
AGAIN = "again"  # follow-up work after a decision, also on a finished import
FINAL = frozenset({"finished", "failed", "cancelled", "withdrawn"})
CHUNK = 500
ATTEMPTS = 3


class LeaseLost(IsocenterError):
    """Another coordinator has the batch now: nothing of this one's work counts."""


def new_key() -> str:
    return secrets.token_hex(8)


async def get(session: AsyncSession, key: str, *, lock: bool = False) -> Import:
    """The import; NotFound when there is none."""
    statement = select(Import).where(Import.key == key)
    row: Import | None = await session.scalar(for_update(statement, session) if lock else statement)
    if row is None:
        raise NotFound("There is no import with this key.", field="key")
    return row


async def hospital_code(session: AsyncSession, hospital_id: int) -> str:
    code = await session.scalar(select(Hospital.code).where(Hospital.id == hospital_id))
    assert code is not None
    return code


async def add_batches(session: AsyncSession, import_id: int, stage: str, payloads: Sequence[tuple[dict[str, Any], int]]) -> None:
    """Open batches for a stage: (payload, number of things in it)."""
    highest = select(func.max(ImportBatch.ordinal)).where(ImportBatch.import_id == import_id, ImportBatch.stage == stage)
    first = 1 + (await session.scalar(highest) or 0)
    rows = [
        {"import_id": import_id, "stage": stage, "ordinal": first + number, "payload": payload, "size": size, "state": "open", "attempt": 0}
        for number, (payload, size) in enumerate(payloads)
    ]
    if rows:
        await session.execute(insert(ImportBatch), rows)


async def claim(session: AsyncSession, lease_seconds: int) -> ImportBatch | None:
    """The next open batch whose lease is free, leased to the caller; None when there is nothing to do."""
    moment = now()
    free = or_(ImportBatch.lease_until.is_(None), ImportBatch.lease_until < moment)
    candidates = await session.scalars(
        select(ImportBatch.id)
        .join(Import, Import.id == ImportBatch.import_id)
        .where(
            ImportBatch.state == "open",
            free,
            or_(
                and_(ImportBatch.stage == AGAIN, Import.state.in_(("running", "finished", "withdrawn"))),
                and_(Import.state == "running", ImportBatch.stage == Import.stage),
            ),
        )
        .order_by(ImportBatch.import_id, ImportBatch.id)
        .limit(8)
    )
    batch: ImportBatch | None = None
    for batch_id in candidates.all():
        # MariaDB knows no FOR UPDATE OF: lock the batch alone, so that coordinators never wait for one another.
        one = select(ImportBatch).where(ImportBatch.id == batch_id, ImportBatch.state == "open", free)
        batch = await session.scalar(for_update(one, session, skip_locked=True))
        if batch is not None:
            break
    if batch is None:
        return None
    batch.lease_token = secrets.token_hex(16)
    batch.lease_until = moment + timedelta(seconds=lease_seconds)
    batch.attempt += 1
    return batch


async def renew(session: AsyncSession, batch_id: int, token: str, lease_seconds: int) -> bool:
    result = await session.execute(
        update(ImportBatch).where(ImportBatch.id == batch_id, ImportBatch.lease_token == token).values(lease_until=now() + timedelta(seconds=lease_seconds))
    )
    return bool(result.rowcount)  # type: ignore[attr-defined]


async def hold(session: AsyncSession, batch_id: int, token: str) -> None:
    """Check the lease inside the writer's transaction; LeaseLost when another coordinator has taken over."""
    mine = and_(ImportBatch.id == batch_id, ImportBatch.lease_token == token, ImportBatch.state == "open")
    statement = select(ImportBatch.import_id, ImportBatch.stage).where(mine)
    found = (await session.execute(for_update(statement, session))).first()
    if found is None:
        raise LeaseLost("The lease of this batch has gone to another coordinator.")
    # Locked for sharing, so that a cancellation waits for this commit and then sees all that it wrote.
    state = select(Import.state).where(Import.id == found.import_id)
    ended = ("cancelled",) if found.stage == AGAIN else ("cancelled", "withdrawn")
    if await session.scalar(for_update(state, session, share=True)) in ended:
        raise LeaseLost("The import was cancelled while this batch was worked on.")


async def finish(session: AsyncSession, batch_id: int, token: str) -> None:
    """Close the batch in the transaction that holds its effects."""
    await hold(session, batch_id, token)
    await session.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(state="done", finished_at=now(), lease_token=None, lease_until=None))


async def give_back(session: AsyncSession, batch_id: int, token: str, *, wait_seconds: float, count_attempt: bool) -> int:
    """Open the batch again after a failure; the number of attempts so far."""
    batch = await session.get(ImportBatch, batch_id)
    if batch is None or batch.lease_token != token:
        return 0
    batch.lease_token = None
    batch.lease_until = now() + timedelta(seconds=wait_seconds)
    if not count_attempt:
        batch.attempt -= 1
    return batch.attempt


async def give_up(session: AsyncSession, batch_id: int, item_ids: Sequence[int]) -> None:
    """Close follow-up work that failed three times; its files say so and can be taken up again in review."""
    await session.execute(update(ImportBatch).where(ImportBatch.id == batch_id).values(state="failed", lease_token=None, lease_until=None))
    values = {"outcome": Outcome.REVIEW.value, "reason": "follow-up-failed", "detail": "Processing this file again failed three times; see the log."}
    await session.execute(update(ImportItem).where(ImportItem.id.in_(item_ids), ImportItem.outcome.is_(None)).values(**values))


async def open_batches(session: AsyncSession, import_id: int, stage: str) -> int:
    return (
        await session.scalar(
            select(func.count()).select_from(ImportBatch).where(ImportBatch.import_id == import_id, ImportBatch.stage == stage, ImportBatch.state == "open")
        )
        or 0
    )


async def set_items(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Update items by id, many at once; every row names the same columns beside ``id``."""
    if not rows:
        return
    names = [name for name in rows[0] if name != "id"]
    table = ImportItem.__table__
    statement = update(table).where(table.c.id == bindparam("b_id")).values({name: bindparam(f"b_{name}") for name in names})  # type: ignore[arg-type]
    values = [{f"b_{name}": row[name] for name in row} for row in sorted(rows, key=lambda row: int(row["id"]))]
    await (await session.connection()).execute(statement, values)


def items(import_id: int) -> Select[ImportItem]:
    return select(ImportItem).where(ImportItem.import_id == import_id)


async def counts(session: AsyncSession, import_id: int) -> dict[str, dict[str, int]]:
    """kind -> outcome -> count, with ``pending`` for items that have none yet; every outcome is named."""
    names = [outcome.value for outcome in Outcome] + ["pending"]
    result = {"files": dict.fromkeys(names, 0), "rows": dict.fromkeys(names, 0)}
    rows = await session.execute(
        select(ImportItem.kind, ImportItem.outcome, func.count()).where(ImportItem.import_id == import_id).group_by(ImportItem.kind, ImportItem.outcome)
    )
    for kind, outcome, count in rows:
        result["files" if kind == "file" else "rows"][outcome or "pending"] += count
    return result


async def states(session: AsyncSession, import_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """Counts of the link states and of the label states of accepted items."""
    links = {"linked": 0, "review": 0, "unlinked": 0}
    labels = {"sure": 0, "review": 0, "decided": 0, "none": 0}
    accepted = ImportItem.outcome.in_((Outcome.ACCEPTED.value, Outcome.DUPLICATE.value))
    for column, target in ((ImportItem.link_state, links), (ImportItem.label_state, labels)):
        rows = await session.execute(select(column, func.count()).where(ImportItem.import_id == import_id, accepted, column != "").group_by(column))
        for state, count in rows:
            target[state] = count
    return links, labels


async def stage_progress(session: AsyncSession, import_id: int) -> dict[str, tuple[int, int, Any, Any]]:
    """stage -> (things done, things in all, first finish, last finish)."""
    done = func.sum(case((ImportBatch.state == "done", ImportBatch.size), else_=0))  # MariaDB has no FILTER
    rows = await session.execute(
        select(ImportBatch.stage, func.coalesce(done, 0), func.sum(ImportBatch.size), func.min(ImportBatch.finished_at), func.max(ImportBatch.finished_at))
        .where(ImportBatch.import_id == import_id)
        .group_by(ImportBatch.stage)
    )
    return {stage: (int(finished), int(total or 0), first, last) for stage, finished, total, first, last in rows}


async def open_reviews(session: AsyncSession, import_id: int) -> int:
    return await session.scalar(select(func.count()).select_from(Review).where(Review.import_id == import_id, Review.state == "open")) or 0


async def reasons(session: AsyncSession, import_id: int) -> list[tuple[str, str, str, int]]:
    """(kind, outcome, reason, count), most first."""
    rows = await session.execute(
        select(ImportItem.kind, ImportItem.outcome, ImportItem.reason, func.count())
        .where(ImportItem.import_id == import_id, ImportItem.outcome.is_not(None))
        .group_by(ImportItem.kind, ImportItem.outcome, ImportItem.reason)
        .order_by(func.count().desc(), ImportItem.reason)
    )
    return [(kind, outcome or "", reason, count) for kind, outcome, reason, count in rows]


async def change_state(session: AsyncSession, row: Import, state: str, allowed: frozenset[str], verb: str) -> None:
    if row.state not in allowed:
        raise Conflict(f"An import that is {row.state} cannot be {verb}.", state=row.state)
    row.state = state
    row.revision += 1
    if state in FINAL:
        row.finished_at = now()


async def chunked(session: AsyncSession, statement: Any, column: Any, values: Sequence[Any]) -> list[Any]:
    """All rows of ``statement`` whose column is in values, asked for in chunks."""
    found: list[Any] = []
    ordered = sorted(set(values))
    for start in range(0, len(ordered), CHUNK):
        found.extend((await session.execute(statement.where(column.in_(ordered[start : start + CHUNK])))).all())
    return found
