"""What all image routes share: who sees what, where bytes lie, and the bounded pool in which pictures are made."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import orjson

from isocenter.auth import Principal
from isocenter.errors import BadRequest, InvalidInput, NotFound, TooManyRequests
from isocenter.resources import Resources
from services.viewer import store
from services.viewer.access import Access, Seen
from services.viewer.counted import ViewerMetrics
from services.viewer.decoders import Decoders
from services.viewer.frames import Bytes
from services.viewer.negotiate import EXPLICIT_LITTLE_ENDIAN
from services.viewer.parts import Part
from services.viewer.raw import Asked, Headers, asking
from services.viewer.render import JPEG_QUALITY, Look, frame_picture, object_picture, parse_window, plain_picture
from services.viewer.store import InstanceSeen

SIZE_MOST_PX = 8192
PLAIN_HEADER_BYTES = 64 << 10
PICTURES = 1  # goes up when the same frame is drawn differently
WHOLE_OBJECT_BYTES = 1 << 30  # an object without a frame index is read whole up to this

P = ParamSpec("P")
T = TypeVar("T")


class Viewing:
    """One per process; made by ``create_app`` and handed to the routes."""

    def __init__(self, resources: Resources, counted: ViewerMetrics) -> None:
        self.resources = resources
        self.counted = counted
        settings = resources.settings
        self.decoders = Decoders(settings.decoders, settings.decode_seconds, settings.decode_memory_bytes)
        self.access = Access(resources, counted, self.decoders.start)
        self.bytes = Bytes(resources)
        # Two threads on two cores: encoding and unpacking let go of the interpreter, more threads would only wait for it.
        self._limiter = anyio.CapacityLimiter(max(2, os.cpu_count() or 2))
        self._waiting: Counter[int] = Counter()  # by account; 0 = nobody's request
        self._drawers = ThreadPoolExecutor(max(2, os.cpu_count() or 2), "draw")

    async def compute(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run arithmetic on our own data in a thread; TooManyRequests when too much already waits."""
        with self._counted():
            return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self._limiter)

    async def decode(self, work: Callable[..., T], *arguments: object) -> T:
        """Run what reads stored bytes in a decoder process, for as long as the client waits; a ``Part`` arrives there as its bytes.

        TooManyRequests when too many wait, DecoderFailed when this one crashes, takes too long or too much memory.
        """
        with self._counted():
            running: Coroutine[Any, Any, T] = self.decoders.run(work, *arguments)
            asked = asking.get()
            return await (running if asked is None else asked.while_waited_for(running))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """One picture more, for all and for the account that asks."""
        asked, settings = asking.get(), self.resources.settings
        account = 0 if asked is None else asked.principal.account_id
        if self._waiting.total() >= settings.pictures_waiting:
            raise TooManyRequests("Too many pictures are being made; try again in a moment.", retry_after=2)
        if self._waiting[account] >= settings.pictures_an_account:
            raise TooManyRequests(f"More than {settings.pictures_an_account} pictures are being made for you; try again in a moment.", retry_after=1)
        self._waiting[account] += 1
        self.counted.waiting.inc()
        self.counted.pictures.inc()
        try:
            yield
        finally:
            self._waiting[account] -= 1
            if not self._waiting[account]:
                del self._waiting[account]
            self.counted.waiting.dec()

    async def _draw(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As :meth:`compute`, for a millisecond's work: the executor's own queue costs a third of the limiter's hand-over."""
        with self._counted():
            return await asyncio.get_running_loop().run_in_executor(self._drawers, lambda: work(*args, **kwargs))

    def look_of(self, asked: Asked, media_type: str = "image/jpeg", names: tuple[str, ...] = ("window", "size", "viewport", "quality", "format")) -> Look:
        """``window``, ``size`` or ``viewport``, ``quality`` and ``format`` of a query."""
        query = {name: value for name, value in asked.query.items() if name in names}
        size = query.get("size") or query.get("viewport", "").split(",")[0]
        media_type = {"png": "image/png", "jpeg": "image/jpeg", "": media_type}.get(query.get("format", ""), "")
        if not media_type:
            raise InvalidInput("format is jpeg or png.", field="format")
        quality = _number(query.get("quality"), "quality", 1, 100) or JPEG_QUALITY
        return Look(parse_window(query.get("window")), _number(size, "size", 1, SIZE_MOST_PX), media_type, quality)

    def rendered_look(self, asked: Asked, media_type: str) -> Look:
        """The parameters of a rendered resource (PS3.18 8.3.5); BadRequest for what is not in the standard or out of bounds."""
        query = asked.query
        look = self.look_of(asked, media_type, ("quality", "window"))
        viewport, crop = _viewport(query.get("viewport"))
        annotations = tuple(part.strip().lower() for part in query.get("annotation", "").split(",") if part.strip())
        if set(annotations) - {"patient", "technique"}:
            raise BadRequest("annotation is patient, technique or both.", field="annotation")
        profile = query.get("iccprofile", "no").lower()
        if profile not in ("no", "yes"):
            raise BadRequest("iccprofile is no or yes; conversion to another colour space is not offered.", field="iccprofile")
        return replace(look, viewport=viewport, crop=crop, annotations=annotations, profile=profile == "yes")

    async def headers_of(self, metadata_key: str) -> dict[str, dict[str, Any]]:
        """SOP Instance UID -> DICOM JSON of the instances of a series, from its metadata object, in order."""
        packed = await self.bytes.whole(metadata_key)
        return await self.compute(_by_uid, packed)

    async def dicom_picture(self, instance: InstanceSeen, number: int, look: Look) -> bytes:
        """Frame ``number`` (1-based) of an instance as a picture."""
        span = await self.bytes.span(instance, number)
        if span is not None and instance.pixel_offset is not None:
            if number == 1 and instance.transfer_syntax_uid == EXPLICIT_LITTLE_ENDIAN and instance.pixel_offset < PLAIN_HEADER_BYTES:
                # One read of header and frame; a table and an encoder, neither of which parses anything foreign: in a thread of this process.
                whole = await self.bytes.given(instance.object_key, (0, span[0] + span[1]))
                plain = await self._draw(_plain_picture, whole, instance.pixel_offset, look)
                if plain is not None:
                    return plain
            header = await self.bytes.given(instance.object_key, (0, instance.pixel_offset))
            return await self.decode(frame_picture, header, await self.bytes.given(instance.object_key, span), number - 1, look)
        if instance.size_bytes > WHOLE_OBJECT_BYTES:
            raise InvalidInput("This object is too large to be drawn without a frame index.", field="frame")
        return await self.decode(object_picture, await self.bytes.given(instance.object_key), number - 1, look)

    async def send_thumbnail(self, asked: Asked, seen: Seen, instance: InstanceSeen | None = None) -> None:
        """The thumbnail made at ingest, or of one DICOM instance the picture of its middle frame."""
        headers: Headers = [(b"cache-control", seen.cache_control)]
        if instance is not None:
            body = await self.dicom_picture(instance, max(1, instance.frames) // 2 + 1 if instance.frames > 1 else 1, Look(size_px=256, quality=80))
        elif seen.series.thumbnail_key is not None:
            body = await self.bytes.whole(seen.series.thumbnail_key)
        else:
            raise NotFound("This series has no thumbnail.")
        await asked.answer(body, "image/jpeg", [*headers, (b"etag", f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode())])

    async def series_of_study(self, principal: Principal, study_uid: str) -> list[str]:
        """UIDs of the DICOM series of a study that this account may see, in order."""
        return await self.resources.db.ask(lambda rows: store.series_uids(rows, principal, study_uid))


def _plain_picture(whole: Part, frame_at: int, look: Look) -> bytes | None:
    """In the drawing thread, the reading too: the copy of half a megabyte would hold up the event loop."""
    return plain_picture(whole.read(), frame_at, look)


def picture_tag(instance: InstanceSeen, number: int, look: Look) -> bytes:
    """The ETag of a frame's picture, from what it is made of: known before it is made."""
    return f'"{instance.sha256[:32]}-{hashlib.sha256(f"{PICTURES} {number} {look}".encode()).hexdigest()[:16]}"'.encode()


def _viewport(text: str | None) -> tuple[tuple[int, int] | None, tuple[int, int, int, int] | None]:
    """(size to fit into, crop) of ``width,height[,left,top,width,height]``; BadRequest for anything else."""
    if not text:
        return None, None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 6) or not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        raise BadRequest("viewport is width,height or width,height,left,top,width,height in whole pixels.", field="viewport")
    numbers = [int(part) for part in parts]
    if not all(1 <= side <= SIZE_MOST_PX for side in numbers[:2]) or (len(numbers) == 6 and not all(numbers[4:])):
        raise BadRequest(f"The sides of a viewport are from 1 to {SIZE_MOST_PX} pixels, those of its region at least 1.", field="viewport")
    return (numbers[0], numbers[1]), (numbers[2], numbers[3], numbers[4], numbers[5]) if len(numbers) == 6 else None


def _by_uid(packed: bytes) -> dict[str, dict[str, Any]]:
    documents = orjson.loads(gzip.decompress(packed))
    return {str(document.get("00080018", {}).get("Value", [""])[0]): document for document in documents}


def _number(text: str | None, name: str, least: int, most: int) -> int | None:
    """A whole number of the query, None when it is not given."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}.", field=name)
    return int(text)
