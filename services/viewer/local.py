"""Ranged reads of a local store: what the page cache holds is read at once in the event loop, the rest in a thread.

A read of cached pages costs less than handing it to a thread (hot-path-serving.md: the copy decides). ``RWF_NOWAIT`` (preadv2) tells the two apart.
pread and not mmap: a file cut underneath gives a short read, not a SIGBUS. No descriptor is kept: opening costs 5 us, and what is deleted is gone at once.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

from isocenter.errors import NotFound

NOW_MOST_BYTES = 4 << 20


def read_now(path: Path, offset: int, length: int) -> memoryview | None:
    """The bytes if no disk has to be waited for and the file has them all, else None: :func:`read_waiting` finds out."""
    if not 0 < length <= NOW_MOST_BYTES:
        return None
    # Not bytearray: it would be filled with zeros first.
    buffer = np.empty(length, np.uint8).data
    descriptor = _opened(path)
    try:
        count = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # a file system that cannot say (tmpfs)
            raise
        return None
    finally:
        os.close(descriptor)
    return buffer if count == length else None


def read_waiting(path: Path, offset: int, length: int) -> memoryview:
    """The bytes, from the disk where they must be; fewer where the file ends. For threads."""
    buffer = np.empty(length, np.uint8).data
    descriptor = _opened(path)
    try:
        done = 0
        while done < length and (count := os.preadv(descriptor, [buffer[done:]], offset + done)):
            done += count
    finally:
        os.close(descriptor)
    return buffer[:done]


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound("The object is not in the store.") from error
