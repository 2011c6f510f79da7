"""A first look at many pairs at once: the most bits a pair could reach, so that hopeless ones are never compared in full.

Every field's bound is at least its weight in link_weights.py; a test holds the two together. What cannot be said from columns
(masked names, several numbers) counts as agreeing.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from services.ingest.blocking import exchanged
from services.ingest.link_columns import NO_DAY, Bool, Columns, Int
from services.ingest.link_weights import (
    AGE_BITS,
    BIRTH_NEAR_BITS,
    BIRTH_YEAR_BITS,
    DATE_LEVELS,
    DATE_PATHOLOGY,
    EXCHANGED_BITS,
    MODALITY_BITS,
    NAME_NEAR_BITS,
    NUMBER_NEAR_BITS,
    ORGAN_BITS,
    SEX_BITS,
    WEIGHT_MAX,
    Frequencies,
    birth_bits,
    date_bits,
)
from services.ingest.report_records import ReportKind

Bits = npt.NDArray[np.float64]


def most_bits(studies: Columns, reports: Columns, s: Int, r: Int, kind: ReportKind, known: Frequencies) -> Bits:
    """For each pair (s[i], r[i]) the most its fields may weigh together, the prior left out."""
    bits = _names(studies, reports, s, r) + _numbers(studies, reports, s, r) + _births(studies, reports, s, r, known)
    bits += _dates(studies, reports, s, r, kind, known)
    a, b = studies.sex[s], reports.sex[r]
    bits += np.where((a == 0) | (b == 0), 0.0, np.where(a == b, SEX_BITS[0], SEX_BITS[1]))
    if kind is ReportKind.IMAGING:
        bits += np.where((studies.modality[s] > 0) & (reports.modality[r] > 0), MODALITY_BITS, 0.0)
    bits += np.where(studies.scoped[s] & reports.scoped[r], ORGAN_BITS, 0.0)
    return bits


def _shared(a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]) -> Bool:
    """Row by row: a code (not 0) in common."""
    found = np.zeros(a.shape[0], dtype=np.bool_)
    for n in range(a.shape[1]):
        column = a[:, n]
        if not column.any():
            break  # codes fill a table from the left
        found |= (column[:, None] == b).any(axis=1) & (column > 0)
    return found


def _names(studies: Columns, reports: Columns, s: Int, r: Int) -> Bits:
    unclear = studies.name_open[s] | reports.name_open[r]
    alike = _shared(studies.name_table[s], reports.name_table[r]) | unclear
    told = studies.named[s] & reports.named[r]
    return np.where(told, np.where(alike, WEIGHT_MAX, NAME_NEAR_BITS), 0.0)


def _numbers(studies: Columns, reports: Columns, s: Int, r: Int) -> Bits:
    first, second = studies.number_table[s], reports.number_table[r]
    told = (first[:, 0] > 0) & (second[:, 0] > 0)
    alike = _shared(first, second) | studies.number_open[s] | reports.number_open[r]
    several = (first[:, 1] > 0) | (second[:, 1] > 0)
    # one digit wrong, or two neighbours exchanged
    near = (studies.number_text[s] != reports.number_text[r]).sum(axis=1) <= 2
    return np.where(told, np.where(alike, WEIGHT_MAX, np.where(near | several, NUMBER_NEAR_BITS, 0.0)), 0.0)


def _births(studies: Columns, reports: Columns, s: Int, r: Int, known: Frequencies) -> Bits:
    a, b = studies.birth[s], reports.birth[r]
    told = (a > 0) & (b > 0)
    differing = sum(((a // 10**n) % 10 != (b // 10**n) % 10).astype(np.int64) for n in range(8))
    near = (np.asarray(differing) <= 2) | ((a // 10_000 == b // 10_000) & (a // 100 % 100 == b % 100) & (a % 100 == b // 100 % 100))
    otherwise = np.where(near, BIRTH_NEAR_BITS, np.where(a // 10_000 == b // 10_000, BIRTH_YEAR_BITS, -5.0))
    aged = np.where(studies.aged[s] & reports.aged[r], AGE_BITS, 0.0)
    return np.where(told, np.where(a == b, birth_bits(known), otherwise), aged)


def _dates(studies: Columns, reports: Columns, s: Int, r: Int, kind: ReportKind, known: Frequencies) -> Bits:
    a, b = studies.day[s], reports.day[r]
    days = b - a
    if kind is ReportKind.PATHOLOGY:
        bits = np.full(days.shape, max(date_bits(m, width, known) for m, width in DATE_PATHOLOGY))
    else:
        off = np.abs(days)
        limits = [off <= limit for limit, _, _, _ in DATE_LEVELS]
        bits = np.select(limits, [max(-3.0, date_bits(m, width, known)) for _, _, m, width in DATE_LEVELS], default=-6.0)
        bits = np.where(~np.any(limits, axis=0) & exchanged(studies, reports, s, r), EXCHANGED_BITS, bits)
    return np.where((a == NO_DAY) | (b == NO_DAY), 0.0, bits)


def prior_bits(reports: int, kind: ReportKind) -> float:
    """One report per study is expected among all of them; a patient has a few pathology reports."""
    return -math.log2(max(2, reports) / (1.0 if kind is ReportKind.IMAGING else 1.5))
