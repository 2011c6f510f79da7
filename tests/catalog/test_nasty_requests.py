"""Every route of the catalog, asked with nonsense by every role: an answer in problem+json, never a 5xx."""

from __future__ import annotations

import json
import re

import pytest
from catalog.rows import Person, open_site

from isocenter.auth import Role
from isocenter.paging import encode_cursor

NASTY = ("..%2F..%2Fetc%2Fpasswd", "%00", "%FF%FE", "%F0%9F%92%A9", "'%20OR%201=1--", "a" * 3000, "0", "-1", "99999999999999999999", "%25", "%0d%0ax:y")
BODIES = (
    None,
    {},
    [],
    "x",
    {"query": []},
    {"query": {"terms": {"\ud800": ["x"]}}},
    {"name": "\x00", "disease": "\ud800"},
    {"code": None},
    {"note": "x" * 3000},
    {"split": {"a": "b"}},
    {"seed": 1e308},
    {"query": {"ranges": {"age": {"gte": 10**400}}}},
)
PARAMETERS = {
    "cursor": "W10", "limit": "0", "age_gte": "nan", "age_lte": "inf", "q": "%_", "sex": "\x00", "deleted": "maybe", "disease": "x" * 300, "case": "\x00",
}  # fmt: skip
CURSORS = ((1,), ("a", "b"), (None,), (1.5, "x"), (10**400, "x"), (1, "\ud800"), ("\ud800",), (True, "x"))


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(Person("LIV-000001", reports=("imaging",)))
        yield opened


async def ask(client, method, url, **options):
    answer = await client.request(method, url, **options)
    assert answer.status_code < 500, (method, url[:200], options, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", (method, url, answer.status_code)
    return answer


async def test_every_route_asked_with_nonsense_answers_without_a_5xx(site):
    async with site.client() as admin:
        paths = (await admin.get("/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            for method in operations:
                for value in NASTY:
                    url = re.sub(r"{\w+}", value, path)
                    await ask(admin, method.upper(), url, headers={"If-Match": "x", "Range": "bytes=9-1", "If-None-Match": "\x7f"})
                if method in ("post", "patch", "put"):
                    for body in BODIES:
                        content = json.dumps(body).encode()
                        await ask(admin, method.upper(), re.sub(r"{\w+}", "liver", path), content=content, headers={"content-type": "application/json"})
                    await ask(admin, method.upper(), re.sub(r"{\w+}", "liver", path), content=b"{", headers={"content-type": "application/json"})
                for name, value in PARAMETERS.items():
                    await ask(admin, method.upper(), re.sub(r"{\w+}", "liver", path), params={name: value})


async def test_cursor_of_another_list_is_refused_or_harmless(site):
    async with site.client() as admin:
        uid = (await admin.get("/api/v1/cases/LIV-000001")).json()["studies"][0]["series"][0]["uid"]
        for values in CURSORS:
            for url in ("cases", "datasets", f"series/{uid}/instances"):
                await ask(admin, "GET", f"/api/v1/{url}", params={"cursor": encode_cursor(*values)})


async def test_every_role_asking_for_every_list_gets_an_answer(site):
    for role in Role:
        async with site.client("ann", role) as client:
            for path in ("cases", "cases/count", "diseases", "hospitals", "datasets", "attributes", "projects", "attributes/label/values"):
                answer = await ask(client, "GET", f"/api/v1/{path}")
                assert answer.status_code in (200, 403)


async def test_body_of_100_mb_when_sent_then_413_without_it_being_read_to_its_end(site):
    taken = 0

    async def body():
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b" " * 1_000_000

    for path in ("cases/count", "datasets", "datasets/split-preview"):
        taken = 0
        async with site.client() as admin:
            answer = await ask(admin, "POST", f"/api/v1/{path}", content=body(), headers={"content-type": "application/json"})
        assert (answer.status_code, taken < 100) == (413, True), (path, answer.status_code, taken)


async def test_dataset_when_its_name_is_a_path_or_no_name_then_422_names_the_field(site):
    async with site.client() as admin:
        for name in ("../evil", "a/b", "..", "a\\b", "/etc/passwd", "A", "", "a" * 65):
            answer = await ask(admin, "POST", "/api/v1/datasets", json={"name": name, "disease": "liver"})
            assert (answer.status_code, answer.json()["field"]) == (422, "name"), name
