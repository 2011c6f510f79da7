"""make soak: many kills at random moments of a larger import, on both catalogs; the catalog is the same as without them."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest
from catalog_content import content
from fixtures.running import Platform
from system_orders import order_of
from test_kill import catalog_of, run_calmly, site

__all__ = ["site"]

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
KILLS = 12


async def test_import_when_killed_many_times_at_random_then_the_catalog_is_the_same(site: tuple[Platform, Platform]) -> None:
    killed, calm = site
    expected = run_calmly(calm, "CITY")
    chance = random.Random(11)
    killed.start()
    key = killed.client().post("/imports", order_of(killed, "CITY"), status=201)["key"]
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.3, 4.0))
        killed.stop(signal.SIGKILL)
        killed.start()
    view = killed.client().wait_import(key, 600)
    killed.stop()
    assert view["state"] == "finished", view["failure"]
    assert view["counts"] == expected["counts"]
    ours, theirs = await content(catalog_of(killed)), await content(catalog_of(calm))
    for noun, rows in theirs.items():
        assert ours[noun] == rows, noun
