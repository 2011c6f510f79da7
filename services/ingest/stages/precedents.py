"""What people decided so far, by wording, and which open questions wait with the same words."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseLabel, Label, Review, now
from services.ingest.precedent import Decided
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


async def ask_again(session: AsyncSession, review: Review) -> None:
    """After a decision or its undoing: label the cases whose open question has the same words again, as follow-up work of their imports."""
    words = str(review.proposal.get("wording") or "")
    if not words:
        return
    rows = await session.execute(
        select(Review.import_id, Review.case_id)
        .where(
            Review.state == "open",
            Review.kind == "label",
            Review.disease_id == review.disease_id,
            Review.id != review.id,
            Review.import_id.is_not(None),
            Review.proposal["wording"].as_string() == words,
            or_(Review.lease_account.is_(None), Review.lease_until < now()),
        )
        .order_by(Review.id)
    )
    await _again(session, [(i, c) for i, c in rows.tuples() if i is not None and c is not None])


async def followers_again(session: AsyncSession, review: Review) -> None:
    """After a decision was taken back: label the cases again whose label followed it."""
    rows = await session.execute(
        select(CaseLabel.case_id, Label.evidence)
        .join(Label, Label.id == CaseLabel.label_id)
        .where(Label.source == "model", Label.reason == "decided-like", CaseLabel.state != "decided")
    )
    cases = [case for case, evidence in rows.tuples() if any(review.key in item.get("decisions", ()) for item in evidence)]
    if cases and review.import_id is not None:
        await imports.add_batches(session, review.import_id, imports.AGAIN, [({"cases": sorted(cases)}, 1)])


async def _again(session: AsyncSession, found: list[tuple[int, int]]) -> None:
    of_import: dict[int, set[int]] = {}
    for import_id, case_id in found:
        of_import.setdefault(import_id, set()).add(case_id)
    for import_id, cases in sorted(of_import.items()):
        await imports.add_batches(session, import_id, imports.AGAIN, [({"cases": sorted(cases)}, 1)])
