"""Slides as files that OpenSlide can open: those of a local store where they lie, those of S3 brought once into a folder of limited size."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

from isocenter.errors import NotFound
from services.viewer.counted import ViewerMetrics
from services.viewer.frames import Bytes
from services.viewer.store import InstanceSeen

CACHE_BYTES = 20 << 30


class SlideFiles:
    """One per process; the folder may be shared by several."""

    def __init__(self, reader: Bytes, cache: Path, counted: ViewerMetrics, most_bytes: int = CACHE_BYTES) -> None:
        self._reader = reader
        self._counted = counted
        self._cache = cache
        self._most_bytes = most_bytes
        self._guard = threading.Lock()

    async def path(self, instance: InstanceSeen) -> Path:
        """The slide's file; NotFound when its object is missing."""
        local = self._reader.store(instance.object_key).path(instance.object_key)
        if local is not None:
            self._counted.looked("slides", hit=True)
            if not await asyncio.to_thread(local.exists):
                raise NotFound("The stored object is missing; run `isocenter restore` or import it again.")
            return local
        return await asyncio.to_thread(self._bring, instance)

    def _bring(self, instance: InstanceSeen) -> Path:
        with self._guard:
            self._cache.mkdir(parents=True, exist_ok=True)
            path = self._cache / instance.sha256
            self._counted.looked("slides", hit=path.exists())
            if not path.exists():
                self._make_room(instance.size_bytes)
                part = path.with_suffix(".part")
                self._reader.store(instance.object_key).download(instance.object_key, part)
                part.replace(path)
            path.touch()
        return path

    def _make_room(self, size_bytes: int) -> None:
        """Remove the slides not asked for the longest until ``size_bytes`` more fit; open ones stay readable on Linux."""
        kept = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in self._cache.iterdir())
        used = sum(size for _, size, _ in kept)
        for _, size, file in kept:
            if used + size_bytes <= min(self._most_bytes, shutil.disk_usage(self._cache).total // 2):
                break
            file.unlink(missing_ok=True)
            used -= size
