"""Linking at size: pairs come from numbers of whole columns, and nothing is left out that the full comparison would show."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from benchmarks.linkage import person, report, worsened
from services.ingest.blocking import BLOCK_PAIRS_MAX, candidate_pairs
from services.ingest.link import link
from services.ingest.link_bound import most_bits
from services.ingest.link_columns import Codes, Columns
from services.ingest.link_person import Person, person_of_report, person_of_study
from services.ingest.link_weights import Frequencies, components
from services.ingest.report_records import LinkState, ReportIdentity, ReportKind, StudyIdentity


def crowd(count: int, errors: float) -> tuple[list[StudyIdentity], list[ReportIdentity]]:
    """Made people, a few of them masked, without a name, without dates, with ages only, with pinyin names or a second number."""
    drawn = random.Random(3)
    studies = [person(drawn, n) for n in range(count)]
    reports = [report(worsened(drawn, study, errors)) for study in studies]
    changes: list[dict[str, object]] = [
        {"patient_name": "张*"}, {"patient_name": ""}, {"birth_date": ""}, {"birth_date": "", "age_years": 61.0}, {"patient_name": "ZHANG^WEI"},
        {"patient_id": ""}, {"patient_id": "A-1234567890-1234567890"}, {"sex": ""}, {"modality": "MR"}, {},
    ]  # fmt: skip
    studies = [replace(study, **drawn.choice(changes)) if n % 3 == 0 else study for n, study in enumerate(studies)]  # type: ignore[arg-type]
    reports = [replace(r, **drawn.choice([*changes, {"date": ""}, {"outpatient_number": "7712345"}])) if n % 3 == 1 else r for n, r in enumerate(reports)]  # type: ignore[arg-type]
    return studies, reports


def people(count: int, errors: float) -> tuple[list[Person], list[Person]]:
    studies, reports = crowd(count, errors)
    return [person_of_study(study) for study in studies], [person_of_report(r) for r in reports]


@pytest.mark.parametrize("kind", list(ReportKind))
def test_bound_of_every_pair_is_at_least_what_the_full_comparison_weighs(kind: ReportKind) -> None:
    studies, reports = people(60, 0.4)
    known = Frequencies.of([*studies, *reports])
    codes = Codes()
    left, right = Columns.of(studies, codes), Columns.of(reports, codes)
    pairs = list(product(range(60), repeat=2))
    bounds = most_bits(left, right, np.array([s for s, _ in pairs]), np.array([r for _, r in pairs]), kind, known)
    for (s, r), bound in zip(pairs, bounds, strict=True):
        fields = components(studies[s], reports[r], kind, known)
        if fields["accession"].agreement == "agree":
            continue  # numbers make candidates without being asked what they are worth
        assert sum(item.weight for item in fields.values()) <= bound + 1e-9, fields


@pytest.mark.parametrize("kind", list(ReportKind))
def test_candidates_are_all_pairs_that_share_what_a_pass_asks_for(kind: ReportKind) -> None:
    studies, reports = people(200, 0.2)
    codes = Codes()
    s, r = candidate_pairs(Columns.of(studies, codes), Columns.of(reports, codes), kind, lambda s, r: np.ones(s.size, dtype=np.bool_))
    found = set(zip(s.tolist(), r.tolist(), strict=True))
    days = (-30, 240) if kind is ReportKind.PATHOLOGY else (-45, 45)
    for n, m in product(range(200), repeat=2):
        study, other = studies[n], reports[m]
        if study.day is None or other.day is None or not days[0] <= other.day - study.day <= days[1]:
            continue
        same_birth = bool(study.birth_date) and study.birth_date == other.birth_date
        near = abs(other.day - study.day) <= 14
        if study.numbers & other.numbers or (near and study.name_keys & other.name_keys) or (same_birth and (near or study.surname == other.surname)):
            assert (n, m) in found


def test_candidates_of_a_value_everybody_shares_are_left_to_other_passes() -> None:
    count = math.isqrt(BLOCK_PAIRS_MAX) + 10
    same = [StudyIdentity(str(n), patient_name="王伟", birth_date="19700101", patient_id=f"{n:06}1") for n in range(count)]
    found = link(same, [ReportIdentity(f"r{n}", ReportKind.IMAGING, patient_id=f"{n:06}1", patient_name="王伟", birth_date="19700101") for n in range(count)])
    assert [(said.study, said.report) for said in found if said.state is LinkState.SURE] == sorted((str(n), f"r{n}") for n in range(count))


def test_candidates_of_nobody_are_none() -> None:
    codes = Codes()
    empty = Columns.of([], codes)
    s, r = candidate_pairs(empty, empty, ReportKind.IMAGING, lambda s, r: np.ones(s.size, dtype=np.bool_))
    assert (s.size, r.size) == (0, 0)
    assert link([], []) == []
