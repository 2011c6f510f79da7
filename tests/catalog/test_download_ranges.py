"""Downloads: Range, If-Range, ETag, HEAD, missing objects."""

from __future__ import annotations

from itertools import pairwise

import pytest
from catalog.rows import Person, Shot, open_site

from services.catalog.ranges import ByteRange, parse_range


@pytest.fixture
async def site(tmp_path):
    async with open_site(f"sqlite+aiosqlite:///{tmp_path / 'c.db'}", tmp_path) as opened:
        await opened.add(Person("LIV-000001", shots=(Shot(instances=1, bytes_each=(3 << 20) + 17),)))
        async with opened.client() as admin:
            await admin.post("/api/v1/datasets", json={"name": "livers", "disease": "liver"})
            await admin.post("/api/v1/datasets/livers/versions", json={})
        yield opened


async def url_of(admin):
    file = (await admin.get("/api/v1/datasets/livers/versions/1/manifest")).json()["files"][0]
    return f"/api/v1/datasets/livers/versions/1/files/{file['sha256']}", file["size_bytes"]


async def test_ranges_joined_give_the_whole_file(site):
    async with site.client() as admin:
        url, size = await url_of(admin)
        whole = await admin.get(url)
        assert (whole.status_code, len(whole.content), whole.headers["accept-ranges"]) == (200, size, "bytes")
        cuts = [0, 1, 1 << 20, (1 << 20) + 1, (2 << 20) - 1, size]
        parts = [await admin.get(url, headers={"Range": f"bytes={start}-{end - 1}"}) for start, end in pairwise(cuts)]
        assert {part.status_code for part in parts} == {206}
        assert b"".join(part.content for part in parts) == whole.content
        assert parts[1].headers["content-range"] == f"bytes 1-{(1 << 20) - 1}/{size}"


async def test_if_range_with_another_etag_gives_everything_and_none_match_nothing(site):
    async with site.client() as admin:
        url, size = await url_of(admin)
        etag = (await admin.head(url)).headers["etag"]
        same = await admin.get(url, headers={"Range": "bytes=5-9", "If-Range": etag})
        other = await admin.get(url, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
        assert (same.status_code, len(same.content), other.status_code, len(other.content)) == (206, 5, 200, size)
        assert (await admin.get(url, headers={"If-None-Match": etag})).status_code == 304
        assert (await admin.get(url, headers={"Range": f"bytes={size}-"})).status_code == 416


async def test_manifest_in_ranges_is_the_manifest(site):
    async with site.client() as admin:
        url = "/api/v1/datasets/livers/versions/1/manifest"
        whole = (await admin.get(url)).content
        for cut in (1, 20, 117, len(whole) - 1):
            first, rest = [(await admin.get(url, headers={"Range": f"bytes={part}"})).content for part in (f"0-{cut - 1}", f"{cut}-")]
            assert first + rest == whole


async def test_object_that_is_gone_from_the_store_is_a_problem_not_a_broken_stream(site):
    async with site.client() as admin:
        url, _ = await url_of(admin)
        for path, _ in list(site.resources.store.list("data")):
            site.resources.store.delete(path)
        answer = await admin.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ByteRange(0, 10, False)),
        ("bytes=0-0", ByteRange(0, 1, True)),
        ("bytes=2-", ByteRange(2, 8, True)),
        ("bytes=-3", ByteRange(7, 3, True)),
        ("bytes=-30", ByteRange(0, 10, True)),
        ("bytes=5-300", ByteRange(5, 5, True)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=5-2", ByteRange(0, 10, False)),
        ("bytes=0-1,3-4", ByteRange(0, 10, False)),
        ("items=0-1", ByteRange(0, 10, False)),
        ("bytes=-", ByteRange(0, 10, False)),
    ],
)
def test_range_header_gives_the_range_of_rfc_9110(header, expected):
    assert parse_range(header, 10) == expected


async def test_openapi_document_names_the_raw_routes(site):
    async with site.client() as admin:
        paths = (await admin.get("/openapi.json")).json()["paths"]
    assert "get" in paths["/api/v1/datasets/{name}/versions/{number}/files/{sha256}"]
    assert "get" in paths["/api/v1/resources/{sha256}"]


async def test_unknown_member_of_a_body_is_refused(site):
    async with site.client() as admin:
        answer = await admin.post("/api/v1/cases/count", json={"querry": {"terms": {"sex": ["F"]}}})
        assert (answer.status_code, answer.json()["field"]) == (422, "querry")
