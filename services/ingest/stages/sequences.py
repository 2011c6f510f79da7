"""MR sequence and CT phase of a series: where they came from and why they may be wrong; the contested ones are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseStudy, ImportItem, Series, Stack
from services.ingest.identity import ItemCapsule
from services.ingest.stages.context import Context
from services.ingest.store import capsules, imports, reviews

REVIEWER = "reviewer"
PRIORITY = 0.6
SEQUENCES = ("T1", "T1+C", "T2", "PD", "FLAIR", "STIR", "DWI", "ADC", "SWI", "PERFUSION", "ANGIO", "MRCP", "BOLD", "ASL", "LOCALIZER", "FIELDMAP", "other")
PHASES = ("plain", "enhanced", "angiography")


def contested(modality: str, doubt: str) -> bool:
    """Words and physics say different things, or nothing tells an MR sequence: a person looks. One silent side is only noted."""
    return doubt in ("text-differs", "agent-stated") or doubt.startswith("physics-says-") or (modality == "MR" and doubt == "no-evidence")


async def note(session: AsyncSession, context: Context, series_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Write source and doubt to the stacks of these series; the questions about contested ones. A reviewer's word stays."""
    first = select(ImportItem.series_id, func.min(ImportItem.id)).where(ImportItem.instance_id.is_not(None)).group_by(ImportItem.series_id)
    items = dict(await imports.chunked(session, first, ImportItem.series_id, series_ids))
    sealed = await capsules.get_many(session, context.key, "item", list(items.values()), ItemCapsule)
    series = {row.id: row for (row,) in await imports.chunked(session, select(Series), Series.id, series_ids)}
    decided = {row for (row,) in await imports.chunked(session, select(Stack.series_id).where(Stack.sequence_source == REVIEWER), Stack.series_id, series_ids)}
    asked = []
    for series_id, item in sorted(items.items()):
        capsule, row = sealed.get(item), series[series_id]
        if capsule is None or capsule.reading is None or series_id in decided or row.modality not in ("MR", "CT"):
            continue
        facts = capsule.reading.facts
        await session.execute(update(Stack).where(Stack.series_id == series_id).values(sequence_source=facts.sequence_source[:32], doubt=facts.doubt[:255]))
        if contested(row.modality, facts.doubt):
            case_id = await session.scalar(select(func.min(CaseStudy.case_id)).where(CaseStudy.study_id == row.study_id))
            noun, choices = ("sequence", SEQUENCES) if row.modality == "MR" else ("phase", PHASES)
            said = row.sequence if row.modality == "MR" else row.phase
            proposal = {"series_uid": row.uid, "noun": noun, "value": said, "source": facts.sequence_source, "reason": facts.doubt}
            places = {"hospital_id": context.hospital_id, "import_id": context.import_id, "case_id": case_id}
            asked.append(reviews.question("sequence", f"series:{row.uid}", proposal, [*choices, "cannot_tell"], priority=PRIORITY, **places))
    return asked
