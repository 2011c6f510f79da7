"""SQL of exports: asked for, claimed under a lease, moved on, ended; and where the objects of a unit lie."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.db import for_update
from isocenter.errors import Conflict, NotFound
from isocenter.models import Case, Dataset, DatasetMember, DatasetVersion, Export, Instance, Resource, Series, now
from services.catalog.exports.about import About
from services.catalog.exports.spec import Spec
from services.catalog.schemas.exports import ExportOut

OVER = ("finished", "failed", "cancelled", "removed")
_KEY = re.compile(r"([a-z0-9]{1,31})-([0-9a-f]{16})\Z")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An export under our lease. ``folder``: prefix of its objects."""

    id: int
    token: str
    version_id: int
    manifest_key: str
    format: str
    options: dict[str, Any]
    attempt: int
    about: About

    @property
    def folder(self) -> str:
        return folder_of(self.id)


def folder_of(export_id: int) -> str:
    return f"exports/{export_id}"


def shape(row: Export, dataset: Dataset, version: DatasetVersion) -> ExportOut:
    result = row.result or {}
    return ExportOut(
        key=f"{row.format}-{row.options_sha[:16]}", reference=f"{dataset.name}@{version.number}", format=row.format, options=row.options, state=row.state,
        done=row.done, total=row.total, reason=row.reason, digest=result.get("digest"), files=result.get("files"), size_bytes=result.get("size_bytes"),
        refused=result.get("refused", {}), notes=result.get("notes", []), created_by=row.created_by, created_at=row.created_at, started_at=row.started_at,
        finished_at=row.finished_at,
    )


async def ask(session: AsyncSession, principal: Principal, version: DatasetVersion, spec: Spec) -> tuple[Export, bool]:
    """The export of these options, and whether it has to be run: one that is open, running or finished is not asked for twice."""
    wanted = select(Export).where(Export.version_id == version.id, Export.format == spec.format, Export.options_sha == spec.sha256())
    row = (await session.scalars(for_update(wanted, session))).one_or_none()
    if row is None:
        row = Export(version_id=version.id, format=spec.format, options=spec.document(), options_sha=spec.sha256(), state="open", created_by=principal.name)
        session.add(row)
        await session.flush()
        return row, True
    if row.state in ("open", "running", "finished"):
        return row, False
    row.state, row.done, row.total, row.attempt, row.reason, row.result = "open", 0, 0, 0, "", None
    row.lease_token = row.lease_until = row.started_at = row.finished_at = None
    row.created_by, row.created_at = principal.name, now()
    await session.flush()
    return row, True


async def of_version(session: AsyncSession, version: DatasetVersion) -> list[Export]:
    return list(await session.scalars(select(Export).where(Export.version_id == version.id, Export.state != "removed").order_by(Export.id)))


async def export_of(session: AsyncSession, version: DatasetVersion, key: str) -> Export:
    """NotFound also for one that was removed."""
    match = _KEY.match(key)
    row = None
    if match is not None:
        wanted = select(Export).where(Export.version_id == version.id, Export.format == match[1], Export.options_sha.startswith(match[2]))
        row = (await session.scalars(wanted.where(Export.state != "removed"))).first()
    if row is None:
        raise NotFound("The version has no export of this key.", field="key")
    return row


async def finished_export(session: AsyncSession, version: DatasetVersion, key: str) -> Export:
    row = await export_of(session, version, key)
    if row.state != "finished":
        raise Conflict(f"The export is {row.state}, not finished; its files come when it is.", field="key")
    return row


async def end(session: AsyncSession, row: Export, state: str) -> None:
    """Cancel (while it is open or running) or remove (when it is over). The runner sees it at its next beat."""
    allowed = ("open", "running") if state == "cancelled" else OVER
    done = await session.execute(
        update(Export).where(Export.id == row.id, Export.state.in_(allowed)).values(state=state, finished_at=now(), lease_token=None, lease_until=None)
    )
    if not done.rowcount:  # type: ignore[attr-defined]
        raise Conflict(f"The export is {row.state}: that cannot be {state}.", field="key")


