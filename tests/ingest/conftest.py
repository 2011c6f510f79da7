"""Fixtures of the ingest service, on both catalogs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ingest_service import Ingest, open_ingest


@pytest.fixture
async def ingest(catalog_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    """On SQLite and on MariaDB."""
    async for service in open_ingest(catalog_url, tmp_path):
        yield service


@pytest.fixture
async def ingest_here(tmp_path: Path) -> AsyncIterator[Ingest]:
    """On SQLite only, where the catalog is not the subject."""
    async for service in open_ingest("", tmp_path):
        yield service
