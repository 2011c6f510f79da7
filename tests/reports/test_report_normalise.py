"""Written forms of numbers, dates, ages and sexes come to one form or to nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import normalise


@pytest.mark.parametrize(
    ("written", "order", "expected"),
    [
        ("2021-03-05", "ymd", ("20210305", "")),
        ("2021年3月5日14:20", "ymd", ("20210305", "")),
        ("20210305143000", "ymd", ("20210305", "")),
        ("03/04/2021", "mdy", ("20210304", "")),
        ("03/04/2021", "dmy", ("20210403", "")),
        ("25/03/2021", "mdy", ("20210325", "")),
        ("44260", "ymd", ("20210305", "")),  # Excel: 44260 days after 1899-12-30
        ("5-Mar-21", "ymd", ("20210305", "")),
        ("31.02.2021", "dmy", ("", "impossible")),
        ("0000-00-00", "ymd", ("", "out-of-range")),
        ("昨天", "ymd", ("", "unreadable")),
        ("无", "ymd", ("", "missing")),
    ],
)
def test_date_of_any_form_is_read(written: str, order: str, expected: tuple[str, str]) -> None:
    assert normalise.date(written, order) == expected


@pytest.mark.parametrize(
    ("values", "order"),
    [(["03/25/2021", "04/01/2021"], "mdy"), (["25/03/2021", "01/04/2021"], "dmy"), (["2021-03-05"], "ymd"), (["05.03.2021"], "dmy"), (["03/04/2021"], "mdy")],
)
def test_date_order_of_a_column_is_found(values: list[str], order: str) -> None:
    assert normalise.date_order(values) == order


@pytest.mark.parametrize(
    ("written", "years"),
    [("056Y", 56.0), ("56岁", 56.0), ("56", 56.0), ("018M", 1.5), ("3月", 0.25), ("10天", 0.027), ("5岁3月", 5.0), ("200", None), ("-", None)],
)
def test_age_of_any_form_is_read(written: str, years: float | None) -> None:
    assert normalise.age_years(written) == years


@pytest.mark.parametrize(("written", "sex"), [("男", "M"), ("女性", "F"), ("2", "F"), ("f", "F"), ("O", "O"), ("0", ""), ("未知", "")])
def test_sex_of_any_form_is_read(written: str, sex: str) -> None:
    assert normalise.sex(written) == sex


@pytest.mark.parametrize(
    ("written", "key"),
    [("00731204", "731204"), ("731204.0", "731204"), ("b19-000036", "B19000036"), ("0000000", ""), ("无", ""), ("1.2E+11", ""), ("ＣＴ００１", "CT001")],
)
def test_number_of_any_form_is_comparable(written: str, key: str) -> None:
    assert normalise.number_key(written) == key


@given(st.text(max_size=60))
def test_folding_keeps_the_length(text: str) -> None:
    assert len(normalise.fold(text)) == len(text)
