"""Pictures of any series: thumbnail, preview of a frame, slices of a volume. Pure ASGI."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import orjson
from PIL import Image

from isocenter.auth import Permission
from isocenter.errors import InvalidInput, NotFound
from services.viewer.access import NOTHING, Seen
from services.viewer.pyramid import Slides
from services.viewer.raw import Asked, RawRoute
from services.viewer.render import Look, grey_picture, picture
from services.viewer.viewing import Viewing
from services.viewer.volume import PLANES, Volume, Volumes, pixel_ratio, read_volume

SERIES = "/api/v1/series/{series}"
SLIDE_PREVIEW_PX = 1024
PICTURE_LIMIT_BYTES = 256 << 20


class Pictures:
    """The routes, and the volumes read lately."""

    def __init__(self, viewing: Viewing, slides: Slides) -> None:
        self.viewing = viewing
        self.slides = slides
        self.volumes = Volumes()

    def routes(self) -> list[RawRoute]:
        told = [
            (f"{SERIES}/thumbnail", self.thumbnail),
            (f"{SERIES}/preview", self.preview),
            (f"{SERIES}/slices", self.geometry),
            (f"{SERIES}/slices/{{plane}}/{{index}}", self.slice),
        ]
        return [RawRoute(path, Permission.READ_CATALOG, answer, self.viewing.resources) for path, answer in told]

    async def thumbnail(self, asked: Asked) -> None:
        seen = await self.viewing.access.see(asked.principal, asked.path("series"), audited=False)
        await self.viewing.send_thumbnail(asked, seen)

    async def preview(self, asked: Asked) -> None:
        """Frame ``frame`` (0-based, over all instances in geometric order) of any format; ``window``, ``size``, ``format``, ``quality``."""
        seen = await self._see(asked)
        look = self.viewing.look_of(asked)
        frame = _index(asked.query.get("frame", "0"), "frame")
        if not seen.instances:
            raise NotFound(NOTHING)
        body = await self._preview(seen, frame, look)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
        await asked.answer(body, look.media_type, [(b"cache-control", seen.cache_control), (b"etag", tag)])

    async def _preview(self, seen: Seen, frame: int, look: Look) -> bytes:
        if seen.series.format == "DICOM":
            for instance in seen.instances:
                if frame < max(1, instance.frames):
                    return await self.viewing.dicom_picture(instance, frame + 1, look)
                frame -= max(1, instance.frames)
            raise InvalidInput("There is no such frame in this series.", field="frame")
        if seen.series.format == "NIFTI":
            volume = await self._volume(seen)
            return await self.viewing.compute(_slice_picture, volume, "axial", frame % volume.count("axial"), frame // volume.count("axial"), look)
        if frame:
            raise InvalidInput("This series is one picture; its frame is 0.", field="frame")
        if seen.series.format == "WSI":
            slide = await self.slides.open(seen.instances[0])
            size = min(look.size_px or SLIDE_PREVIEW_PX, SLIDE_PREVIEW_PX)
            return picture(await self.viewing.compute(slide.overview, size), look)
        only = seen.instances[0]
        if only.size_bytes > PICTURE_LIMIT_BYTES:
            raise InvalidInput("This picture is too large to be drawn; download it.", field="frame")
        return await self.viewing.compute(_raster_picture, await self.viewing.bytes.whole(only.object_key), look)

    async def geometry(self, asked: Asked) -> None:
        """Slices of each plane, spacing in mm, volumes in time: what a slider needs."""
        seen = await self._see(asked)
        volume = await self._volume(seen)
        document = {
            "planes": {plane: {"count": volume.count(plane), "pixel_ratio": pixel_ratio(volume, plane)} for plane in PLANES},
            "spacing_mm": volume.spacing_mm,
            "volumes": volume.frames,
        }
        await asked.answer(orjson.dumps(document), "application/json", [(b"cache-control", seen.cache_control)])

    async def slice(self, asked: Asked) -> None:
        """One slice of a volume; ``window`` in the volume's own units, ``volume`` for time series."""
        seen = await self._see(asked)
        plane, index = asked.path("plane"), _index(asked.path("index"), "index")
        if plane not in PLANES:
            raise InvalidInput("A plane is axial, coronal or sagittal.", field="plane")
        look = self.viewing.look_of(asked)
        body = await self.viewing.compute(_slice_picture, await self._volume(seen), plane, index, _index(asked.query.get("volume", "0"), "volume"), look)
        await asked.answer(body, look.media_type, [(b"cache-control", seen.cache_control)])

    async def _see(self, asked: Asked) -> Seen:
        return await self.viewing.access.see(asked.principal, asked.path("series"))

    async def _volume(self, seen: Seen) -> Volume:
        if seen.series.format != "NIFTI" or not seen.instances:
            raise InvalidInput("This series is no volume; slices are for NIfTI.", field="series")
        only = seen.instances[0]
        kept = self.volumes.get(only.sha256)
        if kept is None:
            kept = await self.viewing.compute(read_volume, await self.viewing.bytes.whole(only.object_key))
            self.volumes.put(only.sha256, kept)
        return kept


def _index(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InvalidInput(f"{name} must be a whole number from 0.", field=name)
    return int(text)


def _slice_picture(volume: Volume, plane: str, index: int, frame: int, look: Look) -> bytes:
    return grey_picture(volume.slice(plane, index, frame), look)


def _raster_picture(data: bytes, look: Look) -> bytes:
    """A PNG or JPEG as a picture: transparency on white, deep grey by its percentiles."""
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I") or image.mode == "F":
            return grey_picture(np.asarray(image), look)
        if "A" in image.getbands() or "transparency" in image.info:
            layered = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)  # type: ignore[assignment]
        pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    return picture(pixels, replace(look, window=None))
