"""The validator of the IIIF consortium against a served slide: Image API 3.0, level 2."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import uvicorn
from PIL import Image
from sqlalchemy import update
from starlette.types import Receive, Scope, Send

from isocenter.auth import Role
from isocenter.models import Instance
from services.viewer.app import create_app

if TYPE_CHECKING:
    from conftest import Viewer


def _squares(path: Path) -> None:
    """The picture that the validator asks for, 10 x 10 squares of its colours, as a slide of JPEG tiles in three levels."""
    from iiif_validator.validator import ValidationInfo  # prints when imported

    columns = np.array(ValidationInfo().colorInfo, np.uint8)  # [x][y]
    full = np.repeat(np.repeat(columns.transpose(1, 0, 2), 100, 0), 100, 1)
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 2, 4):
            pixels = np.asarray(Image.fromarray(full).resize((1000 // step, 1000 // step), Image.Resampling.BOX))
            writer.write(
                pixels, tile=(256, 256), photometric="rgb", compression="jpeg", compressionargs={"level": 95}, metadata=None, subfiletype=int(step > 1)
            )


@pytest.mark.soak
async def test_iiif_when_the_validator_asks_at_level_2_then_no_test_fails(viewer: Viewer, tmp_path: Path) -> None:
    _squares(tmp_path / "squares.tif")
    resources = viewer.catalog.resources
    resources.store.put_bytes("data/1.6/squares", (tmp_path / "squares.tif").read_bytes())
    async with resources.db.write() as session:
        await session.execute(update(Instance).where(Instance.sop_uid == "1.6.1").values(object_key="data/1.6/squares", object_sha256="5" * 64))
    app = create_app(resources.settings, resources)

    async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
        """As the gateway hands a request on."""
        if scope["type"] == "http":
            given = viewer.catalog.headers("lin", Role.RESEARCHER)
            scope["headers"] = [*scope["headers"], *((name.encode(), value.encode()) for name, value in given.items())]
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(signed_in, log_config=None, http="httptools", ws="none", lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            program = str(Path(sys.executable).parent / "iiif-validate.py")
            address = ["-s", f"127.0.0.1:{listening.getsockname()[1]}", "-p", "iiif/3", "-i", "1.6"]
            pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
            told = await asyncio.create_subprocess_exec(program, *address, "--version=3.0", "--level=2", "-v", **pipes)
            said = (await told.communicate())[0].decode()
        finally:
            server.should_exit = True
            await running
    assert told.returncode == 0, said
    done = re.search(r"Done \((\d+) tests, (\d+) failures\)", said)
    assert done is not None, said
    assert int(done[1]) >= 30, said
    assert "WARNING" not in said, said
