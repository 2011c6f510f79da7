"""Alerts of the product itself told outside: mail to a stand-in SMTP server, posts to a stand-in receiver; again after a failure, not when silenced."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.keys import create_key_file
from isocenter.models import Notice, now
from isocenter.resources import Resources, open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.stats.app import create_app
from services.stats.courier import Courier
from services.stats.sampler import Sampler
from services.stats.schemas import AlertmanagerBody


class PostOffice(socketserver.ThreadingTCPServer):
    """SMTP as far as smtplib speaks it here (RFC 5321); ``refusing`` answers 451 to a message."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusing = False
        super().__init__(("127.0.0.1", 0), _Smtp)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Smtp(socketserver.StreamRequestHandler):
    server: PostOffice

    def handle(self) -> None:
        self.wfile.write(b"220 stand-in\r\n")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part.removeprefix(b"."))
                if self.server.refusing:
                    self.wfile.write(b"451 the box of dr.wang@example.org is full\r\n")
                    continue
                parsed = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                self.server.mails.append(parsed)
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


class Receiver(ThreadingHTTPServer):
    """Takes posts; answers ``status``."""

    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.secrets: list[str] = []
        self.status = 200
        receiver = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if receiver.status == 200:
                    receiver.bodies.append(received)
                    receiver.secrets.append(self.headers["Authorization"])
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office
        office.shutdown()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
        receiver.shutdown()


@pytest.fixture
async def resources(tmp_path: Path, catalog_url: str, office: PostOffice, receiver: Receiver) -> AsyncIterator[Resources]:
    settings = Settings(
        data=tmp_path / "site", catalog_url=catalog_url, alert_mail_server=f"127.0.0.1:{office.server_address[1]}", alert_mail_security="none",
        alert_mail_from="isocenter@example.org", alert_mail_to="a@example.org, b@example.org",
        alert_post_url=f"http://127.0.0.1:{receiver.server_address[1]}/alerts", alert_post_secret="s3cret-of-tests",
    )  # fmt: skip
    opened = open_resources(settings, create_key_file(tmp_path / "site" / "site.key"))
    await migrate(opened.db)
    yield opened
    await opened.close()


async def _carry(resources: Resources) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        await Courier(resources.settings, resources).carry(client)


async def _states(resources: Resources) -> list[tuple[str, str, str, int, str]]:
    async with resources.db.read() as session:
        rows = (await session.scalars(select(Notice).order_by(Notice.id))).all()
        return sorted((row.event, row.way, row.state, row.attempts, row.failure) for row in rows)


async def test_alert_when_it_begins_and_ends_then_mail_and_post_tell_both_once(resources: Resources, office: PostOffice, receiver: Receiver) -> None:
    sampler, moment = Sampler(resources.settings, resources, host="node1"), now() - timedelta(minutes=1)
    await sampler.tick(moment, {"disk_percent": 95.0}, {})
    await _carry(resources)
    await sampler.tick(moment + timedelta(seconds=5), {"disk_percent": 50.0}, {})
    await _carry(resources)
    await _carry(resources)
    assert [mail["Subject"] for mail in office.mails] == ["[critical] disk-high on node1", "[ended] disk-high on node1"]
    assert (office.mails[0]["From"], office.mails[0]["To"]) == ("isocenter@example.org", "a@example.org, b@example.org")
    assert "The data disk is over 90 % full" in office.mails[0].get_content()
    assert [(one["status"], one["alerts"][0]["labels"]) for one in receiver.bodies] == [
        (status, {"alertname": "disk-high", "severity": "critical", "host": "node1"}) for status in ("firing", "resolved")
    ]
    assert set(receiver.secrets) == {"Bearer s3cret-of-tests"}
    for body in receiver.bodies:  # our own receiver would take them, were the fingerprint of Alertmanager's form
        AlertmanagerBody.model_validate(body | {"alerts": [one | {"fingerprint": "aa"} for one in body["alerts"]]})
    assert [state[2] for state in await _states(resources)] == ["sent"] * 4


