"""Carries notices outside: mail over SMTP, or a post in Alertmanager's form. One task of the service's lifespan.

A notice may arrive twice (we end between sending and noting it), never not at all within a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import smtplib
import ssl

import anyio.to_thread
import httpx

from isocenter.errors import IsocenterError
from isocenter.models import now
from isocenter.resources import Resources
from isocenter.settings import Settings
from services.stats.letters import Letter, body, mail
from services.stats.store import notices

log = logging.getLogger(__name__)

LOOKS_EVERY_SECONDS = 5.0
SMTP_SECONDS = 20.0
POST_SECONDS = 10.0


def ways_of(settings: Settings) -> tuple[str, ...]:
    """mail, webhook: what the settings name."""
    return tuple(way for way, target in (("mail", settings.alert_mail_server), ("webhook", settings.alert_post_url)) if target)


class Courier:
    """``wake`` after a commit that wrote notices; without it they wait for the next look."""

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self.settings = settings
        self.resources = resources
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        if not ways_of(self.settings):
            return
        async with httpx.AsyncClient(timeout=POST_SECONDS, trust_env=False, follow_redirects=False) as client:
            while True:
                self._woken.clear()
                try:
                    await self.carry(client)
                except IsocenterError as error:
                    log.warning("notices not looked at kind=%s", type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOKS_EVERY_SECONDS)

    async def carry(self, client: httpx.AsyncClient) -> None:
        """Send all that is due."""
        async with self.resources.db.read() as session:
            letters = await notices.due(session, now())
        for letter in letters:
            failure = await self.send(letter, client)
            if failure:
                log.warning("notice not delivered way=%s notice=%d failure=%s", letter.way, letter.notice_id, failure)
            async with self.resources.db.write() as session:
                await notices.settle(session, letter, failure, now())

    async def send(self, letter: Letter, client: httpx.AsyncClient) -> str:
        """'' when it was taken; else why not, without what a server wrote (it may quote addresses)."""
        if letter.way == "mail":
            return await anyio.to_thread.run_sync(self._mail, letter)
        secret = self.settings.alert_post_secret.get_secret_value()
        try:
            answer = await client.post(self.settings.alert_post_url, json=body(letter), headers={"Authorization": f"Bearer {secret}"} if secret else {})
        except httpx.HTTPError as error:
            return type(error).__name__
        return "" if answer.is_success else f"answered {answer.status_code}"

    def _mail(self, letter: Letter) -> str:
        settings = self.settings
        host, _, port = settings.alert_mail_server.rpartition(":")
        try:
            with _connected(host.strip("[]"), int(port), settings.alert_mail_security) as server:
                if settings.alert_mail_user:
                    server.login(settings.alert_mail_user, settings.alert_mail_password.get_secret_value())
                server.send_message(mail(letter, settings.alert_mail_from, settings.alert_mail_to))
        except smtplib.SMTPResponseException as error:
            return f"{type(error).__name__} {error.smtp_code}"
        except (smtplib.SMTPException, OSError) as error:
            return type(error).__name__
        return ""


def _connected(host: str, port: int, security: str) -> smtplib.SMTP:
    """Certificates are checked against the machine's authorities."""
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=SMTP_SECONDS, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=SMTP_SECONDS)
    try:
        if security == "starttls":
            server.starttls(context=ssl.create_default_context())
    except BaseException:
        server.close()
        raise
    return server
