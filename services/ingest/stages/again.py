"""Again: follow-up work after a decision, on an import that may be finished: files, report texts, labels, states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update

from isocenter.models import CaseStudy, Import, ImportItem
from services.ingest.identity import ImportCapsule, ItemCapsule
from services.ingest.records import Reading
from services.ingest.stages import close, finish, group, label, link, read, release, scrub
from services.ingest.stages.context import Context
from services.ingest.store import capsules, reviews


async def run(context: Context) -> None:
    """Payload: ``items`` to process again from reading on, ``reports`` to scrub again, ``cases`` to label again, all optional;
    ``unless_on_screen``: cases to label again too, but for those whose question somebody has on the screen by now."""
    payload = context.payload
    if items := list(payload.get("items", ())):
        await _items(context, items)
    cases = list(payload.get("cases", ()))
    if waiting := set(payload.get("unless_on_screen", ())):
        async with context.resources.db.read() as session:
            cases += sorted(waiting - await reviews.on_screen(session, waiting))
    if items:
        cases += await _cases_of_items(context, items)
    if reports := list(payload.get("reports", ())):
        await scrub.scrub(context, reports, last=False)
    if cases:
        await label.label(context, sorted(set(cases)), last=False)
    await finish.remove_settled(context)
    async with context.commit() as session:
        await finish.place_resources(session, context)
        await finish.ask_about_items(session, context)
        await finish.state_items(session, context.import_id)
        row = await session.get(Import, context.import_id)
        if row is not None:
            row.revision += 1


async def _items(context: Context, items: Sequence[int]) -> None:
    """From reading to the closed series, for a few files."""
    async with context.resources.db.read() as session:
        sealed = await capsules.get_many(session, context.key, "item", items, ItemCapsule)
        capsule = await capsules.get(session, context.key, "import", context.import_id, ImportCapsule)
    unread = [item for item in items if item in sealed and sealed[item].reading is None and sealed[item].resource is None]
    if unread:
        results = await read.read_and_store(context, unread, sealed, last=False)
        items = [item for item in items if item not in unread] + [i for i, r in zip(unread, results, strict=True) if isinstance(r, Reading)]
    await group.group_items(context, list(items), capsule.image_list if capsule else (), last=False)
    await link.link_again(context)
    await release.release(context, list(items), last=False)
    async with context.resources.db.read() as session:
        found = select(ImportItem.series_id).where(ImportItem.id.in_(items), ImportItem.series_id.is_not(None), ImportItem.instance_id.is_not(None))
        series = [number for number in await session.scalars(found) if number is not None]
    if series:
        await close.close(context, sorted(set(series)), last=False)


async def _cases_of_items(context: Context, items: Sequence[int]) -> list[int]:
    async with context.resources.db.read() as session:
        studies = select(ImportItem.study_id).where(ImportItem.id.in_(items))
        return list(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id.in_(studies))))


async def reopen_items(session: Any, items: Sequence[int], override: dict[str, Any]) -> None:
    """Make refused or waiting items pending again, with a reviewer's word."""
    values = {"outcome": None, "reason": "", "detail": "", "override": override}
    await session.execute(update(ImportItem).where(ImportItem.id.in_(items)).values(values))
