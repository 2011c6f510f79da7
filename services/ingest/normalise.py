"""Bring written forms to one: text, numbers, sex, ages and dates of tables and headers, in Chinese and English.

Nothing here guesses: what cannot be read comes back as '' or None, and placeholders (无, -, 0000000, N/A) are missing.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

_ARTEFACTS = re.compile(r"_x000[dDaA]_|[\u200b-\u200f\u2028-\u202e\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f]")
_BLANKS = re.compile(r"[ \t\u00a0\u3000]+")
_PLACEHOLDER = re.compile(
    r"(?:无|没有|未知|不详|未填|未填写|空|待查|暂无|略|n/?a|none|null|nan|nil|nat|unknown|unk|not available|not applicable"
    r"|anonymous|test|[-—–_/\\*?？.。、~#]+)",
    re.IGNORECASE,
)
YEAR_MIN, YEAR_MAX = 1880, 2100
EXCEL_EPOCH = dt.date(1899, 12, 30)  # day 0 of Excel's 1900 system, with its leap-year error folded in (serials > 60)
AGE_YEARS_MAX = 130.0
_MONTHS = {name: n for n, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}


def clean_text(value: str) -> str:
    """Text as a person wrote it, without export artefacts (``_x000D_``, zero-width marks) and outer blanks; line breaks stay."""
    return _ARTEFACTS.sub("", value).replace("\r\n", "\n").replace("\r", "\n").strip()


def clean_value(value: str) -> str:
    """A short cell: NFKC, blanks collapsed, '' for placeholders."""
    folded = _BLANKS.sub(" ", unicodedata.normalize("NFKC", clean_text(value))).replace("\n", " ").strip(" '\"")
    return "" if _PLACEHOLDER.fullmatch(folded) else folded


@lru_cache(maxsize=1)
def traditional_table() -> dict[int, str]:
    """str.translate table traditional -> simplified, one character each (OpenCC's TSCharacters)."""
    table: dict[int, str] = {}
    for line in files("opencc").joinpath("dictionary/TSCharacters.txt").read_text("utf-8").splitlines():
        old, _, new = line.partition("\t")
        first = new.split(" ")[0]
        if len(old) == 1 and len(first) == 1 and old != first:
            table[ord(old)] = first
    return table


def simplified(text: str) -> str:
    """Traditional characters to simplified, the length kept."""
    return text.translate(traditional_table())


def number_key(value: str) -> str:
    """The comparable form of a patient, accession or report number: letters and digits, upper case, no leading zeros.

    '' for placeholders, for one repeated digit (0000000) and for numbers a spreadsheet has rounded (1.2E+11).
    """
    text = clean_value(value).upper()
    if re.fullmatch(r"\d+\.0+", text):
        text = text.split(".")[0]
    if re.fullmatch(r"\d(?:\.\d+)?E\+?\d+", text):
        return ""
    text = "".join(character for character in text if character.isalnum())
    if len(set(text)) == 1 and (text[0] == "0" or len(text) >= 5):
        return ""
    return text.lstrip("0")


def sex(value: str) -> str:
    """M, F, O or '' from DICOM, Chinese and English words and GB/T 2261.1 codes (1 male, 2 female, 0 and 9 unknown)."""
    text = clean_value(value).lower()
    if text in {"m", "male", "man", "boy", "男", "男性", "1", "1.0", "男士", "先生"}:
        return "M"
    if text in {"f", "female", "woman", "girl", "女", "女性", "2", "2.0", "女士"}:
        return "F"
    return "O" if text in {"o", "other", "其他", "其它"} else ""


_AGE_YEARS = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*(?:岁|周岁|歲|y(?:r|rs|ears?|/?o|\.o)?(?:[\s-]*old)?\.?|/y)?(?:\s*\d{1,2}\s*(?:个?月|m).*)?", re.IGNORECASE)
_AGE_SMALL = re.compile(r"(\d{1,4})\s*(个?月(?:龄)?|m(?:o|os|onths?)?|周|w(?:k|eeks?)?|天|日(?:龄)?|d(?:ays?)?)(?:\s*\d+\s*(?:天|日))?", re.IGNORECASE)


def age_years(value: str) -> float | None:
    """Years from 056Y, 56岁, 56, 3月, 10天, 18M; None when it is no age or over 130."""
    text = clean_value(value)
    small = _AGE_SMALL.fullmatch(text)
    if small:
        unit = small[2].lower()
        days = 30.44 if unit.startswith(("m", "个", "月")) else 7.0 if unit.startswith(("周", "w")) else 1.0
        return round(int(small[1]) * days / 365.25, 3)
    years = _AGE_YEARS.fullmatch(text)
    if not years or float(years[1]) > AGE_YEARS_MAX:
        return None
    return float(years[1])


_YMD = re.compile(r"(\d{4})\s*[-/.年_]\s*(\d{1,2})\s*[-/.月_]\s*(\d{1,2})\s*[日号]?(?:[T\s,].*|\d{1,2}[:时点].*)?")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{4}|\d{6})?(?:\.\d+)?(?:[T\s].*)?")
_SHORT = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4}|\d{2})(?:[T\s,].*)?")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[-\s/.]*([A-Za-z]{3,9})\.?[-\s/,.]*(\d{4}|\d{2})(?:[T\s,].*)?")
_MONTH_DAY = re.compile(r"([A-Za-z]{3,9})\.?[-\s/]*(\d{1,2})(?:st|nd|rd|th)?[-\s/,]+(\d{4})(?:[T\s,].*)?")
_SERIAL = re.compile(r"(\d{5})(?:\.\d+)?")


