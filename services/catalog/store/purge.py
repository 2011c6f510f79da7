"""SQL of purging: rows go for good, and their objects are handed to the sweep (model.md, Objects).

What a dataset version that is not withdrawn holds is refused (409). Import items stay, with their outcome, and point to nothing.
The series is locked first, as freezing reads it, so a purge and a freeze cannot pass each other unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import for_update, upsert_ignore
from isocenter.errors import Conflict
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    Dataset,
    DatasetMember,
    DatasetVersion,
    DoomedObject,
    FilledValue,
    IdentityCapsule,
    ImportItem,
    Instance,
    Label,
    Link,
    Report,
    ReportText,
    Resource,
    Review,
    ReviewDecision,
    Series,
    Slide,
    Stack,
    Study,
    now,
)  # fmt: skip


async def purge_series(session: AsyncSession, ids: Sequence[int]) -> int:
    """Series with their instances, stacks and slide; how many objects are doomed."""
    rows = list(await session.scalars(for_update(select(Series).where(Series.id.in_(ids)).order_by(Series.id), session)))
    await refuse_held(session, DatasetMember.series_id.in_(ids))
    keys = {key for row in rows for key in (row.metadata_key, row.thumbnail_key) if key}
    for objects in (
        select(Instance.object_key).where(Instance.series_id.in_(ids)),
        select(Instance.frame_index_key).where(Instance.series_id.in_(ids)),
        select(Slide.tile_index_key).where(Slide.series_id.in_(ids)),
    ):
        keys |= {key for key in await session.scalars(objects) if key}
    of = select(Instance.id).where(Instance.series_id.in_(ids))
    await session.execute(update(ImportItem).where(ImportItem.instance_id.in_(of)).values(instance_id=None, duplicate_of=None))
    await session.execute(update(ImportItem).where(ImportItem.series_id.in_(ids)).values(series_id=None))
    # Members of withdrawn versions point here too; the version's manifest keeps its list.
    await session.execute(delete(DatasetMember).where(DatasetMember.series_id.in_(ids)))
    await session.execute(delete(FilledValue).where(FilledValue.series_key.in_(ids), FilledValue.series_key != 0))
    for model in (Instance, Stack, Slide):
        await session.execute(delete(model).where(model.series_id.in_(ids)))
    await session.execute(delete(Series).where(Series.id.in_(ids)))
    return await doom(session, keys)


async def purge_reports(session: AsyncSession, ids: Sequence[int]) -> None:
    """Reports with texts, links and capsules. Labels that rest on them stay, without their evidence: what was decided was decided."""
    texts = select(ReportText.id).where(ReportText.report_id.in_(ids))
    of_report = Label.report_id.in_(ids)
    counting = exists().where(CaseLabel.label_id == Label.id).correlate(Label)
    await session.execute(update(Label).where(or_(of_report, Label.report_text_id.in_(texts))).values(report_text_id=None, evidence=[]))
    await session.execute(delete(Label).where(of_report, Label.case_id.is_(None), Label.study_id.is_(None), ~counting))
    await session.execute(update(Label).where(of_report).values(report_id=None))
    await session.execute(delete(Link).where(Link.report_id.in_(ids)))
    await session.execute(delete(ReportText).where(ReportText.report_id.in_(ids)))
    await session.execute(update(ImportItem).where(ImportItem.report_id.in_(ids)).values(report_id=None))
    await session.execute(update(Report).where(Report.supersedes_id.in_(ids)).values(supersedes_id=None))
    await session.execute(delete(IdentityCapsule).where(IdentityCapsule.owner_kind == "report", IdentityCapsule.owner_id.in_(ids)))
    await session.execute(delete(Report).where(Report.id.in_(ids)))


async def purge_resources(session: AsyncSession, ids: Sequence[int]) -> int:
    keys = set(await session.scalars(select(Resource.object_key).where(Resource.id.in_(ids))))
    await session.execute(update(ImportItem).where(ImportItem.resource_id.in_(ids)).values(resource_id=None))
    await session.execute(delete(Resource).where(Resource.id.in_(ids)))
    return await doom(session, keys)


async def purge_case(session: AsyncSession, case: Case) -> int:
    """A deleted case with the studies that no other case holds, and all that hangs on them; how many objects are doomed."""
    if case.deleted_at is None:
        raise Conflict("Delete the case first; a purge cannot be undone.", field="case")
    await refuse_held(session, DatasetMember.case_id == case.id)
    await session.execute(delete(DatasetMember).where(DatasetMember.case_id == case.id))
    other = select(CaseStudy.study_id).where(CaseStudy.case_id != case.id)
    mine = select(CaseStudy.study_id).where(CaseStudy.case_id == case.id, CaseStudy.study_id.not_in(other))
    studies = list(await session.scalars(mine))
    doomed = await purge_series(session, list(await session.scalars(select(Series.id).where(Series.study_id.in_(studies)))))
    elsewhere = select(Link.report_id).where(Link.study_id.not_in(studies))
    linked = select(Link.report_id).where(Link.study_id.in_(studies), Link.report_id.not_in(elsewhere)).distinct()
    await purge_reports(session, list(await session.scalars(linked)))
    of_case = or_(Resource.case_id == case.id, Resource.study_id.in_(studies))
    doomed += await purge_resources(session, list(await session.scalars(select(Resource.id).where(of_case))))
    reviews = select(Review.id).where(Review.case_id == case.id)
    await session.execute(delete(ReviewDecision).where(ReviewDecision.review_id.in_(reviews)))
    await session.execute(delete(Review).where(Review.case_id == case.id))
    await session.execute(delete(CaseLabel).where(CaseLabel.case_id == case.id))
    await session.execute(delete(Label).where(or_(Label.case_id == case.id, Label.study_id.in_(studies))))
    await session.execute(delete(FilledValue).where(FilledValue.case_id == case.id))
    await session.execute(delete(CaseStudy).where(CaseStudy.case_id == case.id))
    await session.execute(delete(Link).where(Link.study_id.in_(studies)))
    await session.execute(update(ImportItem).where(ImportItem.study_id.in_(studies)).values(study_id=None))
    await session.execute(delete(IdentityCapsule).where(IdentityCapsule.owner_kind == "study", IdentityCapsule.owner_id.in_(studies)))
    await session.execute(delete(Study).where(Study.id.in_(studies)))
    await session.execute(update(Case).where(Case.merged_into == case.id).values(merged_into=None))
    await session.execute(delete(Case).where(Case.id == case.id))
    return doomed


async def refuse_held(session: AsyncSession, members: ColumnElement[bool]) -> None:
    """Conflict when a dataset version that is not withdrawn holds any of these."""
    held = (
        select(Dataset.name, DatasetVersion.number)
        .join(DatasetVersion, DatasetVersion.dataset_id == Dataset.id)
        .where(DatasetVersion.withdrawn_at.is_(None), exists().where(DatasetMember.version_id == DatasetVersion.id, members).correlate(DatasetVersion))
        .order_by(Dataset.name, DatasetVersion.number)
    )
    if versions := [f"{name}@{number}" for name, number in (await session.execute(held)).tuples()]:
        raise Conflict(f"Dataset versions hold this ({', '.join(versions[:5])}), so it cannot be purged; withdraw them first.", versions=versions[:50])


async def doom(session: AsyncSession, keys: set[str]) -> int:
    """Objects for the sweep, which looks once more whether anything refers to them."""
    moment = now()
    await upsert_ignore(session, DoomedObject.__table__, [{"object_key": key, "created_at": moment} for key in sorted(keys)])
    return len(keys)