async def test_notice_when_the_receiver_is_away_then_it_comes_again_and_says_why(resources: Resources, office: PostOffice, receiver: Receiver) -> None:
    office.refusing, receiver.status = True, 503
    await Sampler(resources.settings, resources, host="h").tick(now() - timedelta(minutes=1), {"disk_percent": 95.0}, {})
    await _carry(resources)
    await _carry(resources)  # not before the pause is over
    assert await _states(resources) == [("began", "mail", "waiting", 1, "SMTPDataError 451"), ("began", "webhook", "waiting", 1, "answered 503")]
    office.refusing, receiver.status = False, 200
    async with resources.db.write() as session:
        for notice in (await session.scalars(select(Notice))).all():
            notice.due_at = now() - timedelta(seconds=1)
    await _carry(resources)
    assert await _states(resources) == [("began", "mail", "sent", 2, ""), ("began", "webhook", "sent", 2, "")]
    assert (len(office.mails), len(receiver.bodies)) == (1, 1)


async def test_notice_when_it_could_not_be_delivered_for_a_day_then_dropped(resources: Resources, office: PostOffice, receiver: Receiver) -> None:
    receiver.status = 404
    await Sampler(resources.settings, resources, host="h").tick(now() - timedelta(hours=25), {"disk_percent": 95.0}, {})
    await _carry(resources)
    assert [state[1:4] for state in await _states(resources)] == [("mail", "sent", 1), ("webhook", "dropped", 1)]


async def test_alert_when_silenced_then_nobody_is_told_of_its_beginning_or_end(resources: Resources, office: PostOffice, receiver: Receiver) -> None:
    headers = {PRINCIPAL_HEADER: sign(Principal(1, "ops", Role.OPERATOR), resources.key)}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(resources.settings, resources)), base_url="http://localhost", headers=headers)
    made = await client.post("/api/v1/silences", json={"matcher": {"name": "disk-high", "host": "h"}, "minutes": 5})
    assert made.status_code == 201
    sampler = Sampler(resources.settings, resources, host="h")
    await sampler.tick(now(), {"disk_percent": 95.0}, {})
    await sampler.tick(now() + timedelta(seconds=5), {"disk_percent": 10.0}, {})
    await _carry(resources)
    assert (office.mails, receiver.bodies, await _states(resources)) == ([], [], [])


async def test_delivery_when_asked_and_tried_then_says_what_came_of_it_without_secrets(resources: Resources, office: PostOffice, receiver: Receiver) -> None:
    headers = {PRINCIPAL_HEADER: sign(Principal(1, "ops", Role.OPERATOR), resources.key)}
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(resources.settings, resources)), base_url="http://localhost", headers=headers)
    receiver.status = 500
    tried = (await client.post("/api/v1/alerts/delivery/try")).json()
    assert tried == [{"way": "mail", "failure": ""}, {"way": "webhook", "failure": "answered 500"}]
    assert [mail["Subject"] for mail in office.mails] == ["[info] trial"]
    await Sampler(resources.settings, resources, host="h").tick(now(), {"disk_percent": 95.0}, {})
    await _carry(resources)
    answer = await client.get("/api/v1/alerts/delivery")
    ways = {one["way"]: one for one in answer.json()}
    assert (ways["mail"]["waiting"], ways["mail"]["sent_at"] is None) == (0, False)
    assert (ways["webhook"]["waiting"], ways["webhook"]["failure"]) == (1, "answered 500")
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alert_mail_server": "mail:25"}, "ISOCENTER_ALERT_MAIL_FROM"),
        ({"alert_mail_server": "mail", "alert_mail_from": "a@b", "alert_mail_to": "a@b"}, "ISOCENTER_ALERT_MAIL_SERVER"),
        ({"alert_post_url": "ftp://x"}, "alert_post_url"),
    ],
)
def test_settings_when_delivery_is_half_set_then_refused_with_the_name(given: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings(**given)  # type: ignore[arg-type]
