"""SQL of projects, members and grants."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.errors import NotFound
from isocenter.models import Account, Dataset, Disease, Grant, Member, Project
from services.catalog.schemas.projects import GrantsOut, ProjectOut


async def list_projects(session: AsyncSession) -> list[ProjectOut]:
    return [await shape(session, row) for row in await session.scalars(select(Project).order_by(Project.code))]


async def project_of(session: AsyncSession, code: str) -> Project:
    row = (await session.scalars(select(Project).where(Project.code == code))).one_or_none()
    if row is None:
        raise NotFound("There is no project of this code.", field="project")
    return row


async def add_project(session: AsyncSession, code: str, title: str) -> Project:
    row = Project(code=code, title=title)
    session.add(row)
    await session.flush()
    return row


async def shape(session: AsyncSession, row: Project) -> ProjectOut:
    members = select(Account.name).join(Member, Member.account_id == Account.id).where(Member.project_id == row.id).order_by(Account.name)
    diseases = select(Disease.code).join(Grant, Grant.disease_id == Disease.id).where(Grant.project_id == row.id).order_by(Disease.code)
    datasets = select(Dataset.name).join(Grant, Grant.dataset_id == Dataset.id).where(Grant.project_id == row.id).order_by(Dataset.name)
    return ProjectOut(
        code=row.code,
        title=row.title,
        members=list(await session.scalars(members)),
        grants=GrantsOut(diseases=list(await session.scalars(diseases)), datasets=list(await session.scalars(datasets))),
        revision=row.revision,
    )


async def set_member(session: AsyncSession, project: Project, account: str, present: bool) -> None:
    """Idempotent; NotFound for an unknown account."""
    account_id = (await session.scalars(select(Account.id).where(Account.name == account))).one_or_none()
    if account_id is None:
        raise NotFound("There is no account of this name.", field="account")
    known = await session.get(Member, (project.id, account_id))
    if present and known is None:
        session.add(Member(project_id=project.id, account_id=account_id))
    elif known is not None and not present:
        await session.delete(known)
    await session.flush()


async def set_disease_grant(session: AsyncSession, project: Project, code: str, present: bool) -> None:
    disease_id = (await session.scalars(select(Disease.id).where(Disease.code == code))).one_or_none()
    if disease_id is None:
        raise NotFound("There is no disease of this code.", field="disease")
    await _set_grant(session, project, disease_id, None, present)


async def set_dataset_grant(session: AsyncSession, project: Project, name: str, present: bool) -> None:
    dataset_id = (await session.scalars(select(Dataset.id).where(Dataset.name == name))).one_or_none()
    if dataset_id is None:
        raise NotFound("There is no dataset of this name.", field="dataset")
    await _set_grant(session, project, None, dataset_id, present)


async def _set_grant(session: AsyncSession, project: Project, disease_id: int | None, dataset_id: int | None, present: bool) -> None:
    of = Grant.disease_id == disease_id if disease_id is not None else Grant.dataset_id == dataset_id
    if not present:
        await session.execute(delete(Grant).where(Grant.project_id == project.id, of))
    elif (await session.scalars(select(Grant.id).where(Grant.project_id == project.id, of))).first() is None:
        session.add(Grant(project_id=project.id, disease_id=disease_id, dataset_id=dataset_id))
        await session.flush()
