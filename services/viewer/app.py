"""The viewer service's app: pure ASGI routes in front of what every service has (health, metrics, problems)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from isocenter.metrics import new_metrics
from isocenter.resources import Resources, open_resources
from isocenter.settings import Settings
from isocenter.web import create_service
from services.viewer.counted import ViewerMetrics
from services.viewer.front import Front
from services.viewer.routes.capabilities import CapabilityRoutes
from services.viewer.routes.frames import FrameRoutes
from services.viewer.routes.iiif import IiifRoutes
from services.viewer.routes.metadata import MetadataRoutes
from services.viewer.routes.overlays import Overlays
from services.viewer.routes.pictures import Pictures
from services.viewer.routes.retrieve import Retrieve
from services.viewer.routes.search import SearchRoutes, described
from services.viewer.routes.slides import SlideRoutes
from services.viewer.routes.volumes import VolumeRoutes
from services.viewer.slidefiles import SlideFiles
from services.viewer.tiled import TiledSlides
from services.viewer.viewing import Viewing


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """``resources`` None: opened here from the settings (a process of its own)."""
    opened = resources or open_resources(settings)
    metrics = new_metrics("viewer")
    viewing = Viewing(opened, ViewerMetrics(metrics))

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        yield
        viewing.decoders.close()

    app = create_service("viewer", opened, [], metrics=metrics, lifespan=living)
    slides = SlideFiles(viewing.bytes, settings.scratch / "slides", viewing.counted)
    tiled = TiledSlides(viewing, slides)
    frames = FrameRoutes(viewing)
    search = SearchRoutes(viewing).routes()
    dicomweb = [*search, *frames.routes(), *MetadataRoutes(viewing, frames).routes(), *Retrieve(viewing).routes(), *CapabilityRoutes(viewing).routes()]
    pictures = [*Pictures(viewing, slides).routes(), *VolumeRoutes(viewing).routes(), *Overlays(viewing).routes()]
    raw = [*dicomweb, *pictures, *SlideRoutes(viewing, tiled).routes(), *IiifRoutes(viewing, tiled).routes()]
    app.router.routes[:0] = [route.as_route() for route in raw]
    # Inside request id and metrics, outside everything else.
    app.user_middleware.insert(2, Middleware(Front, raw))
    app.openapi()["paths"].update(described(search))
    app.state.viewing = viewing
    return app
