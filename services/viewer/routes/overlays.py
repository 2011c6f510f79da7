"""Segmentations and structure sets over the frames of a series: what there is, and a transparent picture for each frame. Pure ASGI.

They are resources: before a reviewer has released one, only reviewers see it, never cached and each look audited.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from isocenter.auth import Permission, Principal
from isocenter.errors import DecoderFailed, InvalidInput, NotFound
from services.viewer import store
from services.viewer.access import REMEMBERED_SECONDS, Remembered, Seen
from services.viewer.overlays import overlay_facts, overlay_picture
from services.viewer.raw import Asked, RawRoute
from services.viewer.regions import Grid, OverlayFacts, grid_of
from services.viewer.store import ResourceSeen
from services.viewer.viewing import WHOLE_OBJECT_BYTES, Viewing

BASE = "/api/v1/series/{series}/overlays"
KEPT = 256
OPACITY = 0.5


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay of one series. ``originals``: the released UID of an instance -> the UID that the overlay's file calls it by."""

    resource: ResourceSeen
    facts: OverlayFacts
    originals: dict[str, str]


class Overlays:
    """The routes, and what is known of the overlays looked at lately."""

    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing
        self._facts: OrderedDict[str, OverlayFacts | None] = OrderedDict()
        self._grids: OrderedDict[tuple[str, int], dict[str, dict[str, Any]]] = OrderedDict()
        self._resources: Remembered[list[ResourceSeen]] = Remembered(REMEMBERED_SECONDS, 1024, lambda _: None)
        self._noted: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def routes(self) -> list[RawRoute]:
        told = [(BASE, self.listed), (f"{BASE}/{{overlay}}/{{frame}}", self.mask)]
        return [RawRoute(path, Permission.READ_CATALOG, answer, self.viewing.resources) for path, answer in told]

    async def listed(self, asked: Asked) -> None:
        """Kind, segments with number, label and colour, and the instances and frames (0-based, as in preview) that each overlay names."""
        seen = await self.viewing.access.see(asked.principal, asked.path("series"))
        documents, held = [], seen.held
        for overlay in await self._of(asked.principal, seen):
            held = held or overlay.resource.held
            documents.append(_document(seen, overlay))
        cache_control = b"no-store" if held else seen.cache_control
        await asked.answer(orjson.dumps({"overlays": documents}), "application/json", [(b"cache-control", cache_control)])

    async def mask(self, asked: Asked) -> None:
        """A PNG of the frame's size: ``segments=1,2`` (all when not given), ``opacity`` from 0 to 1."""
        seen = await self.viewing.access.see(asked.principal, asked.path("series"))
        overlay = next((one for one in await self._of(asked.principal, seen) if one.resource.sha256 == asked.path("overlay")), None)
        if overlay is None:
            raise NotFound("This series has no such overlay, or you may not see it.")
        segments, opacity = _segments(asked.query.get("segments", "")), _opacity(asked.query.get("opacity", ""))
        instance_uid, number = _frame(seen, asked.path("frame"))
        await self._note(asked.principal, overlay.resource)
        grid = await self._grid(seen, instance_uid, number)
        resource = overlay.resource
        source = (await self.viewing.bytes.given(resource.object_key),)
        original = overlay.originals.get(instance_uid, "" if not overlay.originals else "-")
        body = await self.viewing.decode(overlay_picture, resource.sha256, source, original, number, grid, segments, opacity)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
        await asked.answer(body, "image/png", [(b"cache-control", b"no-store" if resource.held else seen.cache_control), (b"etag", tag)])

    async def _of(self, principal: Principal, seen: Seen) -> list[Overlay]:
        """The overlays that name this series or one of its instances."""
        if seen.series.format != "DICOM":
            return []
        key = (principal.account_id, principal.role, seen.series.id)
        found = []
        for resource in await self._resources.get(key, lambda: self._look_up(principal, seen.series.id)):
            facts = await self._read(resource)
            overlay = None if facts is None else self._over(seen, resource, facts)
            if overlay is not None:
                found.append(overlay)
        return found

    def _over(self, seen: Seen, resource: ResourceSeen, facts: OverlayFacts) -> Overlay | None:
        """None when the overlay is of another series. Its UIDs are the hospital's, or ours when it was drawn on released images."""
        site = self.viewing.resources.key
        ours = {instance.sop_uid for instance in seen.instances}
        originals = {uid: uid for uid in facts.instance_uids if uid in ours} | {site.uid(uid): uid for uid in facts.instance_uids if site.uid(uid) in ours}
        named = any(seen.series.uid in (uid, site.uid(uid)) for uid in facts.series_uids)
        return Overlay(resource, facts, originals) if named or originals else None

    async def _look_up(self, principal: Principal, series_id: int) -> list[ResourceSeen]:
        async with self.viewing.resources.db.read() as session:
            return await store.dicom_resources(session, principal, series_id)

    async def _read(self, resource: ResourceSeen) -> OverlayFacts | None:
        """None for what is no overlay, and for what cannot be read: the others are told all the same."""
        if resource.sha256 not in self._facts:
            facts = None
            if resource.size_bytes <= WHOLE_OBJECT_BYTES:
                try:
                    facts = await self.viewing.decode(overlay_facts, await self.viewing.bytes.given(resource.object_key))
                except (InvalidInput, DecoderFailed):
                    facts = None
            self._facts[resource.sha256] = facts
            while len(self._facts) > KEPT:
                self._facts.popitem(last=False)
        return self._facts[resource.sha256]

    async def _grid(self, seen: Seen, instance_uid: str, number: int) -> Grid:
        """Where the frame's pixels lie, by the series' metadata object."""
        if seen.series.metadata_key is None:
            raise NotFound("The metadata of this series is not written yet; its import is still running.")
        key = (seen.series.metadata_key, seen.series.revision)
        if key not in self._grids:
            self._grids[key] = await self.viewing.headers_of(seen.series.metadata_key)
            while len(self._grids) > 4:
                self._grids.popitem(last=False)
        return _grid_of(self._grids[key].get(instance_uid, {}), number)

    async def _note(self, principal: Principal, resource: ResourceSeen) -> None:
        key = (principal.name, resource.sha256, int(time.time() // 3600))
        if key not in self._noted:
            async with self.viewing.resources.db.write() as session:
                await store.note_resource(session, principal, resource)
            self._noted[key] = None
            while len(self._noted) > 10_000:
                self._noted.popitem(last=False)


def _document(seen: Seen, overlay: Overlay) -> dict[str, Any]:
    frames: list[int] = []
    first = 0
    for instance in seen.instances:
        count = max(1, instance.frames)
        if instance.sop_uid in overlay.originals:
            frames += range(first, first + count)
        first += count
    return {
        "key": overlay.resource.sha256,
        "kind": overlay.facts.kind,
        "way": overlay.facts.way,
        "held": overlay.resource.held,
        "series": seen.series.uid,
        "segments": [
            {"number": one.number, "label": one.label, "colour": "#{:02x}{:02x}{:02x}".format(*one.colour), "kind": one.kind} for one in overlay.facts.segments
        ],
        "instances": [instance.sop_uid for instance in seen.instances if instance.sop_uid in overlay.originals],
        "frames": frames,
    }


def _frame(seen: Seen, text: str) -> tuple[str, int]:
    """(SOP Instance UID, 1-based frame) of a frame counted from 0 over all instances."""
    if text.isascii() and text.isdigit() and len(text) < 8:
        frame = int(text)
        for instance in seen.instances:
            if frame < max(1, instance.frames):
                return instance.sop_uid, frame + 1
            frame -= max(1, instance.frames)
    raise InvalidInput("There is no such frame in this series.", field="frame")


def _grid_of(header: dict[str, Any], number: int) -> Grid:
    """From DICOM JSON: the frame's functional groups where there are any, else the top level."""

    def value(of: dict[str, Any], tag: str) -> list[Any]:
        found: list[Any] = of.get(tag, {}).get("Value", [])
        return found

    shared, each = value(header, "52009229")[:1] or [{}], value(header, "52009230")
    group = each[number - 1] if number <= len(each) else {}

    def placed(sequence: str, tag: str) -> list[Any]:
        for of in (group, shared[0]):
            for item in value(of, sequence)[:1]:
                if value(item, tag):
                    return value(item, tag)
        return value(header, tag)

    thickness = placed("00289110", "00180050") or [0]
    rows, columns = value(header, "00280010"), value(header, "00280011")
    if not rows or not columns:
        raise InvalidInput("This series does not say how large its frames are.", field="frame")
    turn, spacing = placed("00209116", "00200037"), placed("00289110", "00280030")
    return grid_of(int(rows[0]), int(columns[0]), placed("00209113", "00200032"), turn, spacing, float(thickness[0] or 0))


def _segments(text: str) -> tuple[int, ...] | None:
    if not text:
        return None
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise InvalidInput("segments are numbers with commas between them.", field="segments")
    return tuple(int(part) for part in parts)


def _opacity(text: str) -> float:
    try:
        value = float(text or OPACITY)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InvalidInput("opacity is a number from 0 to 1.", field="opacity")
    return value
