"""What is called in a worker process. The heavy imports happen there, not in the service."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.catalog.exports.about import About
    from services.catalog.exports.common import Common
    from services.catalog.exports.recipes import Recipe
    from services.catalog.exports.units import Done, Unit

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NICE = 10  # conversions give way to imports (5) and to people


def starts(parent: int) -> None:
    """Give way, and end with the process that started us, also when that is killed."""
    os.nice(NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def nothing() -> None:
    """Proves that a worker can be started."""


def convert(common: Common, unit: Unit) -> Done:
    from services.catalog.exports import work

    return work.convert(common, unit)


def finish(common: Common, version_manifest: str, about: About) -> dict[str, Any]:
    from services.catalog.exports import finish as last

    return last.finish(common, version_manifest, about)


def preview(common: Common, unit: Unit, recipe: Recipe, seed: int, copies: int) -> bytes:
    from services.catalog.exports import preview as shown

    return shown.preview(common, unit, recipe, seed, copies)
