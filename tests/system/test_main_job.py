"""The main job in both modes: import, review, freeze, pull; every number is checked against what the sample holds."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fixtures.running import Api, Platform
from system_orders import order_of

pytestmark = pytest.mark.xdist_group("system")


@pytest.fixture(scope="module")
def api(platform: Platform) -> Api:
    return platform.client()


@pytest.fixture(scope="module")
def imported(platform: Platform, api: Api) -> dict[str, Any]:
    """Both hospitals, imported."""
    views = {}
    for hospital in ("CITY", "NORTH"):
        key = api.post("/imports", order_of(platform, hospital), status=201)["key"]
        views[hospital] = api.wait_import(key)
    return views


def test_import_when_it_ends_then_every_file_and_row_has_one_outcome(platform: Platform, api: Api, imported: dict[str, Any]) -> None:
    for hospital, view in imported.items():
        assert view["state"] == "finished", view["failure"] + platform.log()[-2000:]
        assert view["sums_ok"]
        folder = platform.import_root / hospital.lower() / "images"
        archived = [item for item in api.all(f"/imports/{view['key']}/items", kind="file") if item["reason"] == "archive-unpacked"]
        on_disk = sum(1 for path in folder.rglob("*") if path.is_file())
        items = api.all(f"/imports/{view['key']}/items")
        assert sum(view["counts"]["files"].values()) == view["totals"]["files"] >= on_disk
        assert bool(archived) == (view["totals"]["files"] > on_disk)
        assert view["counts"]["files"]["pending"] == view["counts"]["rows"]["pending"] == 0
        assert len(items) == view["totals"]["files"] + view["totals"]["rows"]
        assert all(item["outcome"] and (item["outcome"] == "accepted" or item["reason"]) for item in items)


def test_import_when_a_file_is_broken_then_it_is_refused_with_a_reason_and_the_rest_goes_on(api: Api, imported: dict[str, Any]) -> None:
    counts = imported["CITY"]["counts"]["files"]
    assert counts["refused"] >= 1
    assert counts["accepted"] > 100
    refused = api.all(f"/imports/{imported['CITY']['key']}/items", outcome="refused")
    assert all(item["reason"] and item["detail"] for item in refused)


def test_catalog_when_imported_then_no_identified_value_is_in_it(platform: Platform, api: Api, imported: dict[str, Any]) -> None:
    names = patient_strings(platform)
    assert len(names) > 20
    seen = json.dumps([api.get(f"/cases/{case['key']}") for case in api.all("/cases")], ensure_ascii=False)
    seen += json.dumps(api.all("/reviews"), ensure_ascii=False)
    leaked = sorted({name for name in names if name in seen})
    assert leaked == []
    log = platform.log()
    assert sorted({name for name in names if name in log}) == []


def patient_strings(platform: Platform) -> set[str]:
    """Names and numbers of the sample, as its tables write them."""
    found: set[str] = set()
    for path in sorted(platform.import_root.glob("*/tables/*.csv")):
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig") if not _gb(raw) else raw.decode("gb18030")
        for row in csv.DictReader(text.splitlines()):
            for column, value in row.items():
                if column and any(word in column.lower() for word in ("姓名", "name", "住院号", "mrn", "patient", "病历号")) and value and len(value) >= 3:
                    found.add(value.strip())
    return found


def _gb(raw: bytes) -> bool:
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return True
    return False


def test_review_when_a_label_is_decided_then_the_case_says_who_decided(api: Api, imported: dict[str, Any]) -> None:
    review = api.post("/reviews/next", {"kind": "label"})
    assert review["kind"] == "label"
    assert review["proposal"]["reports"]
    answer = api.post(f"/reviews/{review['key']}/decision", {"value": "1", "revision": review["revision"], "note": "seen"})
    assert answer["review"]["state"] == "decided"
    case = api.get(f"/cases/{review['case_key']}")
    assert case["label"]["value"] == "1"
    assert case["label"]["state"] == "decided"
    assert case["label"]["source"] == "reviewer"
    undone = api.post(f"/reviews/{review['key']}/undo")
    assert undone["state"] == "open"
    assert api.get(f"/cases/{review['case_key']}")["label"]["state"] == "review"
    again = api.post(f"/reviews/{review['key']}/decision", {"value": "0", "revision": undone["revision"]})
    assert again["review"]["state"] == "decided"
    api.post(f"/reviews/{review['key']}/decision", {"value": "1", "revision": undone["revision"]}, status=412)


def test_reimport_when_the_same_source_comes_again_then_all_are_duplicates_and_decisions_stay(
    platform: Platform, api: Api, imported: dict[str, Any]
) -> None:
    before = {case["key"]: case["label"] for case in api.all("/cases")}
    key = api.post("/imports", order_of(platform, "NORTH"), status=201)["key"]
    view = api.wait_import(key)
    assert view["state"] == "finished", view["failure"]
    assert view["counts"]["files"]["accepted"] == 0
    assert view["counts"]["files"]["duplicate"] == imported["NORTH"]["counts"]["files"]["accepted"] + imported["NORTH"]["counts"]["files"]["duplicate"]
    after = {case["key"]: case["label"] for case in api.all("/cases")}
    assert after == before


def test_dataset_when_frozen_and_pulled_then_every_byte_is_verified(platform: Platform, api: Api, imported: dict[str, Any], tmp_path: Path) -> None:
    from isocenter_client import Client

    diseases = {item["code"]: item for item in api.get("/diseases")["items"]}
    best = max(diseases, key=lambda code: api.get("/cases/count", params={"disease": code, "label_state": "sure"})["cases"])
    token = api.post("/tokens", {"name": f"pull-{platform.mode}", "days": 1}, status=201)["token"]
    client = Client(platform.url, token)
    frozen = client.freeze(f"demo-{best}", disease=best, split=(0.6, 0.2, 0.2), seed=7)
    folder = tmp_path / "pulled"
    dataset = client.pull(frozen.reference, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"]
    for entry in manifest["files"]:
        path = folder / entry["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
    rows = list(csv.DictReader((folder / "labels.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert list(rows[0])[:5] == ["case_id", "sex", "age", "label", "image_format"]
    assert {row["label"] for row in rows} <= {"0", "1"}
    assert len({row["case_id"] for row in rows}) == len(rows) == len(dataset.rows())
    names = patient_strings(platform)
    for entry in manifest["files"]:
        raw = (folder / entry["path"]).read_bytes()
        assert not any(name.encode() in raw or name.encode("gb18030") in raw for name in names), entry["path"]


def test_three_commands_of_the_readme_when_run_then_bring_balanced_thin_nodules_as_nifti_that_load_in_three_lines(
    platform: Platform, api: Api, imported: dict[str, Any], tmp_path: Path
) -> None:
    from isocenter_client import Dataset

    token = api.post("/tokens", {"name": f"three-{platform.mode}", "days": 1}, status=201)["token"]
    environment = {**os.environ, "ISOCENTER_URL": platform.url, "ISOCENTER_TOKEN": token, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    lines = re.findall(r"^\.venv/bin/isc +(.+)$", readme, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["find", "freeze", "pull"]
    for line in lines:
        command = [sys.executable, "-m", "isocenter_client.cli", *shlex.split(line)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"isc {line}: {done.stdout}{done.stderr}"
    data = Dataset(tmp_path / "data")
    rows, images = data.rows(), data.images()
    assert {row["label"] for row in rows} == {"0", "1"}
    assert sorted(row["label"] for row in data.rows("train")) == ["0", "1"], "train is balanced"
    assert all(40 <= int(row["age"]) <= 70 for row in rows)
    assert {(image["format"], image["slice_thickness_mm"]) for image in images} == {("NIFTI", "1.25")}
    assert data.array(images[0]).shape[0] == 1
    assert data.array(images[0]).min() < -900, "air in Hounsfield units"
    assert data.verify() == []


def test_withdraw_when_an_import_is_taken_back_then_its_cases_are_gone(platform: Platform, api: Api, imported: dict[str, Any]) -> None:
    keys = {case["key"] for case in api.all("/cases")}
    view = api.post(f"/imports/{imported['NORTH']['key']}/withdraw")
    assert view["state"] == "withdrawn"
    left = {case["key"] for case in api.all("/cases")}
    assert left < keys
    assert left
