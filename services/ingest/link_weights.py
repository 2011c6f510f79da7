"""How much each field speaks for or against a pair, in bits: log2(m / u) after Fellegi and Sunter (1969).

m: share of true pairs that agree so; u: share of chance pairs. m values are stated per level below; u comes from the data
(how common the name or number is, how far the dates spread). A missing field says nothing (0 bits).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from services.ingest.anatomy import fit
from services.ingest.blocking import PATHOLOGY_DAYS
from services.ingest.link_person import DAYS_OF_YEAR, Person
from services.ingest.names import Name, NameAgreement, compare_names
from services.ingest.report_records import Component, ReportKind

_MISSING = Component("missing", 0.0)
WEIGHT_MAX = 16.0  # bits: nothing is rarer than what 65,536 people could show
_NAME_M = {"same": 0.85, "sound": 0.9, "close": 0.05, "masked": 0.9}
_NAME_LEVELS = ("same", "sound", "close", "masked", "missing", "differ")
NAME_NEAR_BITS, NUMBER_NEAR_BITS, BIRTH_NEAR_BITS, BIRTH_YEAR_BITS = 3.5, 4.0, 5.0, -2.0
SEX_BITS = (0.97, -4.5)  # agree, differ
AGE_BITS, MODALITY_BITS, ORGAN_BITS = 4.2, 1.2, 1.8  # at most
# days apart at most, agreement, m, days of the level's width
DATE_LEVELS = ((0, "agree", 0.7, 1), (1, "agree", 0.12, 2), (3, "partial", 0.1, 4), (7, "partial", 0.05, 8), (30, "partial", 0.02, 46))
EXCHANGED_BITS, EXCHANGED_DAYS = -1.0, 3  # far apart, but near when day and month of one date are exchanged
DATE_PATHOLOGY = ((0.8, 98), (0.2, 173))  # m and width: -7 to 90 days, and the rest of the window


@dataclass(frozen=True, slots=True)
class Frequencies:
    """What chance agreement looks like in this import: counts of name keys, surnames, numbers and days."""

    records: int
    name_keys: dict[str, int]
    shown: dict[str, int]
    numbers: dict[str, int]
    births: int  # distinct birth dates
    days: int  # between the first and the last date

    @classmethod
    def of(cls, people: Sequence[Person]) -> Frequencies:
        days = [person.day for person in people if person.day is not None]
        return cls(
            records=max(1, len(people)),
            name_keys=Counter(key for person in people for key in person.name_keys),
            shown=Counter(person.shown for person in people if person.shown),
            numbers=Counter(number for person in people for number in person.numbers),
            births=max(1000, len({person.birth_date for person in people if person.birth_date})),
            days=max(365, max(days) - min(days) + 1) if days else 365,
        )

    def share(self, count: int) -> float:
        """A value's share with a floor, so that what was seen once is not infinitely rare."""
        return max(count, 2) / (self.records + 50)


def _bits(m: float, u: float) -> float:
    return min(WEIGHT_MAX, math.log2(m / max(u, 1e-9)))


def birth_bits(known: Frequencies) -> float:
    """What the same birth date weighs."""
    return _bits(0.95, 1 / min(known.births, 20_000))


def date_bits(m: float, width_days: int, known: Frequencies) -> float:
    """What a level of dates weighs that a share m of true pairs reaches and that is so many days wide."""
    return _bits(m, width_days / known.days)


def components(study: Person, report: Person, kind: ReportKind, known: Frequencies) -> dict[str, Component]:
    """Every field's agreement and weight; empty when the pair cannot be (another organ, far apart in time)."""
    found = {
        "accession": _accession(study, report, kind),
        "number": _number(study, report, known),
        "name": _name(study, report, known),
        "sex": _sex(study, report),
        "birth": _birth(study, report, known),
        "date": _date(study, report, kind, known),
        "modality": _modality(study, report, kind),
        "organ": _organ(study, report, kind),
    }
    found["age"] = _age(study, report) if found["birth"].agreement == "missing" else _MISSING
    return found


def _accession(study: Person, report: Person, kind: ReportKind) -> Component:
    if study.study_uid and study.study_uid == report.study_uid:
        return Component("agree", WEIGHT_MAX + 2)
    if study.pathology_numbers & report.pathology_numbers:
        return Component("agree", WEIGHT_MAX + 2)
    if not study.accessions or not report.accessions or (kind is ReportKind.PATHOLOGY and not study.accessions & report.accessions):
        return _MISSING
    if study.accessions & report.accessions:
        return Component("agree", WEIGHT_MAX + 2)
    return Component("differ", -7.0)


def _number(study: Person, report: Person, known: Frequencies) -> Component:
    if not study.numbers or not report.numbers:
        return _MISSING
    shared = study.numbers & report.numbers
    if shared:
        return Component("agree", _bits(0.95, min(known.share(known.numbers.get(number, 0)) for number in shared)))
    near = any(len(a) >= 6 and len(a) == len(b) and OSA.distance(a, b, score_cutoff=1) == 1 for a in study.numbers for b in report.numbers)
    # serial numbers have many neighbours, so one wrong digit is weak
    return Component("partial", NUMBER_NEAR_BITS) if near else Component("differ", -4.5)


