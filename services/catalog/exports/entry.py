"""What is called in a worker process. The heavy imports happen there, not in the service."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.catalog.exports.about import About
    from services.catalog.exports.recipes import Recipe
    from services.catalog.exports.units import Done, Unit
    from services.catalog.exports.workplace import Workplace

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


def convert(workplace: Workplace, unit: Unit) -> Done:
    from services.catalog.exports import work

    return work.convert(workplace, unit)


def finish(workplace: Workplace, version_manifest: str, about: About) -> dict[str, Any]:
    from services.catalog.exports import finish as last

    return last.finish(workplace, version_manifest, about)


def preview(workplace: Workplace, unit: Unit, recipe: Recipe, seed: int, copies: int) -> bytes:
    from services.catalog.exports import preview as shown

    return shown.preview(workplace, unit, recipe, seed, copies)
