"""Every reading route of the catalog, asked for everything there is: an account bound by grants reads nothing of the others."""

from __future__ import annotations

import re
from itertools import product

import pytest
from catalog.rows import KEY, Person, Shot, add_resource, open_site

KEYS = ("LIV-000001", "LIV-000002", "LUN-000001")
SEARCHES = ("cases/search", "cases/count", "cases/facets", "reports/search")


@pytest.fixture
async def site(tmp_path):
    # SQLite only: test_column_copy holds the predicates to the same rows on both catalogs.
    async with open_site(f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}", tmp_path) as opened:
        for place, key in enumerate(KEYS):
            shot = Shot(manufacturer=f"maker-of-{key}", description=f"seen-in-{key}", instances=1)
            disease = "lung" if key.startswith("LUN") else "liver"
            await opened.add(Person(key, disease, shots=(shot,), reports=("imaging",), hospital="south" if place == 1 else "north"))
        async with opened.client() as admin:
            for name, case in (("first-only", "LIV-000001"), ("second-only", "LIV-000002")):
                assert (await admin.post("/api/v1/datasets", json={"name": name, "disease": "liver"})).status_code == 201
                frozen = await admin.post(f"/api/v1/datasets/{name}/versions", json={"query": {"terms": {"case": [case]}}})
                assert frozen.status_code == 201, frozen.text
        await opened.grant("ann", disease="lung")
        await opened.grant("bob", dataset="first-only")
        yield opened


def names_of(key):
    """What must not be read by those who may not see the case."""
    series, study, report = KEY.uid(f"series {key} 0"), KEY.uid(f"study {key}"), KEY.hmac_hex("report", key, "0")
    return {key, series, study, report, f"maker-of-{key}", f"seen-in-{key}", f"text of {key}"}


async def everything(site, client):
    """(what was asked, answer) of every reading route with every key there is."""
    found = []
    sha256 = {key: await add_resource(site, key, "visible", f"letter of {key}".encode()) for key in KEYS}
    values = {
        "key": [*KEYS, *(KEY.hmac_hex("report", key, "0") for key in KEYS)], "uid": [KEY.uid(f"series {key} 0") for key in KEYS],
        "code": ["liver", "lung"], "name": ["first-only", "second-only", "Manufacturer", "disease", "case"], "number": ["1"],
        "sha256": list(sha256.values()),
    }  # fmt: skip
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path in (path for path, operations in paths.items() if "get" in operations):
        wanted = re.findall(r"{(\w+)}", path)
        for chosen in product(*(values.get(name, ["1"]) for name in wanted)):
            url = path
            for name, value in zip(wanted, chosen, strict=True):
                url = url.replace(f"{{{name}}}", value)
            for query in ([{"case": key} for key in KEYS] if "resources/{" in path else [{}, {"disease": "liver"}, {"slides": "false"}]):
                found.append((f"{url} {query}", await client.get(url, params=query)))
    for path in SEARCHES:
        body = {"text": "text of"} if path.startswith("reports") else {}
        for query in ({}, {"terms": {"Modality": ["CT"]}}, {"include_null": True, "ranges": {"age": {"gte": 1}}}, {"terms": {"SeriesDescription": ["seen"]}}):
            found.append((f"{path} {query}", await client.post(f"/api/v1/{path}", json=body | {"query": query})))
    return found


@pytest.mark.parametrize(("account", "own", "datasets"), [("ann", "LUN-000001", set()), ("bob", "LIV-000001", {"first-only"}), ("stranger", "", set())])
async def test_everything_when_read_by_an_account_with_one_grant_then_nothing_of_the_others_is_in_it(site, account, own, datasets):
    foreign = set().union(*(names_of(key) for key in KEYS if key != own)) | ({"first-only", "second-only"} - datasets)
    if account == "bob":  # a dataset alone shows no report
        foreign |= {KEY.hmac_hex("report", own, "0"), f"text of {own}"}
    async with site.client(account) as client:
        answers = await everything(site, client)
    assert len(answers) > 100
    for asked, answer in answers:
        assert answer.status_code < 500, asked
        # An error may name back what was asked for, never tell whether it is there.
        leaked = {name for name in foreign if name in answer.text and not (answer.status_code >= 400 and name in asked)}
        assert not leaked, f"{asked} shows {leaked}"
    shown = "".join(answer.text for _, answer in answers)
    assert not own or own in shown  # it does see what is its own
