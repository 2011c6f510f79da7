"""HttpUpstream over real sockets: streaming both ways in bounded memory, first byte at once, headers, dropped clients, dead services."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from fixtures.parts import free_port
from gateway_site import OpenSite
from relay_processes import CHUNK

from gateway.relay import HttpUpstream, end_to_end
from isocenter.settings import SERVICES

MIB64 = 1024  # chunks of 64 KiB


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/gone")
            return
        time.sleep(0.05)
    pytest.fail("the process did not start")


@pytest.fixture(scope="module")
def relay() -> Iterator[tuple[str, psutil.Process]]:
    """URL and process of a relay in front of a service."""
    program = str(Path(__file__).with_name("relay_processes.py"))
    behind, before = free_port(), free_port()
    service = subprocess.Popen([sys.executable, program, "service", str(behind)])
    front = subprocess.Popen([sys.executable, program, "relay", str(before), f"http://127.0.0.1:{behind}"])
    try:
        _wait(behind, service)
        _wait(before, front)
        yield f"http://127.0.0.1:{before}", psutil.Process(front.pid)
    finally:
        for process in (front, service):
            process.terminate()
            process.wait(10)


def _peak_growth(process: psutil.Process, before: int) -> int:
    return int(process.memory_info().rss - before)


async def test_answer_of_64_mib_when_relayed_then_it_is_whole_and_memory_stays(relay: tuple[str, psutil.Process]) -> None:
    url, process = relay
    async with httpx.AsyncClient(timeout=60) as client:
        await client.get(f"{url}/down/64")
        before, most = process.memory_info().rss, 0
        digest = hashlib.sha256()
        async with client.stream("GET", f"{url}/down/{MIB64}") as answer:
            async for chunk in answer.aiter_raw():
                digest.update(chunk)
                most = max(most, _peak_growth(process, before))
    assert digest.hexdigest() == hashlib.sha256(CHUNK * MIB64).hexdigest()
    assert most < 16 << 20


async def test_slow_reader_when_the_service_is_fast_then_the_relay_does_not_collect(relay: tuple[str, psutil.Process]) -> None:
    url, process = relay
    async with httpx.AsyncClient(timeout=60) as client:
        before = process.memory_info().rss
        async with client.stream("GET", f"{url}/down/{MIB64}") as answer:
            async for _ in answer.aiter_raw():
                break
            used = [process.cpu_times().user]
            for _ in range(100):  # until the relay stands still: it waits for us
                await asyncio.sleep(0.05)
                used.append(process.cpu_times().user)
                if len(used) > 6 and used[-1] == used[-6]:
                    break
            assert _peak_growth(process, before) < 16 << 20


async def test_body_of_64_mib_when_relayed_then_it_is_whole_and_memory_stays(relay: tuple[str, psutil.Process]) -> None:
    url, process = relay
    before, most = process.memory_info().rss, 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal most
        for _ in range(MIB64):
            yield CHUNK
            most = max(most, _peak_growth(process, before))

    async with httpx.AsyncClient(timeout=60) as client:
        chunked = await client.put(f"{url}/up", content=body())
        sized = await client.put(f"{url}/up", content=CHUNK * 3)
    assert chunked.json() == {"length": 64 << 20, "sha256": hashlib.sha256(CHUNK * MIB64).hexdigest()}
    assert sized.json()["length"] == 3 * len(CHUNK)
    assert most < 16 << 20


async def test_event_stream_when_the_first_event_comes_then_it_is_passed_on_at_once_and_a_gone_client_ends_it(relay: tuple[str, psutil.Process]) -> None:
    url, _ = relay
    async with httpx.AsyncClient(timeout=20) as client:
        gone = (await client.get(f"{url}/gone")).json()["gone"]
        async with client.stream("GET", f"{url}/events") as answer:
            first = await anext(answer.aiter_raw())  # the service never sends a second one
            assert first == b"event: progress\ndata: 1\n\n"
            assert answer.headers["content-type"] == "text/event-stream"
        deadline = time.monotonic() + 10
        while (await client.get(f"{url}/gone")).json()["gone"] == gone:
            assert time.monotonic() < deadline, "the service still serves a client that has gone"
            await asyncio.sleep(0.02)


async def test_address_and_headers_when_relayed_then_they_arrive_as_sent_but_hop_by_hop_ones(relay: tuple[str, psutil.Process]) -> None:
    url, _ = relay
    path = "/dicom-web/studies/1.2%2F3/%E6%9D%8E%20x/a%2Bb"
    async with httpx.AsyncClient() as client:
        request = client.build_request("REPORT", f"{url}/x", headers={"TE": "trailers", "X-Custom": "a, b", "Connection": "X-Private", "X-Private": "1"})
        request.url = request.url.copy_with(raw_path=path.encode() + b"?PatientName=%E5%BC%A0*&x=1%2C2&empty=")
        seen = (await client.send(request)).json()
        down = await client.get(f"{url}/down/1")
    assert (seen["method"], seen["raw_path"], seen["query"]) == ("REPORT", path, "PatientName=%E5%BC%A0*&x=1%2C2&empty=")
    names = dict(seen["headers"])
    assert names["x-custom"] == "a, b"
    assert "x-private" not in names
    assert "te" not in names
    assert names["x-forwarded-host"] == url.removeprefix("http://")
    assert down.headers.get_list("x-double") == ["1", "2"]
    assert "x-hop" not in down.headers
    assert down.headers["content-length"] == str(len(CHUNK))


async def test_answer_when_the_service_refuses_before_the_body_ends_then_the_refusal_arrives(relay: tuple[str, psutil.Process]) -> None:
    url, _ = relay
    async with httpx.AsyncClient(timeout=20) as client:
        answer = await client.put(f"{url}/early", content=CHUNK * 64)
        assert answer.status_code == 413
        assert (await client.get(f"{url}/down/1")).status_code == 200


async def test_answer_when_the_service_breaks_half_way_then_the_client_sees_a_broken_answer(relay: tuple[str, psutil.Process]) -> None:
    url, _ = relay
    async with httpx.AsyncClient(timeout=20) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{url}/broken")
        assert (await client.get(f"{url}/down/1")).status_code == 200


async def test_service_when_it_is_not_there_then_503_names_it(open_site: OpenSite) -> None:
    away = HttpUpstream(f"http://127.0.0.1:{free_port()}", "catalog")
    async with open_site(upstreams={"catalog": away}) as site:
        await site.app._lifespans.start()
        answer = await site.client().get("/api/v1/cases")
        ready = await site.client().get("/readyz")
        await site.app._lifespans.stop()
    assert answer.status_code == 503
    assert "catalog" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    assert ready.status_code == 503
    assert "catalog" in ready.json()["detail"]
    assert not any(f"{n}," in ready.json()["detail"] for n in SERVICES)


def test_end_to_end_when_connection_names_headers_then_they_go_too() -> None:
    headers = [(b"Connection", b"keep-alive, X-A"), (b"X-A", b"1"), (b"X-B", b"2"), (b"Transfer-Encoding", b"chunked")]
    assert end_to_end(headers) == [(b"X-B", b"2")]
