"""A NIfTI volume as the file that was released, for viewers that cut their own planes. Pure ASGI."""

from __future__ import annotations

from isocenter.auth import Permission
from isocenter.errors import InvalidInput
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.viewing import Viewing

GZIP_MAGIC = b"\x1f\x8b"


class VolumeRoutes:
    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing

    def routes(self) -> list[RawRoute]:
        return [RawRoute("/api/v1/series/{series}/volume", Permission.READ_CATALOG, self.volume, self.viewing.resources)]

    async def volume(self, asked: Asked) -> None:
        """The whole file with Range and ETag: ``application/gzip`` for .nii.gz, else ``application/octet-stream``."""
        seen = await self.viewing.access.see(asked.principal, asked.path("series"))
        if seen.series.format != "NIFTI" or not seen.instances:
            raise InvalidInput("This series is no NIfTI volume; DICOM is under /dicom-web.", field="series")
        only = seen.instances[0]
        headers: Headers = [(b"cache-control", seen.cache_control), (b"etag", f'"{only.sha256}"'.encode()), (b"accept-ranges", b"bytes")]
        if await asked.unchanged(headers):
            return
        first = b"".join([piece async for piece in self.viewing.bytes.stream(only.object_key, 0, min(2, only.size_bytes))])
        span = asked.wanted_range(only.size_bytes, headers)
        offset, length = span or (0, only.size_bytes)
        place = [(b"content-range", f"bytes {offset}-{offset + length - 1}/{only.size_bytes}".encode())] if span else []
        kind = b"application/gzip" if first == GZIP_MAGIC else b"application/octet-stream"
        await asked.start(206 if span else 200, [(b"content-type", kind), (b"content-length", str(length).encode()), *place, *headers])
        await asked.pieces(self.viewing.bytes.stream(only.object_key, offset, length))
