"""Distinct cases by value, against a count by hand and against sets of pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.columns import presence
from isocenter.columns.codes import Codes
from isocenter.columns.rows import IMAGES


def test_cases_by_code_when_a_case_has_a_value_twice_then_it_counts_once():
    places, codes = np.array([0, 0, 0, 1, 2], np.uint32), np.array([1, 1, 2, 1, 0], np.uint32)
    by_code, having = presence.cases_by_code(places, codes, 3)
    assert (by_code.tolist(), having) == ([0, 2, 1], 2)
    assert presence.cases_by_code(places[:0], codes[:0], 3)[1] == 0
    assert presence.distinct_cases(places, 4) == 3


@settings(deadline=None, max_examples=60, database=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=60))
def test_cases_by_code_when_sorted_instead_then_the_same_numbers(pairs):
    places, codes = (np.array([pair[side] for pair in pairs], np.uint32) for side in (0, 1))
    by_code, having = presence.cases_by_code(places, codes, 7)
    if pairs:
        sorted_by_code, sorted_having = presence._by_sorting(places, codes, int(codes.max()) + 1)
        assert (by_code.tolist(), having) == (sorted_by_code.tolist(), sorted_having)
    told = {pair for pair in pairs if pair[1]}
    assert {code: number for code, number in enumerate(by_code.tolist()) if number} == {
        code: len({place for place, of in told if of == code}) for _, code in told
    }
    assert having == len({place for place, _ in told})


def test_codes_when_texts_come_again_then_their_numbers_stay_and_missing_is_0():
    codes = Codes()
    texts = {name: np.array([None, "", "CT", "MR", "CT"], object) for name in IMAGES.coded}
    assert codes.arrays(IMAGES, texts)["code_Modality"].tolist() == [0, 0, 1, 2, 1]
    later = {name: np.array(["US", "MR"], object) for name in IMAGES.coded}
    assert codes.arrays(IMAGES, later)["code_Modality"].tolist() == [3, 2]
