"""Where each address goes, pages, metrics, limits, the merged document, lifespans."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from gateway_site import OpenSite, echo
from starlette.types import Receive, Scope, Send

from gateway.contract import contract
from gateway.lifespans import Lifespans, StartFailed
from gateway.limits import ADDRESS_LIMIT_BYTES, LimitsMiddleware
from gateway.openapi import fetch, merge
from gateway.pages import Pages
from gateway.upstreams import Table, open_upstreams
from isocenter.errors import InvalidInput, IsocenterError
from isocenter.settings import SERVICES, Settings


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/dicom-web/studies", "ingest"),
        ("POST", "/dicom-web/studies/1.2", "ingest"),
        ("GET", "/dicom-web/studies", "viewer"),
        ("GET", "/dicom-web/studies/1/series/2/instances/3/frames/1", "viewer"),
        ("GET", "/api/v1/series/1.2/thumbnail", "viewer"),
        ("GET", "/api/v1/series/1.2/slices/axial/3", "viewer"),
        ("GET", "/api/v1/series/1.2/instances", "catalog"),
        ("GET", "/api/v1/series/1.2", "catalog"),
        ("POST", "/api/v1/cases/LIV-000001/labels/reopen", "ingest"),
        ("DELETE", "/api/v1/cases/LIV-000001", "catalog"),
        ("GET", "/api/v1/reviews/items/a/1/preview", "ingest"),
        ("GET", "/slides/1.2_files/3/0_0.jpeg", "viewer"),
        ("GET", "/api/v1/statistics/overview", "stats"),
        ("GET", "/api/v1/sessionx", None),
        ("GET", "/api/v1", None),
        ("GET", "/", None),
    ],
)
def test_table_when_asked_then_the_longest_prefix_wins(method: str, path: str, service: str | None) -> None:
    entry = Table().find(method, path)
    assert (entry.service if entry else None) == service


async def test_address_when_unknown_then_api_is_404_and_the_rest_is_a_page(open_site: OpenSite) -> None:
    async with open_site() as site:
        client = site.client()
        lost = await client.get("/api/v2/nothing")
        assert lost.status_code == 404
        assert lost.headers["content-type"] == "application/problem+json"
        page = await client.get("/cases/LIV-000001")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_metrics_when_the_peer_is_another_machine_then_404(open_site: OpenSite) -> None:
    async with open_site() as site:
        here, there = site.client("127.0.0.1"), site.client("10.0.0.7")
        await here.get("/api/v1/cases/LIV-000001")
        own = await here.get("/metrics")
        assert 'route="/api/v1/cases"' in own.text
        assert "LIV-000001" not in own.text
        assert (await here.get("/metrics/catalog")).json()["path"] == "/metrics"
        assert (await here.get("/metrics/nothing")).status_code == 404
        for path in ("/metrics", "/metrics/catalog"):
            assert (await there.get(path)).status_code == 404


async def test_request_when_it_is_too_long_or_odd_then_it_is_refused_early(open_site: OpenSite) -> None:
    async with open_site() as site:
        client = site.client()
        assert (await client.get("/api/v1/cases?x=" + "a" * ADDRESS_LIMIT_BYTES)).status_code == 413
        assert (await client.get("/api/v1/cases", headers={"X-Long": "a" * 40_000})).status_code == 413
        assert (await client.get("/api/v1/cases/%00")).status_code == 422
        for dotted in ("/dicom-web/../metrics", "/dicom-web/..", "/slides/./x"):
            assert (await fetch(site.app, dotted))[0] == 422
        big = await client.post("/api/v1/session", content=b'{"name":"' + b"a" * (5 << 20), headers={"content-type": "application/json"})
        assert big.status_code == 413


async def test_limits_when_too_many_are_in_flight_then_503_and_later_again_200() -> None:
    async def nested(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await fetch(limited, "/second"))[0] == 503
        await echo(scope, receive, send)

    limited = LimitsMiddleware(nested, in_flight_most=1)
    assert (await fetch(limited, "/first"))[0] == 200
    assert (await fetch(limited, "/third"))[0] == 200


def test_upstreams_when_only_some_urls_are_set_then_the_others_are_named(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, ingest_url="http://a", viewer_url="http://b")
    with pytest.raises(InvalidInput, match="catalog, stats"):
        open_upstreams(settings, None)  # type: ignore[arg-type]


async def test_pages_when_built_then_assets_are_immutable_zipped_and_never_outside(tmp_path: Path) -> None:
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("no")
    (tmp_path / "dist" / "index.html").write_text("<title>Isocenter</title>")
    (tmp_path / "dist" / "assets" / "app-1a2b.js").write_text("let a = 1")
    (tmp_path / "dist" / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(b"let a = 1"))
    import httpx

    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=Pages(tmp_path / "dist")), base_url="http://localhost")
    script = await client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip"})
    assert script.text == "let a = 1"
    assert script.headers["content-encoding"] == "gzip"
    assert "immutable" in script.headers["cache-control"]
    plain = await client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert plain.text == "let a = 1"
    assert "content-encoding" not in plain.headers
    index = await client.get("/datasets/x@1")
    assert index.text == "<title>Isocenter</title>"
    assert index.headers["cache-control"] == "no-cache"
    assert (await client.get("/", headers={"If-None-Match": index.headers["etag"]})).status_code == 304
    assert (await client.get("/assets/gone.js")).status_code == 404
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt"):
        assert (await client.get(path)).text != "no"
    assert (await client.post("/")).status_code == 405


def test_merge_when_two_services_name_a_schema_alike_then_the_second_is_renamed_with_its_references() -> None:
    def document(path: str, title: str) -> dict[str, object]:
        ref = {"$ref": "#/components/schemas/Item"}
        operation = {"responses": {"200": {"content": {"application/json": {"schema": ref}}}}}
        schemas = {"Item": {"title": title}, "Same": {"title": "Same"}, "ItemList": {"items": ref}}
        return {"paths": {path: {"get": operation}}, "components": {"schemas": schemas}}

    merged = merge({"catalog": document("/a", "A"), "viewer": document("/b", "B")})
    schemas = merged["components"]["schemas"]
    assert schemas["Item"] == {"title": "A"}
    assert schemas["ViewerItem"] == {"title": "B"}
    assert "ViewerSame" not in schemas
    answer = merged["paths"]["/b"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert answer == "#/components/schemas/ViewerItem"
    assert merged["paths"]["/b"]["get"]["tags"] == ["viewer"]


async def test_lifespans_when_one_fails_then_those_that_started_are_stopped() -> None:
    seen: list[str] = []

    async def good(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["type"])
        await send({"type": "lifespan.startup.complete"})
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async def bad(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    with pytest.raises(StartFailed, match="viewer"):
        await Lifespans({"catalog": good, "viewer": bad}).start()
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


async def test_openapi_when_services_answer_then_the_gateways_own_paths_are_in_it(open_site: OpenSite) -> None:
    async with open_site() as site:
        document = (await site.client().get("/openapi.json")).json()
    assert {"/api/v1/session", "/api/v1/profile", "/api/v1/accounts/{name}", "/api/v1/audit"} <= set(document["paths"])
    assert len(SERVICES) == 4


async def test_contract_when_the_services_change_then_the_committed_document_is_made_anew() -> None:
    committed = (Path(__file__).parents[2] / "web" / "openapi.json").read_text()
    made = await contract()
    assert made == committed, "The interface has changed: npm run types --prefix web, then commit web/openapi.json and web/src/api/schema.d.ts."


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_error_when_shown_then_the_pages_have_a_sentence_for_it(language: str) -> None:
    text = (Path(__file__).parents[2] / "web" / "src" / "locales" / f"{language}.ts").read_text()
    block = text[text.index("  problem: {") : text.index("  signIn: {")]
    kinds = {re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower() for error in IsocenterError.__subclasses__()}
    assert sorted(kind for kind in kinds | {"bad-request"} if not re.search(rf"'?\b{kind}'?: '", block)) == []
