"""What the values of a column look like: the share of them that could be a date, an age, a name, a report text ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from services.ingest import normalise

SAMPLE_ROWS = 400
_HAN = re.compile(r"[\u3400-\u9fff]")
_HAN_NAME = re.compile(r"[\u3400-\u9fff·*＊×○某]{2,4}(?:[（(].{1,3}[)）])?")
_LATIN_NAME = re.compile(r"[A-Za-z][A-Za-z'.\-]+(?:[\^,\s]+[A-Za-z][A-Za-z'.\-]*){1,4}\^*")
_NUMBER = re.compile(r"(?=.*\d)[A-Za-z]{0,8}[-_ ]?[0-9A-Za-z][0-9A-Za-z\-_./]{1,40}")
_UID = re.compile(r"[0-2](?:\.\d+){5,}")
_PATH = re.compile(r"(?:.*[/\\].*|.+\.(?:dcm|nii|gz|png|jpe?g|tiff?|svs|ndpi|mrxs|bmp|mha|nrrd|zip|ima)|.*[*?].*)", re.IGNORECASE)
_MODALITY = re.compile(
    r"(?:CT|MRI?|US|MG|CR|DX|DR|XA|PT|PET|PET[-/]?CT|NM|SM|RF|OT|ES|ECT|SPECT|X光|X线|磁共振|核磁(?:共振)?|超声|彩超|B超|钼靶|乳腺钼靶|平片|内镜|病理|CTA|MRA|CTU)(?:检查)?",
    re.IGNORECASE,
)
# GB 11643: region, birth date, sequence, check; other numbers of 18 digits are a hospital's own
_NATIONAL_ID = re.compile(r"[1-8]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]")
_LABEL = re.compile(
    r"[0-9](?:\.0)?|[NPMBnpmb]|true|false|yes|no|pos(?:itive)?|neg(?:ative)?|benign|malignant|normal|cancer|tumou?r|control|case"
    r"|阳性|阴性|良性|恶性|正常|异常|是|否|有|无|癌|非癌|未知|不确定|交界性|review|unknown|uncertain",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, repr=False)
class Shape:
    """Shares (0..1) of the filled values that fit each shape, and how a column is filled."""

    filled: float
    distinct: float
    mean_length: float
    fits: dict[str, float] = field(default_factory=dict)
    serial: bool = False  # 1, 2, 3 ... down the table

    def fit(self, shape: str) -> float:
        return self.fits.get(shape, 0.0)


def shape_of(values: Sequence[str]) -> Shape:
    """The shape of a column from at most SAMPLE_ROWS values spread over it; blank values do not count."""
    step = max(1, len(values) // SAMPLE_ROWS)
    sample = values[::step][:SAMPLE_ROWS]
    filled = [cleaned for cleaned in (normalise.clean_value(value) for value in sample) if cleaned]
    if not filled:
        return Shape(0.0, 0.0, 0.0)
    fits = {name: sum(map(test, filled)) / len(filled) for name, test in _TESTS.items()}
    return Shape(len(filled) / len(sample), len(set(filled)) / len(filled), sum(map(len, filled)) / len(filled), fits, _is_serial(filled, step))


def _is_serial(filled: Sequence[str], step: int) -> bool:
    """Numbers of the rows: from 0 or 1 on, one more each row."""
    if len(filled) < 3 or not all(value.isascii() and value.isdigit() for value in filled) or int(filled[0]) > 1:
        return False
    return all(int(b) - int(a) == step for a, b in pairwise(filled))


@lru_cache(maxsize=4096)
def _is_date(value: str) -> bool:
    text, _ = normalise.date(value)
    return bool(text) and not re.fullmatch(r"\d{5}(?:\.\d+)?", value)


def _is_serial_date(value: str) -> bool:
    return bool(re.fullmatch(r"[2-4]\d{4}(?:\.\d+)?", value))


def _is_age(value: str) -> bool:
    return len(value) <= 10 and normalise.age_years(value) is not None


def _is_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value)) and not _is_date(value) and len(value) >= 3


def _is_text(value: str) -> bool:
    """Words of a sentence: two Han characters, or several latin words; single words (ABDOMEN) are codes."""
    worded = len(_HAN.findall(value)) >= 2 or (len(value) >= 8 and " " in value)
    return worded and not _is_number(value) and not _is_date(value) and not _is_western_name(value)


def _is_western_name(value: str) -> bool:
    return bool(_LATIN_NAME.fullmatch(value)) and len(value) < 30 and value.istitle()


def _is_name(value: str) -> bool:
    return bool(_HAN_NAME.fullmatch(value) or _LATIN_NAME.fullmatch(value)) and not normalise.sex(value)


_TESTS: dict[str, Callable[[str], bool]] = {
    "date": lambda value: _is_date(value) or _is_serial_date(value),
    "sex": lambda value: bool(normalise.sex(value)),
    "age": _is_age,
    "name": _is_name,
    "number": _is_number,
    "uid": lambda value: bool(_UID.fullmatch(value)),
    "path": lambda value: bool(_PATH.fullmatch(value)) and not _is_date(value),
    "modality": lambda value: bool(_MODALITY.fullmatch(value)),
    "label": lambda value: bool(_LABEL.fullmatch(value)),
    "text": _is_text,
    "short": lambda value: len(value) <= 60 and not value.isdigit() and not _is_number(value) and not _is_date(value),
    "national_id": lambda value: bool(_NATIONAL_ID.fullmatch(value)),
    "phone": lambda value: bool(re.fullmatch(r"1[3-9]\d{9}|0\d{2,3}-?\d{7,8}", value)),
}
