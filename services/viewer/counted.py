"""The viewer's own metrics: what was sent, what the caches saved, what waits for the processor. Label values are closed sets."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from isocenter.metrics import Metrics

CACHES = ("series", "instances", "slides")


class ViewerMetrics:
    """Made once by ``create_app``; counters are counted up by the routes."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.frames = Counter("isocenter_viewer_frames_total", "Frames sent, as stored or decoded.", ["way"], registry=registry)
        self.tiles = Counter("isocenter_viewer_tiles_total", "Slide tiles sent, as stored or drawn.", ["way"], registry=registry)
        self.pictures = Counter("isocenter_viewer_pictures_total", "Pictures computed in the bounded pool.", registry=registry)
        self.waiting = Gauge("isocenter_viewer_pictures_waiting", "Pictures that are being computed or wait for it.", registry=registry)
        self.cache = Counter("isocenter_viewer_cache_requests_total", "Look-ups by cache and whether it knew.", ["cache", "result"], registry=registry)
        for way in ("stored", "decoded"):
            self.frames.labels(way)
        for way in ("stored", "drawn"):
            self.tiles.labels(way)
        self._looked = {(cache, hit): self.cache.labels(cache, "hit" if hit else "miss") for cache in CACHES for hit in (True, False)}

    def looked(self, cache: str, *, hit: bool) -> None:
        self._looked[cache, hit].inc()
