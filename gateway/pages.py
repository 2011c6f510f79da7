"""The web front end: files of ``gateway/pages/dist``, index.html for every other address that is no API.

Hashed assets are immutable; index.html is asked for again each time. A prebuilt ``.gz`` is sent to those who take it.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
from starlette.types import Receive, Scope, Send

DIST = Path(__file__).parent / "pages" / "dist"

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Isocenter</title>
<body style="font:16px/1.5 system-ui;max-width:40em;margin:4em auto;padding:0 1em">
<h1>Isocenter runs; its pages are not built yet</h1>
<p>Build them in the project's folder with <code>make web</code>, then load this page again.
The REST interface works already: <a href="/openapi.json">/openapi.json</a>.</p>
<p>Isocenter 已运行，但网页尚未构建：请在项目目录执行 <code>make web</code> 后刷新。</p></body></html>"""

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".woff2": "font/woff2", ".json": "application/json"}


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    zipped: bytes | None
    media_type: str
    etag: bytes
    cache_control: bytes


class Pages:
    """Serves a built folder from memory: it is a few MiB and read at the first request, never a path from outside."""

    def __init__(self, folder: Path = DIST) -> None:
        self.folder = folder
        self._pages: dict[str, _Page] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, [(b"allow", b"GET, HEAD"), (b"content-type", b"text/plain")], b"")
            return
        pages = self._pages
        if pages is None:
            pages = await anyio.to_thread.run_sync(_load, self.folder)
            # An empty folder is looked at again, so that `make web` helps a running server.
            self._pages = pages if "/index.html" in pages else None
        page = pages.get(scope["path"])
        if page is None and scope["path"].startswith("/assets/"):
            await _answer(send, 404, [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")], b"There is no such file.")
            return
        page = page or pages.get("/index.html")
        if page is None:
            await _answer(send, 200, [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")], NOT_BUILT.encode())
            return
        await _send_page(scope, send, page)


async def _send_page(scope: Scope, send: Send, page: _Page) -> None:
    asked = {name: value for name, value in scope["headers"] if name in (b"accept-encoding", b"if-none-match")}
    headers = [(b"etag", page.etag), (b"cache-control", page.cache_control), (b"vary", b"accept-encoding")]
    if page.etag in asked.get(b"if-none-match", b""):
        await _answer(send, 304, headers, None)
        return
    headers.append((b"content-type", page.media_type.encode()))
    body = page.body
    if page.zipped is not None and b"gzip" in asked.get(b"accept-encoding", b""):
        body = page.zipped
        headers.append((b"content-encoding", b"gzip"))
    await _answer(send, 200, headers, body)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes | None) -> None:
    length = [] if body is None else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length, *SECURITY_HEADERS]})
    await send({"type": "http.response.body", "body": body or b""})


def _load(folder: Path) -> dict[str, _Page]:
    pages: dict[str, _Page] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if not path.is_file() or path.suffix in (".gz", ".map"):
            continue
        body = path.read_bytes()
        zipped = path.with_name(path.name + ".gz")
        address = "/" + path.relative_to(folder).as_posix()
        media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        pages[address] = _Page(
            body,
            zipped.read_bytes() if zipped.is_file() else None,
            media_type,
            f'"{hashlib.sha256(body).hexdigest()[:20]}"'.encode(),
            b"public, max-age=31536000, immutable" if address.startswith("/assets/") else b"no-cache",
        )
    return pages
