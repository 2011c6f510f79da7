"""The blind second reader: a share of decided labels is asked again of somebody else, who sees no first answer.

The same answer leaves the decision as it is; another one asks a third time. Nobody is asked for a second reading while
only one person decides labels here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from isocenter.models import Disease, Review, ReviewDecision
from services.ingest.agreement import kappa
from services.ingest.store import reviews
from services.ingest.voice import CANNOT_TELL, audited

SHARE = 0.1  # of decided labels
SUBJECT = "second:"


def is_second(review: Review) -> bool:
    return review.subject.startswith(SUBJECT)


def not_by(account: str) -> ColumnElement[bool]:
    """Reviews this account may answer: a second reading is never of one's own decision."""
    first = aliased(Review)
    own = exists().where(ReviewDecision.review_id == first.id, ReviewDecision.account == account, ReviewDecision.undone_at.is_(None))
    return ~(Review.subject.startswith(SUBJECT) & exists().where(first.case_id == Review.case_id, first.kind == "label").where(own))


async def ask_second(session: AsyncSession, review: Review, account: str, share: float = SHARE) -> None:
    """After a first decision: for a share of the cases, the same question for somebody else, without proposal or answer."""
    if audited(f"{SUBJECT}{review.subject}", share) is None:
        return
    others = select(ReviewDecision.id).join(Review, Review.id == ReviewDecision.review_id)
    if await session.scalar(others.where(Review.kind == "label", ReviewDecision.account != account, ReviewDecision.undone_at.is_(None)).limit(1)) is None:
        return
    proposal = {key: review.proposal.get(key, "") for key in ("case_key", "scheme")} | {"value": "", "reason": "second-reader", "first": review.key}
    places = {"hospital_id": review.hospital_id, "disease_id": review.disease_id, "case_id": review.case_id, "import_id": review.import_id}
    await reviews.ask(session, [reviews.question("label", f"{SUBJECT}{review.subject}", proposal, review.choices, priority=0.25, **places)])


async def ask_third(session: AsyncSession, review: Review, first: str) -> Review:
    """Two readers disagree: both answers are shown to whoever settles it."""
    proposal = {key: review.proposal.get(key, "") for key in ("case_key", "scheme")}
    proposal |= {"value": "", "reason": "readers-disagree", "first": first, "second": review.key, "revision": review.revision}
    places = {"hospital_id": review.hospital_id, "disease_id": review.disease_id, "case_id": review.case_id, "import_id": review.import_id}
    row = reviews.question("label", review.subject.removeprefix(SUBJECT), proposal, review.choices, priority=0.0, **places)
    await reviews.ask(session, [row])
    return await reviews.get(session, str(row["key"]))


async def agreement(session: AsyncSession, disease: str | None) -> dict[str, Any]:
    """Two readers on the cases both read, and readers against the rules' proposals: share, Cohen's kappa, kappa per class."""
    statement = (
        select(Review.key, Review.subject, Review.proposal, ReviewDecision.value)
        .join(ReviewDecision, ReviewDecision.review_id == Review.id)
        .where(Review.kind == "label", ReviewDecision.undone_at.is_(None))
        .order_by(ReviewDecision.id)
    )
    if disease:
        statement = statement.where(Review.disease_id == select(Disease.id).where(Disease.code == disease).scalar_subquery())
    answers = {key: (subject, proposal, str(value["value"])) for key, subject, proposal, value in (await session.execute(statement)).tuples()}
    readers = [
        (answers[str(proposal["first"])][2], value)
        for subject, proposal, value in answers.values()
        if subject.startswith(SUBJECT) and str(proposal.get("first")) in answers
    ]
    rules = [(value, said) for subject, proposal, value in answers.values() if not subject.startswith(SUBJECT) and (said := _proposed(proposal))]
    return {"readers": _figures(readers), "reader_against_rule": _figures(rules)}


def _proposed(proposal: Mapping[str, Any]) -> str:
    """What the rules would say: their label, or what they lean to; '' when they have no opinion."""
    if proposal.get("reason") in ("reopened", "readers-disagree"):
        return ""
    value = str(proposal.get("value") or "")
    return value if value not in ("", "review") else str(proposal.get("leaning") or "")


def _figures(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    values = sorted({value for pair in pairs for value in pair})
    table = Counter(pairs)
    by_class = {
        value: {"first": sum(a == value for a, _ in pairs), "second": sum(b == value for _, b in pairs), "kappa": _rounded(kappa(pairs, value))}
        for value in values
    }
    return {
        "count": len(pairs),
        "agreed": sum(a == b for a, b in pairs),
        "kappa": _rounded(kappa(pairs)),
        "cannot_tell": sum(CANNOT_TELL in pair for pair in pairs),
        "by_class": by_class,
        "table": [{"first": a, "second": b, "count": count} for (a, b), count in sorted(table.items())],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
