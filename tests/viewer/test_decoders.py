"""Server care: what a decoder that crashes, hangs or eats memory costs, how many pictures may wait, and what ends when the client goes."""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.errors import DecoderFailed, NotFound
from isocenter.models import Instance
from isocenter.resources import open_resources
from isocenter.settings import Settings
from services.viewer.app import create_app
from services.viewer.decoders import Decoders
from services.viewer.parts import Part
from services.viewer.raw import Asked, ClientGone, RawRoute, asking

if TYPE_CHECKING:
    from conftest import Viewer

MEBIBYTE = 1 << 20
FRAME = "/dicom-web/studies/1/series/1.2/instances/1.2.1/frames/2"
# What damaged code streams do to a C library, by the standard library alone.
CRASHES = [(ctypes.string_at, 0), (os.abort,), (os._exit, 3)]


@pytest.fixture
async def decoders() -> AsyncIterator[Decoders]:
    """One worker, half a second, 256 MiB."""
    made = Decoders(1, 0.5, 256 * MEBIBYTE)
    yield made
    made.close()


@pytest.mark.parametrize("crash", CRASHES, ids=["segfault", "abort", "exit"])
async def test_decoder_when_it_crashes_then_only_that_task_fails(decoders: Decoders, crash: tuple[object, ...]) -> None:
    assert await decoders.run(len, b"abc") == 3
    with pytest.raises(DecoderFailed, match="crashed"):
        await decoders.run(*crash)  # type: ignore[arg-type]
    assert await decoders.run(len, b"abcd") == 4
    assert decoders.ended == 1


async def test_decoder_when_it_takes_too_long_then_it_is_ended(decoders: Decoders) -> None:
    await decoders.run(len, b"")
    started = time.monotonic()
    with pytest.raises(DecoderFailed, match=r"more than 0.5 s"):
        await decoders.run(time.sleep, 60)
    assert time.monotonic() - started < 30
    assert await decoders.run(len, b"abcd") == 4


async def test_decoder_when_it_takes_too_much_memory_then_a_problem_and_the_worker_lives(decoders: Decoders) -> None:
    with pytest.raises(DecoderFailed, match="memory"):
        await decoders.run(bytearray, 1 << 40)
    assert decoders.ended == 0


async def test_decoder_when_a_part_is_given_then_its_bytes_arrive(decoders: Decoders, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    assert await decoders.run(bytes, Part(str(tmp_path / "x"), 2, 3)) == b"234"
    assert await decoders.run(bytes, Part(data=b"abc")) == b"abc"
    for lost in (Part(str(tmp_path / "x"), 8, 3), Part(str(tmp_path / "y"))):
        with pytest.raises(NotFound):
            await decoders.run(bytes, lost)


async def test_service_when_a_decoder_crashes_then_the_requests_beside_it_are_answered(viewer: Viewer) -> None:
    crash = asyncio.create_task(viewer.viewing.decode(ctypes.string_at, 0))
    answers = await asyncio.gather(*(viewer.get(f"{FRAME}/rendered") for _ in range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    with pytest.raises(DecoderFailed):
        await crash


async def test_request_when_its_picture_needs_too_much_memory_then_502_and_nothing_leaks(viewer: Viewer) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((11_000, 11_000), np.uint8)).save(buffer, "PNG")  # 121 MB unpacked
    resources = viewer.catalog.resources
    async with resources.db.write() as session:
        key = "data/1.5/large"
        resources.store.put_bytes(key, buffer.getvalue())
        await session.execute(update(Instance).where(Instance.sop_uid == "1.5.1").values(object_key=key))
    settings = Settings(data=resources.settings.data, decode_memory_bytes=64 * MEBIBYTE)
    opened = open_resources(settings)
    app = create_app(settings, opened)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        headers = {PRINCIPAL_HEADER: sign(Principal(1, "lin", Role.REVIEWER), opened.key)}
        answer = await client.get("/api/v1/series/1.5/preview", headers=headers)
        assert answer.status_code == 502
        assert answer.headers["content-type"] == "application/problem+json"
        assert "memory" in answer.json()["detail"]
        assert str(resources.settings.data) not in answer.text
        assert (await client.get(f"{FRAME}/rendered", headers=headers)).status_code == 200
    await opened.close()


async def test_pictures_when_an_account_has_too_many_then_429_for_it_and_not_for_others(viewer: Viewer) -> None:
    limits = viewer.viewing.resources.settings.model_copy(update={"pictures_an_account": 3, "pictures_waiting": 5})
    object.__setattr__(viewer.viewing.resources, "settings", limits)
    go = threading.Event()
    waiting = []
    for name, count in (("lin", 3), ("rev", 2)):
        principal = Principal(viewer.catalog.accounts[name], name, Role.REVIEWER)
        token = asking.set(Asked({}, _never, _never, principal))  # type: ignore[arg-type]
        waiting.append([asyncio.create_task(viewer.viewing.compute(go.wait)) for _ in range(count)])
        asking.reset(token)
        await asyncio.sleep(0)
        refused = await viewer.get(f"{FRAME}/rendered")
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
        other = await viewer.get(f"{FRAME}/thumbnail", "rev", Role.REVIEWER)
        assert other.status_code == (200 if name == "lin" else 429)
        # Stored bytes need no decoder: they are sent all the same.
        assert (await viewer.get(FRAME)).status_code == 200
    go.set()
    await asyncio.gather(*(task for tasks in waiting for task in tasks))
    assert (await viewer.get(f"{FRAME}/rendered")).status_code == 200


async def _never() -> None:
    await asyncio.Event().wait()


async def test_picture_when_the_client_goes_then_its_decoder_is_ended_and_free_for_others(viewer: Viewer) -> None:
    viewer.viewing.decoders = Decoders(1, 60, 512 * MEBIBYTE)
    begun, gone, sent = asyncio.Event(), asyncio.Event(), []

    async def slow(asked: Asked) -> None:
        begun.set()
        await viewer.viewing.decode(time.sleep, 50)

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    from isocenter.auth import Permission

    route = RawRoute("/slow", Permission.READ_CATALOG, slow, viewer.viewing.resources)
    scope = {"headers": [(name.encode(), value.encode()) for name, value in viewer.catalog.headers("lin", Role.RESEARCHER).items()], "query_string": b""}
    answering = asyncio.create_task(route(scope, receive, send))  # type: ignore[arg-type]
    await begun.wait()
    gone.set()
    await answering
    assert sent == []
    started = time.monotonic()
    assert (await viewer.get(f"{FRAME}/rendered")).status_code == 200  # the one worker is free long before the 50 s are over
    assert time.monotonic() - started < 30


async def test_stream_when_the_client_goes_then_no_more_is_read(viewer: Viewer) -> None:
    read, gone = [], asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield b"x"

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        if len(read) == 3:
            gone.set()
        await asyncio.sleep(0)

    principal = Principal(1, "lin", Role.RESEARCHER)
    with pytest.raises(ClientGone):
        await Asked({}, receive, send, principal).pieces(pieces())  # type: ignore[arg-type]
    assert len(read) < 20
