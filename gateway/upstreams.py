"""What stands behind the gateway: (methods, address) -> an ASGI app, which is a service in this process or a URL.

Both modes are this one table. ``httpx.ASGITransport`` is not used: it collects whole bodies (design.md section 3).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.relay import HttpUpstream
from isocenter.errors import InvalidInput, NotFound
from isocenter.resources import Resources
from isocenter.settings import SERVICES, Settings
from isocenter.web import send_problem


@dataclass(frozen=True, slots=True)
class Entry:
    """Addresses that begin with ``prefix`` (``*`` is any one segment) go to ``service``; ``methods`` empty = all."""

    prefix: str
    service: str
    methods: frozenset[str] = frozenset()

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.prefix.strip("/").split("/"))


def _entries(service: str, *prefixes: str) -> list[Entry]:
    return [Entry(prefix, service) for prefix in prefixes]


ENTRIES: tuple[Entry, ...] = (
    Entry("/dicom-web/studies", "ingest", frozenset({"POST"})),  # STOW-RS
    *_entries("ingest", "/api/v1/imports", "/api/v1/uploads", "/api/v1/reviews", "/api/v1/cases/*/labels/reopen", "/api/v1/cases/*/labels/explain"),
    *_entries("viewer", "/dicom-web", "/slides", "/iiif", "/api/v1/series/*/thumbnail", "/api/v1/series/*/preview", "/api/v1/series/*/slices",
             "/api/v1/series/*/volume"),
    *_entries("ingest", "/api/v1/rules", "/api/v1/links"),
    *_entries("viewer", "/api/v1/series/*/overlays", "/api/v1/series/*/geometry"),
    *_entries("catalog", "/api/v1/diseases", "/api/v1/hospitals", "/api/v1/projects", "/api/v1/cases", "/api/v1/studies", "/api/v1/series"),
    *_entries("catalog", "/api/v1/datasets", "/api/v1/resources", "/api/v1/reports", "/api/v1/attributes", "/api/v1/searches"),
    *_entries("catalog", "/api/v1/withdrawals"),
    *_entries("stats", "/api/v1/statistics", "/api/v1/servers", "/api/v1/alerts", "/api/v1/silences"),
    *_entries("gateway", "/api/v1/session", "/api/v1/profile", "/api/v1/tokens", "/api/v1/accounts", "/api/v1/audit", "/api/v1/signed-links"),
    *_entries("gateway", "/healthz", "/readyz", "/metrics", "/openapi.json"),
)
RESERVED = frozenset({"api", "dicom-web", "slides", "iiif", "metrics", "signed"})  # first segments that are never pages


class Table:
    """The entry of a method and path: the one with the longest prefix that takes the method, None when there is none."""

    def __init__(self, entries: Sequence[Entry] = ENTRIES) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], Entry]]] = {}
        for entry in sorted(entries, key=lambda entry: (-len(entry.segments), not entry.methods)):
            self._by_first.setdefault(entry.segments[0], []).append((entry.segments, entry))

    def find(self, method: str, path: str) -> Entry | None:
        segments = path.strip("/").split("/", 6)
        for wanted, entry in self._by_first.get(segments[0], ()):
            if len(segments) < len(wanted) or (entry.methods and method not in entry.methods):
                continue
            if all(part in ("*", given) for part, given in zip(wanted, segments, strict=False)):
                return entry
        return None


class Dispatch:
    """The innermost layer: finds the upstream and hands the request over; everything else is a page."""

    def __init__(self, apps: Mapping[str, ASGIApp], pages: ASGIApp, table: Table | None = None) -> None:
        self.apps = apps
        self.pages = pages
        self.table = table or Table()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self.table.find(scope["method"], scope["path"])
        if entry is not None:
            scope["isocenter_route"] = entry.prefix
            # A copy: what a service's router notes in its scope is not the gateway's, and the other way round.
            inner = {name: value for name, value in scope.items() if name != "isocenter_route"}
            await self.apps[entry.service](inner, receive, send)
        elif scope["path"].split("/", 2)[1] in RESERVED:
            scope["isocenter_route"] = "unmatched"
            await send_problem(send, NotFound("There is nothing at this address."))
        else:
            scope["isocenter_route"] = "pages"
            await self.pages(scope, receive, send)


def open_upstreams(settings: Settings, resources: Resources) -> dict[str, ASGIApp]:
    """Every service by name: its own app, or its URL. InvalidInput when only some of the URLs are set."""
    urls = {name: settings.upstream_url(name) for name in SERVICES}
    if any(urls.values()) and not all(urls.values()):
        missing = ", ".join(name for name, url in urls.items() if not url)
        raise InvalidInput(f"Some upstream URLs are set and some are not (missing: {missing}); set all four or none.", field="upstreams")
    return {name: HttpUpstream(url, name) if url else open_service(name, settings, resources) for name, url in urls.items()}


def open_service(name: str, settings: Settings, resources: Resources) -> ASGIApp:
    """The app of one service, imported only when this process runs it."""
    module = importlib.import_module(f"services.{name}.app")
    app: ASGIApp = module.create_app(settings, resources)
    return app
