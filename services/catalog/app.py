"""The catalog service: diseases, projects, cases, search, datasets and their downloads."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.catalog.noted import Noted
from services.catalog.routes import cases, datasets, diseases, downloads, manage, projects, search, series
from services.catalog.routes import resources as other_files


def create_app(settings: Settings, resources: Resources | None = None) -> ASGIApp:
    """The service on the given resources; opens its own when there are none."""
    opened = resources or open_resources(settings)
    routers = [diseases.router, projects.router, cases.router, manage.router, other_files.router, series.router, search.router, datasets.router]
    app = create_service("catalog", opened, routers, free_bodies=("/api/v1/resources",))
    app.state.noted = Noted()
    raw = downloads.routes(opened, app.state.noted)
    app.router.routes[:0] = raw
    described = app.openapi

    def openapi() -> dict[str, Any]:
        return downloads.describe(described(), raw)

    app.openapi = openapi  # type: ignore[method-assign]
    return app
