"""What people decided so far, by wording, and which open questions wait with the same words."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseLabel, CaseStudy, ImportItem, Label, Review
from services.ingest.precedent import Decided, Precedents
from services.ingest.store import imports

DECISIONS_MAX = 5000  # the newest of a scheme


async def decided(session: AsyncSession, scheme_ids: Collection[int]) -> dict[int, list[Decided]]:
    """scheme -> its decisions that stand, oldest first; those made before wordings were kept have none and say nothing."""
    found: dict[int, list[Decided]] = {}
    for scheme_id in sorted(scheme_ids):
        rows = await session.execute(
            select(Label.value, Label.evidence)
            .join(CaseLabel, CaseLabel.label_id == Label.id)
            .where(CaseLabel.scheme_id == scheme_id, CaseLabel.state == "decided", Label.source == "reviewer")
            .order_by(Label.id.desc())
            .limit(DECISIONS_MAX)
        )
        own = [Decided(e[0].get("wording", ""), value, e[0].get("reason", ""), e[0].get("review", "")) for value, e in rows.tuples() if e]
        if own:
            found[scheme_id] = own[::-1]
    return found


async def waiting(session: AsyncSession, words: Collection[str], exclude: Collection[int]) -> dict[str, int]:
    """wording -> open label questions of these words, those of the excluded cases not counted."""
    own = Review.proposal["wording"].as_string()
    found: dict[str, int] = {}
    listed = sorted(words)
    for start in range(0, len(listed), 500):
        statement = select(own, Review.case_id).where(Review.state == "open", Review.kind == "label", own.in_(listed[start : start + 500]))
        for name, case_id in (await session.execute(statement)).tuples():
            if case_id not in exclude:
                found[name] = found.get(name, 0) + 1
    return found


async def label_again(session: AsyncSession, review: Review, scheme_id: int, *, settled: bool) -> None:
    """After a decision or its undoing: label the cases of the same words again, as follow-up work of their imports.

    Open questions always, but for those that somebody has on the screen. ``settled``: sure labels too, whether they follow decisions or
    the rules; it takes a look at all sure labels of the scheme.
    """
    words = str(review.proposal.get("wording") or "")
    if not words:
        return
    waiting = await session.execute(
        select(Review.import_id, Review.case_id).where(
            Review.state == "open",
            Review.kind == "label",
            Review.disease_id == review.disease_id,
            Review.id != review.id,
            Review.import_id.is_not(None),
            Review.proposal["wording"].as_string() == words,
        )
    )
    found = {case: number for number, case in waiting.tuples() if number is not None and case is not None}
    if settled:
        found |= await _settled(session, words, scheme_id)
    of_import: dict[int, list[int]] = {}
    for case, number in sorted(found.items()):
        of_import.setdefault(number, []).append(case)
    for number, cases in sorted(of_import.items()):
        await imports.add_batches(session, number, imports.AGAIN, [({"unless_on_screen": cases}, 1)])


async def contradicted(session: AsyncSession, review: Review, scheme_id: int, value: str) -> bool:
    """Whether this answer is another than the sure label it was asked about, or than what was decided of the same words before."""
    words = str(review.proposal.get("wording") or "")
    known = Precedents((await decided(session, [scheme_id])).get(scheme_id, ())).of(words)
    sure = review.proposal.get("value") or review.proposal.get("current")  # a reopened question names what counted
    return sure not in ("", None, "review", value) or len({one.value for one in known}) > 1


async def _settled(session: AsyncSession, words: str, scheme_id: int) -> dict[int, int]:
    """case -> the newest import that brought it, of sure labels given by rule or voice to these words."""
    rows = await session.execute(
        select(CaseLabel.case_id, func.max(ImportItem.import_id))
        .join(Label, Label.id == CaseLabel.label_id)
        .join(CaseStudy, CaseStudy.case_id == CaseLabel.case_id)
        .join(ImportItem, ImportItem.study_id == CaseStudy.study_id)
        .where(CaseLabel.scheme_id == scheme_id, CaseLabel.state == "sure", Label.source.in_(("rule", "model")))
        .where(cast(Label.evidence, Text).contains(words, autoescape=True))
        .group_by(CaseLabel.case_id)
    )
    return dict(rows.tuples().all())
