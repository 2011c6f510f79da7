"""DeepZoom slides: /slides/{series}.dzi and its tiles. Pure ASGI."""

from __future__ import annotations

import re

import anyio.to_thread

from isocenter.auth import Permission
from isocenter.errors import NotFound
from services.viewer.access import Seen
from services.viewer.pyramid import Slide, Slides
from services.viewer.raw import Asked, RawRoute
from services.viewer.render import Look, picture
from services.viewer.viewing import Viewing

TILE_QUALITY = 80
_TILE = re.compile(r"(\d{1,7})_(\d{1,7})\.jpe?g")


class SlideRoutes:
    """The routes over the open slides."""

    def __init__(self, viewing: Viewing, slides: Slides) -> None:
        self.viewing = viewing
        self.slides = slides

    def routes(self) -> list[RawRoute]:
        told = [("/slides/{series}.dzi", self.descriptor), ("/slides/{series}_files/{level:int}/{tile}", self.tile)]
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
        headers = [(b"etag", tag), (b"cache-control", seen.cache_control)]
        body = await anyio.to_thread.run_sync(slide.stored_tile, level, column, row)
        self.viewing.counted.tiles.labels("drawn" if body is None else "stored").inc()
        if body is None:
            body = await self.viewing.compute(_drawn, slide, level, column, row)
        await asked.answer(body, "image/jpeg", headers)

    async def _open(self, asked: Asked) -> tuple[Seen, Slide]:
        seen = await self.viewing.access.see(asked.principal, asked.path("series"))
        if seen.series.format != "WSI" or not seen.instances:
            raise NotFound("This series is no slide with tiles.")
        return seen, await self.slides.open(seen.instances[0])


def _drawn(slide: Slide, level: int, column: int, row: int) -> bytes:
    return picture(slide.tile(level, column, row), Look(quality=TILE_QUALITY))
