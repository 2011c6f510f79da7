"""The bytes of datasets and other files: pure ASGI, streamed from the object store in pieces of 1 MiB.

Permission: ``Permission.DOWNLOAD``, and the dataset or file must be visible to the account. One download event per
account, version and hour.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import anyio.to_thread
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from isocenter.audit import record_view
from isocenter.auth import Permission, Principal
from isocenter.errors import IsocenterError, NotFound
from isocenter.objects import ObjectStore
from isocenter.resources import Resources
from isocenter.web import principal_of_scope, send_problem
from services.catalog.freeze import extension_of
from services.catalog.noted import Noted
from services.catalog.ranges import parse_range
from services.catalog.store import datasets as store
from services.catalog.store import exports
from services.catalog.store import series as series_store

ACCESS_SECONDS = 5  # how long a look at grants and withdrawal holds while one account fetches the files of one version
REMEMBERED = 1024
_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MEDIA_TYPES = {"labels.csv": "text/csv; charset=utf-8", "images.csv": "text/csv; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Body:
    """``head`` and then the object from byte ``skip`` on."""

    objects: ObjectStore
    key: str
    size_bytes: int  # of head and object together
    media_type: str
    etag: str
    file_name: str
    cache: str = "private, max-age=31536000, immutable"
    head: bytes = b""
    skip: int = 0

    async def pieces(self, start: int, length: int) -> AsyncIterator[bytes]:
        if start < len(self.head):
            first = self.head[start : start + length]
            yield first
            start, length = len(self.head), length - len(first)
        if length:
            async for piece in self.objects.stream(self.key, start - len(self.head) + self.skip, length):
                yield piece


Find = Callable[[Scope, Principal], Awaitable[Body]]


class Download:
    """One route: ``find`` says which bytes, this sends them with ETag, Range and If-Range."""

    permission = Permission.DOWNLOAD  # the test that walks all routes reads it here

    def __init__(self, resources: Resources, template: str, find: Find) -> None:
        self.resources = resources
        self.template = template
        self.find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["isocenter_route"] = self.template
        try:
            principal = principal_of_scope(scope, self.resources)
            principal.require(self.permission)
            body = await self.find(scope, principal)
            await _send(scope, receive, send, body)
        except IsocenterError as error:
            await send_problem(send, error)


class Versions:
    """Finds the parts of dataset versions; remembers for a few seconds who may have which."""

    def __init__(self, resources: Resources, noted: Noted) -> None:
        self.resources = resources
        self.noted = noted
        self._access: OrderedDict[tuple[int, str, str, int], tuple[float, int, str]] = OrderedDict()
        self._exports: OrderedDict[tuple[int, str], tuple[float, int, str]] = OrderedDict()

    def forget(self) -> None:
        """Look at grants and withdrawals anew: what this process changes counts at once, what another one does after ACCESS_SECONDS."""
        self._access.clear()
        self._exports.clear()

    async def manifest(self, scope: Scope, principal: Principal) -> Body:
        """The stored manifest with name, number and digest put before its first member."""
        name, number, _, digest = await self._version(scope, principal)
        about = {"name": name, "number": number, "reference": f"{name}@{number}", "digest": digest}
        head = json.dumps(about, separators=(",", ":")).encode()[:-1] + b","
        objects, key = self.resources.store, f"datasets/{digest}/manifest.json"
        size = await anyio.to_thread.run_sync(objects.size, key)
        etag = f'"{digest}-{name}-{number}"'
        return Body(objects, key, len(head) + size - 1, "application/json", etag, f"{name}-{number}.manifest.json", head=head, skip=1)

    async def table(self, part: str, scope: Scope, principal: Principal) -> Body:
        name, number, _, digest = await self._version(scope, principal)
        objects, key = self.resources.store, f"datasets/{digest}/{part}"
        size = await anyio.to_thread.run_sync(objects.size, key)
        return Body(objects, key, size, _MEDIA_TYPES[part], f'"{digest}-{part}"', f"{name}-{number}.{part}")

    async def file(self, scope: Scope, principal: Principal) -> Body:
        sha256 = _sha256(scope)
        _, _, version_id, _ = await self._version(scope, principal)
        async with self.resources.db.read() as session:
            found = await store.stored_file(session, version_id, sha256)
        name = f"{sha256[:16]}.{extension_of(found.media_type, found.key)}"
        return Body(self.resources.store, found.key, found.size_bytes, found.media_type, f'"{sha256}"', name)

    async def export_manifest(self, scope: Scope, principal: Principal) -> Body:
        """The manifest of a finished export, as its digest is over it."""
        export_id, digest = await self._export(scope, principal)
        objects, key = self.resources.store, f"{exports.folder_of(export_id)}/manifest.json"
        size = await anyio.to_thread.run_sync(objects.size, key)
        return Body(objects, key, size, "application/json", f'"{digest}"', "manifest.json", cache="private, no-cache")

    async def export_file(self, scope: Scope, principal: Principal) -> Body:
        sha256 = _sha256(scope)
        export_id, _ = await self._export(scope, principal)
        objects, key = self.resources.store, f"{exports.folder_of(export_id)}/files/{sha256}"
        try:
            size = await anyio.to_thread.run_sync(objects.size, key)
        except NotFound:
            raise NotFound("The export holds no file of this hash.", field="sha256") from None
        return Body(objects, key, size, "application/octet-stream", f'"{sha256}"', sha256[:16])

    async def _export(self, scope: Scope, principal: Principal) -> tuple[int, str]:
        """Row id and digest of a finished export of a version that may be served."""
        name, number, version_id, _ = await self._version(scope, principal)
        key, moment = str(scope["path_params"]["key"]), time.monotonic()
        known = self._exports.get((version_id, key))
        if known is None or known[0] < moment:
            async with self.resources.db.read() as session:
                _, version = await store.served_version(session, principal, name, number)
                row = await exports.finished_export(session, version, key)
            known = self._exports[version_id, key] = (moment + ACCESS_SECONDS, row.id, str((row.result or {}).get("digest", "")))
            while len(self._exports) > REMEMBERED:
                self._exports.popitem(last=False)
        return known[1], known[2]

    async def _version(self, scope: Scope, principal: Principal) -> tuple[str, int, int, str]:
        name, digits = str(scope["path_params"]["name"]), str(scope["path_params"]["number"])
        if not _NUMBER.match(digits):
            raise NotFound("The dataset has no version of this number.", field="number")
        number = int(digits)
        key, moment = (principal.account_id, principal.role.value, name, number), time.monotonic()
        known = self._access.get(key)
        if known is None or known[0] < moment:
            async with self.resources.db.read() as session:
                _, version = await store.served_version(session, principal, name, number)
            known = self._access[key] = (moment + ACCESS_SECONDS, version.id, version.digest)
            while len(self._access) > REMEMBERED:
                self._access.popitem(last=False)
        await self._note(principal, f"dataset:{name}@{number}")
        return name, number, known[1], known[2]

    async def _note(self, principal: Principal, subject: str) -> None:
        if not self.noted.knows(principal.name, "download", subject):
            async with self.resources.db.write() as session:
                await store.record_download(session, principal, subject)
            self.noted.add(principal.name, "download", subject)


async def find_resource(resources: Resources, scope: Scope, principal: Principal) -> Body:
    """Another file of a case; one that is held comes from the staging store, to reviewers only, uncached and audited."""
    sha256 = _sha256(scope)
    case_key = parse_qs(scope["query_string"].decode("latin-1")).get("case", [""])[0]
    async with resources.db.read() as session:
        row = await series_store.resource_of(session, principal, sha256, case_key)
    async with resources.db.write() as session:
        await record_view(session, principal, f"resource:{sha256}")
    held = row.state != "visible"
    objects = resources.staging if held else resources.store
    name = f"{sha256[:16]}.{extension_of(row.media_type, row.object_key)}"
    return Body(objects, row.object_key, row.size_bytes, row.media_type, f'"{sha256}"', name, cache="no-store" if held else "private, no-cache")


def routes(resources: Resources, noted: Noted, versions: Versions | None = None) -> list[BaseRoute]:
    """Raw routes, to stand before the FastAPI ones."""
    versions = versions or Versions(resources, noted)
    base = "/api/v1/datasets/{name}/versions/{number}"
    finders: dict[str, Find] = {
        f"{base}/manifest": versions.manifest,
        f"{base}/labels.csv": partial(versions.table, "labels.csv"),
        f"{base}/images.csv": partial(versions.table, "images.csv"),
        f"{base}/files/{{sha256}}": versions.file,
        f"{base}/exports/{{key}}/manifest": versions.export_manifest,
        f"{base}/exports/{{key}}/files/{{sha256}}": versions.export_file,
        "/api/v1/resources/{sha256}": partial(find_resource, resources),
    }
    return [Route(path, Download(resources, path, find), methods=["GET", "HEAD"]) for path, find in finders.items()]


def describe(document: dict[str, Any], raw: list[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document with the raw routes in it."""
    problem = {"description": "What was wrong.", "content": {"application/problem+json": {"schema": {"type": "object"}}}}
    for route in raw:
        assert isinstance(route, Route)
        names = re.findall(r"{(\w+)}", route.path)
        parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
        answers = {"200": {"description": "All bytes, with ETag."}, "206": {"description": "The range asked for."}, "416": {"description": "Outside the file."}}
        operation = {
            "tags": ["downloads"],
            "summary": f"Download {route.path.rsplit('/', 2)[-1]}: Range, If-Range and If-None-Match are understood",
            "operationId": "download_" + re.sub(r"\W+", "_", route.path.removeprefix("/api/v1/")).strip("_"),
            "parameters": parameters,
            "responses": answers | dict.fromkeys(("401", "403", "404", "410"), problem),
        }
        document["paths"][route.path] = {"get": operation}
    return document


