"""kill -9 of the whole process in the middle of an import: started again, it ends with the same catalog as without the kill."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalog_content import content
from fixtures.mariadb import MariaDB
from fixtures.running import Api, Platform, base_environment
from system_orders import order_of

KILL_AT = ("read", "release", "scrub")


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.soak)])
def site(request: pytest.FixtureRequest, tmp_path: Path, sample_folder: Path) -> Iterator[tuple[Platform, Platform]]:
    """Two empty sites of one kind: one will be killed, one not."""
    database: MariaDB | None = request.getfixturevalue("mariadb") if request.param == "mariadb" else None
    names: list[str] = []
    platforms = []
    for name in ("killed", "calm"):
        data = tmp_path / name / "data"
        environment = base_environment(data) | {"ISOCENTER_BATCH_FILES": "8", "ISOCENTER_LEASE_SECONDS": "3"}
        platform = Platform("embedded", data, sample_folder, environment)
        if database is not None:
            names.append(database.new_database())
            environment["ISOCENTER_CATALOG_URL"] = database.url(names[-1])
            environment["ISOCENTER_DATA"] = str(data)
            done = subprocess.run(
                [str(Path(sys.executable).with_name("isocenter")), "migrate"], env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stderr
            words = done.stdout.split()
            platform._take_login(("admin", words[words.index("password") + 1]))
        platforms.append(platform)
    try:
        yield platforms[0], platforms[1]
    finally:
        for platform in platforms:
            platform.stop(signal.SIGKILL)
        for name in names:
            assert database is not None
            database.drop_database(name)


def catalog_of(platform: Platform) -> str:
    return platform.environment.get("ISOCENTER_CATALOG_URL") or f"sqlite+aiosqlite:///{platform.data / 'catalog.db'}"


def run_calmly(platform: Platform, hospital: str = "NORTH") -> dict[str, Any]:
    platform.start()
    api = platform.client()
    view: dict[str, Any] = api.wait_import(api.post("/imports", order_of(platform, hospital), status=201)["key"])
    platform.stop()
    return view


def run_with_kills(platform: Platform) -> tuple[dict[str, Any], list[str]]:
    """Kill everything once in each of the stages, start again, wait."""
    platform.start()
    key = platform.client().post("/imports", order_of(platform, "NORTH"), status=201)["key"]
    killed_in = []
    for stage in KILL_AT:
        api = platform.client()
        seen = wait_for_stage(api, key, stage)
        platform.stop(signal.SIGKILL)
        killed_in.append(seen)
        platform.start()
    view: dict[str, Any] = platform.client().wait_import(key, 120)
    platform.stop()
    return view, killed_in


def wait_for_stage(api: Api, key: str, stage: str) -> str:
    """The stage the import is in when it has reached at least this one."""
    order = ["scan", "tables", "read", "group", "link", "release", "close", "scrub", "label", "finish"]
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            view = api.get(f"/imports/{key}")
        except httpx.TransportError:
            continue
        if view["state"] == "finished" or order.index(view["stage"]) >= order.index(stage):
            return str(view["stage"])
    raise AssertionError(f"the import never reached {stage}")


async def test_import_when_killed_in_the_middle_then_it_ends_with_the_same_catalog(site: tuple[Platform, Platform]) -> None:
    killed, calm = site
    expected = run_calmly(calm)
    view, killed_in = run_with_kills(killed)
    assert view["state"] == expected["state"] == "finished", view["failure"]
    assert killed_in[0] in ("read", "group", "link", "release")
    assert view["counts"] == expected["counts"]
    assert view["sums_ok"]
    ours, theirs = await content(catalog_of(killed)), await content(catalog_of(calm))
    for noun, rows in theirs.items():
        assert ours[noun] == rows, noun