async def claim(session: AsyncSession, lease_seconds: int) -> Claimed | None:
    """The oldest export that nobody runs, now under a lease of ours. One of a withdrawn version fails here."""
    waiting = or_(Export.state == "open", and_(Export.state == "running", Export.lease_until < now()))
    row = (await session.scalars(for_update(select(Export).where(waiting).order_by(Export.id).limit(1), session, skip_locked=True))).first()
    if row is None:
        return None
    version = await session.get_one(DatasetVersion, row.version_id)
    dataset = await session.get_one(Dataset, version.dataset_id)
    row.state, row.lease_token, row.lease_until = "running", secrets.token_hex(8), now() + timedelta(seconds=lease_seconds)
    row.attempt += 1
    row.started_at = row.started_at or now()
    await session.flush()
    card = version.card
    classes = tuple((str(item["code"]), str(item["title_en"])) for item in card["annotation_meaning"]["classes"])
    about = About(dataset.name, version.number, dataset.title, dataset.description, dataset.licence, f"{version.created_at:%Y-%m-%d}", classes)
    return Claimed(row.id, row.lease_token, row.version_id, version.manifest_key, row.format, dict(row.options), row.attempt, about)


async def _ours(session: AsyncSession, claimed: Claimed, **values: Any) -> bool:
    """Change the export if the lease is still ours."""
    statement = update(Export).where(Export.id == claimed.id, Export.lease_token == claimed.token, Export.state == "running").values(**values)
    return bool((await session.execute(statement)).rowcount)  # type: ignore[attr-defined]


async def beat(session: AsyncSession, claimed: Claimed, done: int, total: int, lease_seconds: int) -> bool:
    """Renew the lease and note the progress; False when it is not ours any more, or the version was withdrawn meanwhile."""
    withdrawn = (await session.scalars(select(DatasetVersion.withdrawn_at).where(DatasetVersion.id == claimed.version_id))).one()
    if withdrawn is not None:
        await _ours(session, claimed, state="failed", reason="The version was withdrawn.", finished_at=now(), lease_token=None)
        return False
    return await _ours(session, claimed, done=done, total=total, lease_until=now() + timedelta(seconds=lease_seconds))


async def finish(session: AsyncSession, claimed: Claimed, result: dict[str, Any], total: int) -> bool:
    values = {"state": "finished", "result": result, "done": total, "total": total, "finished_at": now(), "reason": ""}
    return await _ours(session, claimed, **values, lease_token=None, lease_until=None)


async def fail(session: AsyncSession, claimed: Claimed, reason: str) -> bool:
    return await _ours(session, claimed, state="failed", reason=reason[:255], finished_at=now(), lease_token=None, lease_until=None)


async def give_back(session: AsyncSession, claimed: Claimed) -> bool:
    return await _ours(session, claimed, state="open", lease_token=None, lease_until=None)


async def is_over(session: AsyncSession, claimed: Claimed) -> bool:
    """Cancelled, failed or removed, and asked for by nobody since."""
    return (await session.scalars(select(Export.state).where(Export.id == claimed.id))).one() in ("cancelled", "failed", "removed")


async def object_keys(session: AsyncSession, version_id: int, series_uid: str) -> dict[str, str]:
    """SHA-256 -> object key of a series of the version."""
    statement = (
        select(Instance.object_sha256, Instance.object_key)
        .join(DatasetMember, DatasetMember.stack_id == Instance.stack_id)
        .join(Series, Series.id == DatasetMember.series_id)
        .where(DatasetMember.version_id == version_id, Series.uid == series_uid)
    )
    return {sha256: key for sha256, key in (await session.execute(statement)).tuples()}


async def masks_of(session: AsyncSession, case_key: str) -> tuple[str, ...]:
    """Objects of a case that may be segmentations: other DICOM files that a reviewer has released."""
    statement = (
        select(Resource.object_key)
        .join(Case, Case.id == Resource.case_id)
        .where(Case.key == case_key, Resource.state == "visible", Resource.deleted_at.is_(None), Resource.media_type == "application/dicom")
        .order_by(Resource.sha256)
    )
    return tuple(await session.scalars(statement))
