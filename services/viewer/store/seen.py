"""What may be seen, and where its bytes lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.audit import record_view
from isocenter.auth import Principal
from isocenter.db import upsert_ignore
from isocenter.grants import resources_visible_to, series_visible_to
from isocenter.models import AuditEvent, CaseStudy, Instance, Resource, Series, Slide, now
from isocenter.prepared import Prepared, Rows
from services.viewer.store.listed import KEPT, StudyOf, asker_of


@dataclass(frozen=True, slots=True)
class SeriesSeen:
    """A series as one account may see it. ``held``: its pixels wait for a look, only reviewers get this far."""

    id: int
    uid: str
    study_uid: str
    format: str
    modality: str
    held: bool
    metadata_key: str | None
    thumbnail_key: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class InstanceSeen:
    """Where an instance's bytes lie. Offsets are those of ``isocenter.imaging.frames``."""

    sop_uid: str
    object_key: str
    sha256: str
    size_bytes: int
    media_type: str
    transfer_syntax_uid: str
    frames: int
    pixel_offset: int | None
    frame_bytes: int | None
    frame_index: tuple[tuple[int, int], ...] | None
    frame_index_key: str | None
    held: bool


def series_seen(rows: Rows, principal: Principal, uid: str) -> SeriesSeen | None:
    """None for an unknown UID and for one this account may not see: both are 404."""
    for [number, study_uid, kind, modality, state, metadata_key, thumbnail_key, revision] in rows(_series(asker_of(principal)), {"uid": uid}):
        return SeriesSeen(number, uid, study_uid, kind, modality, state != "visible", metadata_key, thumbnail_key, revision)
    return None


@lru_cache(KEPT)
def _series(asker: Principal) -> Prepared:
    columns = (Series.id, StudyOf.uid, Series.format, Series.modality, Series.state, Series.metadata_key, Series.thumbnail_key, Series.revision)
    query = select(*columns).join(StudyOf, StudyOf.id == Series.study_id)
    return Prepared(query.where(Series.uid == bindparam("uid", type_=Series.uid.type), series_visible_to(asker)))


def instances_of(rows: Rows, series_id: int) -> list[InstanceSeen]:
    """Current instances of a series in geometric order."""
    return [
        InstanceSeen(
            uid, key, sha256, size, kind, syntax, frames, offset, each, tuple((at, length) for at, length in index) if index else None, index_key,
            state != "visible",
        )
        for [uid, key, sha256, size, kind, syntax, frames, offset, each, index, index_key, state] in rows(_instances(), {"series": series_id})
    ]  # fmt: skip


@lru_cache(1)
def _instances() -> Prepared:
    query = select(
        Instance.sop_uid, Instance.object_key, Instance.object_sha256, Instance.size_bytes, Instance.media_type, Instance.transfer_syntax_uid, Instance.frames,
        Instance.pixel_offset, Instance.frame_bytes, Instance.frame_index, Instance.frame_index_key, Instance.state,
    ).where(Instance.series_id == bindparam("series", type_=Instance.series_id.type), Instance.generation == 0, Instance.deleted_at.is_(None))  # fmt: skip
    return Prepared(query.order_by(Instance.number, Instance.sop_uid))


@dataclass(frozen=True, slots=True)
class SlideSeen:
    """Micrometres a pixel, power of the objective, and where the tile index lies."""

    mpp: float | None
    objective_power: float | None
    tile_index_key: str | None


async def slide_seen(session: AsyncSession, series_id: int) -> SlideSeen | None:
    row = await session.scalar(select(Slide).where(Slide.series_id == series_id))
    return None if row is None else SlideSeen(row.mpp, row.objective_power, row.tile_index_key)


@dataclass(frozen=True, slots=True)
class ResourceSeen:
    """A DICOM object that is no image, of one study. ``held``: not released, only reviewers get this far."""

    sha256: str
    object_key: str
    size_bytes: int
    held: bool


async def dicom_resources(session: AsyncSession, principal: Principal, series_id: int) -> list[ResourceSeen]:
    """Those of the series' study, and those of its cases that name no study, that this account may see; oldest first, each content once.

    What a person added to a case has the media type that the browser said: unknown ones are looked into as well.
    """
    study = select(Series.study_id).where(Series.id == series_id).scalar_subquery()
    cases = select(CaseStudy.case_id).where(CaseStudy.study_id == study)
    query = select(Resource).where(
        or_(Resource.study_id == study, and_(Resource.study_id.is_(None), Resource.case_id.in_(cases))),
        Resource.media_type.in_(("application/dicom", "application/octet-stream")),
        resources_visible_to(principal),
    )
    found: dict[str, ResourceSeen] = {}
    for row in await session.scalars(query.order_by(Resource.id)):
        found.setdefault(row.sha256, ResourceSeen(row.sha256, row.object_key, row.size_bytes, row.state != "visible"))
    return list(found.values())


async def note_resource(session: AsyncSession, principal: Principal, seen: ResourceSeen) -> None:
    """One view event per account, object and hour, of its own for what is held."""
    if seen.held:
        await _once_an_hour(session, principal, "view-held", f"resource:{seen.sha256}")
    else:
        await record_view(session, principal, f"resource:{seen.sha256}")


async def note_view(session: AsyncSession, principal: Principal, seen: SeriesSeen) -> None:
    """One view event per account, study and hour; pixels that are held get an event of their own per series and hour."""
    await record_view(session, principal, f"study:{seen.study_uid}")
    if seen.held:
        await _once_an_hour(session, principal, "view-held", f"series:{seen.uid}")


async def note_download(session: AsyncSession, principal: Principal, seen: SeriesSeen) -> None:
    """One download event per account, series and hour."""
    await _once_an_hour(session, principal, "download", f"series:{seen.uid}")


async def _once_an_hour(session: AsyncSession, principal: Principal, verb: str, subject: str) -> None:
    moment = now()
    once = hashlib.sha256(f"{verb}|{principal.name}|{subject}|{moment:%Y%m%d%H}".encode()).hexdigest()
    row = {"at": moment, "actor": principal.name, "verb": verb, "subject": subject, "request_id": principal.request_id, "once_key": once}
    await upsert_ignore(session, AuditEvent.__table__, [row])
