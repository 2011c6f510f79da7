"""IIIF Image API 3.0, level 2, of slides: /iiif/3/{series}/{region}/{size}/{rotation}/{quality}.{format}. Pure ASGI."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from isocenter.auth import LINK_HEADER, Permission
from isocenter.errors import BadRequest, NotFound
from services.viewer.access import Seen
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.render import Look, picture
from services.viewer.tiled import TiledSlide, TiledSlides
from services.viewer.viewing import Viewing

BASE = "/iiif/3/{series}"
MOST_PX = 4096
PROFILE = "http://iiif.io/api/image/3/level2.json"
CONTEXT = "http://iiif.io/api/image/3/context.json"
_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})"


@dataclass(frozen=True, slots=True)
class Box:
    left: int
    top: int
    width: int
    height: int


def parse_region(text: str, width: int, height: int) -> Box:
    """``full``, ``square``, ``x,y,w,h`` or ``pct:x,y,w,h``, cut off at the edges; BadRequest for nonsense and for what lies outside."""
    if text == "full":
        return Box(0, 0, width, height)
    if text == "square":
        side = min(width, height)
        return Box((width - side) // 2, (height - side) // 2, side, side)
    if re.fullmatch(r"\d{1,9},\d{1,9},\d{1,9},\d{1,9}", text):
        left, top, wide, high = (int(part) for part in text.split(","))
    elif re.fullmatch(f"pct:{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}", text):
        parts = [float(part) / 100 for part in text[4:].split(",")]
        left, top, wide, high = round(parts[0] * width), round(parts[1] * height), round(parts[2] * width), round(parts[3] * height)
    else:
        raise BadRequest("A region is full, square, x,y,w,h or pct:x,y,w,h.", field="region")
    wide, high = min(wide, width - left), min(high, height - top)
    if wide < 1 or high < 1:
        raise BadRequest("The region is empty or lies outside the image.", field="region")
    return Box(left, top, wide, high)


def parse_size(text: str, box: Box) -> tuple[int, int]:
    """(width, height) of the answer for ``max``, ``w,``, ``,h``, ``pct:n``, ``w,h``, ``!w,h``, each larger than the region only with ``^``."""
    larger = text.startswith("^")
    plain = text.removeprefix("^")
    wide, high = box.width, box.height
    if plain == "max":
        scale = min(1.0 if not larger else math.inf, MOST_PX / max(wide, high))
        size = max(1, math.floor(wide * scale)), max(1, math.floor(high * scale))
    elif match := re.fullmatch(f"pct:{_NUMBER}", plain):
        size = round(wide * float(match[1]) / 100), round(high * float(match[1]) / 100)
    elif match := re.fullmatch(r"(!?)(\d{1,6}),(\d{1,6})", plain):
        size = int(match[2]), int(match[3])
        if match[1]:
            scale = min(size[0] / wide, size[1] / high)
            if scale > 1 and not larger:
                # The text of 4.2 would let the region come as it is; the consortium's validator (size_noup) asks for 400.
                raise BadRequest("This size is larger than the region; put ^ before it to enlarge.", field="size")
            size = max(1, round(wide * scale)) if min(size) else 0, max(1, round(high * scale))
    elif match := re.fullmatch(r"(\d{1,6}),", plain):
        size = int(match[1]), max(1, round(high * int(match[1]) / wide))
    elif match := re.fullmatch(r",(\d{1,6})", plain):
        size = max(1, round(wide * int(match[1]) / high)), int(match[1])
    else:
        raise BadRequest("A size is max, w,  ,h  pct:n  w,h or !w,h, each with ^ before it to enlarge.", field="size")
    if min(size) < 1 or max(size) > MOST_PX:
        raise BadRequest(f"The sides of the picture must be from 1 to {MOST_PX} px.", field="size")
    if not larger and (size[0] > wide or size[1] > high):
        raise BadRequest("This size is larger than the region; put ^ before it to enlarge.", field="size")
    return size


def parse_rotation(text: str) -> tuple[bool, int]:
    """(mirrored, quarter turns clockwise)."""
    match = re.fullmatch(r"(!?)(0|90|180|270|360)(\.0+)?", text)
    if match is None:
        raise BadRequest("A rotation is 0, 90, 180 or 270, mirrored with ! before it.", field="rotation")
    return bool(match[1]), int(match[2]) // 90 % 4


class IiifRoutes:
    def __init__(self, viewing: Viewing, slides: TiledSlides) -> None:
        self.viewing = viewing
        self.slides = slides

    def routes(self) -> list[RawRoute]:
        told = [
            (f"{BASE}/info.json", self.info),
            (f"{BASE}/{{region}}/{{size}}/{{rotation}}/{{name}}", self.image),
            (BASE, self.base),
        ]
        return [RawRoute(path, Permission.READ_CATALOG, answer, self.viewing.resources) for path, answer in told]

    async def _open(self, asked: Asked) -> tuple[Seen, TiledSlide]:
        seen = await self.viewing.access.see(asked.principal, asked.path("series"))
        return seen, await self.slides.open(seen)

    async def base(self, asked: Asked) -> None:
        """The image's own address leads to its information (section 2)."""
        await self._open(asked)
        location = f"{_base_url(asked)}/info.json".encode()
        await asked.start(303, [(b"location", location), (b"content-length", b"0"), (b"access-control-allow-origin", b"*")])
        await asked.send({"type": "http.response.body", "body": b""})

    async def info(self, asked: Asked) -> None:
        seen, slide = await self._open(asked)
        factors = [2**n for n in range(len(slide.levels)) if max(slide.width_px, slide.height_px) / 2**n > slide.tile_px / 2] or [1]
        document: dict[str, object] = {
            "@context": CONTEXT,
            "id": _base_url(asked),
            "type": "ImageService3",
            "protocol": "http://iiif.io/api/image",
            "profile": "level2",
            "width": slide.width_px,
            "height": slide.height_px,
            "maxWidth": MOST_PX,
            "maxHeight": MOST_PX,
            "tiles": [{"width": slide.tile_px, "scaleFactors": factors}],
            "sizes": [{"width": one.width_px, "height": one.height_px} for one in slide.levels if 64 <= max(one.width_px, one.height_px) <= MOST_PX],
            "extraQualities": ["color", "gray", "bitonal"],
            "extraFeatures": ["mirroring", "sizeUpscaling"],
        }
        if slide.mpp:
            service = {"@context": "http://iiif.io/api/annex/services/physdim/1/context.json", "profile": "http://iiif.io/api/annex/services/physdim",
                       "physicalScale": slide.mpp / 10_000, "physicalUnits": "cm"}  # fmt: skip
            document["service"] = [service]
        plain = b"application/json" in asked.header(b"accept") and b"ld+json" not in asked.header(b"accept")
        kind = "application/json" if plain else f'application/ld+json;profile="{CONTEXT}"'
        await asked.answer(orjson.dumps(document), kind, _headers(seen))

    async def image(self, asked: Asked) -> None:
        seen, slide = await self._open(asked)
        box = parse_region(asked.path("region"), slide.width_px, slide.height_px)
        size = parse_size(asked.path("size"), box)
        mirrored, turns = parse_rotation(asked.path("rotation"))
        quality, _, extension = asked.path("name").rpartition(".")
        if quality not in ("default", "color", "gray", "bitonal") or extension not in ("jpg", "png"):
            raise BadRequest("The quality is default, color, gray or bitonal, the format jpg or png.", field="quality")
        media_type = {"jpg": "image/jpeg", "png": "image/png"}[extension]
        if (mirrored, turns) == (False, 0) and quality in ("default", "color") and extension == "jpg":
            stored = await self._stored(slide, box, size)
            if stored is not None:
                await asked.answer(stored, media_type, _headers(seen))
                return
        pixels = await slide.box(box.left, box.top, box.width, box.height, *size)
        await asked.answer(await self.viewing.compute(_shown, pixels, mirrored, turns, quality, media_type), media_type, _headers(seen))

    async def _stored(self, slide: TiledSlide, box: Box, size: tuple[int, int]) -> bytes | None:
        """The stored tile, when the request is exactly one of the tiles that info.json tells of."""
        for level in slide.index.levels if slide.index else ():
            step = level.downsample * slide.tile_px
            column, row = box.left // step, box.top // step
            place = slide.index.place(level.downsample, column, row) if slide.index else None
            whole = (min(step, slide.width_px - column * step), min(step, slide.height_px - row * step))
            if place and (box.left, box.top) == (column * step, row * step) and (box.width, box.height) == whole and size == (place.width_px, place.height_px):
                return await slide.stored_tile(level.downsample, column, row)
        return None


