"""The catalog service: diseases, projects, cases, search, datasets and their downloads."""

from __future__ import annotations

from starlette.types import ASGIApp

from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.catalog.routes import cases, datasets, diseases, downloads, projects, series


def create_app(settings: Settings, resources: Resources | None = None) -> ASGIApp:
    """The service on the given resources; opens its own when there are none."""
    opened = resources or open_resources(settings)
    app = create_service("catalog", opened, [diseases.router, projects.router, cases.router, series.router, datasets.router])
    app.router.routes[:0] = downloads.routes(opened)
    return app
