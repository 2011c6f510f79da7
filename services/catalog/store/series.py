"""SQL of series, their instances and other files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Permission, Principal
from isocenter.errors import NotFound
from isocenter.grants import resources_visible_to, series_visible_to
from isocenter.models import Case, Instance, Resource, Series, Slide, Stack, Study
from isocenter.paging import encode_cursor
from services.catalog.cursors import place_after
from services.catalog.schemas.cases import InstanceOut, InstancePage, SeriesOut, SlideOut, StackOut


async def series_of(session: AsyncSession, principal: Principal, uid: str) -> Series:
    row = (await session.scalars(select(Series).where(Series.uid == uid, series_visible_to(principal)))).one_or_none()
    if row is None:
        raise NotFound("There is no series of this UID that you may see.", field="series")
    return row


async def series_detail(session: AsyncSession, principal: Principal, uid: str) -> SeriesOut:
    return (await shapes(session, [await series_of(session, principal, uid)]))[0]


async def instance_page(session: AsyncSession, principal: Principal, uid: str, cursor: str | None, limit: int) -> InstancePage:
    """Instances in geometric order; held ones for reviewers only."""
    series = await series_of(session, principal, uid)
    where = [Instance.series_id == series.id, Instance.generation == 0, Instance.deleted_at.is_(None)]
    if not principal.may(Permission.REVIEW):
        where.append(Instance.state == "visible")
    if cursor:
        number, sop_uid = place_after(cursor)
        where.append(or_(Instance.number > number, and_(Instance.number == number, Instance.sop_uid > sop_uid)))
    rows = list(await session.scalars(select(Instance).where(*where).order_by(Instance.number, Instance.sop_uid).limit(limit + 1)))
    more, rows = len(rows) > limit, rows[:limit]
    items = [
        InstanceOut(
            sop_uid=row.sop_uid, number=row.number, size_bytes=row.size_bytes, sha256=row.object_sha256, frames=row.frames, rows=row.rows,
            columns=row.columns, media_type=row.media_type, transfer_syntax_uid=row.transfer_syntax_uid, state=row.state,
        )
        for row in rows
    ]
    return InstancePage(items=items, next=encode_cursor(rows[-1].number, rows[-1].sop_uid) if more else None)


async def shapes(session: AsyncSession, rows: Sequence[Series]) -> list[SeriesOut]:
    """Series with their stacks and slides, in the order given."""
    ids = [row.id for row in rows]
    stacks: dict[int, list[Stack]] = defaultdict(list)
    for stack in await session.scalars(select(Stack).where(Stack.series_id.in_(ids)).order_by(Stack.series_id, Stack.ordinal)):
        stacks[stack.series_id].append(stack)
    slides = {slide.series_id: slide for slide in await session.scalars(select(Slide).where(Slide.series_id.in_(ids)))}
    uids = dict((await session.execute(select(Study.id, Study.uid).where(Study.id.in_({row.study_id for row in rows})))).tuples().all())
    return [series_shape(row, uids[row.study_id], stacks[row.id], slides.get(row.id)) for row in rows]


def series_shape(row: Series, study_uid: str, stacks: Sequence[Stack], slide: Slide | None) -> SeriesOut:
    scale = None
    if slide is not None:
        scale = SlideOut(mpp=slide.mpp, objective_power=slide.objective_power, width_px=slide.width_px, height_px=slide.height_px)
    return SeriesOut(
        uid=row.uid, study_uid=study_uid, format=row.format, modality=row.modality, number=row.number, body_part=row.body_part,
        description=row.description, sequence=row.sequence, phase=row.phase, slice_thickness_mm=row.slice_thickness_mm, spacing_mm=row.spacing_mm,
        rows=row.rows, columns=row.columns, instance_count=row.instance_count, frame_count=row.frame_count, manufacturer=row.manufacturer,
        model_name=row.model_name, size_bytes=row.size_bytes, state=row.state, slide=scale,
        stacks=[
            StackOut(
                ordinal=stack.ordinal, sequence=stack.sequence, phase=stack.phase, source=stack.sequence_source, doubt=stack.doubt,
                spacing_mm=stack.spacing_mm, echo_time_ms=stack.echo_time_ms, b_value=stack.b_value, instance_count=stack.instance_count,
            )
            for stack in stacks
        ],
        thumbnail=f"/api/v1/series/{row.uid}/thumbnail?v={row.revision}" if row.thumbnail_key else None, version=str(row.revision),
    )


async def resource_of(session: AsyncSession, principal: Principal, sha256: str, case_key: str) -> Resource:
    """Another file of a case (or of any, when no case is named) that this account may see."""
    statement = select(Resource).where(Resource.sha256 == sha256, resources_visible_to(principal)).order_by(Resource.id)
    if case_key:
        statement = statement.join(Case, Case.id == Resource.case_id).where(Case.key == case_key)
    row = (await session.scalars(statement.limit(1))).first()
    if row is None:
        raise NotFound("There is no file of this hash that you may see.", field="sha256")
    return row
