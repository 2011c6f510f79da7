"""Which pairs of study and report are worth comparing: several passes joined by OR, so that no single wrong field loses a pair.

A pass is a key of whole numbers on either side; people of one key meet. What grows is the number of people that share a key,
never studies x reports, and a pair that could not reach the score to be shown is left out before anything is built for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from services.ingest.link_columns import NO_DAY, Bool, Columns, Int, Several
from services.ingest.report_records import ReportKind

BLOCK_PAIRS_MAX = 40_000  # a block over this is too common a value to tell people apart; its pairs come by other passes
PATHOLOGY_DAYS = (-30, 240)  # pathology may come up to 30 days before and 240 days after the images
IMAGING_DAYS = 45  # an imaging report is dated within this many days of its images unless a number says more
PAIRS_AT_ONCE = 500_000
_SPAN_DAYS = {ReportKind.IMAGING: 14, ReportKind.PATHOLOGY: 120}  # two neighbouring spans hold the window of imaging's close dates

Worth = Callable[[Int, Int], Bool]  # of (study, report) indices: could the pair reach the score to be shown?


def candidate_pairs(studies: Columns, reports: Columns, kind: ReportKind, worth: Worth) -> tuple[Int, Int]:
    """(study, report) indices of all candidates, sorted by study and report. Pairs that share a number are not asked what they are worth."""
    found = [np.empty(0, dtype=np.int64)]
    count = max(1, reports.day.size)
    for left, right in ((studies.accessions, reports.accessions), (studies.uids, reports.uids), (studies.pathology_numbers, reports.pathology_numbers)):
        found += [s * count + r for s, r in _meet(left, right)]
    for s, r in _meet(studies.numbers, reports.numbers):
        near = in_window(studies.day[s], reports.day[r], kind)
        if kind is ReportKind.IMAGING:
            near |= exchanged(studies, reports, s, r)
        found.append(s[near] * count + r[near])
    for left, right in zip(_passes(studies, 0, kind), _passes(reports, 1, kind), strict=True):
        for s, r in _meet(left, right):
            near = in_window(studies.day[s], reports.day[r], kind)
            s, r = s[near], r[near]
            kept = worth(s, r)
            found.append(s[kept] * count + r[kept])
    pairs = np.unique(np.concatenate(found))
    return pairs // count, pairs % count


def in_window(study_day: Int, report_day: Int, kind: ReportKind) -> Bool:
    """Within the days a report of this kind may lie from its images; unknown days are no reason to leave a pair out."""
    days = report_day - study_day
    first, last = PATHOLOGY_DAYS if kind is ReportKind.PATHOLOGY else (-IMAGING_DAYS, IMAGING_DAYS)
    near: Bool = ((days >= first) & (days <= last)) | (study_day == NO_DAY) | (report_day == NO_DAY)
    return near


def exchanged(studies: Columns, reports: Columns, s: Int, r: Int) -> Bool:
    """Dates within three days of each other once day and month of one of them are exchanged (link_weights.py says what that weighs)."""
    a, b = studies.exchanged[s], reports.exchanged[r]
    near: Bool = ((a != NO_DAY) & (np.abs(a - reports.day[r]) <= 3)) | ((b != NO_DAY) & (np.abs(b - studies.day[s]) <= 3))
    return near


def _passes(side: Columns, asking: int, kind: ReportKind) -> Iterator[Several]:
    """Keys of all passes over people; the ``asking`` side also asks the neighbouring spans, days and years, so that borders lose nobody."""
    everyone = np.arange(side.day.size)
    spread = (-1, 0, 1) if asking else (0,)
    dated, born = side.day != NO_DAY, side.birth > 0
    span = side.day // _SPAN_DAYS[kind]
    names, person = side.name_keys.code, side.name_keys.person
    # 240 days of pathology reach over two more spans
    spans = (*spread, -2) if asking and kind is ReportKind.PATHOLOGY else spread
    yield _keys(dated[person], person, [(names, span[person] + n) for n in spans])
    yield _keys(born[person], person, [(names, side.birth[person])])
    yield _keys(~dated[person], person, [(names,)])
    yield _keys(born, everyone, [(side.birth, side.surname)])
    yield _keys(born & dated, everyone, [(side.birth, span + n) for n in spread])
    yield _keys((side.shown > 0) & dated, everyone, [(side.shown, side.sex, span + n) for n in spread])
    times = [side.day + n for n in spread] if kind is ReportKind.IMAGING else [span + n for n in spread]
    placed = (side.surname > 0) & (side.birth_year > 0) & dated
    yield _keys(placed, everyone, [(side.surname, side.sex, side.birth_year + n, time) for n in spread for time in times])


def _keys(allowed: Bool, person: Int, parts: list[tuple[Int, ...]]) -> Several:
    """One key of 64 bits for every allowed row and tuple of parts. Two tuples of one key (1 in 2**40 of them) only cost a comparison."""
    people, keys = [], []
    for part in parts:
        key = np.zeros(int(allowed.sum()), dtype=np.uint64)
        for values in part:
            key = (key ^ values[allowed].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
        people.append(person[allowed])
        keys.append(key.view(np.int64))
    return Several(np.concatenate(people), np.concatenate(keys))


def _meet(left: Several, right: Several) -> Iterator[tuple[Int, Int]]:
    """(left, right) people who share a key, some PAIRS_AT_ONCE at a time; blocks over BLOCK_PAIRS_MAX are left out. A pair may come twice."""
    left_order, right_order = np.argsort(left.code, kind="stable"), np.argsort(right.code, kind="stable")
    left_codes, right_codes = left.code[left_order], right.code[right_order]
    codes, left_first, left_count = np.unique(left_codes, return_index=True, return_counts=True)
    right_first, right_end = np.searchsorted(right_codes, codes), np.searchsorted(right_codes, codes, side="right")
    sizes = left_count * (right_end - right_first)
    blocks = np.flatnonzero((sizes > 0) & (sizes <= BLOCK_PAIRS_MAX))
    chunk = np.cumsum(sizes[blocks]) // PAIRS_AT_ONCE
    for n in range(int(chunk[-1]) + 1 if blocks.size else 0):
        own = blocks[chunk == n]
        if not own.size:
            continue
        block = np.repeat(own, sizes[own])
        place = np.arange(block.size) - np.repeat(np.cumsum(sizes[own]) - sizes[own], sizes[own])  # 0 .. size of the block - 1
        width = (right_end - right_first)[block]
        yield left.person[left_order[left_first[block] + place // width]], right.person[right_order[right_first[block] + place % width]]
