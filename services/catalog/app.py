"""The catalog service: diseases, projects, cases, search, datasets, their exports and their downloads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.catalog.exports.runner import Exporter
from services.catalog.noted import Noted
from services.catalog.routes import cases, datasets, diseases, downloads, exports, manage, projects, search, series, versions
from services.catalog.routes import resources as other_files


def create_app(settings: Settings, resources: Resources | None = None) -> ASGIApp:
    """The service on the given resources; opens its own when there are none. Its lifespan runs the exports."""
    opened = resources or open_resources(settings)
    exporter = Exporter(opened)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        exporter.start()
        opened.columns.begin()
        try:
            yield
        finally:
            await exporter.stop()

    routers = [
        diseases.router, projects.router, cases.router, manage.router, other_files.router, series.router, search.router,
        datasets.router, versions.router, exports.router,
    ]  # fmt: skip
    app = create_service("catalog", opened, routers, lifespan=lifespan, free_bodies=("/api/v1/resources",))
    app.state.noted = Noted()
    app.state.exporter = exporter
    app.state.downloads = downloads.Versions(opened, app.state.noted)
    raw = downloads.routes(opened, app.state.noted, app.state.downloads)
    app.router.routes[:0] = raw
    described = app.openapi

    def openapi() -> dict[str, Any]:
        return downloads.describe(described(), raw)

    app.openapi = openapi  # type: ignore[method-assign]
    return app
