"""Where ingest work runs: any ``concurrent.futures.Executor``, and a pool that survives workers that die.

``inline:`` (a thread, for tests), ``processes:N`` (the default) or ``dask://host:8786`` (optional extra). One item that
kills its process takes a whole ProcessPool with it, on Dask only its own task: so whatever breaks, the unresolved items
are run one by one in a pool of their own, and only the culprit is quarantined (design.md section 4).
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

from isocenter.errors import InvalidInput, Unavailable

log = logging.getLogger(__name__)

Task = TypeVar("Task")
Result = TypeVar("Result")
Common = TypeVar("Common")

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NICE = 5  # import work gives way to people looking at images
ATTEMPTS = 3
SECONDS_PER_ITEM = 120
_BREAKS = (BrokenExecutor, CancelledError, TimeoutError, MemoryError)


def _worker_starts(parent: int) -> None:
    """Give way to people, and end with the process that started us, also when that is killed."""
    os.nice(NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def open_executor(spec: str) -> Executor:
    """The executor of a setting; InvalidInput for a spec that is none of the three."""
    kind, _, rest = spec.partition(":")
    if kind == "inline":
        return ThreadPoolExecutor(1, thread_name_prefix="ingest")
    if kind == "processes" and rest.isdigit() and int(rest) > 0:
        return ProcessPoolExecutor(int(rest), mp_context=multiprocessing.get_context("spawn"), initializer=_worker_starts, initargs=(os.getpid(),))
    if kind == "dask":
        from distributed import Client  # optional extra, imported in this one place

        # pure=False: with the default, identical calls run once.
        executor: Executor = Client(f"tcp:{rest}").get_executor(pure=False)  # type: ignore[no-untyped-call]
        return executor
    raise InvalidInput(f"ISOCENTER_EXECUTOR is inline:, processes:N or dask://host:port, not {kind}:", field="executor")


class WorkPool:
    """Runs ``function(common, tasks) -> results`` (same length) in the executor; nothing an item does ends the pool."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self._executor: Executor | None = None
        self.restarts = 0

    @property
    def opened(self) -> bool:
        return self._executor is not None

    def _open(self) -> Executor:
        if self._executor is None:
            self._executor = open_executor(self.spec)
        return self._executor

    async def run(
        self,
        function: Callable[[Common, Sequence[Task]], list[Result]],
        common: Common,
        tasks: Sequence[Task],
        crashed: Callable[[Task], Result],
    ) -> list[Result]:
        """Results in order. A task that kills or hangs its worker ``ATTEMPTS`` times gets ``crashed(task)``."""
        if not tasks:
            return []
        executor = self._open()
        try:
            return await self._submit(executor, function, common, tasks)
        except _BREAKS as error:
            log.warning("a worker died or hung kind=%s items=%d; running them one by one", type(error).__name__, len(tasks))
            self._drop(executor)
        return await self._one_by_one(function, common, tasks, crashed)

    async def _one_by_one(self, function: Any, common: Any, tasks: Sequence[Any], crashed: Callable[[Any], Any]) -> list[Any]:
        """Each task in a pool apart, opened anew whenever one breaks it.

        Unavailable when that pool cannot even do nothing: then no file is to blame, and none may be put aside for it.
        """
        spec = "inline:" if self.spec == "inline:" else "processes:1"
        apart = open_executor(spec)
        results = []
        try:
            try:
                await self._submit(apart, function, common, [])
            except _BREAKS as error:
                raise Unavailable("The ingest workers cannot start; see the log.") from error
            for task in tasks:
                for attempt in range(1, ATTEMPTS + 1):
                    try:
                        results.append((await self._submit(apart, function, common, [task]))[0])
                        break
                    except _BREAKS:
                        _kill(apart)
                        apart = open_executor(spec)
                        if attempt == ATTEMPTS:
                            results.append(crashed(task))
        finally:
            _kill(apart)
        return results

    async def _submit(self, executor: Executor, function: Any, common: Any, tasks: Sequence[Any]) -> list[Any]:
        try:
            future = executor.submit(function, common, tuple(tasks))
            seconds = SECONDS_PER_ITEM + 5 * len(tasks) + sum(getattr(task, "more_seconds", 0.0) for task in tasks)
            results: list[Any] = await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except asyncio.CancelledError:
            if asyncio.current_task() is not None and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            raise BrokenExecutor("the executor cancelled the task") from None
        except Exception as error:
            # Dask's KilledWorker is no BrokenExecutor and its class is only there with the extra.
            if type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CommClosedError"):
                raise BrokenExecutor(type(error).__name__) from error
            raise
        return results

    def _drop(self, executor: Executor) -> None:
        if self._executor is executor:
            self._executor = None
            self.restarts += 1
            _kill(executor)

    def close(self) -> None:
        """End the workers without waiting for work that a lease will give to somebody else."""
        if self._executor is not None:
            _kill(self._executor)
            self._executor = None


def _kill(executor: Executor) -> None:
    """End the processes of a pool at once, hung ones too; leave a Dask cluster."""
    client = getattr(executor, "_client", None)
    if client is not None:
        client.close(timeout=2)
        return
    processes = list((getattr(executor, "_processes", None) or {}).values())
    for process in processes:
        process.kill()
    executor.shutdown(wait=False, cancel_futures=True)
