"""Dates in free text, moved by whole days and written again in the form they had."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from services.ingest.words import Ground

YEARS = range(1900, 2100)
_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
_MONTH_WORD = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"


def date_spans(folded: str, shift_days: int) -> list[tuple[int, int, str | None]]:
    """(start, end, moved text) of every date in a folded text; None instead of text where no such day exists.

    Forms: 2021-03-05, 2021/3/5, 2021.3.5, 2021年3月5日, 20210305, 03/05/2021 (month first; day first when it must be),
    05.03.2021 (day first), 5 mar 2021, march 5, 2021, 2021年3月, 2021-03, mar 2021, 3月5日 (no year: None), 2019年, in 2019.
    """
    found: list[tuple[int, int, str | None]] = []
    ground = Ground(len(folded))
    for pattern, mover in _FORMS:
        for match in pattern.finditer(folded):
            moved = mover(match, shift_days)
            if moved != "" and ground.claim(match.start(), match.end()):
                found.append((match.start(), match.end(), moved))
    return found


def _shifted(year: int, month: int, day: int, shift_days: int) -> dt.date | None:
    """The moved day; None when the day does not exist."""
    try:
        return dt.date(year, month, day) + dt.timedelta(days=shift_days)
    except (ValueError, OverflowError):
        return None


def _like(value: int, written: str) -> str:
    """A number with a leading zero when the written one has two digits."""
    return f"{value:0{len(written)}d}" if len(written) > 1 else str(value)


def _year_first(match: re.Match[str], shift_days: int) -> str | None:
    year, month, day = match["y"], match["m"], match["d"]
    moved = _shifted(int(year), int(month), int(day), shift_days)
    if moved is None:
        return None
    zeros = month.startswith("0") or day.startswith("0")
    texts = (str(moved.month), str(moved.day)) if not zeros and (len(month) == 1 or len(day) == 1) else (f"{moved.month:02d}", f"{moved.day:02d}")
    return f"{moved.year:04d}{match['a']}{texts[0]}{match['b']}{texts[1]}{match['c'] or ''}"


def _packed(match: re.Match[str], shift_days: int) -> str | None:
    moved = _shifted(int(match["y"]), int(match["m"]), int(match["d"]), shift_days)
    return "" if moved is None else moved.strftime("%Y%m%d") + (match["t"] or "")


def _month_first(match: re.Match[str], shift_days: int) -> str | None:
    first, second, written = int(match["m"]), int(match["d"]), match["y"]
    year = int(written) if len(written) == 4 else (2000 if int(written) < 70 else 1900) + int(written)
    day_first = first > 12 or (match["a"] == "." and second <= 12)
    moved = _shifted(year, second if day_first else first, first if day_first else second, shift_days)
    if moved is None:
        return None if len(written) == 4 else ""  # 13/24/17 may be a count
    one, two = (moved.day, moved.month) if day_first else (moved.month, moved.day)
    return f"{_like(one, match['m'])}{match['a']}{_like(two, match['d'])}{match['b']}{moved.year if len(written) == 4 else f'{moved.year % 100:02d}'}"


def _worded(match: re.Match[str], shift_days: int) -> str | None:
    month = next((n for n, name in enumerate(_MONTHS, 1) if name[:3] == match["m"][:3]), 0)
    written = match["y"]
    year = int(written) if len(written) == 4 else 2000 + int(written)
    moved = _shifted(year, month, int(match["d"]), shift_days)
    if moved is None:
        return None
    name = _MONTHS[moved.month - 1].capitalize()
    month_text = name if len(match["m"].rstrip(".")) > 4 or match["m"] in ("june", "july") else name[:3]
    day, year_text = _like(moved.day, match["d"]), str(moved.year) if len(written) == 4 else f"{moved.year % 100:02d}"
    if match["order"] == "day":
        return f"{day}{match['a']}{month_text}{match['b']}{year_text}"
    return f"{month_text}{match['a']}{day}{match['b']}{year_text}"


class _Ordered:
    """A match that also knows which order its pattern has."""

    def __init__(self, match: re.Match[str], order: str) -> None:
        self._match, self._order = match, order

    def __getitem__(self, name: str) -> str:
        return self._order if name == "order" else self._match[name]


def _day_word(match: re.Match[str], shift_days: int) -> str | None:
    return _worded(_Ordered(match, "day"), shift_days)  # type: ignore[arg-type]


def _word_day(match: re.Match[str], shift_days: int) -> str | None:
    return _worded(_Ordered(match, "month"), shift_days)  # type: ignore[arg-type]


def _year_month(match: re.Match[str], shift_days: int) -> str | None:
    """A month moves as its 15th day does."""
    moved = _shifted(int(match["y"]), int(match["m"]), 15, shift_days)
    return None if moved is None else f"{moved.year}{match['a']}{_like(moved.month, match['m'])}{match['c'] or ''}"


def _word_year(match: re.Match[str], shift_days: int) -> str | None:
    month = next((n for n, name in enumerate(_MONTHS, 1) if name[:3] == match["m"][:3]), 0)
    moved = _shifted(int(match["y"]), month, 15, shift_days)
    return None if moved is None else f"{_MONTHS[moved.month - 1].capitalize()}{match['a']}{moved.year}"


def _year(match: re.Match[str], shift_days: int) -> str | None:
    """A year moves as its middle does."""
    moved = _shifted(int(match["y"]), 7, 1, shift_days)
    return None if moved is None else f"{match['before'] or ''}{moved.year}{match['c'] or ''}"


def _gone(match: re.Match[str], shift_days: int) -> str | None:
    """A day without its year cannot be moved."""
    return None if 1 <= int(match["m"]) <= 12 and 1 <= int(match["d"]) <= 31 else ""


_Y = r"(?P<y>(?:19|20)\d{2})"
_ORDINAL = r"(?:st|nd|rd|th)?"
_Mover = Callable[[re.Match[str], int], "str | None"]
_FORMS: tuple[tuple[re.Pattern[str], _Mover], ...] = (
    (re.compile(rf"(?<![\d.]){_Y}(?P<a>\s*年\s*)(?P<m>\d{{1,2}})(?P<b>\s*月\s*)(?P<d>\d{{1,2}})(?P<c>\s*[日号])?"), _year_first),
    (re.compile(rf"(?<![\d.\-/]){_Y}(?P<a>[-/.])(?P<m>\d{{1,2}})(?P<b>[-/.])(?P<d>\d{{1,2}})(?P<c>)(?![\d])"), _year_first),
    (re.compile(rf"(?<![\da-z.\-]){_Y}(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?P<t>\d{{4}}|\d{{6}})?(?![\da-z])"), _packed),
    (re.compile(r"(?<![\d./\-])(?P<m>\d{1,2})(?P<a>[-/.])(?P<d>\d{1,2})(?P<b>[-/.])(?P<y>(?:19|20)\d{2})(?![\d/])"), _month_first),
    (re.compile(r"(?<![\d./\-])(?P<m>\d{1,2})(?P<a>/)(?P<d>\d{1,2})(?P<b>/)(?P<y>\d{2})(?![\d/.])"), _month_first),
    (
        re.compile(
            rf"(?<![\d.])(?P<d>\d{{1,2}}){_ORDINAL}(?P<a>[-\s/]+(?:of )?)(?P<m>{_MONTH_WORD})(?P<b>\.?,?[-\s/]+)"
            r"(?P<y>(?:19|20)\d{2}|\d{2}(?!\d|\.\d))(?![\da-z])"
        ),
        _day_word,
    ),
    (re.compile(rf"(?<![a-z])(?P<m>{_MONTH_WORD})(?P<a>\.?[-\s]+)(?P<d>\d{{1,2}}){_ORDINAL}(?P<b>,?[-\s]+){_Y}(?!\d)"), _word_day),
    (re.compile(rf"(?<![\d.]){_Y}(?P<a>\s*年\s*)(?P<m>1[0-2]|0?[1-9])(?P<c>\s*月份?)"), _year_month),
    (re.compile(rf"(?<![\d.\-/]){_Y}(?P<a>[-/.])(?P<m>0[1-9]|1[0-2])(?P<c>)(?![\d\-/.])"), _year_month),
    (re.compile(rf"(?<![a-z])(?P<m>{_MONTH_WORD})(?P<a>\.?,?\s+){_Y}(?!\d)"), _word_year),
    (re.compile(r"(?<![\d.年])(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*[日号]"), _gone),
    (re.compile(rf"(?<![\d.])(?P<before>){_Y}(?P<c>\s*年)(?!版|第|who)"), _year),
    (
        re.compile(
            rf"(?P<before>(?<![a-z])(?:in|since|from|until|during|of|year|early|late|mid)[- ]){_Y}(?P<c>)"
            r"(?![\d\-/.]|\s*(?:who|ajcc|version|edition|classification|criteria|guideline|\w+ edition))"
        ),
        _year,
    ),
)  # fmt: skip
