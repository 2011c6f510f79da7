"""Filters as people write them."""

from __future__ import annotations

import pytest
from isocenter_client.errors import ClientError
from isocenter_client.filters import from_keywords, merged, parse_reference, parse_split, parse_where

from isocenter.search import ATTRIBUTES, Kind, parse_filter


def test_conditions_of_the_shell_give_the_servers_filter():
    query = parse_where(["Modality=CT,MR and SliceThickness<=1.5", "age = 40..70", "label in (0, 1)", "SeriesDescription=thin slice"])
    assert query == {
        "terms": {"Modality": ["CT", "MR"], "label": ["0", "1"], "SeriesDescription": ["thin slice"]},
        "ranges": {"SliceThickness": {"lte": 1.5}, "age": {"gte": 40.0, "lte": 70.0}},
    }
    parse_filter(query)


def test_keywords_of_python_give_the_same_filter():
    query = from_keywords({"Modality": "CT", "label": [0, 1], "age": (40, 70), "SliceThickness__lte": 1.5})
    assert query == {
        "terms": {"Modality": ["CT"], "label": [0, 1]}, "ranges": {"age": {"gte": 40, "lte": 70}, "SliceThickness": {"lte": 1.5}},
    }  # fmt: skip
    assert from_keywords({"age": (None, 70)})["ranges"] == {"age": {"lte": 70}}
    parse_filter(query)


def test_numbers_the_client_knows_are_the_servers():
    from isocenter_client.filters import NUMBERS

    assert {name for name, attribute in ATTRIBUTES.items() if attribute.kind is Kind.NUMBER} == NUMBERS


def test_filters_laid_over_one_another_keep_the_later_name():
    assert merged({"terms": {"sex": ["F"], "disease": ["liver"]}}, {"terms": {"sex": ["M"]}}, None) == {"terms": {"sex": ["M"], "disease": ["liver"]}}


@pytest.mark.parametrize("text", ["Modality", "=CT", "age>>4", "age<=x", "Modality!=CT"])
def test_condition_that_cannot_be_read_is_refused(text):
    with pytest.raises(ClientError):
        parse_where([text])


def test_split_in_percent_shares_or_names():
    assert parse_split("70/15/15") == {"train": 0.7, "val": 0.15, "test": 0.15}
    assert parse_split((0.8, 0.2)) == {"train": 0.8, "test": 0.2}
    assert parse_split({"a": 0.5, "b": 0.5}) == {"a": 0.5, "b": 0.5}
    assert parse_split(None) is None
    for wrong in ("100", "a/b", "1/2/3/4"):
        with pytest.raises(ClientError):
            parse_split(wrong)


def test_reference_is_name_and_number():
    assert parse_reference("lung-thin@12") == ("lung-thin", 12)
    for wrong in ("lung", "lung@", "lung@0", "../x@1", "lung@1@2", "Lung@1"):
        with pytest.raises(ClientError):
            parse_reference(wrong)