def date(value: str, order: str = "ymd") -> tuple[str, str]:
    """(YYYYMMDD, '') or ('', doubt). Doubts: ``missing``, ``unreadable``, ``impossible`` (31.02.), ``out-of-range``.

    ``order`` is the column's own (:func:`date_order`): mdy or dmy decide 03/04/2021. Five digits are an Excel serial day.
    """
    text = clean_value(value)
    if not text:
        return "", "missing"
    if match := _YMD.fullmatch(text) or _PACKED.fullmatch(text):
        return _calendar(int(match[1]), int(match[2]), int(match[3]))
    if match := _SHORT.fullmatch(text):
        first, second, year = int(match[1]), int(match[2]), _full_year(match[3])
        if order == "ymd" and len(match[3]) == 2 and int(match[1]) > 12:
            return _calendar(_full_year(match[1]), second, int(match[3]))
        day_first = first > 12 or (order == "dmy" and second <= 12)
        return _calendar(year, second, first) if day_first else _calendar(year, first, second)
    if match := _DAY_MONTH.fullmatch(text):
        return _calendar(_full_year(match[3]), _MONTHS.get(match[2][:3].lower(), 0), int(match[1]))
    if match := _MONTH_DAY.fullmatch(text):
        return _calendar(int(match[3]), _MONTHS.get(match[1][:3].lower(), 0), int(match[2]))
    if (match := _SERIAL.fullmatch(text)) and 7000 < int(match[1]) < 73000:
        return (EXCEL_EPOCH + dt.timedelta(days=int(match[1]))).strftime("%Y%m%d"), ""
    return "", "unreadable"


def _full_year(digits: str) -> int:
    if len(digits) == 4:
        return int(digits)
    return 2000 + int(digits) if int(digits) < 70 else 1900 + int(digits)


def _calendar(year: int, month: int, day: int) -> tuple[str, str]:
    if not YEAR_MIN <= year <= YEAR_MAX:
        return "", "out-of-range"
    try:
        return dt.date(year, month, day).strftime("%Y%m%d"), ""
    except ValueError:
        return "", "impossible"


def date_order(values: list[str]) -> str:
    """ymd, mdy or dmy: which order reads most of a column's dates; month first when all fit both ways (03/04/2021)."""
    day_first = month_first = 0
    for value in values:
        match = _SHORT.fullmatch(clean_value(value))
        if (match and len(match[3]) == 4) or (match and int(match[1]) <= 31):
            day_first += int(match[1]) > 12 >= int(match[2])
            month_first += int(match[2]) > 12 >= int(match[1])
    if day_first == month_first == 0:
        short = [value for value in values if _SHORT.fullmatch(clean_value(value))]
        dotted = sum("." in value.split(" ")[0] for value in short)
        return "ymd" if not short else "dmy" if dotted * 2 > len(short) else "mdy"
    return "dmy" if day_first > month_first else "mdy"


def day_number(yyyymmdd: str) -> int | None:
    """Days since year 1 of a YYYYMMDD date, None for '' or an impossible one: for differences only."""
    if len(yyyymmdd) != 8 or not yyyymmdd.isdigit():
        return None
    try:
        return dt.date(int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:])).toordinal()
    except ValueError:
        return None


@lru_cache(maxsize=1)
def _fold_table() -> dict[int, str]:
    """One character to one: full width to ASCII, traditional to simplified, typographic marks to plain ones."""
    table: dict[int, str] = {0xFF01 + n: chr(0x21 + n) for n in range(94)} | {0x3000: " ", 0x00A0: " "}
    table |= dict(zip(map(ord, "“”„‘’‚—–−‐‑﹣∕／〜～﹐｡【】〔〕「」"), "\"\"\"'''-----" + '-//~~,。[][]""', strict=True))
    return traditional_table() | table


def fold(text: str) -> str:
    """For matching: lower case, half width, simplified. The length stays, so offsets are those of ``text``."""
    folded = text.translate(_fold_table())
    lower = folded.lower()
    return lower if len(lower) == len(folded) else "".join(c.lower() if len(c.lower()) == 1 else c for c in folded)
