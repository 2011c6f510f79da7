"""The whole way through the client against the running product: import, decide, freeze, pull."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from isocenter_client import Client
from isocenter_client.cli import main
from isocenter_client.client import login
from isocenter_client.uploads import upload, wait_for


@pytest.fixture(scope="module")
def client(embedded):
    with Client(embedded.url, login(embedded.url, embedded.admin_name, embedded.admin_password)) as made:
        yield made


@pytest.fixture(scope="module")
def imported(client, sample_folder):
    tables = sample_folder / "city" / "tables"
    return client.import_folder(
        sample_folder / "city" / "images", "CITY",
        tables={"imaging": tables / "imaging_reports.csv", "pathology": [tables / "pathology_reports.xlsx"], "image_list": tables / "image_list.csv"},
    )  # fmt: skip


def test_folder_imported_by_the_client_ends_with_a_report_whose_sums_agree(client, imported, sample_folder):
    assert (imported.state, imported.view["sums_ok"]) == ("finished", True)
    paths = [path for path in (sample_folder / "city" / "images").rglob("*") if path.is_file()]
    in_archives = sum(len(zipfile.ZipFile(path).namelist()) for path in paths if zipfile.is_zipfile(path))  # unpacked by the import
    assert sum(imported.view["counts"]["files"].values()) == len(paths) + in_archives
    assert client.imports()[0]["key"] == imported.key
    assert wait_for(client.rest, imported.key).state == "finished"


def test_label_decided_by_the_client_is_in_the_version_it_freezes_and_pulls(client, imported, tmp_path):
    review = client.next_review(kind="label")
    assert review is not None
    waiting = client.reviews()["open"]
    assert client.decide(review, "1")["state"] == "decided"
    assert client.reviews()["open"] < waiting
    case = client.case(review["case_key"])
    assert case["label"]["state"] == "decided"
    version = client.freeze(f"way-{case['disease']}", disease=case["disease"], split="80/20", seed=1)
    dataset = version.pull(tmp_path / "data")
    row = next(row for row in dataset.rows() if row["case_id"] == case["key"])
    assert (row["label"], row["label_source"], row["label_state"]) == ("1", "reviewer", "decided")
    assert dataset.verify() == []
    pixels = dataset.array(next(image for image in dataset.images() if image["format"] == "DICOM"))
    assert pixels.ndim == 4


def test_upload_broken_off_goes_on_from_what_has_arrived(client, tmp_path):
    from isocenter_client.uploads import _arrived, _put

    file = tmp_path / "a b.bin"
    file.write_bytes(bytes(range(256)) * 100)
    key = client.rest.send("POST", "/api/v1/uploads")["key"]
    half = client.rest.http.put(f"/api/v1/uploads/{key}/files/x/a%20b.bin", content=file.read_bytes()[:10_000])
    assert half.status_code == 200
    have = _arrived(client.rest, key, "x/a b.bin")
    assert have == 10_000
    _put(client.rest, key, file, "x/a b.bin", file.stat().st_size, have)
    assert client.rest.get(f"/api/v1/uploads/{key}")["size_bytes"] == 25_600
    again = upload(client.rest, [(file, "y/a b.bin")])
    assert client.rest.get(f"/api/v1/uploads/{again}")["files"] == [{"path": "y/a b.bin", "size_bytes": 25_600}]


def test_isc_import_of_a_folder_that_is_none_and_of_one_that_is(embedded, imported, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("sys.stdin", io.StringIO(embedded.admin_password + "\n"))
    assert main(["login", embedded.url, "--name", embedded.admin_name, "--password-stdin"]) == 0
    assert main(["import", str(tmp_path / "none"), "--hospital", "CITY"]) == 1
    assert "is no folder" in capsys.readouterr().err
    assert main(["imports", imported.key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    for command in (["imports"], ["review"], ["stats"], ["datasets"], ["find", "--count"]):
        assert main(command) == 0, command
    assert "CITY" in capsys.readouterr().out
