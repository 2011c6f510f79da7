"""Numbered, hashed policies: what decided something can always be named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import upsert_ignore
from isocenter.errors import Unavailable
from isocenter.models import Disease, LabelScheme, PolicyVersion, now


async def ensure(session: AsyncSession, kind: str, scope: str, body: dict[str, Any], sha256: str = "") -> PolicyVersion:
    """The row of this policy text, made with the next number when it is new."""
    sha256 = sha256 or hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    found = await session.scalar(select(PolicyVersion).where(PolicyVersion.kind == kind, PolicyVersion.scope == scope, PolicyVersion.sha256 == sha256))
    if found is None:
        highest = await session.scalar(select(func.max(PolicyVersion.number)).where(PolicyVersion.kind == kind, PolicyVersion.scope == scope))
        row = {"kind": kind, "scope": scope, "number": (highest or 0) + 1, "sha256": sha256, "body": body, "created_at": now()}
        await upsert_ignore(session, PolicyVersion.__table__, [row])
        found = await session.scalar(select(PolicyVersion).where(PolicyVersion.kind == kind, PolicyVersion.scope == scope, PolicyVersion.sha256 == sha256))
    assert found is not None
    return found


async def latest_mapping(session: AsyncSession, scope: str) -> dict[str, Any] | None:
    """The newest confirmed mapping of a hospital's table layout."""
    return await session.scalar(
        select(PolicyVersion.body).where(PolicyVersion.kind == "mapping", PolicyVersion.scope == scope).order_by(PolicyVersion.number.desc()).limit(1)
    )


async def diseases(session: AsyncSession, codes: list[str] | None = None) -> list[Disease]:
    statement = select(Disease).where(Disease.deleted_at.is_(None)).order_by(Disease.code)
    if codes is not None:
        statement = statement.where(Disease.code.in_(codes))
    return list(await session.scalars(statement))


async def unchanged(session: AsyncSession, known: Mapping[int, Disease]) -> None:
    """Unavailable when somebody took other rules into use since these rows were read: the work is to be done again with those."""
    revisions = await session.execute(select(Disease.id, Disease.revision).where(Disease.id.in_(known)))
    if any(known[number].revision != revision for number, revision in revisions.tuples()):
        raise Unavailable("The rules of a disease changed while its cases were labelled.")


async def schemes(session: AsyncSession, disease_ids: list[int]) -> list[LabelScheme]:
    """Active schemes, newest number first."""
    return list(
        await session.scalars(
            select(LabelScheme)
            .where(LabelScheme.disease_id.in_(disease_ids), LabelScheme.active.is_(True))
            .order_by(LabelScheme.disease_id, LabelScheme.number.desc(), LabelScheme.id)
        )
    )
