"""make soak: a table of 10,000 rows from a hospital nobody knows goes from upload to queue with no code change.

Header names are made up by a generator, so no rule can know them; layout, delimiter, encoding and languages are odd on
purpose. A person confirms the columns that the preview is not sure of, as they would in the page; nothing else helps.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ingest_samples import write_ct
from ingest_service import Ingest, open_ingest

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
ROWS = 10_000
IMAGED = 200  # rows whose study is there
SYLLABLES = ("ka", "lo", "mi", "ru", "te", "va", "xo", "ny", "pel", "dor")
NOUNS = ("accession_number", "patient_id", "patient_name", "sex", "age", "exam_date", "findings", "impression")
TEXTS = (
    ("肝右叶见低密度影。", "肝右叶肝细胞癌。", "1"),
    ("The liver is smooth.", "Simple hepatic cyst. No evidence of malignancy.", "0"),
    ("肝左叶见结节影，大小约{n}mm。", "肝左叶结节，性质待定，肝癌不除外。", "review"),
    ("A {n} mm lesion in segment VI.", "Indeterminate liver lesion, metastasis cannot be excluded.", "review"),
)


def made_up(draw: random.Random) -> list[str]:
    """As many header names as nouns, all different, none a word of ours."""
    names: set[str] = set()
    while len(names) < len(NOUNS):
        names.add("".join(draw.choice(SYLLABLES) for _ in range(3)).capitalize())
    return sorted(names)


def table(draw: random.Random, headers: list[str]) -> bytes:
    """UTF-16, tabs, two title rows, quoted line breaks, dates with points, sex in three languages."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL)
    writer.writerow(["Export 7 / 12"])
    writer.writerow([""])
    writer.writerow(headers)
    for n in range(ROWS):
        findings, impression, _ = TEXTS[n % len(TEXTS)]
        day = f"{1 + n % 28:02}.{1 + n % 12:02}.2023"
        name = f"{chr(0x5F20 + n % 40)}{chr(0x4E00 + n % 900)}{chr(0x4E00 + n // 900)}"
        cells = [f"ZQ{n:06}", f"8{n:06}", name, ("男", "F", "weiblich")[n % 3], f"{30 + n % 50}", day]
        writer.writerow([*cells, findings.format(n=draw.randint(5, 60)) + f"\nBild {n}.", impression])
    return text.getvalue().encode("utf-16")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Ingest]:
    async for service in open_ingest("", tmp_path, executor="processes:2"):
        yield service


async def test_table_when_from_an_unknown_hospital_then_it_goes_from_upload_to_queue(site: Ingest) -> None:
    draw = random.Random(11)
    headers = made_up(draw)
    for n in range(IMAGED):
        day = f"2023{1 + n % 12:02}{1 + n % 28:02}"
        write_ct(site.root / "images" / f"{n}.dcm", uid=f"1.2.9.{n}", patient_id=f"8{n:06}", accession=f"ZQ{n:06}", name="", date=day, seed=n)
    key = (await site.call("POST", "/uploads", {}, status=201))["key"]
    await site.call("PUT", f"/uploads/{key}/files/export.txt", content=table(draw, headers))
    source = {"upload": key, "path": "export.txt"}
    shown = (await site.call("POST", "/imports/preview", {"hospital": "NEW", "tables": [source]}))[0]
    assert shown["columns"] == headers
    assert shown["rows"] == ROWS
    mapping = dict(zip(NOUNS, headers, strict=True))  # what a person confirms
    guessed = {noun: guess["column"] for noun, guess in shown["mapping"].items()}
    wrong = {noun: column for noun, column in guessed.items() if mapping.get(noun) not in (None, column) and shown["mapping"][noun]["confidence"] >= 0.9}
    assert wrong == {}  # what it is sure of by content is right
    chosen = {**source, "kind": "imaging", "mapping": mapping, "date_order": "dmy"}
    source_folder = {"kind": "folder", "path": str(site.root / "images")}
    order = {"hospital": "NEW", "source": source_folder, "tables": [chosen], "diseases": ["liver"]}
    begun = await site.call("POST", "/imports", order, status=201)
    view = await site.wait(begun["key"], seconds=1500)
    assert view["state"] == "finished", view["failure"]
    assert view["sums_ok"]
    assert sum(view["counts"]["rows"].values()) == ROWS
    assert view["counts"]["rows"]["accepted"] == ROWS
    queue = await site.call("GET", "/reviews", params={"kind": "label", "limit": 200})
    assert len(queue["items"]) == IMAGED // 2
    counts = await site.call("GET", "/reviews/counts")
    assert counts["by_kind"]["label"] == IMAGED // 2
    first = await site.call("POST", "/reviews/next", {"kind": "label"})
    assert first["proposal"]["reports"][0]["sections"]["impression"]
    again = (await site.call("POST", "/imports/preview", {"hospital": "NEW", "tables": [source]}))[0]
    assert again["remembered"]  # next month nobody needs to confirm
