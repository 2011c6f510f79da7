"""The pool on a real Dask cluster: a scheduler and a worker of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashing import crash_on_two
from fixtures.parts import free_port

from services.ingest.executor import WorkPool

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.fixture
def dask_cluster(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    port = free_port()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1] / "ingest"), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    common = {"env": environment, "cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        **common,  # type: ignore[call-overload]
    )
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", "--nworkers", "1", "--nthreads", "1", "--no-dashboard"],
        **common,  # type: ignore[call-overload]
    )
    yield f"dask://127.0.0.1:{port}"
    for process in (worker, scheduler):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def test_pool_when_on_dask_then_work_is_done_and_only_the_culprit_is_put_aside(dask_cluster: str) -> None:
    pool = WorkPool(dask_cluster)
    try:
        assert await pool.run(crash_on_two, None, [1, 3], lambda task: -task) == [10, 30]
        assert await pool.run(crash_on_two, None, [1, 2, 3], lambda task: -task) == [10, -2, 30]
    finally:
        pool.close()
