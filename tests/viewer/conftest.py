"""A viewer over a filled catalog."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from viewer_rows import Catalog, fill

from isocenter.auth import Role
from isocenter.keys import create_key_file
from isocenter.resources import Resources, open_resources
from isocenter.schema import migrate
from isocenter.settings import Settings
from services.viewer.app import create_app
from services.viewer.viewing import Viewing


@dataclass
class Viewer:
    """The service and who asks it."""

    catalog: Catalog
    client: httpx.AsyncClient
    viewing: Viewing

    async def get(self, path: str, name: str = "lin", role: Role = Role.RESEARCHER, **headers: str) -> httpx.Response:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.client.get(path, headers=self.catalog.headers(name, role, **named))


async def _opened(folder: Path, url: str) -> AsyncIterator[Viewer]:
    settings = Settings(data=folder / "site", catalog_url=url)
    resources = open_resources(settings, create_key_file(folder / "site" / "site.key"))
    await migrate(resources.db)
    catalog = await fill(resources, folder)
    try:
        yield _viewer(settings, resources, catalog)
    finally:
        await resources.close()


def _viewer(settings: Settings, resources: Resources, catalog: Catalog) -> Viewer:
    app = create_app(settings, resources)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")
    return Viewer(catalog, client, app.state.viewing)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalog]:
    """A filled SQLite site, made once; each test works on a copy."""
    folder = tmp_path_factory.mktemp("viewer")

    async def make() -> Catalog:
        async for opened in _opened(folder, ""):
            return opened.catalog
        raise AssertionError

    return folder / "site", asyncio.run(make())


@pytest.fixture
async def viewer(tmp_path: Path, template: tuple[Path, Catalog]) -> AsyncIterator[Viewer]:
    """On SQLite."""
    folder, made = template
    shutil.copytree(folder, tmp_path / "site")
    settings = Settings(data=tmp_path / "site")
    resources = open_resources(settings)
    yield _viewer(settings, resources, replace(made, resources=resources))
    await resources.close()


@pytest.fixture
async def viewer_on_each(tmp_path: Path, catalog_url: str) -> AsyncIterator[Viewer]:
    """On SQLite and on MariaDB."""
    async for opened in _opened(tmp_path, catalog_url):
        yield opened
