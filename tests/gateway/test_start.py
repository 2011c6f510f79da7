"""The first start, wrong and missing keys, unsafe addresses, the console's commands, and the real server process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from gateway.accounts import reset_password
from gateway.cli import main
from gateway.start import check, lock_folder, prepare, require_safe_address
from isocenter.db import Database
from isocenter.errors import Conflict, InvalidInput, Unavailable, WrongKey
from isocenter.keys import create_key_file
from isocenter.models import Account, Disease
from isocenter.settings import Settings


async def test_first_start_when_the_catalog_is_new_then_key_schema_diseases_and_one_administrator(tmp_path: Path, catalog_url: str) -> None:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    started = await prepare(settings)
    assert started.password
    assert len(started.password) >= 16
    assert settings.resolved_key_file.stat().st_mode & 0o777 == 0o600
    db = Database(settings.resolved_catalog_url)
    async with db.read() as session:
        account = (await session.scalars(select(Account))).one()
        codes = set((await session.scalars(select(Disease.code))).all())
    await db.close()
    assert (account.name, account.role) == ("admin", "admin")
    assert account.password_hash.startswith("$argon2id$")
    assert {"pancreas", "breast", "lung", "liver"} <= codes
    again = await prepare(settings)
    assert again.password is None
    assert again.key == started.key
    assert await check(settings) == started.key


async def test_start_when_the_key_is_missing_or_another_then_it_refuses(tmp_path: Path, catalog_url: str) -> None:
    settings = Settings(data=tmp_path / "site", catalog_url=catalog_url)
    await prepare(settings)
    settings.resolved_key_file.rename(tmp_path / "kept.key")
    with pytest.raises(WrongKey, match=r"site\.key"):
        await prepare(settings)
    assert not settings.resolved_key_file.exists()
    create_key_file(settings.resolved_key_file)
    for start in (prepare, check):
        with pytest.raises(WrongKey):
            await start(settings)


async def test_service_when_the_catalog_has_no_schema_then_it_says_migrate(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    create_key_file(settings.resolved_key_file)
    with pytest.raises(Unavailable, match="isocenter migrate"):
        await check(settings)


@pytest.mark.parametrize(("host", "behind", "safe"), [("127.0.0.1", False, True), ("::1", False, True), ("localhost", False, True),
                                                      ("0.0.0.0", False, False), ("10.0.0.5", False, False), ("0.0.0.0", True, True)])  # fmt: skip
def test_address_when_it_is_not_loopback_then_https_in_front_must_be_stated(tmp_path: Path, host: str, behind: bool, safe: bool) -> None:
    settings = Settings(data=tmp_path, host=host, behind_https=behind)
    if safe:
        require_safe_address(settings)
    else:
        with pytest.raises(InvalidInput, match="ISOCENTER_BEHIND_HTTPS"):
            require_safe_address(settings)


def test_folder_when_another_server_has_it_then_conflict(tmp_path: Path) -> None:
    first = lock_folder(tmp_path)
    with pytest.raises(Conflict):
        lock_folder(tmp_path)
    first.close()
    lock_folder(tmp_path).close()


async def test_reset_password_when_the_name_is_known_then_the_hash_changes(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "site")
    started = await prepare(settings)
    assert await reset_password(settings, "admin") != started.password
    assert await prepare(settings) is not None


def test_cli_when_something_is_wrong_then_one_sentence_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["migrate", "--data", str(tmp_path / "site")]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"password \S{16}\n", shown)
    assert main(["migrate", "--data", str(tmp_path / "site")]) == 0
    assert "password" not in capsys.readouterr().out
    assert main(["reset-password", "--data", str(tmp_path / "site"), "nobody"]) == 1
    assert "nobody" in capsys.readouterr().err
    assert main(["serve", "--data", str(tmp_path / "site"), "--host", "0.0.0.0"]) == 1
    assert "ISOCENTER_BEHIND_HTTPS" in capsys.readouterr().err
    monkeypatch.setenv("ISOCENTER_PORT", "99999")
    assert main(["serve", "--data", str(tmp_path / "site")]) == 1
    assert "ISOCENTER_PORT" in capsys.readouterr().err
    assert main(["version"]) == 0
    assert (tmp_path / "site" / "catalog.db").stat().st_mode & 0o077 == 0


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A served folder: process, URL, all that was printed before the address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ISOCENTER_")}
    with open(data.with_suffix(".log"), "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--port", "0", *arguments],
            stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
        )  # fmt: skip
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            if found := re.fullmatch(r"Isocenter listens on (http://\S+)\n", line):
                yield process, found.group(1), said
                break
            said += line
        else:
            pytest.fail(f"the server did not start: {data.with_suffix('.log').read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()


def test_server_when_it_is_told_to_stop_while_it_starts_then_it_ends(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--data", str(tmp_path / "site"), "--port", "0"], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )
    try:
        assert process.stdout is not None
        assert "First start" in process.stdout.readline()  # said before the services are opened
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, 1, 128 + signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def test_server_when_started_signed_in_and_ended_then_it_stops_cleanly_and_starts_again(tmp_path: Path) -> None:
    data = tmp_path / "site"
    with running(data) as (process, url, said):
        password = re.search(r"password (\S+)", said).group(1)  # type: ignore[union-attr]
        with httpx.Client(base_url=url) as client:
            assert client.post("/api/v1/session", json={"name": "admin", "password": password}).status_code == 200
            assert client.get("/api/v1/session").json()["account"]["name"] == "admin"
            assert client.get("/readyz").json() == {"status": "ready"}
            assert client.get("/metrics").status_code == 200
            assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404  # a proxy on this machine
        second = subprocess.run([sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--port", "0"], capture_output=True, text=True)
        assert second.returncode == 1
        assert "Another isocenter" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = data.with_suffix(".log").read_text()
    assert password not in log
    assert "admin" not in log
    started = time.monotonic()
    with running(data) as (process, url, said):
        assert said == ""
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert time.monotonic() - started < 60


def test_server_when_told_to_stop_then_a_request_under_way_is_answered_and_event_streams_end(tmp_path: Path) -> None:
    data = tmp_path / "site"
    with running(data) as (process, url, said):
        password = re.search(r"password (\S+)", said).group(1)  # type: ignore[union-attr]
        address = httpx.URL(url)
        body = json.dumps({"name": "admin", "password": password}).encode()
        with httpx.Client(base_url=url, timeout=30) as client, socket.create_connection((address.host, address.port or 0), timeout=30) as half:
            assert client.post("/api/v1/session", content=body, headers={"Content-Type": "application/json"}).status_code == 200
            head = f"POST /api/v1/session HTTP/1.1\r\nHost: {address.host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            half.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert half.recv(1000).startswith(b"HTTP/1.1 100")  # it is being answered
            with client.stream("GET", "/api/v1/alerts/events", headers={"Accept": "text/event-stream"}) as events:
                lines = events.iter_lines()
                assert next(lines) == "event: alerts"
                process.send_signal(signal.SIGTERM)
                assert [line for line in lines if line.startswith("event:")] == []  # the stream ends by itself
            half.sendall(body)
            answer = b""
            while part := half.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200")
        assert process.wait(30) == 0
