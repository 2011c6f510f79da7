"""The decoding processes: ``python -m services.viewer.decoding FD``, started by ``decoders.py``.

One process imports the decoders once and forks a worker whenever it is asked to over its socket; a worker answers tasks until its own
socket closes. A code stream that makes a C library crash, loop or take all memory ends a worker, and nothing else.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from isocenter.errors import IsocenterError
from services.viewer.parts import Part

# Imported before the first fork, so that a worker starts in milliseconds.
PRELOADED = ("pydicom.pixels", "services.viewer.render", "services.viewer.transcode", "services.viewer.pyramid", "services.viewer.volume",
             "services.viewer.bulkdata", "services.viewer.composing", "services.viewer.overlays", "isocenter.imaging.tiles")  # fmt: skip
PR_SET_PDEATHSIG = 1  # linux/prctl.h
DONE, REFUSED, FAILED = "done", "refused", "failed"


def answer(task: bytes) -> bytes:
    """The pickled (how, value) of a pickled (function, arguments); parts among the arguments are read here."""
    try:
        function, arguments = pickle.loads(task)  # noqa: S301 - from our own parent
        reply: tuple[str, Any] = (DONE, call(function, arguments))
    except IsocenterError as error:
        reply = (REFUSED, error)
    except Exception as error:  # whatever a decoder raises must reach the service as a value, not end the worker
        reply = (FAILED, type(error).__name__)
    return pickle.dumps(reply, pickle.HIGHEST_PROTOCOL)


def call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*[argument.read() if isinstance(argument, Part) else argument for argument in arguments])


def _serve(connection: Connection, memory_bytes: int) -> None:
    """A worker: its pid, then one answer a task."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold pixels
    connection.send(os.getpid())
    while True:
        try:
            task = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            connection.send_bytes(answer(task))
        except MemoryError:
            connection.send_bytes(pickle.dumps((FAILED, "MemoryError")))


def main(control: socket.socket) -> None:
    """Fork a worker for every socket that comes; end when the service is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers are not waited for
    for name in PRELOADED:
        importlib.import_module(name)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 32, 1)
        if not message:
            return
        if os.fork() == 0:
            try:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _serve(Connection(fds[0]), int(message))
            finally:
                os._exit(0)
        os.close(fds[0])


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
