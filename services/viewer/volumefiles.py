"""Volumes unpacked once into a folder of limited size; slices are read from there."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from services.viewer.store import InstanceSeen
from services.viewer.viewing import Viewing
from services.viewer.volume import VolumeFacts, unpack_volume

KEPT_BYTES = 8 << 30


class VolumeFiles:
    """The volumes asked for lately, up to 8 GiB on the scratch disk; what an earlier process left there goes with the first."""

    def __init__(self, viewing: Viewing, folder: Path, most_bytes: int = KEPT_BYTES) -> None:
        self._viewing = viewing
        self._folder = folder
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, VolumeFacts] = OrderedDict()
        self._lock = asyncio.Lock()  # one at a time: each may take gigabytes

    async def get(self, instance: InstanceSeen) -> VolumeFacts:
        """InvalidInput when the object is no volume that can be read."""
        key = instance.sha256
        if not self._there(key):
            async with self._lock:
                if not self._there(key):
                    if not self._kept:
                        await asyncio.to_thread(self._clear)
                    part = await self._viewing.bytes.given(instance.object_key)
                    self._kept[key] = await self._viewing.decode(unpack_volume, part, self._folder / f"{key}.npy")
                    self._make_room()
        self._kept.move_to_end(key)
        return self._kept[key]

    def _there(self, key: str) -> bool:
        return key in self._kept and self._kept[key].path.exists()

    def _clear(self) -> None:
        """What an earlier process left behind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in self._folder.iterdir():
            file.unlink(missing_ok=True)

    def _make_room(self) -> None:
        while len(self._kept) > 1 and sum(one.size_bytes for one in self._kept.values()) > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            oldest.path.unlink(missing_ok=True)
