"""Routes of reviews: the queue, one question with its evidence, the answer, undo; pixels of files that are not in the catalog."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select, tuple_

from isocenter import audit
from isocenter.errors import InvalidInput, NotAllowed, NotFound
from isocenter.imaging.thumbnail import thumbnail
from isocenter.models import Case, Import, LabelClass, LabelScheme, Review
from isocenter.objects import data_config, staging_config
from isocenter.paging import Cursor, Limit, Page, cursor_number, decode_cursor, encode_cursor
from isocenter.resources import Resources
from isocenter.web import Opened, Reviewer
from services.ingest import decide, evidence, second
from services.ingest.schemas import Decision, DecisionResult, NextReview, Reopen, ReviewCounts, ReviewView
from services.ingest.store import reviews
from services.ingest.work import Common, local

router = APIRouter(prefix="/api/v1", tags=["reviews"])

PREVIEW_PX = 1600  # text burned into a screen must be readable

@router.get("/reviews/counts")
async def counts(opened: Opened, _who: Reviewer) -> ReviewCounts:
    """Open questions by kind and disease."""
    async with opened.db.read() as session:
        kinds, diseases = await reviews.counts(session)
    return ReviewCounts(open=sum(kinds.values()), by_kind=kinds, by_disease=diseases)


@router.get("/reviews")
async def listed(
    opened: Opened,
    _who: Reviewer,
    kind: Annotated[str | None, Query(max_length=16)] = None,
    disease: Annotated[str | None, Query(max_length=32)] = None,
    import_key: Annotated[str | None, Query(alias="import", max_length=32)] = None,
    state: Annotated[str, Query(pattern="^(open|decided|closed)$")] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewView]:
    """The queue, most pressing first."""
    _check_kind(kind)
    async with opened.db.read() as session:
        import_id = await session.scalar(select(Import.id).where(Import.key == import_key)) if import_key else None
        if import_key and import_id is None:
            raise NotFound("There is no import with this key.", field="import")
        statement = reviews.queue(kind=kind, disease=disease, import_id=import_id, state=state).limit(limit + 1)
        if cursor:
            priority, last = decode_cursor(cursor, 2)
            if not isinstance(priority, int | float):
                raise InvalidInput("This cursor belongs to another list; leave it out to start again.", field="cursor")
            statement = statement.where(tuple_(Review.priority, Review.id) > (float(priority), cursor_number(last)))
        rows = list(await session.scalars(statement))
        views = [await evidence.view(session, row, full=False) for row in rows[:limit]]
    return Page(items=views, next=encode_cursor(rows[limit - 1].priority, rows[limit - 1].id) if len(rows) > limit else None)


def _check_kind(kind: str | None) -> None:
    if kind is not None and kind not in reviews.KINDS:
        raise InvalidInput(f"There is no kind of review {kind}; known are: {', '.join(reviews.KINDS)}.", field="kind")


@router.post("/reviews/next", responses={204: {"description": "Nothing waits."}}, response_model=ReviewView)
async def next_review(opened: Opened, who: Reviewer, body: NextReview) -> ReviewView | Response:
    """The next open question, leased to the caller for ten minutes, so that two people never get the same."""
    _check_kind(body.kind)
    found = await _next(opened, who.name, body.kind, body.disease)
    return found if found is not None else Response(status_code=204)


async def _next(opened: Resources, account: str, kind: str | None, disease: str | None, settling: str = "") -> ReviewView | None:
    async with opened.db.write() as session:
        row = await reviews.lease_next(session, account, kind=kind, disease=disease, allowed=second.not_by(account), settling=settling)
        return await evidence.view(session, row, full=True) if row is not None else None


@router.get("/reviews/agreement")
async def agreement(opened: Opened, _who: Reviewer, disease: Annotated[str | None, Query(max_length=32)] = None) -> dict[str, Any]:
    """How well two readers agree on the labels both read, and readers with the rules: share, Cohen's kappa, kappa per class."""
    async with opened.db.read() as session:
        return await second.agreement(session, disease)


@router.get("/reviews/{key}")
async def detail(opened: Opened, _who: Reviewer, key: str) -> ReviewView:
    """One question with its evidence and earlier answers."""
    async with opened.db.read() as session:
        return await evidence.view(session, await reviews.get(session, key), full=True)


