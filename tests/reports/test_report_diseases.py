"""Diseases are data: the bundled ones load, a broken file names what is wrong, a new one needs no code."""

from __future__ import annotations

import pytest

from isocenter.diseases import load_diseases, parse_disease
from isocenter.errors import InvalidInput
from services.ingest.anatomy import anatomy
from services.ingest.label import label_report
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set

THYROID = """
code = "thyroid"
prefix = "THY"
number = 1
title = { zh = "甲状腺癌", en = "Thyroid cancer" }
organ = "thyroid"
body_parts = ["THYROID", "NECK"]
[[schemes]]
code = "malignancy"
number = 1
title = { zh = "良恶性", en = "benign or malignant" }
classes = [{ value = "0", title = { zh = "良性", en = "benign" } }, { value = "1", title = { zh = "恶性", en = "malignant" } }]
[[terms]]
id = "ptc"
meaning = "malignant"
subtype = "PTC"
words = ["甲状腺乳头状癌", "papillary thyroid carcinoma"]
"""


def test_bundled_diseases_load_with_titles_and_binary_scheme() -> None:
    diseases = load_diseases()
    assert [d.code for d in diseases] == ["breast", "liver", "lung", "pancreas"]
    for disease in diseases:
        assert disease.organ in anatomy().regions
        assert [c.value for c in disease.scheme("malignancy").classes] == ["0", "1"]
        assert disease.title_zh
        assert disease.title_en


def test_new_disease_needs_no_code() -> None:
    rules = rule_set(parse_disease(THYROID.encode(), "thyroid.toml"))
    label = label_report(rules, Sections(impression="左侧甲状腺乳头状癌"), ReportKind.PATHOLOGY)
    assert (label.value, label.subtype) == ("1", "PTC")


def test_changed_file_changes_the_version() -> None:
    first = rule_set(parse_disease(THYROID.encode(), "thyroid.toml"))
    second = rule_set(parse_disease(THYROID.replace("papillary thyroid", "papillary thyroidal").encode(), "thyroid.toml"))
    assert first.sha256 != second.sha256


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [("code = \"thyroid\"", "", "code"), ("meaning = \"malignant\"", "meaning = \"bad\"", "ptc"), ("[[schemes]]", "[[schemes", "TOML")],
)
def test_broken_disease_file_says_what_is_wrong(old: str, new: str, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        parse_disease(THYROID.replace(old, new, 1).encode(), "thyroid.toml")
