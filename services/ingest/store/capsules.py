"""Rows of the identity table. The only module that reads or writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.keys import SiteKey
from isocenter.models import IdentityCapsule, now
from services.ingest.identity import seal, unseal

T = TypeVar("T")
CHUNK = 500


async def put(session: AsyncSession, key: SiteKey, kind: str, values: Sequence[tuple[int, object]], *, days: int) -> None:
    """Write or replace the capsules of owners."""
    if not values:
        return
    erase_after = now() + timedelta(days=days)
    ids = [owner for owner, _ in values]
    known: set[int] = set()
    for start in range(0, len(ids), CHUNK):
        rows = await session.scalars(
            select(IdentityCapsule.owner_id).where(IdentityCapsule.owner_kind == kind, IdentityCapsule.owner_id.in_(ids[start : start + CHUNK]))
        )
        known.update(rows)
    fresh: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for owner, value in sorted(values, key=lambda pair: pair[0]):
        sealed = seal(key, kind, owner, value)
        if owner in known:
            changed.append({"b_kind": kind, "b_owner": owner, "b_sealed": sealed})
        else:
            fresh.append({"owner_kind": kind, "owner_id": owner, "sealed": sealed, "erase_after": erase_after})
    if fresh:
        await session.execute(insert(IdentityCapsule), fresh)
    if changed:
        statement = (
            update(IdentityCapsule.__table__)  # type: ignore[arg-type]
            .where(IdentityCapsule.owner_kind == bindparam("b_kind"), IdentityCapsule.owner_id == bindparam("b_owner"))
            .values(sealed=bindparam("b_sealed"))
        )
        await (await session.connection()).execute(statement, changed)


async def get(session: AsyncSession, key: SiteKey, kind: str, owner: int, cls: type[T]) -> T | None:
    sealed = await session.scalar(select(IdentityCapsule.sealed).where(IdentityCapsule.owner_kind == kind, IdentityCapsule.owner_id == owner))
    return None if sealed is None else unseal(key, kind, owner, sealed, cls)


async def get_many(session: AsyncSession, key: SiteKey, kind: str, owners: Iterable[int], cls: type[T]) -> dict[int, T]:
    """Owner -> value, owners without a capsule left out."""
    found: dict[int, T] = {}
    ids = sorted(set(owners))
    for start in range(0, len(ids), CHUNK):
        rows = await session.execute(
            select(IdentityCapsule.owner_id, IdentityCapsule.sealed).where(
                IdentityCapsule.owner_kind == kind, IdentityCapsule.owner_id.in_(ids[start : start + CHUNK])
            )
        )
        for owner, sealed in rows:
            found[owner] = unseal(key, kind, owner, sealed, cls)
    return found


async def erase(session: AsyncSession, kind: str, owners: Sequence[int]) -> None:
    for start in range(0, len(owners), CHUNK):
        await session.execute(
            delete(IdentityCapsule).where(IdentityCapsule.owner_kind == kind, IdentityCapsule.owner_id.in_(owners[start : start + CHUNK]))
        )


async def erase_expired(session: AsyncSession) -> int:
    """Drop the capsules whose time is over; how many."""
    result = await session.execute(delete(IdentityCapsule).where(IdentityCapsule.erase_after < now()))
    return int(result.rowcount)  # type: ignore[attr-defined]
