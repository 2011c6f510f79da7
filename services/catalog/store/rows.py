"""SQL of changing studies, series, reports and other files: one row with its revision, or many in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.audit import record
from isocenter.auth import Permission, Principal
from isocenter.changes import note_changes
from isocenter.db import for_update
from isocenter.errors import Conflict, NotFound
from isocenter.grants import reports_visible_to, resources_visible_to, series_visible_to
from isocenter.models import AuditEvent, Case, CaseStudy, Instance, Link, Report, Resource, Series, Stack, Study, now

AT_ONCE = 5000
Editable = TypeVar("Editable", Study, Series, Report, Resource)
FREE_TEXT = ("description", "title")  # a person's words: the audit trail says that they changed, not what they are


async def series_of(session: AsyncSession, principal: Principal, uid: str) -> Series:
    """The row, deleted or not for editors; NotFound unless this account may see it."""
    seen = Series.uid == uid if principal.may(Permission.EDIT_CATALOG) else (Series.uid == uid) & series_visible_to(principal)
    return _there((await session.scalars(select(Series).where(seen))).one_or_none(), "series")


async def report_of(session: AsyncSession, principal: Principal, key: str) -> Report:
    seen = Report.key == key if principal.may(Permission.EDIT_CATALOG) else (Report.key == key) & reports_visible_to(principal)
    return _there((await session.scalars(select(Report).where(seen))).one_or_none(), "report")


async def resource_of(session: AsyncSession, principal: Principal, sha256: str, case_key: str) -> tuple[Resource, str]:
    """The row of a hash in a case, and the case's key."""
    wanted = select(Resource, Case.key).join(Case, Case.id == Resource.case_id).where(Resource.sha256 == sha256, Case.key == case_key)
    if not principal.may(Permission.EDIT_CATALOG):
        wanted = wanted.where(resources_visible_to(principal))
    found = (await session.execute(wanted)).tuples().first()
    if found is None:
        raise NotFound("The case has no file of this hash that you may see.", field="sha256")
    return found


def _there(row: Editable | None, field: str) -> Editable:
    if row is None:
        raise NotFound(f"There is no {field} of this key that you may see.", field=field)
    return row


async def change(session: AsyncSession, principal: Principal, row: Series | Report | Resource, subject: str, wanted: dict[str, Any]) -> bool:
    """Set the attributes that differ, with one audit event of before and after; whether anything did."""
    changed = {name: value for name, value in wanted.items() if value is not None and getattr(row, name) != value}
    if not changed:
        return False
    before = {name: getattr(row, name) for name in changed if name not in FREE_TEXT}
    after: dict[str, Any] = {name: value for name, value in changed.items() if name not in FREE_TEXT}
    for name, value in changed.items():
        setattr(row, name, value)
    row.revision += 1
    if isinstance(row, Series) and (contrast := {name: changed[name] for name in ("phase", "sequence") if name in changed}):
        await session.execute(update(Stack).where(Stack.series_id == row.id).values(**contrast, sequence_source="person", doubt=""))
    record(session, principal, "change", subject, before=before, after=after | {"changed": sorted(changed)})
    await note_changes(session, await cases_of(session, row))
    return True


async def set_deleted(session: AsyncSession, principal: Principal, row: Series | Report | Resource, subject: str, deleted: bool) -> None:
    if (row.deleted_at is not None) == deleted:
        return
    if isinstance(row, Series) and not deleted:
        await _refuse_refused(session, [row.id])
    row.deleted_at, row.revision = now() if deleted else None, row.revision + 1
    record(session, principal, "delete" if deleted else "restore", subject)
    await note_changes(session, await cases_of(session, row))


async def bulk(session: AsyncSession, principal: Principal, noun: str, keys: Sequence[str], action: str) -> int:
    """Delete or restore many; how many were changed. NotFound for a key that is none: then nothing was."""
    column = {"study": Study.uid, "series": Series.uid, "report": Report.key}[noun]
    model: Any = column.class_
    found: dict[str, tuple[int, bool]] = {}
    for some in _chunks(sorted(set(keys))):
        wanted = select(column, model.id, model.deleted_at).where(column.in_(some)).order_by(model.id)
        for key, row_id, deleted_at in await session.execute(for_update(wanted, session)):
            found[key] = (row_id, deleted_at is not None)
    if missing := sorted(set(keys) - found.keys()):
        raise NotFound(f"{len(missing)} of the keys are unknown; nothing was changed.", field="keys", missing=missing[:20])
    touched = {key: row_id for key, (row_id, deleted) in found.items() if deleted != (action == "delete")}
    moment = now()
    ids = sorted(touched.values())
    for some_ids in _chunks(ids):
        if noun == "series" and action == "restore":
            await _refuse_refused(session, some_ids)
        values = {"deleted_at": moment if action == "delete" else None}
        await session.execute(update(model).where(model.id.in_(some_ids)).values(revision=model.revision + 1, **values))
    events = [
        {"at": moment, "actor": principal.name, "verb": action, "subject": f"{noun}:{key}", "request_id": principal.request_id} for key in sorted(touched)
    ]
    for some_events in _chunks(events):
        await session.execute(insert(AuditEvent), some_events)
    if touched:
        cases: set[int] = set()
        for some_ids in _chunks(ids):
            cases |= await _cases_of_ids(session, noun, some_ids)
        await note_changes(session, cases)
    return len(touched)


async def _refuse_refused(session: AsyncSession, ids: Sequence[int]) -> None:
    """Conflict for series whose pixels a reviewer refused: their objects are gone or about to go."""
    refused = select(Series.uid).join(Instance, Instance.series_id == Series.id).where(Series.id.in_(ids), Instance.deleted_at.is_not(None)).distinct()
    if uids := list(await session.scalars(refused.limit(20))):
        raise Conflict("A reviewer refused the pixels of this series, so there is nothing to restore; nothing was changed.", field="keys", refused=uids)


async def cases_of(session: AsyncSession, row: Series | Report | Resource) -> set[int]:
    """Cases whose numbers a change of the row changes."""
    if isinstance(row, Resource):
        return {row.case_id} if row.case_id is not None else set()
    return await _cases_of_ids(session, "series" if isinstance(row, Series) else "report", [row.id])


async def _cases_of_ids(session: AsyncSession, noun: str, ids: Sequence[int]) -> set[int]:
    studies: Any = list(ids)
    if noun == "series":
        studies = select(Series.study_id).where(Series.id.in_(ids))
    elif noun == "report":
        studies = select(Link.study_id).where(Link.report_id.in_(ids), Link.active.is_(True))
    return set(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id.in_(studies))))


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