def _headers(seen: Seen) -> Headers:
    return [
        (b"cache-control", seen.cache_control),
        (b"access-control-allow-origin", b"*"),
        (b"link", f'<{PROFILE}>;rel="profile"'.encode()),
        (b"vary", b"accept"),
    ]


def _base_url(asked: Asked) -> str:
    forwarded = asked.header(b"x-forwarded-host") or asked.header(b"host") or b"localhost"
    scheme = asked.header(b"x-forwarded-proto") or asked.scope.get("scheme", "http").encode()
    host, proto = forwarded.decode("latin-1"), scheme.decode("latin-1")
    if re.fullmatch(r"[A-Za-z0-9.:\[\]_-]{1,255}", host) is None or proto not in ("http", "https"):
        raise NotFound("There is nothing at this address.")
    # Behind a signed link the addresses that a viewer reads here must carry it too; the gateway drops this header from outside.
    link = asked.header(LINK_HEADER.encode()).decode("latin-1")
    return f"{proto}://{host}{link}/iiif/3/{asked.path('series')}"


def _shown(pixels: NDArray[np.uint8], mirrored: bool, turns: int, quality: str, media_type: str) -> bytes:
    if mirrored:
        pixels = pixels[:, ::-1]
    pixels = np.rot90(pixels, -turns)
    if quality in ("gray", "bitonal"):
        grey = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
        if quality == "bitonal":
            buffer = io.BytesIO()
            grey.convert("1").save(buffer, "PNG" if media_type == "image/png" else "JPEG")
            return buffer.getvalue()
        pixels = np.asarray(grey)
    return picture(np.ascontiguousarray(pixels), Look(media_type=media_type, quality=85))
