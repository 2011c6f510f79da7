"""The ingest service in this process, on both catalogs, with a real coordinator and a local object store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from isocenter import schema
from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.diseases import load_diseases
from isocenter.keys import create_key_file
from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from services.catalog.seed import seed_diseases
from services.ingest.app import create_app
from services.ingest.store.imports import FINAL


@dataclass
class Ingest:
    """The service and a caller; ``who`` may be replaced to ask as somebody else."""

    resources: Resources
    http: httpx.AsyncClient
    root: Path
    app: Any
    who: Principal = field(default_factory=lambda: Principal(1, "manager", Role.DATA_MANAGER, identity_permission=True))

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **options: Any) -> Any:
        headers = {PRINCIPAL_HEADER: sign(self.who, self.resources.key), **options.pop("headers", {})}
        answer = await self.http.request(method, f"/api/v1{path}", json=body, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:1500]}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer

    async def run(self, source: Path | None, *tables: dict[str, Any], diseases: Any = "auto", hospital: str = "H1", **more: Any) -> Any:
        """Import and wait: the import's last view."""
        order = {
            "hospital": hospital,
            "source": {"kind": "folder", "path": str(source)} if source else {"kind": "none"},
            "tables": list(tables),
            "diseases": diseases,
            **more,
        }
        key = (await self.call("POST", "/imports", order, status=201))["key"]
        return await self.wait(key)

    async def wait(self, key: str, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while True:
            view = await self.call("GET", f"/imports/{key}")
            if view["state"] in FINAL or view["state"] == "paused":
                return view
            assert time.monotonic() < end, f"{view['stage']} {view['state']} {view['failure']}"
            await asyncio.sleep(0.05)

    async def items(self, key: str, **params: Any) -> list[Any]:
        return list((await self.call("GET", f"/imports/{key}/items", params={"limit": 500, **params}))["items"])

    async def settled(self, seconds: float = 30) -> None:
        """Until no batch is open any more."""
        from sqlalchemy import func, select

        from isocenter.models import ImportBatch

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            async with self.resources.db.read() as session:
                if not await session.scalar(select(func.count()).select_from(ImportBatch).where(ImportBatch.state == "open")):
                    return
            await asyncio.sleep(0.05)
        raise AssertionError("a batch stays open")


async def open_ingest(url: str, tmp_path: Path, **settings: Any) -> AsyncIterator[Ingest]:
    root = tmp_path / "drop"
    root.mkdir(exist_ok=True)
    data = tmp_path / "data"
    chosen = Settings(data=data, catalog_url=url, **{"import_roots": str(root), "executor": "inline:", "batch_files": 8, **settings})
    key = create_key_file(data / "site.key")
    resources = open_resources(chosen, key)
    await schema.migrate(resources.db)
    await schema.bind_key(resources.db, key)
    async with resources.db.write() as session:
        await seed_diseases(session, load_diseases())
    app = create_app(chosen, resources)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest") as client:
        yield Ingest(resources, client, root, app)
    await resources.close()
