"""Slides: DeepZoom (/slides/{series}.dzi and its tiles), a region in pixels or micrometres, properties. Pure ASGI."""

from __future__ import annotations

import math
import re

import orjson

from isocenter.auth import Permission
from isocenter.errors import InvalidInput, NotFound
from services.viewer.access import Seen
from services.viewer.raw import Asked, RawRoute
from services.viewer.render import picture
from services.viewer.tiled import TiledSlide, TiledSlides
from services.viewer.viewing import Viewing

REGION_MOST_PX = 4096
_TILE = re.compile(r"(\d{1,7})_(\d{1,7})\.jpe?g")


class SlideRoutes:
    """The routes over the slides."""

    def __init__(self, viewing: Viewing, slides: TiledSlides) -> None:
        self.viewing = viewing
        self.slides = slides

    def routes(self) -> list[RawRoute]:
        told = [
            ("/slides/{series}.dzi", self.descriptor),
            ("/slides/{series}_files/{level:int}/{tile}", self.tile),
            ("/slides/{series}/properties", self.properties),
            ("/slides/{series}/region", self.region),
        ]
        return [RawRoute(path, Permission.READ_CATALOG, answer, self.viewing.resources) for path, answer in told]

    async def descriptor(self, asked: Asked) -> None:
        seen, slide = await self._open(asked)
        await asked.answer(slide.dzi(), "application/xml", [(b"cache-control", seen.cache_control)])

    async def tile(self, asked: Asked) -> None:
        seen, slide = await self._open(asked)
        place = _TILE.fullmatch(asked.path("tile"))
        if place is None:
            raise NotFound("A tile is <column>_<row>.jpeg.")
        level, column, row = int(asked.path("level")), int(place[1]), int(place[2])
        tag = f'"{seen.instances[0].sha256[:24]}-{level}-{column}-{row}"'.encode()
        await asked.answer(await slide.tile(level, column, row), "image/jpeg", [(b"etag", tag), (b"cache-control", seen.cache_control)])

    async def properties(self, asked: Asked) -> None:
        """Size in px, mpp in micrometres, objective, tile size, and which downsamples are sent as they are stored."""
        seen, slide = await self._open(asked)
        document = {
            "width_px": slide.width_px,
            "height_px": slide.height_px,
            "mpp": slide.mpp,
            "objective_power": slide.told.objective_power,
            "tile_px": slide.tile_px,
            "levels": len(slide.levels),
            "stored_downsamples": sorted(level.downsample for level in slide.index.levels) if slide.index else [],
        }
        await asked.answer(orjson.dumps(document), "application/json", [(b"cache-control", seen.cache_control)])

    async def region(self, asked: Asked) -> None:
        """``x``, ``y``, ``width``, ``height`` in full-size pixels, or in micrometres with ``unit=um``; ``size`` = longer side of the picture in px."""
        seen, slide = await self._open(asked)
        query = asked.query
        unit = query.get("unit", "px")
        if unit not in ("px", "um"):
            raise InvalidInput("unit is px or um.", field="unit")
        if unit == "um" and not slide.mpp:
            raise InvalidInput("This slide does not say how large its pixels are; ask in px.", field="unit")
        scale = 1.0 if unit == "px" or not slide.mpp else 1 / slide.mpp
        left, top, width, height = (round(_length(query, name) * scale) for name in ("x", "y", "width", "height"))
        width, height = min(width, slide.width_px - left), min(height, slide.height_px - top)
        if width < 1 or height < 1:
            raise InvalidInput(f"The region lies outside the slide of {slide.width_px} x {slide.height_px} px.", field="x")
        look = self.viewing.look_of(asked, names=("size", "quality", "format"))
        longer = look.size_px or min(max(width, height), 1024)
        if longer > REGION_MOST_PX:
            raise InvalidInput(f"size is at most {REGION_MOST_PX} px.", field="size")
        out = max(1, round(width * longer / max(width, height))), max(1, round(height * longer / max(width, height)))
        pixels = await slide.box(left, top, width, height, *out)
        await asked.answer(await self.viewing.compute(picture, pixels, look), look.media_type, [(b"cache-control", seen.cache_control)])

    async def _open(self, asked: Asked) -> tuple[Seen, TiledSlide]:
        seen = await self.viewing.access.see(asked.principal, asked.path("series"))
        return seen, await self.slides.open(seen)


def _length(query: dict[str, str], name: str) -> float:
    try:
        value = float(query.get(name, "0" if name in "xy" else ""))
    except ValueError as error:
        raise InvalidInput(f"{name} must be a number.", field=name) from error
    if not math.isfinite(value) or value < 0 or value > 1e9:
        raise InvalidInput(f"{name} must be a number from 0.", field=name)
    return value
