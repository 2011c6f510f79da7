"""Negation, hedge and history reach as far as the language lets them, in Chinese and English."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from services.ingest.context import contexts_of, cues_in, negated, sentences
from services.ingest.legible import Speller, legible


def contexts(sentence: str, mention: str) -> frozenset[str]:
    text = legible(sentence).text
    start = text.index(mention.lower())
    bounds = next(b for b in sentences(text) if b[0] <= start < b[1])
    return contexts_of(text, bounds, (start, start + len(mention)), cues_in(text, *bounds))


@pytest.mark.parametrize(
    ("sentence", "mention", "expected"),
    [
        ("双肺未见明确肿块", "肿块", True),
        ("未见癌，可见脂肪坏死", "脂肪坏死", False),
        ("脉管癌栓：未见", "癌栓", True),
        ("切缘癌（-）", "癌", True),
        ("已除外恶性", "恶性", True),
        ("恶性不除外", "恶性", False),
        ("不能排除肝癌", "肝癌", False),
        ("无法除外转移", "转移", False),
        ("肝癌可能性小", "肝癌", True),
        ("病灶较前无明显变化，考虑肝癌", "肝癌", False),
        ("未见可疑恶性征象", "恶性", True),
        ("No evidence of malignancy", "malignancy", True),
        ("No mass, nodule or effusion", "nodule", True),
        ("No ascites, but there is a carcinoma", "carcinoma", False),
        ("Malignancy cannot be excluded", "malignancy", False),
        ("Carcinoma is not identified", "carcinoma", True),
        ("Metastasis was ruled out", "metastasis", True),
        ("Negative for tumor", "tumor", True),
        ("The patient denies chest pain or dyspnea", "dyspnea", True),
        ("No increase in the size of the carcinoma", "carcinoma", False),
        ("Non-small cell carcinoma", "carcinoma", False),
    ],
)
def test_negation_is_found_where_it_is(sentence: str, mention: str, expected: bool) -> None:
    start = sentence.lower().index(mention.lower())
    assert negated(sentence, (start, start + len(mention))) is expected


@pytest.mark.parametrize(
    ("sentence", "mention", "kind"),
    [
        ("恶性不除外", "恶性", "hedged"),
        ("不除外肝癌可能", "肝癌", "hedged"),
        ("肺癌？", "肺癌", "hedged"),
        ("血管瘤与肝癌鉴别", "肝癌", "hedged"),
        ("Possible metastasis", "metastasis", "hedged"),
        ("Adenoma versus carcinoma", "carcinoma", "hedged"),
        ("考虑肝癌", "肝癌", "lean"),
        ("恶性可能性大", "恶性", "lean"),
        ("高度怀疑肺癌", "肺癌", "strong"),
        ("Highly suspicious for malignancy", "malignancy", "strong"),
        ("肝癌TACE术后", "肝癌", "history"),
        ("History of breast cancer", "breast cancer", "history"),
        ("Status post lobectomy for lung cancer", "lung cancer", "history"),
        ("母亲患乳腺癌", "乳腺癌", "family"),
        ("Family history of breast cancer", "breast cancer", "family"),
        ("肺癌筛查", "肺癌", "hypothetical"),
    ],
)
def test_context_is_found(sentence: str, mention: str, kind: str) -> None:
    assert kind in contexts(sentence, mention)


def test_sentences_do_not_split_decimals_and_do_split_numbered_items() -> None:
    text = "1.右肺结节3.2cm，考虑肺癌；2.双肾囊肿。a 2.3 cm mass vs. cyst. next"
    parts = [text[a:b].strip() for a, b in sentences(text)]
    assert "1.右肺结节3.2cm，考虑肺癌；" in parts
    assert "2.双肾囊肿。" in parts
    assert "a 2.3 cm mass vs. cyst." in parts


def test_legible_text_knows_where_every_character_came_from() -> None:
    source = "未 见恶性，carcinmoa"
    made = legible(source, Speller(["carcinoma"]))
    start = made.text.index("carcinoma")
    assert source[slice(*made.span(start, start + 9))] == "carcinmoa"
    assert source[slice(*made.span(0, 2))] == "未 见"


@pytest.mark.parametrize("word", ["exclude", "hematoma", "typical", "nodules", "adenomas"])
def test_real_words_are_not_corrected(word: str) -> None:
    assert Speller(["excluded", "hepatoma", "atypical", "nodule", "adenoma"]).corrected(word) == word


@pytest.mark.shared
def test_negation_on_the_negex_development_half_reaches_the_figure_of_issue_4(shared_data: Path) -> None:
    pairs = []
    with (shared_data / "reports" / "negex_dev.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            match = re.search(r"\s+".join(map(re.escape, row["concept"].split())), row["sentence"], re.IGNORECASE)
            pairs.append((row["negation"] == "Negated", match is not None and negated(row["sentence"], match.span())))
    hits = sum(a and b for a, b in pairs)
    assert 2 * hits / (sum(a for a, _ in pairs) + sum(b for _, b in pairs)) >= 0.965
