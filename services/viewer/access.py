"""May this account see this series? Decided by the grants in SQL, remembered for a few seconds, so that no tile asks SQL.

Pixels that are held (their reviewer has not looked yet) are for ``Permission.REVIEW`` only, are never cached by a client, and each
look is in the audit trail.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from isocenter.auth import Permission, Principal
from isocenter.errors import NotFound
from isocenter.resources import Resources
from services.viewer import store
from services.viewer.counted import ViewerMetrics
from services.viewer.raw import asking
from services.viewer.store import InstanceSeen, SeriesSeen

REMEMBERED_SECONDS = 5.0
IMMUTABLE = b"private, max-age=31536000, immutable"
NOTHING = "There is no such image, or you may not see it."

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Values that are looked up once for all who ask at the same time and kept for some seconds; at most ``most`` of them."""

    def __init__(self, seconds: float, most: int, looked: Callable[[bool], None]) -> None:
        self._looked = looked
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[float, asyncio.Future[Value]]] = OrderedDict()

    async def get(self, key: Hashable, look_up: Callable[[], Awaitable[Value]]) -> Value:
        kept = self._kept.get(key)
        failed = kept is not None and kept[1].done() and (kept[1].cancelled() or kept[1].exception() is not None)
        known = kept is not None and not failed and kept[0] > time.monotonic()
        self._looked(known)
        if kept is not None and known:
            # Without the wait in nearly every case: a shield costs more than all the rest of a look.
            return kept[1].result() if kept[1].done() else await asyncio.shield(kept[1])
        # A task of its own: the look-up must not die with the first client that asked and went.
        future = asyncio.ensure_future(look_up())
        self._kept[key] = (time.monotonic() + self._seconds, future)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._kept.pop(key, None)
            raise

    def clear(self) -> None:
        self._kept.clear()


@dataclass(frozen=True, slots=True)
class Seen:
    """A visible series with the instances this account may see, in geometric order."""

    series: SeriesSeen
    instances: tuple[InstanceSeen, ...]
    by_uid: Mapping[str, InstanceSeen]
    held: bool

    def instance(self, sop_uid: str) -> InstanceSeen:
        found = self.by_uid.get(sop_uid)
        if found is None:
            raise NotFound(NOTHING)
        return found

    @property
    def cache_control(self) -> bytes:
        """For the request that is being answered: an address with the right ``v`` never shows anything else."""
        if self.held:
            return b"no-store"
        asked = asking.get()
        versioned = asked is not None and b"v=" in asked.scope["query_string"] and asked.query.get("v") == self.version
        return IMMUTABLE if versioned else b"private, max-age=300"

    @property
    def version(self) -> str:
        """What ``v`` is for this series now: its revision, which goes up whenever its images or what is said of them change."""
        return str(self.series.revision)


class _Instances:
    """The current instances of a series, all of them and those that everybody with the grant may see; made once a look-up and not once a request."""

    __slots__ = ("all", "any_held", "every_uid", "visible", "visible_uid")

    def __init__(self, found: Sequence[InstanceSeen]) -> None:
        self.all = tuple(found)
        self.any_held = any(instance.held for instance in found)
        self.visible = tuple(instance for instance in found if not instance.held) if self.any_held else self.all
        self.every_uid = {instance.sop_uid: instance for instance in reversed(self.all)}
        self.visible_uid = {instance.sop_uid: instance for instance in reversed(self.visible)} if self.any_held else self.every_uid


class Access:
    """Answers who may see what, for all routes of this process."""

    def __init__(self, resources: Resources, counted: ViewerMetrics, wake: Callable[[], None] = lambda: None) -> None:
        """``wake`` is called when somebody looks at a series not looked at lately: pictures will be wanted."""
        self.resources = resources
        self._wake = wake
        self._series: Remembered[SeriesSeen | None] = Remembered(REMEMBERED_SECONDS, 4096, lambda hit: counted.looked("series", hit=hit))
        self._instances: Remembered[_Instances] = Remembered(REMEMBERED_SECONDS, 128, lambda hit: counted.looked("instances", hit=hit))
        self._noted: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    async def see(self, principal: Principal, series_uid: str, *, study_uid: str | None = None, audited: bool = True) -> Seen:
        """The series for this account; NotFound for an unknown one, one of another project and one of another study.

        The look is in the audit trail; with ``audited`` False (the small pictures of a list) only when the pixels are held.
        """
        key = (principal.account_id, principal.role, series_uid)
        found = await self._series.get(key, lambda: self._look_up(principal, series_uid))
        if found is None or (study_uid is not None and found.study_uid != study_uid):
            raise NotFound(NOTHING)
        instances = await self._instances.get(found.id, lambda: self._instances_of(found))
        if audited or found.held:
            await self._note(principal, found)
        if principal.may(Permission.REVIEW):
            return Seen(found, instances.all, instances.every_uid, found.held or instances.any_held)
        return Seen(found, instances.visible, instances.visible_uid, found.held)

    def forget(self) -> None:
        """Forget every decision (tests, and a wake-up after a change in this process)."""
        self._series.clear()
        self._instances.clear()

    async def _look_up(self, principal: Principal, uid: str) -> SeriesSeen | None:
        self._wake()
        return await self.resources.db.ask(lambda rows: store.series_seen(rows, principal, uid))

    async def _instances_of(self, seen: SeriesSeen) -> _Instances:
        return _Instances(await self.resources.db.ask(lambda rows: store.instances_of(rows, seen.id)))

    async def note_download(self, principal: Principal, seen: SeriesSeen) -> None:
        """The audit row of a download of this series, written before the first byte; once an hour per account and series in this process."""
        await self._once_an_hour(principal, f"download {seen.uid}", seen, store.note_download)

    async def _note(self, principal: Principal, seen: SeriesSeen) -> None:
        """The audit rows of a look, written before anything is sent; once an hour per account and study (held: series) in this process."""
        subject = f"held {seen.uid}" if seen.held else seen.study_uid
        await self._once_an_hour(principal, subject, seen, store.note_view)

    async def _once_an_hour(self, principal: Principal, subject: str, seen: SeriesSeen, note: Callable[..., Awaitable[None]]) -> None:
        key = (principal.name, subject, int(time.time() // 3600))
        if key in self._noted:
            return
        async with self.resources.db.write() as session:
            await note(session, principal, seen)
        self._noted[key] = None
        while len(self._noted) > 20_000:
            self._noted.popitem(last=False)