def _name(study: Person, report: Person, known: Frequencies) -> Component:
    if not study.names or not report.names:
        return _MISSING
    best: tuple[int, NameAgreement, Name] | None = None
    for a in study.names:
        for b in report.names:
            agreement = compare_names(a, b)
            rank = _NAME_LEVELS.index(agreement.level)
            if best is None or rank < best[0]:
                best = (rank, agreement, a if a.han and not a.masked else b)
    assert best is not None
    level, agreement, name = best[1].level, best[1], best[2]
    if level == "missing":
        return _MISSING
    if level in ("same", "sound"):
        common = max((known.name_keys.get(key, 0) for key in agreement.keys), default=0)
        return Component("agree" if level == "same" else "partial", _bits(_NAME_M[level], known.share(common)))
    if level == "masked":
        first = next((n.han[0] for n in (*study.names, *report.names) if n.han and n.han[0] != "*"), "")
        return Component("partial", _bits(_NAME_M[level], known.share(known.shown.get(f"{first}{len(name.han)}", known.records // 20))) * 0.9)
    if level == "close":
        return Component("partial", NAME_NEAR_BITS)
    return Component("differ", -6.0)


def _sex(study: Person, report: Person) -> Component:
    if not study.sex or not report.sex:
        return _MISSING
    return Component("agree", SEX_BITS[0]) if study.sex == report.sex else Component("differ", SEX_BITS[1])


def _birth(study: Person, report: Person, known: Frequencies) -> Component:
    a, b = study.birth_date, report.birth_date
    if not a or not b:
        return _MISSING
    if a == b:
        return Component("agree", birth_bits(known))
    if OSA.distance(a, b, score_cutoff=1) == 1 or a[:4] + a[6:] + a[4:6] == b:
        return Component("partial", BIRTH_NEAR_BITS)
    return Component("differ", -5.0 if a[:4] != b[:4] else BIRTH_YEAR_BITS)


def _age(study: Person, report: Person) -> Component:
    """Ages at two days: the days between count, and a birth date on one side gives the age on the other's day."""
    first, second = _age_at(study), _age_at(report)
    if first is None or second is None:
        return _MISSING
    gap = (report.day - study.day) / DAYS_OF_YEAR if report.day is not None and study.day is not None else 0.0
    off = abs(second - first - gap)
    if off <= 1.05:
        return Component("agree", AGE_BITS)
    if off <= 2.1:
        return Component("partial", 1.0)
    return Component("differ", -2.0 if off <= 5.1 else -4.5)


def _age_at(person: Person) -> float | None:
    """Age on the person's own day, in years; ages in whole years stand for the middle of the year."""
    if person.birth_date and person.day is not None:
        year, month, day = int(person.birth_date[:4]), int(person.birth_date[4:6]), int(person.birth_date[6:])
        return float((person.day - (year - 1) * DAYS_OF_YEAR - (month - 1) * 30.44 - day) / DAYS_OF_YEAR)
    if person.age_years is None:
        return None
    return person.age_years + 0.5 if float(person.age_years).is_integer() else person.age_years


def _date(study: Person, report: Person, kind: ReportKind, known: Frequencies) -> Component:
    if study.day is None or report.day is None:
        return _MISSING
    days = report.day - study.day
    if kind is ReportKind.PATHOLOGY:
        if -7 <= days <= 90:
            return Component("agree", date_bits(*DATE_PATHOLOGY[0], known))
        if PATHOLOGY_DAYS[0] <= days <= PATHOLOGY_DAYS[1]:
            return Component("partial", date_bits(*DATE_PATHOLOGY[1], known))
        return Component("differ", -12.0)
    off = abs(days)
    for limit, agreement, m, width in DATE_LEVELS:
        if off <= limit:
            return Component(agreement, max(-3.0, date_bits(m, width, known)))
    if any(a is not None and abs(a - b) <= EXCHANGED_DAYS for a, b in ((study.exchanged, report.day), (report.exchanged, study.day))):
        return Component("partial", EXCHANGED_BITS)
    return Component("differ", -6.0)


def _modality(study: Person, report: Person, kind: ReportKind) -> Component:
    if kind is ReportKind.PATHOLOGY or not study.modality or not report.modality:
        return _MISSING
    a, b = (m if m not in ("CR", "DR") else "DX" for m in (study.modality, report.modality))
    if a == b:
        return Component("agree", MODALITY_BITS)
    return Component("partial", 0.0) if {a, b} & {"PT", "OT", "SC", "NM", "XA"} else Component("differ", -6.0)


def _organ(study: Person, report: Person, kind: ReportKind) -> Component:
    found = fit(study.scope, report.scope)
    if found == "differ":
        return Component("differ", -14.0 if kind is ReportKind.PATHOLOGY else -5.0)
    return Component(found, {"agree": ORGAN_BITS, "partial": 1.0, "missing": 0.0}[found])
