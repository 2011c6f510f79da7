"""SQL of datasets and their versions: lists, access to bytes, and the download event."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Permission, Principal
from isocenter.db import upsert_ignore
from isocenter.errors import Conflict, Gone, NotAllowed, NotFound
from isocenter.grants import datasets_visible_to
from isocenter.models import (
    AuditEvent,
    Case,
    Dataset,
    DatasetMember,
    DatasetVersion,
    Disease,
    Export,
    Grant,
    Instance,
    LabelScheme,
    Patient,
    Project,
    now,
)
from isocenter.paging import encode_cursor
from services.catalog.cursors import key_after
from services.catalog.schemas.datasets import DatasetDetail, DatasetOut, DatasetPage, VersionDetail, VersionOut

WITHDRAWN = "A patient of this version withdrew; its bytes are no longer served. Freeze the dataset again for the next version."


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Where the bytes of a file of a version are."""

    key: str
    size_bytes: int
    media_type: str


async def page(session: AsyncSession, principal: Principal, cursor: str | None, limit: int) -> DatasetPage:
    statement = select(Dataset.id).where(datasets_visible_to(principal)).order_by(Dataset.name).limit(limit + 1)
    if cursor:
        statement = statement.where(Dataset.name > key_after(cursor))
    ids = list(await session.scalars(statement))
    items = await _shapes(session, ids[:limit])
    return DatasetPage(items=items, next=encode_cursor(items[-1].name) if len(ids) > limit else None)


async def dataset_of(session: AsyncSession, principal: Principal, name: str) -> Dataset:
    row = (await session.scalars(select(Dataset).where(Dataset.name == name, datasets_visible_to(principal)))).one_or_none()
    if row is None:
        raise NotFound("There is no dataset of this name that you may see.", field="dataset")
    return row


async def dataset_to_freeze(session: AsyncSession, principal: Principal, name: str) -> Dataset:
    """NotAllowed unless this account made the dataset or may edit the catalog."""
    row = await dataset_of(session, principal, name)
    if row.created_by != principal.name and not principal.may(Permission.EDIT_CATALOG):
        raise NotAllowed("Only who made a dataset, or a data manager, adds versions to it; make a dataset of your own.")
    return row


async def dataset_to_edit(session: AsyncSession, principal: Principal, name: str, *, deleted: bool = False) -> Dataset:
    """As :func:`dataset_to_freeze`; ``deleted``: one that was deleted, to its maker and to data managers only."""
    if not deleted:
        return await dataset_to_freeze(session, principal, name)
    row = (await session.scalars(select(Dataset).where(Dataset.name == name, Dataset.deleted_at.is_not(None)))).one_or_none()
    if row is None or not (row.created_by == principal.name or principal.may(Permission.EDIT_CATALOG)):
        raise NotFound("There is no deleted dataset of this name that you may restore.", field="dataset")
    return row


async def delete_dataset(session: AsyncSession, row: Dataset) -> None:
    """Hidden, its versions kept. Conflict while a project has a grant of it or an export of it runs."""
    projects = list(await session.scalars(select(Project.code).join(Grant, Grant.project_id == Project.id).where(Grant.dataset_id == row.id)))
    if projects:
        raise Conflict(f"The project {sorted(projects)[0]} has a grant of this dataset; take the grant back first.", field="dataset")
    versions = select(DatasetVersion.id).where(DatasetVersion.dataset_id == row.id)
    if (await session.scalars(select(Export.id).where(Export.version_id.in_(versions), Export.state.in_(("open", "running"))).limit(1))).first():
        raise Conflict("An export of this dataset runs; wait for it or cancel it first.", field="dataset")
    row.deleted_at, row.revision = now(), row.revision + 1


async def add_dataset(session: AsyncSession, principal: Principal, row: Dataset) -> DatasetOut:
    """Conflict for a name that is taken, also by a dataset this account may not see; NotAllowed when it would not see its own."""
    session.add(row)
    await session.flush()
    if (await session.scalars(select(Dataset.id).where(Dataset.id == row.id, datasets_visible_to(principal)))).first() is None:
        raise NotAllowed("You see this disease only through a dataset; ask for a grant of the disease to make datasets of it.")
    return (await _shapes(session, [row.id]))[0]


async def shown(session: AsyncSession, row: Dataset) -> DatasetOut:
    return (await _shapes(session, [row.id]))[0]


async def dataset_detail(session: AsyncSession, row: Dataset) -> DatasetDetail:
    head = (await _shapes(session, [row.id]))[0]
    wanted = select(DatasetVersion).where(DatasetVersion.dataset_id == row.id).order_by(DatasetVersion.number.desc())
    withdrawn = await _withdrawn_versions(session, row.id)
    versions = [version_out(row, version, withdrawn.get(version.id)) for version in await session.scalars(wanted)]
    return DatasetDetail(**head.model_dump(), versions=versions)


