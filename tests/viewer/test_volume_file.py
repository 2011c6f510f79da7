"""The released NIfTI file as viewers fetch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer_rows import volume_bytes

if TYPE_CHECKING:
    from conftest import Viewer


async def test_volume_when_asked_then_the_file_itself_whole_or_in_part(viewer: Viewer) -> None:
    whole = await viewer.get("/api/v1/series/1.4/volume")
    assert whole.status_code == 200
    assert whole.content == volume_bytes()
    assert whole.headers["content-type"] == ("application/gzip" if volume_bytes()[:2] == b"\x1f\x8b" else "application/octet-stream")
    part = await viewer.get("/api/v1/series/1.4/volume", Range="bytes=10-19")
    assert part.status_code == 206
    assert part.content == volume_bytes()[10:20]
    assert (await viewer.get("/api/v1/series/1.4/volume", If_None_Match=whole.headers["etag"])).status_code == 304


async def test_volume_when_the_series_is_another_format_or_unknown_then_it_says_so(viewer: Viewer) -> None:
    assert (await viewer.get("/api/v1/series/1.1/volume")).status_code == 422
    assert (await viewer.get("/api/v1/series/9.9/volume")).status_code == 404
