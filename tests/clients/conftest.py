"""A running platform with a little CT in it, and a bearer token, for clients that nobody here wrote."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from client_site import SERIES, SLICES, STUDIES, Site
from fixtures.running import Platform, _distributed
from pydicom.dataset import Dataset

from benchmarks import ct_slices


@pytest.fixture(scope="module", params=["embedded", pytest.param("distributed", marks=pytest.mark.soak)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sample_folder: Path) -> Iterator[Site]:
    """12 slices stored by STOW-RS with dicomweb-client; six processes take too long for every run, so the distributed mode is soak."""
    if request.param == "embedded":
        yield _filled(request.getfixturevalue("embedded"), tmp_path_factory.mktemp("ct"))
        return
    database, store = request.getfixturevalue("mariadb"), request.getfixturevalue("s3_server")
    running = _distributed(tmp_path_factory.mktemp("clients-distributed"), sample_folder, database, store)
    with contextlib.closing(running):
        yield _filled(next(running), tmp_path_factory.mktemp("ct"))


def _filled(platform: Platform, folder: Path) -> Site:
    ct_slices.write(folder, STUDIES, SERIES, SLICES, side_px=64)
    sent = [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
    made = Site(platform, str(platform.client().post("/tokens", {"name": "clients"})["token"]), sent, Dataset())
    made.answered = made.client().store_instances(sent)
    return made
