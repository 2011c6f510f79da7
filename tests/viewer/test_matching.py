"""The matcher of attribute values: person names by group, wildcards, ranges."""

from __future__ import annotations

from datetime import date

import pytest

from services.viewer.matching import day_range, like_pattern, listed, name_matches, wildcard_matches

YANG = "Yang^Xiaoming=杨^晓明=ㄧㄤˊ^ㄒㄧㄠˇ"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Yang^Xiaoming", True), ("yang^xiaoming", True), ("Yang", False), ("Yang*", True), ("Yang^X?aoming", True), ("*ming", True),
        ("杨^晓明", True), ("杨*", True), ("杨", False), ("李*", False), ("=杨*", True), ("=李*", False), ("Yang*=杨*", True), ("Yang*=李*", False),
        ("Li*=杨*", False), ("Yang^Xiaoming^^", True), ("", True), ("*", True), ("*=*", True), ("ㄧㄤˊ*", True), ("==ㄧㄤˊ*", True), ("Yang.*", False),
        ("YÀNG*", True),
    ],
)  # fmt: skip
def test_name_when_matched_then_each_group_by_its_own(asked: str, found: bool) -> None:
    assert name_matches(YANG, asked) is found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("xiao", True), ("Xiaoming Yang", True), ("yang,xi", True), ("ang", False), ("杨晓", True), ("晓明", True), ("明", False), ("Yang Li", False),
        ("杨 晓", True),
    ],
)  # fmt: skip
def test_name_when_fuzzy_then_by_the_beginnings_of_words(asked: str, found: bool) -> None:
    assert name_matches(YANG, asked, fuzzy=True) is found


def test_wildcards_when_matched_then_other_signs_are_themselves() -> None:
    assert wildcard_matches("CT [a]", "CT [?]")
    assert not wildcard_matches("CT a", "CT [a]")
    assert like_pattern("50%_a*?\\") == "50\\%\\_a%_\\\\"
    assert listed("1.2\\1.3,1.4, ") == ["1.2", "1.3", "1.4"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20190305", (date(2019, 3, 5), date(2019, 3, 5))), ("20190305-", (date(2019, 3, 5), None)), ("-20190305", (None, date(2019, 3, 5))),
        ("20180101-20190305", (date(2018, 1, 1), date(2019, 3, 5))), ("2019-03-05", (date(2019, 3, 5), date(2019, 3, 5))),
    ],
)  # fmt: skip
def test_range_when_parsed_then_either_end_may_be_open(text: str, expected: object) -> None:
    assert day_range(text) == expected


@pytest.mark.parametrize("text", ["-", "2019", "20190230", "x", "20190305-x", "２０１９０３０５"])
def test_range_when_it_is_none_then_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|range|month"):
        day_range(text)