@router.get("/reviews/{key}/identity")
async def identity(opened: Opened, who: Reviewer, key: str) -> list[dict[str, object]]:
    """Real values side by side; needs the identity permission, and every look is audited."""
    if not who.identity_permission:
        raise NotAllowed("Names and numbers are shown only with the identity permission; ask an administrator.")
    async with opened.db.write() as session:
        review = await reviews.get(session, key)
        values = await evidence.identity_of(session, opened, review)
        audit.record(session, who, "identity-shown", f"review:{key}", after={"rows": len(values)})
    return values


@router.get("/reviews/{key}/preview", response_class=Response)
async def preview(opened: Opened, who: Reviewer, key: str) -> Response:
    """The pixels of a file that waits for a decision, rendered small; unreleased: never cached, and audited."""
    async with opened.db.write() as session:
        review = await reviews.get(session, key)
        capsule = await evidence.item_source(session, opened, review)
        if capsule is None:
            raise NotFound("This question has no file to show.")
        audit.record(session, who, "unreleased-pixels-shown", f"review:{key}")
    common = Common(opened.key, data_config(opened.settings), staging_config(opened.settings), opened.settings.scratch)

    def render() -> bytes:
        with local(capsule.source, PurePosixPath(capsule.path).suffix, common) as path:
            return thumbnail(path, capsule.reading.facts.format.value if capsule.reading else "", PREVIEW_PX)

    try:
        body = await asyncio.to_thread(render)
    except (OSError, ValueError, InvalidInput, NotFound) as error:
        raise NotFound(f"The file cannot be shown ({type(error).__name__}).") from error
    return Response(body, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.get("/reviews/{key}/file", response_class=Response)
async def file(opened: Opened, who: Reviewer, key: str) -> Response:
    """The bytes of an other resource that waits for a decision; unreleased: an attachment, never cached, and audited."""
    async with opened.db.write() as session:
        review = await reviews.get(session, key)
        resource = await evidence.resource_of(session, review)
        if resource is None:
            raise NotFound("This question has no file to read.")
        audit.record(session, who, "unreleased-file-read", f"review:{key}")
    store = opened.staging if resource.state == "held" else opened.store
    body = await store.get_bytes_async(resource.object_key)
    headers = {"Cache-Control": "no-store", "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type=resource.media_type, headers=headers)


@router.post("/reviews/{key}/decision")
async def decision(request: Request, opened: Opened, who: Reviewer, key: str, body: Decision) -> DecisionResult:
    """Answer, and get the next question of the same kind and disease."""
    async with opened.db.write() as session:
        review = await reviews.get(session, key, lock=True)
        await decide.decide(session, opened, who, review, body.value, body.note, body.revision)
        await session.flush()
        view = await evidence.view(session, review, full=False)
    request.app.state.coordinator.wake()
    return DecisionResult(review=view, next=await _next(opened, who.name, view.kind, view.disease, str(view.proposal.get("wording") or "")))


@router.post("/reviews/{key}/undo")
async def undo(request: Request, opened: Opened, who: Reviewer, key: str) -> ReviewView:
    """Take the newest answer back and ask again."""
    async with opened.db.write() as session:
        review = await reviews.get(session, key, lock=True)
        await decide.undo(session, who, review)
        await session.flush()
        view = await evidence.view(session, review, full=True)
    request.app.state.coordinator.wake()
    return view


@router.post("/reviews/{key}/release", status_code=204)
async def release(opened: Opened, who: Reviewer, key: str) -> Response:
    """Give a leased question back (skip)."""
    async with opened.db.write() as session:
        review = await reviews.get(session, key, lock=True)
        if review.lease_account == who.name:
            review.lease_account = review.lease_until = None
            review.priority = min(0.99, review.priority + 0.05)  # others first
    return Response(status_code=204)


@router.post("/cases/{case_key}/labels/reopen")
async def reopen(opened: Opened, who: Reviewer, case_key: str, body: Reopen) -> ReviewView:
    """Ask about any label again, whatever it rests on."""
    async with opened.db.write() as session:
        case = await session.scalar(select(Case).where(Case.key == case_key, Case.deleted_at.is_(None)))
        if case is None:
            raise NotFound("There is no case with this key.", field="case_key")
        scheme = await session.scalar(
            select(LabelScheme)
            .where(LabelScheme.disease_id == case.disease_id, LabelScheme.code == body.scheme)
            .order_by(LabelScheme.number.desc())
            .limit(1)
        )
        if scheme is None:
            raise InvalidInput(f"There is no label scheme {body.scheme} for this disease.", field="scheme")
        classes = await session.scalars(select(LabelClass.code).where(LabelClass.scheme_id == scheme.id).order_by(LabelClass.ordinal))
        review = await decide.reopen(session, who, case, scheme, list(classes))
        return await evidence.view(session, review, full=True)

