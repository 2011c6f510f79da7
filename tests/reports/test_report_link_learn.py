"""Weights follow the tables at hand: what a hospital often gets wrong speaks less against a pair, within limits."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from benchmarks.linkage import person, report
from services.ingest.link import link
from services.ingest.link_learn import BITS_MAX, STATED, corrections
from services.ingest.report_records import Component, LinkState, ReportKind


def compared(sex: str) -> dict[str, Component]:
    missing = Component("missing", 0.0)
    fields = dict.fromkeys(("accession", "number", "name", "birth", "date", "modality", "organ", "age"), missing)
    return fields | {"name": Component("agree", 16.0), "sex": Component(sex, 0.97 if sex == "agree" else -4.5)}


def test_corrections_of_no_pairs_are_nothing() -> None:
    assert set(corrections([], -10.0, ReportKind.IMAGING).values()) == {0.0}


@pytest.mark.parametrize(("every", "bits"), [(20, math.log2(504.4 / 10_200 / 0.022)), (5, BITS_MAX)])
def test_sex_that_is_often_wrong_in_sure_pairs_weighs_less(every: int, bits: float) -> None:
    # 200 stated pairs with 2.2 % (4.4) and 10,000 found ones, 500 of them wrong; a fifth would move it further than allowed
    pairs = [(n, n, compared("differ" if n % every == 0 else "agree")) for n in range(10_000)]
    found = corrections(pairs, -5.0, ReportKind.IMAGING)
    assert found["sex", "differ"] == pytest.approx(bits, abs=0.01)
    assert found["sex", "agree"] < 0
    assert found["birth", "agree"] == 0.0


def test_pairs_that_only_this_field_brings_together_teach_nothing() -> None:
    pairs = [(n, n, compared("differ")) for n in range(10_000)]
    assert corrections(pairs, -16.0, ReportKind.IMAGING)["sex", "differ"] == 0.0


def test_days_of_pathology_are_a_window_and_are_not_learnt() -> None:
    assert ("date", "differ") not in corrections([], -10.0, ReportKind.PATHOLOGY)


def test_stated_shares_add_up() -> None:
    assert all(sum(levels.values()) == pytest.approx(1.0) for levels in STATED.values())


def test_many_people_with_careless_sex_are_linked_without_any_number() -> None:
    drawn = random.Random(5)
    studies = [replace(person(drawn, n), patient_id="") for n in range(1500)]
    turned = [replace(study, sex="F" if study.sex == "M" else "M") if n % 8 == 0 else study for n, study in enumerate(studies)]
    found = link(studies, [report(who) for who in turned])
    right = sum(said.state is LinkState.SURE and said.report == f"r{said.study}" for said in found)
    assert right >= 0.995 * len(studies)