async def _send(scope: Scope, receive: Receive, send: Send, body: Body) -> None:
    asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
    headers = [
        (b"etag", body.etag.encode()),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", body.cache.encode()),
        (b"content-type", body.media_type.encode()),
        (b"content-disposition", f'attachment; filename="{body.file_name}"'.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if body.etag in [tag.strip().removeprefix("W/") for tag in asked.get(b"if-none-match", "").split(",")]:
        await _whole(send, 304, headers)
        return
    wanted = asked.get(b"range") if asked.get(b"if-range", body.etag) == body.etag else None
    part = parse_range(wanted, body.size_bytes)
    if part is None:
        await _whole(send, 416, [*headers, (b"content-range", f"bytes */{body.size_bytes}".encode()), (b"content-length", b"0")])
        return
    headers.append((b"content-length", str(part.length).encode()))
    if part.partial:
        headers.append((b"content-range", f"bytes {part.start}-{part.start + part.length - 1}/{body.size_bytes}".encode()))
    if scope["method"] == "HEAD":
        await _whole(send, 206 if part.partial else 200, headers)
        return
    pieces = body.pieces(part.start, part.length)
    first = await anext(pieces, b"")  # a missing object is still a problem document here
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await send({"type": "http.response.start", "status": 206 if part.partial else 200, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for piece in pieces:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        await pieces.aclose()  # type: ignore[attr-defined]


async def _whole(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _sha256(scope: Scope) -> str:
    value = str(scope["path_params"]["sha256"])
    if not _SHA256.match(value):
        raise NotFound("A file is named by its SHA-256: 64 hex digits.", field="sha256")
    return value
