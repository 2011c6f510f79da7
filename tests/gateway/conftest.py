"""A gateway on a new catalog."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from gateway_site import OpenSite, Site, echo
from starlette.types import ASGIApp

from gateway.app import create_app
from gateway.passwords import Passwords
from isocenter.keys import create_key_file
from isocenter.resources import open_resources
from isocenter.schema import bind_key, migrate
from isocenter.settings import SERVICES, Settings


@pytest.fixture
def open_site(tmp_path: Path) -> OpenSite:
    @contextlib.asynccontextmanager
    async def opened(url: str = "", upstreams: dict[str, ASGIApp] | None = None) -> AsyncIterator[Site]:
        folder = tmp_path / secrets.token_hex(4)
        settings = Settings(data=folder, catalog_url=url)
        resources = open_resources(settings, create_key_file(folder / "site.key"))
        await migrate(resources.db)
        await bind_key(resources.db, resources.key)
        hashes = Passwords(time_cost=1, memory_kib=64, parallelism=1)
        apps: dict[str, Any] = {name: echo for name in SERVICES} | (upstreams or {})
        site = Site(create_app(settings, resources, apps, passwords=hashes), resources, hashes)
        try:
            yield site
        finally:
            await site.app.authenticator.close()
            await resources.close()

    return opened
