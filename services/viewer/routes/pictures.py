"""Pictures of any series: thumbnail, preview of a frame, slices of a volume. Pure ASGI."""

from __future__ import annotations

import hashlib

import orjson

from isocenter.auth import Permission
from isocenter.errors import InvalidInput, NotFound
from services.viewer import space
from services.viewer.access import NOTHING, Seen
from services.viewer.pyramid import slide_overview
from services.viewer.raw import Asked, RawRoute
from services.viewer.render import Look, picture, raster_picture
from services.viewer.slidefiles import SlideFiles
from services.viewer.viewing import Viewing
from services.viewer.volume import PLANES, VolumeFacts, slice_picture
from services.viewer.volumefiles import VolumeFiles

SERIES = "/api/v1/series/{series}"
SLIDE_PREVIEW_PX = 1024
PICTURE_LIMIT_BYTES = 256 << 20


class Pictures:
    """The routes, and the volumes read lately."""

    def __init__(self, viewing: Viewing, slides: SlideFiles) -> None:
        self.viewing = viewing
        self.slides = slides
        self.volumes = VolumeFiles(viewing, viewing.resources.settings.scratch / "volumes")

    def routes(self) -> list[RawRoute]:
        told = [
            (f"{SERIES}/thumbnail", self.thumbnail),
            (f"{SERIES}/preview", self.preview),
            (f"{SERIES}/geometry", self.geometry),
            (f"{SERIES}/slices", self.planes),
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
            count = volume.counts["axial"]
            return await self.viewing.decode(slice_picture, volume.path, volume.spacing_mm, "axial", frame % count, frame // count, look)
        if frame:
            raise InvalidInput("This series is one picture; its frame is 0.", field="frame")
        if seen.series.format == "WSI":
            size = min(look.size_px or SLIDE_PREVIEW_PX, SLIDE_PREVIEW_PX)
            pixels = await self.viewing.decode(slide_overview, await self.slides.path(seen.instances[0]), size)
            return await self.viewing.compute(picture, pixels, look)
        only = seen.instances[0]
        if only.size_bytes > PICTURE_LIMIT_BYTES:
            raise InvalidInput("This picture is too large to be drawn; download it.", field="frame")
        return await self.viewing.decode(raster_picture, await self.viewing.bytes.given(only.object_key), look)

    async def geometry(self, asked: Asked) -> None:
        """Spacing in mm and the unit of the values, of a DICOM series or a volume; what a viewer measures with."""
        seen = await self._see(asked)
        if seen.series.format == "DICOM":
            if seen.series.metadata_key is None:
                raise NotFound("The metadata of this series is not written yet; its import is still running.")
            headers = await self.viewing.headers_of(seen.series.metadata_key)
            shown = [headers[instance.sop_uid] for instance in seen.instances if instance.sop_uid in headers]
            document = await self.viewing.compute(space.geometry, shown, seen.series.modality)
        elif seen.series.format == "NIFTI":
            volume = await self._volume(seen)
            document = {"spacing_mm": volume.spacing_mm, "frames": volume.frames, "counts": volume.counts, "unit": _unit(seen)}
        else:
            raise InvalidInput("A picture has no place in the patient; slides say their scale under /slides/{series}/properties.", field="series")
        await asked.answer(orjson.dumps(document), "application/json", [(b"cache-control", seen.cache_control)])

    async def planes(self, asked: Asked) -> None:
        """Slices of each plane and which side of the patient is where, spacing in mm, volumes in time: what a slider needs."""
        seen = await self._see(asked)
        volume = await self._volume(seen)
        document = {
            "planes": {plane: {"count": volume.counts[plane], "pixel_ratio": volume.ratios[plane], **volume.axes[plane]} for plane in PLANES},
            "spacing_mm": volume.spacing_mm,
            "volumes": volume.frames,
            "unit": _unit(seen),
        }
        await asked.answer(orjson.dumps(document), "application/json", [(b"cache-control", seen.cache_control)])

    async def slice(self, asked: Asked) -> None:
        """One slice of a volume; ``window`` in the volume's own units, ``volume`` for time series."""
        seen = await self._see(asked)
        plane, index = asked.path("plane"), _index(asked.path("index"), "index")
        if plane not in PLANES:
            raise InvalidInput("A plane is axial, coronal or sagittal.", field="plane")
        look = self.viewing.look_of(asked)
        volume, number = await self._volume(seen), _index(asked.query.get("volume", "0"), "volume")
        body = await self.viewing.decode(slice_picture, volume.path, volume.spacing_mm, plane, index, number, look)
        await asked.answer(body, look.media_type, [(b"cache-control", seen.cache_control)])

    async def _see(self, asked: Asked) -> Seen:
        return await self.viewing.access.see(asked.principal, asked.path("series"))

    async def _volume(self, seen: Seen) -> VolumeFacts:
        if seen.series.format != "NIFTI" or not seen.instances:
            raise InvalidInput("This series is no volume; slices are for NIfTI.", field="series")
        return await self.volumes.get(seen.instances[0])


def _unit(seen: Seen) -> str:
    """NIfTI says none; that of CT is Hounsfield units."""
    return "HU" if seen.series.modality == "CT" else ""


def _index(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InvalidInput(f"{name} must be a whole number from 0.", field=name)
    return int(text)
