"""On the development data the whole way (map, merge, link, label, scrub) holds the figures of issue 4."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.reports import TABLES, Hospital, read, run, studies_of

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def gold(shared_data: Path) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in read(shared_data / "reports" / "synthetic_dev_gold" / "gold_reports.csv")}


@pytest.fixture(scope="module")
def hospitals(shared_data: Path) -> list[Hospital]:
    folder = shared_data / "reports" / "synthetic_dev"
    studies = studies_of(folder / "images.csv")
    return [run(folder, code, studies[code]) for code in TABLES]


def test_every_row_is_read_and_repeats_collapse(hospitals: list[Hospital], gold: dict[str, dict[str, str]]) -> None:
    assert sum(h.rows for h in hospitals) == len(gold)
    assert sum(len(h.reports) for h in hospitals) == sum(not row["dup_of"] for row in gold.values())


@pytest.mark.parametrize(("kind", "f1"), [("imaging", 0.985), ("pathology", 0.975)])
def test_links_reach_precision_and_f1(hospitals: list[Hospital], gold: dict[str, dict[str, str]], shared_data: Path, kind: str, f1: float) -> None:
    root = {i: row["dup_of"] or i for i, row in gold.items()}
    wanted = set()
    for row in read(shared_data / "reports" / "synthetic_dev_gold" / "gold_links.csv"):
        wanted.update((row["study_uid"], root[i]) for i in re.split(r"[;|\s]+", row[f"{kind}_id" if kind == "imaging" else "pathology_ids"]) if i)
    found = {(s, root[r]) for h in hospitals for (s, r), (of, state) in h.links.items() if (of, state) == (kind, "sure")}
    hits = len(found & wanted)
    assert hits / len(found) >= 0.99
    assert 2 * hits / (len(found) + len(wanted)) >= f1


def test_labels_flip_at_most_one_in_a_hundred_at_sixty_percent_coverage(hospitals: list[Hospital], gold: dict[str, dict[str, str]]) -> None:
    pairs = [(gold[i]["label01"] or "review", label.value) for h in hospitals for i, (_, label) in h.labels.items()]
    accepted = [pair for pair in pairs if pair[1] != "review"]
    assert len(accepted) / len(pairs) >= 0.6
    assert sum(set(pair) == {"0", "1"} for pair in accepted) / len(accepted) <= 0.01


def test_no_personal_string_is_left(hospitals: list[Hospital], shared_data: Path) -> None:
    texts = {i: text for h in hospitals for i, text in h.scrubbed.items()}
    left = [row["type"] for row in read(shared_data / "reports" / "synthetic_dev_gold" / "phi.csv") if row["text"] in texts.get(row["id"], "")]
    assert left == []
