"""SQL of a withdrawal: the patient is marked, every version that holds a case of theirs is closed, and the newest ones get a follower."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.db import upsert_ignore
from isocenter.errors import NotFound
from isocenter.grants import visible_to
from isocenter.models import Case, Dataset, DatasetMember, DatasetVersion, Patient, PatientIdentity, Tombstone, now
from services.catalog.freeze import Frozen

ROWS_AN_INSERT = 5000


@dataclass(frozen=True, slots=True)
class Closed:
    """What a withdrawal closed. ``to_follow``: the newest version of a dataset, where it held the patient."""

    at: datetime
    case_ids: tuple[int, ...]
    case_keys: tuple[str, ...]
    versions: tuple[str, ...]
    to_follow: tuple[tuple[int, int], ...]  # dataset id, version id


async def withdraw(session: AsyncSession, principal: Principal, case_key: str) -> Closed:
    """Mark the patient of a case and close their versions; a second time it finds what the first one left undone."""
    case = (await session.scalars(select(Case).where(Case.key == case_key, visible_to(principal)))).one_or_none()
    if case is None:
        raise NotFound("There is no case of this key that you may see.", field="case")
    patient = await session.get_one(Patient, case.patient_id)
    if patient.withdrawn_at is None:
        patient.withdrawn_at, patient.revision = now(), patient.revision + 1
    numbers = await session.scalars(select(PatientIdentity.number_hmac).where(PatientIdentity.patient_id == patient.id))
    stones = [{"kind": "patient", "key_hmac": number, "reason": "withdrawn", "created_at": now()} for number in sorted(set(numbers))]
    await upsert_ignore(session, Tombstone.__table__, stones)  # a later import takes nothing of them in
    cases = (await session.execute(select(Case.id, Case.key).where(Case.patient_id == patient.id).order_by(Case.key))).tuples().all()
    ids = [case_id for case_id, _ in cases]
    holding = select(DatasetMember.version_id).where(DatasetMember.case_id.in_(ids)).distinct()
    wanted = (
        select(DatasetVersion.id, Dataset.id, Dataset.name, DatasetVersion.number)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(DatasetVersion.id.in_(list(await session.scalars(holding))))
        .order_by(Dataset.name, DatasetVersion.number)
    )
    held = (await session.execute(wanted)).tuples().all()
    version_ids = [row[0] for row in held]
    await session.execute(
        update(DatasetVersion).where(DatasetVersion.id.in_(version_ids), DatasetVersion.withdrawn_at.is_(None)).values(withdrawn_at=patient.withdrawn_at)
    )
    newest: list[tuple[int, int]] = []
    for dataset_id in sorted({row[1] for row in held}):
        last = (await session.execute(
            select(DatasetVersion.id).where(DatasetVersion.dataset_id == dataset_id).order_by(DatasetVersion.number.desc()).limit(1)
        )).scalar_one()  # fmt: skip
        newest += [(dataset_id, last)] if last in version_ids else []
    names = tuple(f"{name}@{number}" for _, _, name, number in held)
    return Closed(patient.withdrawn_at, tuple(ids), tuple(key for _, key in cases), names, tuple(newest))


async def add_follower(session: AsyncSession, old: DatasetVersion, new: DatasetVersion, frozen: Frozen, gone: tuple[int, ...]) -> None:
    """The version that follows another without some cases: its members are those of the other."""
    session.add(new)
    await session.flush()
    table = DatasetMember.__table__
    kept = select(table).where(DatasetMember.version_id == old.id, DatasetMember.case_id.not_in(gone)).order_by(DatasetMember.stack_id)
    rows = [{**row, "version_id": new.id} for row in (await session.execute(kept)).mappings()]
    for start in range(0, len(rows), ROWS_AN_INSERT):
        await session.execute(insert(DatasetMember), rows[start : start + ROWS_AN_INSERT])