async def version_of(session: AsyncSession, principal: Principal, name: str, number: int) -> tuple[Dataset, DatasetVersion]:
    """The version, also a withdrawn one: what it was stays known."""
    dataset = await dataset_of(session, principal, name)
    wanted = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id, DatasetVersion.number == number)
    version = (await session.scalars(wanted)).one_or_none()
    if version is None:
        raise NotFound("The dataset has no version of this number.", field="number")
    return dataset, version


async def served_version(session: AsyncSession, principal: Principal, name: str, number: int) -> tuple[Dataset, DatasetVersion]:
    """The version if its bytes may be served; Gone when it, or a patient in it, was withdrawn."""
    dataset, version = await version_of(session, principal, name, number)
    if await withdrawn_at(session, version) is not None:
        raise Gone(WITHDRAWN)
    return dataset, version


async def withdrawn_at(session: AsyncSession, version: DatasetVersion) -> datetime | None:
    if version.withdrawn_at is not None:
        return version.withdrawn_at
    return (await _withdrawn_versions(session, version.dataset_id)).get(version.id)


async def version_detail(session: AsyncSession, dataset: Dataset, version: DatasetVersion) -> VersionDetail:
    head = version_out(dataset, version, await withdrawn_at(session, version))
    return VersionDetail(**head.model_dump(), card=version.card)


def version_out(dataset: Dataset, version: DatasetVersion, withdrawn: datetime | None = None) -> VersionOut:
    return VersionOut(
        name=dataset.name, number=version.number, reference=f"{dataset.name}@{version.number}", digest=version.digest, counts=version.counts,
        query=version.query, recipe=version.recipe, policies=version.policies, created_at=version.created_at, created_by=version.created_by,
        withdrawn_at=version.withdrawn_at or withdrawn,
    )


async def stored_file(session: AsyncSession, version_id: int, sha256: str) -> StoredFile:
    """A file of a version by its hash; NotFound when it is none of it, Gone when its patient withdrew."""
    statement = (
        select(Instance.object_key, Instance.size_bytes, Instance.media_type, Patient.withdrawn_at)
        .join(DatasetMember, DatasetMember.stack_id == Instance.stack_id)
        .join(Case, Case.id == DatasetMember.case_id)
        .join(Patient, Patient.id == Case.patient_id)
        .where(Instance.object_sha256 == sha256, DatasetMember.version_id == version_id)
        .limit(1)
    )
    row = (await session.execute(statement)).first()
    if row is None:
        raise NotFound("The version holds no file of this hash.", field="sha256")
    if row.withdrawn_at is not None:
        raise Gone(WITHDRAWN)
    return StoredFile(row.object_key, row.size_bytes, row.media_type)


async def record_download(session: AsyncSession, principal: Principal, subject: str) -> None:
    """One download event per account, version and hour, however many files are fetched."""
    moment = now()
    once = hashlib.sha256(f"download|{principal.name}|{subject}|{moment:%Y%m%d%H}".encode()).hexdigest()
    row = {"at": moment, "actor": principal.name, "verb": "download", "subject": subject, "request_id": principal.request_id, "once_key": once}
    await upsert_ignore(session, AuditEvent.__table__, [row])


async def _withdrawn_versions(session: AsyncSession, dataset_id: int) -> dict[int, datetime]:
    """Version id -> when it, or the first patient in it, was withdrawn. Asked from the patients' side: those are few."""
    statement = (
        select(DatasetMember.version_id, func.min(Patient.withdrawn_at))
        .select_from(Patient)
        .join(Case, Case.patient_id == Patient.id)
        .join(DatasetMember, DatasetMember.case_id == Case.id)
        .join(DatasetVersion, DatasetVersion.id == DatasetMember.version_id)
        .where(Patient.withdrawn_at.is_not(None), DatasetVersion.dataset_id == dataset_id)
        .group_by(DatasetMember.version_id)
    )
    return {version_id: moment for version_id, moment in (await session.execute(statement)).tuples() if moment is not None}


async def _shapes(session: AsyncSession, ids: list[int]) -> list[DatasetOut]:
    newest = select(func.max(DatasetVersion.number)).where(DatasetVersion.dataset_id == Dataset.id).correlate(Dataset).scalar_subquery()
    statement = (
        select(Dataset, Disease.code, LabelScheme.code, newest)
        .join(Disease, Disease.id == Dataset.disease_id)
        .join(LabelScheme, LabelScheme.id == Dataset.scheme_id)
        .where(Dataset.id.in_(ids))
        .order_by(Dataset.name)
    )
    return [
        DatasetOut(
            name=row.name, title=row.title, description=row.description, disease=disease, scheme=scheme, licence=row.licence,
            created_by=row.created_by, created_at=row.created_at, latest=latest, revision=row.revision,
        )
        for row, disease, scheme, latest in (await session.execute(statement)).tuples()
    ]
