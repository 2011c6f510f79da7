"""Signing in, CSRF, throttling, tokens, forged principals."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import httpx
import pytest
from gateway_site import PASSWORD, OpenSite, Site
from sqlalchemy import select, update

from gateway import login
from gateway.throttle import FREE_TRIES, LONGEST_WAIT_SECONDS, count_try, throttle_keys, wait_seconds
from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign, verify
from isocenter.errors import TooManyRequests
from isocenter.keys import SiteKey
from isocenter.models import AuditEvent, LoginThrottle, Token, now
from isocenter.models import Session as BrowserSession


def _cookie(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"]


async def _verbs(site: Site) -> list[str]:
    async with site.resources.db.read() as session:
        return list((await session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id))).all())


async def test_sign_in_when_the_password_is_right_then_a_cookie_and_an_audit_event(open_site: OpenSite, catalog_url: str) -> None:
    async with open_site(catalog_url) as site:
        await site.add("lin", Role.REVIEWER)
        client = site.client()
        answer = await client.post("/api/v1/session", json={"name": " LIN ", "password": PASSWORD})
        assert answer.status_code == 200
        assert "HttpOnly" in _cookie(answer)
        assert "SameSite=strict" in _cookie(answer)
        assert "Secure" not in _cookie(answer)
        again = (await client.get("/api/v1/session")).json()
        assert again["account"]["role"] == "reviewer"
        assert again["csrf_token"] == answer.json()["csrf_token"]
        assert "review" in again["permissions"]
        assert "import" not in again["permissions"]
        assert await _verbs(site) == ["login"]


async def test_sign_in_when_the_host_is_not_this_machine_then_the_cookie_is_secure(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = site.client(base_url="http://isocenter.hospital.example")
        answer = await client.post("/api/v1/session", json={"name": "lin", "password": PASSWORD})
        assert "; Secure" in _cookie(answer)


@pytest.mark.parametrize(("name", "password"), [("lin", "wrong wrong wrong"), ("nobody", PASSWORD), ("closed", PASSWORD)])
async def test_sign_in_when_something_is_wrong_then_401_says_not_what(open_site: OpenSite, name: str, password: str) -> None:
    async with open_site() as site:
        await site.add("lin")
        await site.add("closed", active=False)
        answer = await site.client().post("/api/v1/session", json={"name": name, "password": password})
        assert (answer.status_code, answer.json()["detail"]) == (401, "Name or password is wrong.")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "set-cookie" not in answer.headers


async def test_unknown_name_when_it_signs_in_then_a_hash_is_computed_all_the_same(open_site: OpenSite) -> None:
    async with open_site() as site:
        site.app.own.state.passwords = slow = type(site.hashes)(time_cost=12, memory_kib=32768, parallelism=1)
        await slow.matches("x", None)  # the first call also makes the dummy hash
        hashed = await slow.hash(PASSWORD)
        await site.add("lin", password=PASSWORD)
        started = time.process_time()
        await slow.matches("wrong", hashed)
        known = time.process_time() - started
        started = time.process_time()
        await site.client().post("/api/v1/session", json={"name": "nobody", "password": "wrong"})
        assert time.process_time() - started > known / 2  # a short cut would cost a hundredth


def test_wait_seconds_when_failures_rise_then_it_doubles_up_to_a_quarter_of_an_hour() -> None:
    assert [wait_seconds(n, 5) for n in (1, 5, 6, 7, 8, 16, 1000)] == [0, 0, 1, 2, 4, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS]


async def test_sign_in_when_a_name_failed_six_times_then_429_even_with_the_right_password_elsewhere(open_site: OpenSite, catalog_url: str) -> None:
    async with open_site(catalog_url) as site:
        await site.add("lin")
        for number in range(FREE_TRIES["name"] + 1):
            wrong = await site.client(f"10.0.0.{number}").post("/api/v1/session", json={"name": "lin", "password": "no no no no"})
            assert wrong.status_code == 401
        blocked = await site.client("10.9.9.9").post("/api/v1/session", json={"name": "lin", "password": PASSWORD})
        assert blocked.status_code == 429
        assert int(blocked.headers["retry-after"]) >= 1
        async with site.resources.db.write() as session:
            await session.execute(update(LoginThrottle).values(blocked_until=now() - timedelta(seconds=1)))
        later = await site.client("10.9.9.9").post("/api/v1/session", json={"name": "lin", "password": PASSWORD})
        assert later.status_code == 200
        async with site.resources.db.read() as session:
            name = throttle_keys(site.resources.key, "lin", "")["name"]
            assert await session.get(LoginThrottle, name) is None  # starts anew


async def test_sign_in_when_an_address_guesses_many_names_then_the_address_waits(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = site.client("10.6.6.6")
        statuses = [(await client.post("/api/v1/session", json={"name": f"n{n}", "password": "x"})).status_code for n in range(FREE_TRIES["address"] + 2)]
        assert statuses.count(401) == FREE_TRIES["address"] + 1
        assert statuses[-1] == 429
        other = await site.client("10.6.6.7").post("/api/v1/session", json={"name": "lin", "password": PASSWORD})
        assert other.status_code == 200


async def test_tries_when_they_come_in_parallel_then_each_is_counted(open_site: OpenSite, catalog_url: str) -> None:
    async with open_site(catalog_url) as site:
        keys = throttle_keys(site.resources.key, "lin", "10.0.0.1")
        outcomes = await asyncio.gather(*(count_try(site.resources.db, keys) for _ in range(12)), return_exceptions=True)
        assert sum(outcome is None for outcome in outcomes) == FREE_TRIES["name"] + 1
        assert all(outcome is None or isinstance(outcome, TooManyRequests) for outcome in outcomes)


async def test_write_when_the_csrf_token_is_missing_or_wrong_then_403(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = await site.signed_in("lin")
        token = client.headers.pop("X-Isocenter-CSRF")
        assert (await client.post("/api/v1/imports", json={})).status_code == 403
        assert (await client.post("/api/v1/imports", headers={"X-Isocenter-CSRF": "0" * 32})).status_code == 403
        assert (await client.delete("/api/v1/session")).status_code == 403
        assert (await client.get("/api/v1/imports")).status_code == 200
        assert (await client.post("/api/v1/imports", headers={"X-Isocenter-CSRF": token})).status_code == 200


async def test_csrf_token_when_it_is_of_another_session_then_403(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        first, second = await site.signed_in("lin"), await site.signed_in("lin")
        first.headers["X-Isocenter-CSRF"] = second.headers["X-Isocenter-CSRF"]
        assert (await first.post("/api/v1/imports")).status_code == 403


async def test_sign_in_when_a_page_of_another_site_sends_it_then_403(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        body = {"name": "lin", "password": PASSWORD}
        answer = await site.client().post("/api/v1/session", json=body, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


async def test_principal_header_when_it_comes_from_outside_then_it_is_dropped(open_site: OpenSite) -> None:
    async with open_site() as site:
        forged = sign(Principal(1, "admin", Role.ADMIN), SiteKey(b"x" * 32))
        stolen = sign(Principal(1, "admin", Role.ADMIN), site.resources.key)  # even a real one is only taken from us
        for header in (forged, stolen):
            seen = (await site.client().get("/api/v1/cases", headers={PRINCIPAL_HEADER: header})).json()["headers"]
            assert PRINCIPAL_HEADER not in dict(seen)
            assert (await site.client().get("/api/v1/session", headers={PRINCIPAL_HEADER: header})).status_code == 401


async def test_request_when_signed_in_then_the_service_gets_a_signed_principal_with_the_request_id(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin", Role.READER)
        client = await site.signed_in("lin")
        answer = await client.get("/api/v1/cases", headers={PRINCIPAL_HEADER: "forged.forged"})
        seen = [value for name, value in answer.json()["headers"] if name == PRINCIPAL_HEADER]
        assert len(seen) == 1
        principal = verify(seen[0], site.resources.key)
        assert (principal.name, principal.role, principal.request_id) == ("lin", Role.READER, answer.headers["x-request-id"])


async def test_sign_out_when_done_then_the_cookie_is_worth_nothing_at_once(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = await site.signed_in("lin")
        cookie = dict(client.cookies)
        assert (await client.get("/api/v1/session")).status_code == 200  # now remembered
        assert (await client.delete("/api/v1/session")).status_code == 204
        thief = site.client()
        thief.cookies.update(cookie)
        assert (await thief.get("/api/v1/session")).status_code == 401


async def test_session_when_it_expired_then_401(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = await site.signed_in("lin")
        async with site.resources.db.write() as session:
            await session.execute(update(BrowserSession).values(expires_at=now() - timedelta(seconds=1)))
        assert (await client.get("/api/v1/session")).status_code == 401


async def test_token_when_issued_used_revoked_then_it_works_until_revoked(open_site: OpenSite, catalog_url: str) -> None:
    async with open_site(catalog_url) as site:
        await site.add("lin")
        client = await site.signed_in("lin")
        issued = (await client.post("/api/v1/tokens", json={"name": "script", "days": 30})).json()
        script = site.client()
        script.headers["Authorization"] = f"Bearer {issued['token']}"
        assert (await script.post("/api/v1/imports")).status_code == 200  # no CSRF token needed
        await site.app.authenticator.close()
        listed = (await client.get("/api/v1/tokens")).json()["items"]
        assert listed[0]["last_used_at"] is not None
        assert "token" not in listed[0]
        assert issued["token"].startswith(listed[0]["prefix"])
        async with site.resources.db.read() as session:
            kept = (await session.scalars(select(Token))).one()
            assert issued["token"] not in (kept.token_sha256, kept.prefix)
        assert (await client.delete(f"/api/v1/tokens/{issued['id']}")).status_code == 204
        assert (await script.get("/api/v1/session")).status_code == 401
        assert (await client.delete(f"/api/v1/tokens/{issued['id']}")).status_code == 404


async def test_token_when_expired_then_401_although_a_cookie_is_there(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = await site.signed_in("lin")
        issued = (await client.post("/api/v1/tokens", json={"name": "script", "days": 1})).json()
        async with site.resources.db.write() as session:
            await session.execute(update(Token).values(expires_at=now() - timedelta(seconds=1)))
        answer = await client.get("/api/v1/session", headers={"Authorization": f"Bearer {issued['token']}"})
        assert answer.status_code == 401


async def test_token_when_somebody_else_revokes_it_then_404(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("lin")
        await site.add("wu", Role.ADMIN)
        issued = (await (await site.signed_in("lin")).post("/api/v1/tokens", json={"name": "script"})).json()
        assert (await (await site.signed_in("wu")).delete(f"/api/v1/tokens/{issued['id']}")).status_code == 404


async def test_decision_when_it_was_remembered_then_a_revocation_elsewhere_counts_within_seconds(
    open_site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_site() as site:
        await site.add("lin")
        client = await site.signed_in("lin")
        assert (await client.get("/api/v1/session")).status_code == 200
        async with site.resources.db.write() as session:  # as another gateway process would
            await session.execute(update(BrowserSession).values(expires_at=now()))
        assert (await client.get("/api/v1/profile")).status_code == 200  # still remembered
        kept = site.app.authenticator._remembered
        for key, value in list(kept.items()):
            kept[key] = login._Remembered(value.principal, value.until - login.REMEMBERED_SECONDS)
        assert (await client.get("/api/v1/profile")).status_code == 401
