"""What all tests share: the real parts (MariaDB, an S3 store, Chromium), the shared data, and what counts as missing.

Fixtures live in ``tests/fixtures``, one module a part. A part that is missing skips its tests with its name and the
reason; with CI=true it fails them (``fixtures.parts.require_part``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# deploy/demo and benchmarks are programs of the checkout, not of the installed distribution
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

_FIXTURES = ("parts", "shared", "mariadb", "s3", "browser", "running")

pytest_plugins = [f"fixtures.{name}" for name in _FIXTURES if (Path(__file__).parent / "fixtures" / f"{name}.py").exists()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run only when asked for by mark (``make soak``). Modules that start a whole platform come first: last, one worker would wait for them."""
    items.sort(key=lambda item: item.path.parent.name not in ("web", "system"))
    if "soak" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="soak test: run by make soak"))
