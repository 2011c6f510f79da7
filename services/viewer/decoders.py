"""Decoding off the event loop and out of this process: a bounded number of workers, each with limits of time and memory.

A worker that crashes, takes too long or whose client went is ended and replaced; the request that caused it gets a problem, the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from isocenter.errors import DecoderFailed, IsocenterError
from services.viewer.decoding import DONE, REFUSED

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0  # nearly all decodes end sooner than a new worker starts
START_SECONDS = 60.0
AS_STORED = "The object itself can be retrieved as it is stored."

T = TypeVar("T")


class _Ended(Exception):
    """The worker is gone; the message says how."""


class _Source:
    """The process that workers are forked from; started when the first is wanted, and again when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def worker(self, memory_bytes: int) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            for attempt in (1, 2):
                try:
                    with self._lock:
                        socket.send_fds(self._started(), [str(memory_bytes).encode()], [theirs.fileno()])
                    break
                except OSError:
                    self.close()
                    if attempt == 2:
                        raise
        return _Worker(Connection(ours.detach()))

    def _started(self) -> socket.socket:
        if self._control is None or self._process is None or self._process.poll() is not None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                # One thread a worker: the workers are as many as the processors. The same modules as here, wherever they came from.
                environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
                command = [sys.executable, "-m", "services.viewer.decoding", str(theirs.fileno())]
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL)  # noqa: S603 - ourselves
            self._control = ours
        return self._control

    def start(self) -> None:
        with self._lock:
            self._started()

    def close(self) -> None:
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None


@cache
def _source() -> _Source:
    """One for all viewers of this process; it ends with it, because its socket closes."""
    return _Source()


class _Worker:
    """One process, asked from one thread at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pid: int | None = None
        self.alive = True

    def ask(self, task: bytes, seconds: float) -> bytes:
        """The answer; _Ended when the worker died or was ended."""
        try:
            if self._pid is None:
                if not self._connection.poll(START_SECONDS):
                    raise _Ended("it did not start")
                self._pid = int(self._connection.recv())
            self._connection.send_bytes(task)
            if not self._connection.poll(seconds):
                raise _Ended(f"it took more than {seconds:g} s")
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            self.alive = False
            raise _Ended("it crashed") from error
        except _Ended:
            self.end()
            raise

    def end(self) -> None:
        if self.alive and self._pid is not None:
            self.alive = False
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        self._connection.close()  # the worker reads the end and leaves


class Decoders:
    """``processes`` workers; ``run`` waits its turn for one. Nothing is started before the first task, or :meth:`start`."""

    def __init__(self, processes: int, seconds: float, memory_bytes: int) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._processes = processes
        self._free: list[_Worker] = []
        self._turns = asyncio.Semaphore(processes)
        self._threads = ThreadPoolExecutor(processes + 1, thread_name_prefix="decoder")
        self.ended = 0  # workers lost so far

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """``function(*arguments)`` in a worker; a ``Part`` arrives there as its bytes. Errors of ours come back, DecoderFailed for any other end."""
        name = getattr(function, "__name__", "task")
        task = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
        await self._turns.acquire()
        loop = asyncio.get_running_loop()
        try:
            worker = self._free.pop() if self._free else _source().worker(self._memory_bytes)
            asked = loop.run_in_executor(self._threads, worker.ask, task, self._seconds)
        except BaseException:
            self._turns.release()
            raise
        asked.add_done_callback(lambda done: self._give_back(worker, done))
        try:
            how, value = pickle.loads(await asyncio.shield(asked))  # noqa: S301 - from our own worker
        except asyncio.CancelledError:
            # Nobody waits for it any more; a short one may still end by itself.
            loop.call_later(GRACE_SECONDS, lambda: None if asked.done() else worker.end())
            raise
        except _Ended as error:
            log.error("decoder ended function=%s how=%s", name, error)
            raise DecoderFailed(f"The decoder was stopped while it read this image ({error}). {AS_STORED}") from error
        if how == DONE:
            return cast("T", value)
        if how == REFUSED:
            raise cast("IsocenterError", value)
        log.error("decoder failed function=%s kind=%s", name, value)
        reason = "it needs more memory than one image may take" if value == "MemoryError" else "its pixels are not what its header says"
        raise DecoderFailed(f"This image cannot be drawn: {reason}. {AS_STORED}")

    def _give_back(self, worker: _Worker, done: asyncio.Future[bytes]) -> None:
        failed = not done.cancelled() and done.exception() is not None
        if failed or not worker.alive:
            self.ended += 1
            worker.close()
        else:
            self._free.append(worker)
        self._turns.release()

    def start(self) -> None:
        """Begin to load the decoders, so that the first picture waits less; returns at once."""
        _source().start()

    def close(self) -> None:
        for worker in self._free:
            worker.close()
        self._free.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)
