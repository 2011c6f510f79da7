"""The confidence from which labels of a scheme need no person, found on decided cases for the error rate the site wants."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseLabel, Label, LabelScheme
from services.ingest.agreement import Scored
from services.ingest.store import imports
from services.ingest.threshold import Threshold, threshold_for

DECIDED_MAX = 2000  # the newest decisions: what holds now


async def scored(session: AsyncSession, scheme_id: int) -> list[Scored]:
    """What was said of each decided case (by rules and voice together, where both spoke) beside what people decided."""
    pointers = await session.execute(
        select(CaseLabel.case_id, CaseLabel.value)
        .where(CaseLabel.scheme_id == scheme_id, CaseLabel.state == "decided")
        .order_by(CaseLabel.label_id.desc())
        .limit(DECIDED_MAX)
    )
    gold: dict[int, str] = dict(pointers.tuples().all())
    said = select(Label.case_id, Label.value, Label.confidence).where(Label.scheme_id == scheme_id, Label.source.in_(("rule", "model"))).order_by(Label.id)
    newest = {case: (value, confidence) for case, value, confidence in await imports.chunked(session, said, Label.case_id, list(gold))}
    return [Scored(str(case), gold[case], *newest[case]) for case in sorted(newest)]


async def found(session: AsyncSession, scheme: LabelScheme) -> Threshold | None:
    """What the decisions say now; None while no error rate is wanted."""
    if scheme.wanted_error is None:
        return None
    return threshold_for(await scored(session, scheme.id), scheme.wanted_error, scheme.threshold)


async def learn(session: AsyncSession, scheme: LabelScheme) -> Threshold | None:
    """Keep what the decisions say in the scheme's row, where the label stage reads it."""
    threshold = await found(session, scheme)
    confidence, decided = (threshold.confidence, threshold.decided) if threshold is not None else (None, 0)
    if (scheme.learnt_threshold, scheme.learnt_from) != (confidence, decided):
        scheme.learnt_threshold, scheme.learnt_from = confidence, decided
        scheme.revision += 1
    return threshold
