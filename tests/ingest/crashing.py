"""Work that kills its worker; a module of its own, so that starting a worker imports nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence


def crash_on_two(_common: None, tasks: Sequence[int]) -> list[int]:
    """Ten times each task; the process ends without a word when 2 is among them."""
    if 2 in tasks:
        os._exit(9)
    return [task * 10 for task in tasks]


def crash_always(_common: None, _tasks: Sequence[int]) -> list[int]:
    """A worker that cannot even do nothing."""
    os._exit(9)
