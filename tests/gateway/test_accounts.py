"""Accounts, profile, audit."""

from __future__ import annotations

from gateway_site import PASSWORD, OpenSite

from isocenter.auth import Role


async def test_account_when_created_without_a_password_then_one_is_shown_once_and_works(open_site: OpenSite, catalog_url: str) -> None:
    async with open_site(catalog_url) as site:
        await site.add("root", Role.ADMIN)
        admin = await site.signed_in("root")
        made = await admin.post("/api/v1/accounts", json={"name": "wu", "full_name": "吴", "role": "reader"})
        assert made.status_code == 201
        assert len(made.json()["password"]) >= 16
        assert "password" not in (await admin.get("/api/v1/accounts/wu")).json()
        await site.signed_in("wu", made.json()["password"])
        twice = await admin.post("/api/v1/accounts", json={"name": "wu", "role": "reader"})
        assert (twice.status_code, twice.json()["field"]) == (409, "name")


async def test_account_when_its_role_changes_then_the_next_request_has_it(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("root", Role.ADMIN)
        await site.add("wu", Role.READER)
        admin, wu = await site.signed_in("root"), await site.signed_in("wu")
        assert (await wu.get("/api/v1/session")).json()["account"]["role"] == "reader"
        tag = (await admin.get("/api/v1/accounts/wu")).headers["etag"]
        changed = await admin.patch("/api/v1/accounts/wu", json={"role": "data_manager"}, headers={"If-Match": tag})
        assert changed.status_code == 200
        assert "import" in (await wu.get("/api/v1/session")).json()["permissions"]
        stale = await admin.patch("/api/v1/accounts/wu", json={"role": "reader"}, headers={"If-Match": tag})
        assert stale.status_code == 412
        events = (await admin.get("/api/v1/audit", params={"subject": "account:wu", "verb": "change-account"})).json()["items"]
        assert [(e["actor"], e["before"], e["after"]["role"]) for e in events] == [("root", {"role": "reader"}, "data_manager")]


async def test_account_when_closed_then_its_sessions_and_tokens_end(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("root", Role.ADMIN)
        await site.add("wu")
        admin, wu = await site.signed_in("root"), await site.signed_in("wu")
        token = (await wu.post("/api/v1/tokens", json={"name": "t"})).json()["token"]
        await admin.patch("/api/v1/accounts/wu", json={"active": False}, headers={"If-Match": "*"})
        assert (await wu.get("/api/v1/session")).status_code == 401
        assert (await site.client().get("/api/v1/profile", headers={"Authorization": f"Bearer {token}"})).status_code == 401
        await admin.patch("/api/v1/accounts/wu", json={"active": True}, headers={"If-Match": "*"})
        assert (await site.client().get("/api/v1/profile", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_last_administrator_when_demoted_or_closed_then_409(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("root", Role.ADMIN)
        await site.add("closed", Role.ADMIN, active=False)
        admin = await site.signed_in("root")
        for change in ({"role": "reader"}, {"active": False}):
            assert (await admin.patch("/api/v1/accounts/root", json=change, headers={"If-Match": "*"})).status_code == 409


async def test_accounts_when_listed_in_pages_then_each_comes_once(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("root", Role.ADMIN)
        for name in ("b1", "b2", "b3", "b4"):
            await site.add(name)
        admin = await site.signed_in("root")
        seen, cursor = [], None
        while True:
            page = (await admin.get("/api/v1/accounts", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
            seen += [item["name"] for item in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert seen == ["b1", "b2", "b3", "b4", "root"]
        assert (await admin.get("/api/v1/accounts", params={"cursor": "nonsense"})).status_code == 422


async def test_profile_when_changed_then_only_the_given_fields_are(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("wu", Role.READER)
        wu = await site.signed_in("wu")
        await wu.patch("/api/v1/profile", json={"department": "影像科", "language": "zh-CN"})
        profile = (await wu.patch("/api/v1/profile", json={"email": "wu@hospital.example"})).json()
        assert (profile["department"], profile["language"], profile["email"]) == ("影像科", "zh-CN", "wu@hospital.example")
        refused = await wu.patch("/api/v1/profile", json={"role": "admin"})
        assert refused.status_code == 422
        assert (await wu.get("/api/v1/session")).json()["account"]["role"] == "reader"


async def test_password_when_changed_then_other_sessions_end_and_the_old_one_fails(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("wu")
        here, there = await site.signed_in("wu"), await site.signed_in("wu")
        wrong = await here.post("/api/v1/profile/password", json={"current": "no", "new": "a better sentence"})
        assert (wrong.status_code, wrong.json()["field"]) == (422, "current")
        short = await here.post("/api/v1/profile/password", json={"current": PASSWORD, "new": "short"})
        assert (short.status_code, short.json()["field"]) == (422, "new")
        assert (await here.post("/api/v1/profile/password", json={"current": PASSWORD, "new": "a better sentence"})).status_code == 204
        assert (await here.get("/api/v1/session")).status_code == 200
        assert (await there.get("/api/v1/session")).status_code == 401
        assert (await site.client().post("/api/v1/session", json={"name": "wu", "password": PASSWORD})).status_code == 401


async def test_administration_when_a_researcher_asks_then_403_and_anonymous_401(open_site: OpenSite) -> None:
    async with open_site() as site:
        await site.add("wu")
        wu = await site.signed_in("wu")
        for path in ("/api/v1/accounts", "/api/v1/audit", "/api/v1/accounts/wu"):
            assert (await wu.get(path)).status_code == 403
            assert (await site.client().get(path)).status_code == 401
