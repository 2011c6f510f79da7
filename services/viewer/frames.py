"""Where a frame's bytes lie, and the bytes of whole objects: one ranged read each, from disk or from S3."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from functools import lru_cache

import anyio
import anyio.to_thread
from pydicom.uid import UID

from isocenter.errors import NotFound, Unavailable
from isocenter.imaging.frames import Span
from isocenter.objects import ObjectStore
from isocenter.resources import Resources
from services.viewer.local import read_now, read_waiting
from services.viewer.parts import SHORTER, Part
from services.viewer.store import InstanceSeen

READERS = 8  # threads that wait for a disk or a store
INDEXES_KEPT = 256
PIECE_BYTES = 1 << 20


def is_encapsulated(instance: InstanceSeen) -> bool:
    """Whether frames are code streams; an unknown or empty transfer syntax counts as native."""
    return _encapsulated(instance.transfer_syntax_uid)


@lru_cache(maxsize=64)
def _encapsulated(text: str) -> bool:
    uid = UID(text)
    return bool(uid.is_transfer_syntax and uid.is_encapsulated)


class Bytes:
    """Reads objects through a bounded number of threads; keeps long frame indexes."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._limiter = anyio.CapacityLimiter(READERS)
        self._indexes: OrderedDict[str, tuple[Span, ...]] = OrderedDict()

    def store(self, key: str) -> ObjectStore:
        """The store a key lies in: unreleased bytes have a store of their own."""
        return self._resources.staging if key.startswith(("held/", "resources/")) else self._resources.store

    async def whole(self, key: str) -> bytes:
        return await anyio.to_thread.run_sync(self.store(key).get_bytes, key, limiter=self._limiter)

    async def part(self, key: str, span: Span) -> bytes:
        """``span`` = (offset, length). NotFound when the object is shorter."""
        return bytes(await self.view(key, span))

    async def view(self, key: str, span: Span) -> memoryview | bytes:
        """As :meth:`part` without the last copy: for what is only sent on."""
        store = self.store(key)
        path = store.path(key)
        data: memoryview | bytes | None
        if path is not None:
            data = read_now(path, *span)
            if data is None:
                data = await anyio.to_thread.run_sync(read_waiting, path, *span, limiter=self._limiter)
        else:
            try:
                data = await anyio.to_thread.run_sync(store.get_range, key, *span, limiter=self._limiter)
            except Unavailable as error:
                # A store calls a range past the end what it likes; only its size tells a cut object from a store that does not answer.
                if await anyio.to_thread.run_sync(store.size, key, limiter=self._limiter) < sum(span):
                    raise NotFound(SHORTER) from error
                raise
        if len(data) != span[1]:
            raise NotFound(SHORTER)
        return data

    async def stream(self, key: str, offset: int, length: int) -> AsyncIterator[memoryview | bytes]:
        """``length`` bytes from ``offset`` piece by piece; memory stays at one piece."""
        if self.store(key).root is None:
            async for piece in self.store(key).stream(key, offset, length):
                yield piece
            return
        position, end = offset, offset + length
        while position < end:
            take = min(PIECE_BYTES, end - position)
            yield await self.view(key, (position, take))
            position += take

    async def given(self, key: str, span: Span | None = None) -> Part:
        """``span`` of an object, or all of it, for a decoder: where its file is, or from S3 its bytes."""
        path = self.store(key).path(key)
        if path is not None:
            return Part(str(path), *(span or (0, None)))
        return Part(data=await self.whole(key) if span is None else await self.part(key, span))

    async def check(self, instance: InstanceSeen) -> None:
        """NotFound when the object of an instance is missing or has another size than was stored: before a whole one is promised."""
        size = await anyio.to_thread.run_sync(self.store(instance.object_key).size, instance.object_key, limiter=self._limiter)
        if size != instance.size_bytes:
            raise NotFound(SHORTER)

    async def span(self, instance: InstanceSeen, frame: int) -> Span | None:
        """Where frame ``frame`` (1-based, as in DICOMweb) lies; None when frames do not begin on byte boundaries or no index is known.

        NotFound for a frame that the instance does not have.
        """
        if not 1 <= frame <= max(1, instance.frames):
            raise NotFound(f"There is no frame {frame}: the instance has {max(1, instance.frames)}.", field="frame")
        if not is_encapsulated(instance) and instance.pixel_offset is not None and instance.frame_bytes:
            return instance.pixel_offset + (frame - 1) * instance.frame_bytes, instance.frame_bytes
        index = instance.frame_index or await self._long_index(instance)
        return index[frame - 1] if index and frame <= len(index) else None

    async def _long_index(self, instance: InstanceSeen) -> tuple[Span, ...] | None:
        key = instance.frame_index_key
        if key is None:
            return None
        if key not in self._indexes:
            self._indexes[key] = tuple((int(offset), int(length)) for offset, length in json.loads(await self.whole(key)))
            while len(self._indexes) > INDEXES_KEPT:
                self._indexes.popitem(last=False)
        self._indexes.move_to_end(key)
        return self._indexes[key]
