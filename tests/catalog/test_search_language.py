"""The parser of the search language: what it takes, and how it says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.errors import InvalidInput
from isocenter.search import ATTRIBUTES, Filter, parse_filter


def test_filter_parsed_and_written_again_is_the_same():
    document = {"terms": {"Modality": ["MR", "CT", "CT"], "sex": ["F"]}, "ranges": {"age": {"lte": 70, "gte": 40}}, "include_null": True}
    query = parse_filter(document)
    assert query.document() == {
        "terms": {"Modality": ["CT", "MR"], "sex": ["F"]}, "ranges": {"age": {"gte": 40.0, "lte": 70.0}}, "include_null": True,
    }  # fmt: skip
    assert parse_filter(query.document()) == query
    assert parse_filter(None) == parse_filter({}) == Filter()


@pytest.mark.parametrize(
    ("document", "field", "said"),
    [
        ({"terms": {"modality": ["CT"]}}, "query.terms.modality", "Modality"),
        ({"terms": {"SliceThicknes": [1]}}, "query.terms.SliceThicknes", "SliceThickness"),
        ({"ranges": {"Age": {"gte": 1}}}, "query.ranges.Age", "did you mean age?"),
        ({"term": {}}, "query.term", "terms"),
        ({"terms": {"sex": ["male"]}}, "query.terms.sex", "did you mean M?"),
        ({"terms": {"label_state": ["shure"]}}, "query.terms.label_state", "sure"),
        ({"terms": {"Modality": "CT"}}, "query.terms.Modality", "list"),
        ({"terms": {"Modality": []}}, "query.terms.Modality", "list"),
        ({"terms": {"Modality": [["CT"]]}}, "query.terms.Modality", "text"),
        ({"terms": {"Modality": [1]}}, "query.terms.Modality", "text"),
        ({"terms": {"Modality": ["C\x00T"]}}, "query.terms.Modality", "text"),
        ({"terms": {"Modality": ["\ud800"]}}, "query.terms.Modality", "text"),
        ({"terms": {"Modality": ["CT"] * 201}}, "query.terms.Modality", "200"),
        ({"terms": {"mpp": [True]}}, "query.terms.mpp", "number"),
        ({"terms": ["CT"]}, "query.terms", "object"),
        ({"ranges": {"Modality": {"gte": 1}}}, "query.ranges.Modality", "terms"),
        ({"ranges": {"age": {"gte": "40"}}}, "query.ranges.age.gte", "number"),
        ({"ranges": {"age": {"gte": float("nan")}}}, "query.ranges.age.gte", "number"),
        ({"ranges": {"age": {"gte": 1e400}}}, "query.ranges.age.gte", "number"),
        ({"ranges": {"age": {"gte": 10**400}}}, "query.ranges.age.gte", "number"),
        ({"ranges": {"age": {"gt": 1}}}, "query.ranges.age", "gte"),
        ({"ranges": {"age": {}}}, "query.ranges.age", "gte"),
        ({"ranges": {"age": {"gte": 70, "lte": 40}}}, "query.ranges.age", "above"),
        ({"include_null": "yes"}, "query.include_null", "true or false"),
    ],
)
def test_wrong_filter_is_refused_with_the_field_and_what_is_right(document, field, said):
    with pytest.raises(InvalidInput) as refused:
        parse_filter(document)
    assert refused.value.field == field
    assert said in refused.value.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10) | st.sampled_from(sorted(ATTRIBUTES)),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["terms", "ranges", "gte", "lte", *ATTRIBUTES]) | st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(document=JSON)
def test_any_json_gives_a_filter_or_invalid_input(document):
    try:
        query = parse_filter(document)
    except InvalidInput:
        return
    assert parse_filter(query.document()) == query
