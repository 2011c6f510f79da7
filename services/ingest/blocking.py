"""Which pairs of study and report are worth comparing: several passes joined by OR, so that no single wrong field loses a pair."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from services.ingest.link_person import Person
from services.ingest.report_records import ReportKind

BLOCK_PAIRS_MAX = 40_000  # a block over this is too common a value to tell people apart; its pairs come by other passes
PATHOLOGY_DAYS = (-30, 240)  # pathology may come up to 30 days before and 240 days after the images
IMAGING_DAYS = 45  # an imaging report is dated within this many days of its images unless a number says more


def candidate_pairs(studies: Sequence[Person], reports: Sequence[Person], kind: ReportKind) -> set[tuple[int, int]]:
    """(study, report) index pairs. Grows with the number of records that share a key, never with studies x reports."""
    blocks: dict[Hashable, tuple[list[int], list[int]]] = {}
    for n, person in enumerate(studies):
        for key in _keys(person, 0, kind):
            blocks.setdefault(key, ([], []))[0].append(n)
    for n, person in enumerate(reports):
        for key in _keys(person, 1, kind):
            if (block := blocks.get(key)) is not None:  # a key no study has makes no pair: most of them, and most of the memory
                block[1].append(n)
    pairs: set[tuple[int, int]] = set()
    for shared, (left, right) in blocks.items():
        if not right or len(left) * len(right) > BLOCK_PAIRS_MAX:
            continue
        by_number = isinstance(shared, tuple) and shared[0] in ("accession", "uid", "pathology")
        pairs.update((s, r) for s in left for r in right if by_number or in_window(studies[s].day, reports[r].day, kind))
    return pairs


def in_window(study_day: int | None, report_day: int | None, kind: ReportKind) -> bool:
    """Within the days a report of this kind may lie from its images; unknown days are no reason to leave a pair out."""
    if study_day is None or report_day is None:
        return True
    days = report_day - study_day
    return PATHOLOGY_DAYS[0] <= days <= PATHOLOGY_DAYS[1] if kind is ReportKind.PATHOLOGY else abs(days) <= IMAGING_DAYS


def _keys(person: Person, side: int, kind: ReportKind) -> Iterable[tuple[Hashable, ...]]:
    """Keys of all passes; one side also asks the neighbouring weeks, months or years, so that borders lose nobody."""
    spread = (-1, 0, 1) if side == 1 else (0,)
    for number in person.accessions:
        yield ("accession", number)
    if person.study_uid:
        yield ("uid", person.study_uid)
    for number in person.pathology_numbers:
        yield ("pathology", number)
    for number in person.numbers:
        yield ("number", number)
    span = 14 if kind is ReportKind.IMAGING else 120
    weeks = [person.day // span + n for n in spread] if person.day is not None else []
    for name in person.name_keys:
        yield from (("name+time", name, week) for week in weeks)
        if person.birth_date:
            yield ("name+birth", name, person.birth_date)
        if not weeks:
            yield ("name", name)
    if kind is ReportKind.PATHOLOGY:
        # 240 days reach over two more buckets
        yield from (("name+time", name, week - 1) for name in person.name_keys for week in weeks[:1] if side == 1)
    if person.birth_date:
        yield ("birth+surname", person.birth_date, person.surname)
        yield from (("birth+day", person.birth_date, week) for week in weeks)
    if person.shown and weeks:
        yield from (("shown+time", person.shown, person.sex, week) for week in weeks)
    if person.surname and person.birth_year is not None and person.day is not None:
        years = [person.birth_year + n for n in spread]
        times = [person.day + n for n in ((-1, 0, 1) if side == 1 else (0,))] if kind is ReportKind.IMAGING else weeks
        yield from (("surname+year+time", person.surname, person.sex, year, time) for year in years for time in times)
