"""Properties of the split: by patient, each class's share within one, the same for the same seed."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.errors import InvalidInput
from services.catalog.split import Member, assign, parse_recipe

RECIPES = st.sampled_from([{"train": 0.7, "val": 0.15, "test": 0.15}, {"train": 0.8, "test": 0.2}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, {"all": 1.0}])
LABELS = st.lists(st.sampled_from(["0", "1", "2"]), max_size=120)


def members_of(labels):
    return [Member(f"LIV-{index:06d}", f"patient-{index}", label) for index, label in enumerate(labels)]


@settings(max_examples=150, deadline=None)
@given(labels=LABELS, shares=RECIPES, seed=st.integers(0, 2**63 - 1))
def test_every_class_gets_its_share_in_every_part_to_within_one(labels, shares, seed):
    recipe = parse_recipe(shares, seed)
    parts = assign(members_of(labels), recipe)
    found = Counter((parts[member.case_id], member.label) for member in members_of(labels))
    for name, share in recipe.shares:
        for label, total in Counter(labels).items():
            assert math.floor(total * share) <= found[name, label] <= math.ceil(total * share)
        # Over all classes rounding does not add up: within one patient for each class at most, here less than two.
        assert abs(sum(found[name, label] for label in set(labels)) - len(labels) * share) < 2


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, patients=st.integers(1, 20), shares=RECIPES, seed=st.integers(0, 1000))
def test_no_patient_is_in_two_parts(labels, patients, shares, seed):
    members = [Member(f"LIV-{index}", f"patient-{index % patients}", label) for index, label in enumerate(labels)]
    parts = assign(members, parse_recipe(shares, seed))
    assert set(parts) == {member.case_id for member in members}
    of_patient = {}
    for member in members:
        assert of_patient.setdefault(member.patient, parts[member.case_id]) == parts[member.case_id]


@settings(max_examples=50, deadline=None)
@given(labels=LABELS, order=st.randoms(use_true_random=False))
def test_order_of_the_input_does_not_matter(labels, order):
    members = members_of(labels)
    shuffled = list(members)
    order.shuffle(shuffled)
    recipe = parse_recipe({"train": 0.7, "val": 0.15, "test": 0.15}, 7)
    assert assign(members, recipe) == assign(shuffled, recipe)


def test_another_seed_gives_another_split():
    members = members_of(["0", "1"] * 50)
    one, two = (assign(members, parse_recipe({"train": 0.5, "test": 0.5}, seed)) for seed in (1, 2))
    assert one != two


def test_split_written_down_once_stays_as_it_is():
    # Frozen here so that a change of the algorithm is seen: versions already published name their seed.
    parts = assign(members_of(["0"] * 6 + ["1"] * 4), parse_recipe({"train": 0.5, "val": 0.3, "test": 0.2}, 42))
    assert Counter(parts.values()) == {"train": 5, "val": 3, "test": 2}
    assert "".join(parts[f"LIV-{index:06d}"][1] for index in range(10)) == "aarreraerr"  # second letters of train, val, test


@pytest.mark.parametrize(
    "shares", [{}, {"train": 0.5}, {"train": 1.5, "test": -0.5}, {"Train": 1.0}, {"../x": 1.0}, {"a": float("nan"), "b": 1.0}, {"a": 0.0, "b": 1.0}]
)
def test_shares_that_are_no_split_are_refused(shares):
    with pytest.raises(InvalidInput):
        parse_recipe(shares, 1)


def test_shares_are_taken_as_the_decimals_a_person_wrote():
    assert dict(parse_recipe({"train": 0.7, "val": 0.15, "test": 0.15}, 0).shares)["train"] == Fraction(7, 10)
