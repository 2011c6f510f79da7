"""Questions about what may be there twice: one examination under two studies, one report under two texts. A person says.

Nothing is removed without an answer. Pictures of one pixel hash in two studies are the sign of an examination that came
twice (exported twice, or brought by two hospitals); two texts under one number of one patient are the sign of a report
that was edited more than merging takes upon itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from isocenter.models import CaseStudy, ImportItem, Instance, Series, Study
from services.ingest.stages.context import Context
from services.ingest.store import imports, reviews

SHARED_MIN = 0.5  # of the smaller study's pictures
PRIORITY = 0.55  # after labels and links, before sequences
RIVALS_MAX = 6


async def ask_about_studies(session: AsyncSession, context: Context) -> None:
    """A question for every pair of a study of this import and another one that show the same pixels."""
    own = select(ImportItem.instance_id).where(ImportItem.import_id == context.import_id, ImportItem.instance_id.is_not(None))
    mine, other = aliased(Instance), aliased(Instance)
    my_series, other_series = aliased(Series), aliased(Series)
    pairs = await session.execute(
        select(my_series.study_id, other_series.study_id, func.count(mine.id.distinct()))
        .join(my_series, my_series.id == mine.series_id)
        .join(other, (other.pixel_hash == mine.pixel_hash) & (other.id != mine.id))
        .join(other_series, (other_series.id == other.series_id) & (other_series.study_id != my_series.study_id))
        .where(mine.id.in_(own), mine.pixel_hash != "", mine.generation == 0, other.generation == 0)
        .where(mine.deleted_at.is_(None), other.deleted_at.is_(None), my_series.deleted_at.is_(None), other_series.deleted_at.is_(None))
        .group_by(my_series.study_id, other_series.study_id)
    )
    shared: dict[tuple[int, int], int] = {}
    for a, b, count in pairs.tuples():
        place = (min(a, b), max(a, b))
        shared[place] = max(shared.get(place, 0), int(count))
    if not shared:
        return
    ids = sorted({study for pair in shared for study in pair})
    sizes = await _sizes(session, ids)
    studies = {row.id: row for (row,) in await imports.chunked(session, select(Study).where(Study.deleted_at.is_(None)), Study.id, ids)}
    cases = dict(await imports.chunked(session, select(CaseStudy.study_id, CaseStudy.case_id).order_by(CaseStudy.case_id.desc()), CaseStudy.study_id, ids))
    asked = []
    for (a, b), count in sorted(shared.items()):
        if a not in studies or b not in studies or count < SHARED_MIN * min(sizes.get(a, 0), sizes.get(b, 0)):
            continue
        proposal = {
            "what": "studies",
            "studies": [studies[a].uid, studies[b].uid],
            "shared": count,
            "pictures": [sizes[a], sizes[b]],
            "same_hospital": studies[a].hospital_id == studies[b].hospital_id,
            "reason": "same-pixels",
        }
        subject = f"studies:{studies[a].id}:{studies[b].id}"
        places = {"hospital_id": context.hospital_id, "import_id": context.import_id, "case_id": cases.get(b)}
        asked.append(reviews.question("duplicate", subject, proposal, ["same", "different"], priority=PRIORITY, **places))
    await reviews.ask(session, asked)


async def _sizes(session: AsyncSession, study_ids: Sequence[int]) -> dict[int, int]:
    statement = (
        select(Series.study_id, func.count(Instance.id))
        .join(Instance, Instance.series_id == Series.id)
        .where(Instance.generation == 0, Instance.deleted_at.is_(None), Series.deleted_at.is_(None))
        .group_by(Series.study_id)
    )
    return dict(await imports.chunked(session, statement, Series.study_id, study_ids))


def rivals(keys: Mapping[str, str], first_keys: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of report keys that stand under one number of one patient with texts that merging kept apart.

    keys: merged report -> its key; first_keys: merged report -> the key its number alone gives.
    """
    of_number: dict[str, list[str]] = {}
    for report, key in keys.items():
        of_number.setdefault(first_keys[report], []).append(key)
    return [(found[0], later) for found in of_number.values() if 1 < len(found) <= RIVALS_MAX for later in found[1:]]


async def ask_about_reports(session: AsyncSession, context: Context, pairs: Sequence[tuple[str, str]]) -> None:
    """One question a pair: which text holds, or both (two specimens, two examinations under one number)."""
    places = {"hospital_id": context.hospital_id, "import_id": context.import_id}
    asked = []
    for first, second in pairs:
        proposal = {"what": "reports", "reports": [first, second], "reason": "one-number-two-texts"}
        asked.append(reviews.question("duplicate", f"reports:{first}:{second}", proposal, [first, second, "both"], priority=PRIORITY, **places))
    await reviews.ask(session, asked)
