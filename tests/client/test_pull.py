"""Pull from a real server on a socket: whole, resumed, verified, refused."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from isocenter_client import Client, Dataset
from isocenter_client.errors import DamagedDownload, FolderInUse, NotFound, ServerAway, Withdrawn
from isocenter_client.pull import safe_path
from isocenter_client.rest import Rest
from sqlalchemy import update

from isocenter.models import Patient, now

BIG = 6 << 20  # of the one large file in conftest


@pytest.fixture
def version(client):
    return client.freeze("livers", disease="liver", split="70/15/15", seed=7)


def big_file(folder: Path) -> dict:
    return max(json.loads((folder / "manifest.json").read_text())["files"], key=lambda file: file["size_bytes"])


def assert_whole(folder: Path) -> None:
    for file in json.loads((folder / "manifest.json").read_text())["files"]:
        assert hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert not list(folder.rglob("*.part"))


def test_pull_brings_tables_card_and_every_file_and_a_second_one_downloads_nothing(served, version, tmp_path):
    dataset = version.pull(tmp_path / "data", jobs=3)
    assert_whole(tmp_path / "data")
    assert [row["case_id"] for row in dataset.rows()] == ["LIV-000001", "LIV-000002", "LIV-000003"]
    assert len(dataset.images()) == 4
    assert (tmp_path / "data" / "card.md").read_text().startswith("# ")
    assert dataset.verify() == []
    assert (dataset.reference, dataset.digest) == ("livers@1", version.digest)
    served.wire.start_over()
    version.pull(tmp_path / "data")
    assert served.wire.requests == []


def test_pull_killed_midway_and_run_again_fetches_no_byte_twice(served, version, tmp_path):
    folder = tmp_path / "data"
    served.wire.hold_after = 2 << 20
    environment = os.environ | {"ISOCENTER_URL": served.url, "ISOCENTER_TOKEN": served.token()}
    command = [sys.executable, "-m", "isocenter_client.cli", "pull", version.reference, "--to", str(folder), "--jobs", "1", "--quiet"]
    process = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while not (parts := [path for path in folder.rglob("*.part") if path.stat().st_size >= 1 << 20]) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert parts
    had = parts[0].stat().st_size
    whole = sum(path.stat().st_size for path in (folder / "images").rglob("*") if path.is_file() and path.suffix != ".part")
    total = sum(file["size_bytes"] for file in json.loads((folder / "manifest.json").read_text())["files"])
    assert 0 < had < BIG
    served.wire.released.set()
    served.wire.start_over()
    version.pull(folder, jobs=2)
    assert_whole(folder)
    assert served.wire.sent_bytes == total - whole - had
    assert f"bytes={had}-" in [asked for _, asked in served.wire.requests]


def test_pull_goes_on_by_itself_when_the_connection_breaks(served, version, tmp_path):
    served.wire.cut_after = 1 << 20
    version.pull(tmp_path / "data", jobs=1)
    assert_whole(tmp_path / "data")
    assert any(asked for _, asked in served.wire.requests)  # a Range: it did not start over


def test_part_with_wrong_bytes_is_fetched_anew(served, version, tmp_path):
    folder = tmp_path / "data"
    version.pull(folder)
    file = big_file(folder)
    place = folder / file["path"]
    place.with_name(place.name + ".part").write_bytes(b"\0" * 1000)
    place.unlink()
    served.wire.start_over()
    version.pull(folder)
    assert_whole(folder)
    assert [asked for _, asked in served.wire.requests] == ["bytes=1000-", ""]


def test_server_that_sends_wrong_bytes_is_told_and_no_file_gets_its_name(served, version, tmp_path):
    served.wire.spoil = True
    with pytest.raises(DamagedDownload):
        version.pull(tmp_path / "data", jobs=1)
    assert not [path for path in (tmp_path / "data" / "images").rglob("*") if path.is_file()]


def test_file_lost_or_cut_after_the_pull_comes_back_by_the_next(served, version, tmp_path):
    folder = tmp_path / "data"
    version.pull(folder)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    (folder / files[0]["path"]).unlink()
    (folder / files[-1]["path"]).write_bytes(b"short")
    with (folder / ".isocenter" / "finished").open("a") as log:
        log.write("half a li")  # as a kill leaves it
    served.wire.start_over()
    version.pull(folder)
    assert_whole(folder)
    assert len(served.wire.requests) == 2


def test_folder_of_another_version_is_refused_and_left_alone(client, version, tmp_path):
    version.pull(tmp_path / "data")
    other = client.freeze("livers", sex="M")
    with pytest.raises(FolderInUse, match="livers@1"):
        other.pull(tmp_path / "data")
    assert_whole(tmp_path / "data")


def test_second_pull_at_the_same_time_is_refused(served, version, tmp_path):
    served.wire.hold_after = 1 << 20
    environment = os.environ | {"ISOCENTER_URL": served.url, "ISOCENTER_TOKEN": served.token()}
    command = [sys.executable, "-m", "isocenter_client.cli", "pull", version.reference, "--to", str(tmp_path / "data"), "--quiet"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "data").rglob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(FolderInUse, match="Another pull"):
        version.pull(tmp_path / "data")
    served.wire.released.set()
    assert process.wait(60) == 0
    assert_whole(tmp_path / "data")


def test_withdrawn_version_is_no_longer_pulled(served, client, version, tmp_path):
    async def withdraw():
        async with served.site.resources.db.write() as session:
            await session.execute(update(Patient).values(withdrawn_at=now()))

    served.call(withdraw)
    with pytest.raises(Withdrawn):
        client.pull("livers@1", tmp_path / "data")


def test_version_that_is_not_there_and_a_server_that_is_not_there_say_so(client, tmp_path):
    with pytest.raises(NotFound):
        client.pull("none@1", tmp_path / "data")
    with pytest.raises(ServerAway, match="does not answer"):
        Client("http://127.0.0.1:9", "x").count()


@pytest.mark.parametrize("path", ["../x", "images/../../x", "/etc/passwd", "images/a\\b", "labels.csv", "images/C:x", "images/a\0"])
def test_path_of_a_manifest_that_leaves_the_folder_is_refused(tmp_path, path):
    with pytest.raises(Exception, match="outside the dataset"):
        safe_path(tmp_path, path)


def test_manifest_that_is_not_the_digests_is_refused(served, client, version, tmp_path, monkeypatch):
    honest = Rest.get_bytes
    monkeypatch.setattr(Rest, "get_bytes", lambda self, path: honest(self, path).replace(b'"label":"1"', b'"label":"0"'))  # a server that lies
    with pytest.raises(DamagedDownload, match="digest"):
        version.pull(tmp_path / "data")
    assert not (tmp_path / "data" / "images").exists()


def test_dataset_needs_a_pulled_folder(tmp_path):
    with pytest.raises(Exception, match="isc pull"):
        Dataset(tmp_path)
