"""Alerts for operators: seen, acknowledged, silenced, ended by hand; told by Alertmanager; pushed to open pages."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from isocenter.audit import record
from isocenter.auth import PRINCIPAL_HEADER, Permission, verify
from isocenter.errors import InvalidInput, IsocenterError, NotAuthenticated
from isocenter.models import Alert, Silence, now
from isocenter.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from isocenter.resources import Resources
from isocenter.web import Opened, Operator
from services.stats.bell import Bell
from services.stats.courier import Courier, ways_of
from services.stats.letters import Letter
from services.stats.schemas import AlertmanagerBody, AlertView, DeliveryView, NewSilence, SilenceView, Taken, TriedView
from services.stats.silences import NAMES, silenced_until
from services.stats.store import alerts as store
from services.stats.store import bodies, notices
from services.stats.told import digest_of, told

router = APIRouter(prefix="/api/v1", tags=["stats"])

PUSHED_MOST = 200
HEARTBEAT_SECONDS = 15.0


def _view(alert: Alert, silences: list[Silence]) -> AlertView:
    until = silenced_until([(one.matcher, one.until) for one in silences], alert.name, alert.severity, alert.labels)
    view = AlertView.model_validate(alert, from_attributes=True)
    return view.model_copy(update={"silenced_until": until, "resolved_by": alert.labels.get(store.RESOLVED_BY)})


@router.get("/alerts")
async def alerts(
    opened: Opened, who: Operator, open_only: Annotated[bool, Query(alias="open")] = False, limit: Limit = 100, cursor: Cursor = None
) -> Page[AlertView]:
    """Newest first; ``open=true`` = only those that have not ended."""
    before = decode_cursor(cursor, 1)[0] if cursor else None
    if before is not None and not isinstance(before, int):
        raise InvalidInput("This cursor belongs to another list; leave it out to start again.", field="cursor")
    async with opened.db.read() as session:
        rows = await store.alerts(session, only_open=open_only, before=before, limit=limit + 1)
        silences = list(await store.silences(session, now()))
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=[_view(row, silences) for row in rows[:limit]], next=more)


async def _open(opened: Resources) -> bytes:
    async with opened.db.read() as session:
        rows = await store.alerts(session, only_open=True, before=None, limit=PUSHED_MOST)
        silences = list(await store.silences(session, now()))
    return orjson.dumps({"open": [_view(row, silences).model_dump(mode="json") for row in rows]})


@router.get("/alerts/events")
async def events(request: Request, opened: Opened, _who: Operator) -> Response:
    """Server-sent events: ``alerts`` with all open alerts, at once and whenever they change; once only for who does not accept an event stream."""
    bell: Bell = request.app.state.bell
    stays = "text/event-stream" in request.headers.get("accept", "")

    async def stream() -> AsyncIterator[bytes]:
        with bell.listening() as rung:
            while True:
                rung.clear()
                try:
                    yield b"event: alerts\ndata: " + await _open(opened) + b"\n\n"
                except IsocenterError:
                    yield b": the catalog is away\n\n"  # the page keeps what it has
                if not stays or bell.closed:
                    return
                while True:
                    try:
                        await asyncio.wait_for(rung.wait(), HEARTBEAT_SECONDS)
                        if bell.closed:
                            return
                        break
                    except TimeoutError:
                        yield b": still here\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


@router.post("/alerts/{alert_id:int}/acknowledge")
async def acknowledge(alert_id: int, request: Request, opened: Opened, who: Operator) -> AlertView:
    async with opened.db.write() as session:
        alert = await store.acknowledge(session, alert_id, who.name)
        silences = list(await store.silences(session, now()))
        record(session, who, "acknowledge", f"alert:{alert_id}")
    request.app.state.bell.ring()
    return _view(alert, silences)


@router.post("/alerts/{alert_id:int}/resolve")
async def resolve(alert_id: int, request: Request, opened: Opened, who: Operator) -> AlertView:
    """End an alert by hand, when its source will not; 409 when it has ended. It comes back if its source says again that it fires."""
    async with opened.db.write() as session:
        alert = await store.resolve(session, alert_id, who.name, now())
        await notices.write_ended(session, [alert], now())
        record(session, who, "resolve", f"alert:{alert_id}")
    request.app.state.bell.ring()
    request.app.state.courier.wake()
    return _view(alert, [])


@router.get("/alerts/delivery")
async def delivery(request: Request, opened: Opened, _who: Operator) -> list[DeliveryView]:
    """How the product's own alerts leave it: the ways that are set, what waits, when the last one was taken and why the last one was not."""
    found = []
    async with opened.db.read() as session:
        standing = await notices.standing(session)
        for way in ways_of(opened.settings):
            sent, failed = await notices.last(session, way, sent=True), await notices.last(session, way, sent=False)
            view = DeliveryView(way=way, waiting=standing.get((way, "waiting"), 0), dropped=standing.get((way, "dropped"), 0))
            found.append(view.model_copy(update={"sent_at": sent[0] if sent else None, "failure": failed[1] if failed else ""}))
    return found


