"""Questions for a person, and their answers. A question is asked once; a new one is asked anew."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import for_update, upsert_ignore
from isocenter.errors import NotFound
from isocenter.models import Case, Disease, Review, now
from services.ingest.store import imports

LEASE = timedelta(minutes=10)
KINDS = ("link", "label", "disease", "identifiers", "pixels", "resource", "leak", "duplicate", "sequence")


def question(kind: str, subject: str, proposal: dict[str, Any], choices: Sequence[str], *, priority: float, **places: Any) -> dict[str, Any]:
    """A row for :func:`ask`. The hash is over what is asked, so that the same question is asked once."""
    text = json.dumps([kind, subject, proposal, list(choices)], sort_keys=True, ensure_ascii=False, default=str)
    return {
        "key": secrets.token_hex(8),
        "kind": kind,
        "subject": subject,
        "question_sha": hashlib.sha256(text.encode()).hexdigest(),
        "proposal": proposal,
        "choices": list(choices),
        "priority": priority,
        "state": "open",
        "created_at": now(),
        "revision": 1,
        "hospital_id": places.get("hospital_id"),
        "disease_id": places.get("disease_id"),
        "case_id": places.get("case_id"),
        "import_id": places.get("import_id"),
        "item_id": places.get("item_id"),
    }


REOPENED = "reopened"  # reason of a label question that a person asked for


async def ask(session: AsyncSession, questions: Sequence[dict[str, Any]]) -> None:
    """Open these questions; one that is open or was decided is left as it is, one that was withdrawn is asked again. Other open ones are closed."""
    busy = await _reopened(session, [row["subject"] for row in questions if row["kind"] == "label"])
    left = [row for row in questions if row["subject"] not in busy or row["proposal"].get("reason") == REOPENED]
    rows = sorted(left, key=lambda row: (row["kind"], row["subject"], row["question_sha"]))
    for row in rows:
        await session.execute(
            update(Review)
            .where(Review.kind == row["kind"], Review.subject == row["subject"], Review.state == "open", Review.question_sha != row["question_sha"])
            .values(state="closed", revision=Review.revision + 1)
        )
        same = (Review.kind == row["kind"], Review.subject == row["subject"], Review.question_sha == row["question_sha"])
        await session.execute(
            update(Review).where(*same, Review.state == "closed").values(state="open", revision=Review.revision + 1, priority=row["priority"])
        )
        if row["kind"] == "label":  # the same question may press more or less than when it was asked first
            await session.execute(
                update(Review)
                .where(*same, Review.state == "open", Review.priority != row["priority"])
                .values(priority=row["priority"])
            )
    await upsert_ignore(session, Review.__table__, rows)


async def _reopened(session: AsyncSession, subjects: Sequence[str]) -> set[str]:
    """Those whose label somebody asked about by hand and has on the screen: that answer counts, whatever would be asked of it meanwhile."""
    reason = Review.proposal["reason"].as_string()
    statement = select(Review.subject).where(Review.kind == "label", Review.state == "open", Review.lease_until >= now(), reason == REOPENED)
    return {subject for (subject,) in await imports.chunked(session, statement, Review.subject, subjects)}


async def withdraw(session: AsyncSession, kind: str, subjects: Sequence[str]) -> None:
    """Close open questions that nobody needs to answer any more."""
    for start in range(0, len(subjects), 500):
        await session.execute(
            update(Review)
            .where(Review.kind == kind, Review.subject.in_(subjects[start : start + 500]), Review.state == "open")
            .values(state="closed", revision=Review.revision + 1)
        )


async def get(session: AsyncSession, key: str, *, lock: bool = False) -> Review:
    statement = select(Review).where(Review.key == key)
    row: Review | None = await session.scalar(for_update(statement, session) if lock else statement)
    if row is None:
        raise NotFound("There is no review with this key.", field="key")
    return row


def _case_is_there() -> ColumnElement[bool]:
    """Nobody is asked about a case that was deleted; restored, its questions are there again."""
    return or_(Review.case_id.is_(None), Review.case_id.in_(select(Case.id).where(Case.deleted_at.is_(None))))


def queue(*, kind: str | None, disease: str | None, import_id: int | None, state: str) -> Select[Review]:
    """Reviews in the order they are asked: most pressing first."""
    statement = select(Review).where(Review.state == state)
    if state == "open":
        statement = statement.where(_case_is_there())
    if kind:
        statement = statement.where(Review.kind == kind)
    if disease:
        statement = statement.where(Review.disease_id == select(Disease.id).where(Disease.code == disease).scalar_subquery())
    if import_id is not None:
        statement = statement.where(Review.import_id == import_id)
    return statement.order_by(Review.priority, Review.id)


async def lease_next(
    session: AsyncSession,
    account: str,
    *,
    kind: str | None,
    disease: str | None,
    allowed: ColumnElement[bool] | None = None,
    settling: str = "",
) -> Review | None:
    """The next open question nobody else is at, leased to this account for ten minutes.

    allowed: which it may answer; settling: the wording that was just decided: questions of it come last, as they are about to be settled.
    """
    moment = now()
    free = or_(Review.lease_account.is_(None), Review.lease_account == account, Review.lease_until < moment)
    waiting = queue(kind=kind, disease=disease, import_id=None, state="open").where(free)
    if allowed is not None:
        waiting = waiting.where(allowed)
    # What this account is at comes first, so that an undone answer is the next question and not somewhere in the queue.
    own = waiting.where(Review.lease_account == account, Review.lease_until >= moment).limit(1)
    review: Review | None = await session.scalar(for_update(own, session, skip_locked=True))
    if review is None and settling:
        others = waiting.where(func.coalesce(Review.proposal["wording"].as_string(), "") != settling)
        review = await session.scalar(for_update(others.limit(1), session, skip_locked=True))
    if review is None:
        review = await session.scalar(for_update(waiting.limit(1), session, skip_locked=True))
    if review is not None:
        review.lease_account, review.lease_until = account, moment + LEASE
    return review


async def take(session: AsyncSession, review: Review, account: str) -> None:
    """Lease one question to an account and give back whatever else it holds."""
    others = update(Review).where(Review.lease_account == account, Review.id != review.id, Review.state == "open")
    await session.execute(others.values(lease_account=None, lease_until=None))
    review.lease_account, review.lease_until = account, now() + LEASE


async def on_screen(session: AsyncSession, case_ids: Collection[int]) -> set[int]:
    """Those of these cases whose label question somebody is at."""
    statement = select(Review.case_id).where(Review.kind == "label", Review.state == "open", Review.lease_until >= now())
    return {case for (case,) in await imports.chunked(session, statement, Review.case_id, list(case_ids)) if case is not None}


async def counts(session: AsyncSession) -> tuple[dict[str, int], dict[str, int]]:
    """Open questions by kind and by disease code."""
    kinds = await session.execute(select(Review.kind, func.count()).where(Review.state == "open", _case_is_there()).group_by(Review.kind))
    diseases = await session.execute(
        select(Disease.code, func.count()).join(Review, Review.disease_id == Disease.id).where(Review.state == "open", _case_is_there()).group_by(Disease.code)
    )
    return dict(kinds.all()), dict(diseases.all())
