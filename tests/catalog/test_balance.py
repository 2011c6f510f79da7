"""Balance and folds: by patient, in the parts asked for, seeded; what a version says of them."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest
from catalog.rows import Person, Shot, open_site
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.errors import InvalidInput
from services.catalog.balance import Balance, balanced, folds_of, parse_balance
from services.catalog.split import Member, assign, parse_recipe

SPLIT = parse_recipe({"train": 0.7, "val": 0.15, "test": 0.15}, 7)
classes = st.lists(st.sampled_from("001"), min_size=1, max_size=80)
seeds = st.integers(0, 2**63 - 1)


def members_of(labels, patients=0):
    return [Member(f"LIV-{n:06d}", f"p{n % patients if patients else n}", label) for n, label in enumerate(labels)]


def sizes(members, weights):
    found = Counter()
    for member in members:
        found[member.label] += weights(member)
    return found


@settings(max_examples=100, deadline=None, derandomize=True)
@given(labels=classes, seed=seeds)
def test_under_sampling_leaves_as_many_of_each_class_as_of_the_smallest(labels, seed):
    members = members_of(labels)
    done = balanced(members, {}, Balance("under", ("",)), seed)
    kept = Counter(member.label for member in members if member.case_id not in done.left_out)
    assert set(kept.values()) == {min(Counter(labels).values())}
    assert set(kept) == set(labels)
    assert balanced(members[::-1], {}, Balance("under", ("",)), seed) == done


@settings(max_examples=100, deadline=None, derandomize=True)
@given(labels=classes, seed=seeds)
def test_over_sampling_and_weights_make_every_class_count_the_same(labels, seed):
    members = members_of(labels)
    over = balanced(members, {}, Balance("over", ("",)), seed)
    assert not over.left_out
    assert set(sizes(members, lambda member: over.repeats[member.case_id]).values()) == {max(Counter(labels).values())}
    for label in set(labels):  # no patient is taken twice more than another of the class
        times = {over.repeats[member.case_id] for member in members if member.label == label}
        assert max(times) - min(times) <= 1
        assert min(times) >= 1
    weights = balanced(members, {}, Balance("weights", ("",)), seed).weights
    for total in sizes(members, lambda member: weights[member.case_id]).values():
        assert total == pytest.approx(len(labels) / len(set(labels)), rel=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=classes, patients=st.integers(1, 40), seed=seeds)
def test_balance_keeps_or_leaves_whole_patients_and_touches_no_other_part(labels, patients, seed):
    members = members_of(labels, patients)
    parts = assign(members, SPLIT)
    done = balanced(members, parts, Balance("under", ("train",)), seed)
    assert all(parts[case_id] == "train" for case_id in done.left_out)
    left = {member.patient for member in members if member.case_id in done.left_out}
    assert left.isdisjoint(member.patient for member in members if member.case_id not in done.left_out)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(labels=classes, patients=st.integers(1, 40), folds=st.integers(2, 6), seed=seeds)
def test_folds_hold_whole_patients_none_of_test_and_each_class_in_equal_shares(labels, patients, folds, seed):
    members = members_of(labels, patients)
    parts = assign(members, SPLIT)
    found = folds_of(members, parts, folds, seed)
    assert set(found) == {case_id for case_id, part in parts.items() if part != "test"}
    of_patient = {(member.patient, found[member.case_id]) for member in members if member.case_id in found}
    assert len(of_patient) == len({patient for patient, _ in of_patient})
    alone = members_of(labels)  # a patient a case: shares can be counted
    cut = folds_of(alone, {}, folds, seed)
    for label in set(labels):
        number = Counter(cut[member.case_id] for member in alone if member.label == label)
        ideal = labels.count(label) / folds
        assert all(abs(number[fold] - ideal) < 1 for fold in range(folds))


def test_balance_without_parts_is_of_train_when_there_is_one():
    assert parse_balance("under", None, SPLIT) == Balance("under", ("train",))
    assert parse_balance("over", None, None) == Balance("over", ("",))
    assert parse_balance("over", None, parse_recipe({"a": 0.5, "b": 0.5}, 0)) == Balance("over", ("a", "b"))
    for method, parts, split in (("under", ["tran"], SPLIT), ("under", ["train"], None), (None, ["train"], SPLIT), ("smote", None, None)):
        with pytest.raises(InvalidInput):
            parse_balance(method, parts, split)


@pytest.fixture
async def site(catalog_url, tmp_path):
    async with open_site(catalog_url, tmp_path) as opened:
        await opened.add(*(Person(f"LIV-{n:06d}", label="1" if n % 4 == 0 else "0", shots=(Shot(instances=1),)) for n in range(1, 25)))
        async with opened.client() as admin:
            assert (await admin.post("/api/v1/datasets", json={"name": "livers", "disease": "liver"})).status_code == 201
            yield admin


async def freeze(admin, **body):
    answer = await admin.post("/api/v1/datasets/livers/versions", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    rows = await admin.get(f"/api/v1/datasets/livers/versions/{made['number']}/labels.csv")
    return made, list(csv.DictReader(io.StringIO(rows.text)))


async def test_version_says_how_it_was_balanced_and_its_digest_covers_it(site):
    plain, rows = await freeze(site)
    assert not {"fold", "repeats", "weight"} & set(rows[0])
    under, rows = await freeze(site, balance="under", folds=3, seed=5)
    assert under["counts"]["by_label"] == {"0": 6, "1": 6}  # 18 and 6 before
    assert under["counts"]["left_out"]["balance"] == 12
    assert Counter(row["fold"] for row in rows) == {"0": 4, "1": 4, "2": 4}
    assert Counter((row["fold"], row["label"]) for row in rows)["0", "1"] == 2
    assert under["recipe"]["balance"] == {"method": "under", "parts": [""], "unit": "patient", "seed": 5}
    assert under["recipe"]["folds"]["number"] == 3
    assert "欠采样" in under["card"]["markdown"]
    again, _ = await freeze(site, balance="under", folds=3, seed=5)
    assert again["digest"] == under["digest"]
    others = [(await freeze(site, **body))[0]["digest"] for body in ({"balance": "over"}, {"balance": "weights"}, {"folds": 3, "seed": 5}, {"folds": 4})]
    assert len({plain["digest"], under["digest"], *others}) == 6


async def test_over_sampling_is_of_train_only_when_there_is_a_split(site):
    made, rows = await freeze(site, balance="over", split={"train": 0.5, "test": 0.5}, seed=1)
    taken = Counter()
    for row in rows:
        taken[row["split"], row["label"]] += int(row["repeats"])
    assert taken == {("train", "0"): 9, ("train", "1"): 9, ("test", "0"): 9, ("test", "1"): 3}
    assert made["counts"]["repeated"] == 30
    _, rows = await freeze(site, balance="weights", split={"train": 0.5, "test": 0.5}, seed=1)
    assert {(row["split"], row["label"], row["weight"]) for row in rows} == {
        ("train", "0", "0.66666667"), ("train", "1", "2"), ("test", "0", "1"), ("test", "1", "1"),
    }  # fmt: skip
    wrong = await site.post("/api/v1/datasets/livers/versions", json={"balance": "under", "balance_parts": ["val"]})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "balance_parts")
