"""The client for asyncio programs: the same calls, awaited. Pulling runs its threads beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isocenter_client.client import PAGE_ROWS, POLL_SECONDS, Client, exports_path, part_of, query_of
from isocenter_client.config import load_site
from isocenter_client.errors import ClientError
from isocenter_client.filters import parse_reference
from isocenter_client.rest import ATTEMPTS, RETRIED, away, delay, raise_problem

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import httpx

    from isocenter_client.client import Version
    from isocenter_client.dataset import Dataset
    from isocenter_client.uploads import Told


class AsyncClient:
    """``async with AsyncClient() as client``; without arguments the server and token that ``isc login`` has stored."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        if url is None or token is None:
            site = load_site()
            url, token = url or site.url, token or site.token
        self.url, self._token = url.rstrip("/"), token
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def find(self, query: Mapping[str, Any] | None = None, *, include_null: bool = False, **where: Any) -> AsyncIterator[dict[str, Any]]:
        """Cases that match, page by page."""
        body: dict[str, Any] = {"query": query_of(query, include_null, where), "limit": PAGE_ROWS}
        while True:
            page = await self._ask("POST", "/api/v1/cases/search", json=body)
            for item in page["items"]:
                yield item
            if not page["next"]:
                return
            body["cursor"] = page["next"]

    async def count(self, query: Mapping[str, Any] | None = None, *, include_null: bool = False, **where: Any) -> dict[str, Any]:
        return dict(await self._ask("POST", "/api/v1/cases/count", json={"query": query_of(query, include_null, where)}))

    async def attributes(self) -> list[dict[str, Any]]:
        return list((await self._ask("GET", "/api/v1/attributes"))["items"])

    async def values(self, name: str, disease: str | None = None) -> dict[str, Any]:
        return dict(await self._ask("GET", f"/api/v1/attributes/{part_of(name)}/values", params={"disease": disease} if disease else None))

    async def case(self, key: str) -> dict[str, Any]:
        return dict(await self._ask("GET", f"/api/v1/cases/{part_of(key)}"))

    async def datasets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self._ask("GET", "/api/v1/datasets", params={"limit": PAGE_ROWS} | ({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page.get("next")
            if not cursor:
                return found

    async def version(self, reference: str) -> dict[str, Any]:
        name, number = parse_reference(reference)
        return dict(await self._ask("GET", f"/api/v1/datasets/{name}/versions/{number}"))

    async def freeze(self, name: str, query: Mapping[str, Any] | None = None, **options: Any) -> Version:
        """As :meth:`Client.freeze`."""
        return await asyncio.to_thread(self._beside, Client.freeze, name, query, **options)

    async def compare(self, name: str, before: int, after: int) -> dict[str, Any]:
        return dict(await self._ask("GET", f"/api/v1/datasets/{part_of(name)}/compare", params={"before": before, "after": after}))

    async def export(
        self, reference: str, as_format: str, options: Mapping[str, Any] | None = None, *, wait: bool = True, told: Told | None = None
    ) -> dict[str, Any]:
        """As :meth:`Client.export`."""
        base = exports_path(reference)
        export = dict(await self._ask("POST", base, tried=1, json={"format": as_format, "options": dict(options or {})}))
        while wait and export["state"] in ("open", "running"):
            if told is not None:
                told("export", export["done"], export["total"])
            await asyncio.sleep(POLL_SECONDS)
            export = dict(await self._ask("GET", f"{base}/{export['key']}"))
        if wait and export["state"] != "finished":
            raise ClientError(f"The export is {export['state']}: {export['reason'] or 'somebody stopped it'}")
        return export

    async def pull(self, reference: str, folder: str | Path, **options: Any) -> Dataset:
        """As :meth:`Client.pull`."""
        return await asyncio.to_thread(self._beside, Client.pull, reference, folder, **options)

    async def reviews(self) -> dict[str, Any]:
        return dict(await self._ask("GET", "/api/v1/reviews/counts"))

    async def statistics(self) -> dict[str, Any]:
        return dict(await self._ask("GET", "/api/v1/statistics/overview"))

    def _beside(self, call: Any, *arguments: Any, **options: Any) -> Any:
        with Client(self.url, self._token) as client:
            return call(client, *arguments, **options)

    async def _ask(self, method: str, path: str, *, tried: int = ATTEMPTS, **options: Any) -> Any:
        """JSON of an answer; reads are tried again while the server is away."""
        import httpx

        if self._http is None:
            headers = {"User-Agent": "isocenter-client", "Authorization": f"Bearer {self._token}"}
            self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60.0)
        for attempt in range(1, tried + 1):
            try:
                answer = await self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if attempt >= (2 if isinstance(error, httpx.ConnectError) else tried) or attempt == tried:
                    raise away(self.url, error) from error
            else:
                if answer.status_code not in RETRIED or attempt == tried:
                    raise_problem(answer)
                    return answer.json() if answer.content else None
            await asyncio.sleep(delay(attempt))
        raise AssertionError("unreachable")