@router.post("/alerts/delivery/try")
async def try_delivery(request: Request, opened: Opened, who: Operator) -> list[TriedView]:
    """Send a trial notice by every way that is set, now, and say what came of it."""
    courier: Courier = request.app.state.courier
    moment = now()
    found = []
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for way in ways_of(opened.settings):
            letter = Letter(0, 0, moment, "began", way, "trial", "info", "A trial: alerts of Isocenter arrive here.", {}, None, "trial", moment, None)
            found.append(TriedView(way=way, failure=await courier.send(letter, client)))
    async with opened.db.write() as session:
        record(session, who, "try", "alerts:delivery")
    return found


@router.get("/silences")
async def silences(opened: Opened, who: Operator) -> list[SilenceView]:
    """Those that have not run out."""
    async with opened.db.read() as session:
        return [SilenceView.model_validate(one, from_attributes=True) for one in await store.silences(session, now())]


@router.post("/silences", status_code=201)
async def silence(asked: NewSilence, request: Request, opened: Opened, who: Operator) -> SilenceView:
    """No notice on pages for alerts that fit, for so many minutes; they stay in the list. Mail is silenced in Alertmanager itself."""
    if unknown := sorted(asked.matcher.keys() - NAMES):
        raise InvalidInput(f"{unknown[0][:64]} is nothing an alert is matched by; take {', '.join(sorted(NAMES))}.", field="matcher")
    async with opened.db.write() as session:
        made = await store.add_silence(session, asked.matcher, now() + timedelta(minutes=asked.minutes), who.name, asked.comment)
        record(session, who, "create", f"silence:{made.id}")
    request.app.state.bell.ring()
    return SilenceView.model_validate(made, from_attributes=True)


@router.delete("/silences/{silence_id:int}", status_code=204)
async def end_silence(silence_id: int, request: Request, opened: Opened, who: Operator) -> None:
    async with opened.db.write() as session:
        await store.end_silence(session, silence_id)
        record(session, who, "delete", f"silence:{silence_id}")
    request.app.state.bell.ring()


async def told_by(request: Request) -> str:
    """Who posts alerts: Alertmanager with the shared secret, straight to this service, or an operator's account through the gateway."""
    resources: Resources = request.app.state.resources
    if (header := request.headers.get(PRINCIPAL_HEADER)) is not None:
        principal = verify(header, resources.key)
        principal.require(Permission.SERVERS)
        return principal.name
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    secret = resources.settings.alert_webhook_secret.get_secret_value()
    if kind.lower() != "bearer" or not secret or not hmac.compare_digest(given.strip().encode(), secret.encode()):
        raise NotAuthenticated("Alerts are taken from who sends the shared secret as bearer token (ISOCENTER_ALERT_WEBHOOK_SECRET).")
    return "alertmanager"


told_by.permission = Permission.SERVERS  # type: ignore[attr-defined]


@router.post("/alerts/webhook")
async def webhook(body: AlertmanagerBody, request: Request, opened: Opened, _who: Annotated[str, Depends(told_by)]) -> Taken:
    """What Alertmanager sends. 401 without the secret; 409 for a body that was taken before, or that brings back what has ended."""
    moment, digest = now(), digest_of(await request.body())
    found = [told(one.fingerprint, one.status, one.labels, one.annotations, one.starts_at, one.ends_at) for one in body.alerts]
    async with opened.db.write() as session:
        await bodies.note(session, digest, moment)
        changed = await store.take(session, found, moment)
    if changed:
        request.app.state.bell.ring()
    return Taken(changed=changed)
