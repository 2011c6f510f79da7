"""Link image studies with imaging reports (one to one) and pathology reports (one to many) of one hospital.

Numbers first (accession, pathology number, patient number with a date within a week), then weights over everything that is
known (link_weights.py) on the pairs of several blocking passes (blocking.py). Never by name and sex alone. Two close
candidates, or a number that agrees while the person does not, wait for a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.ingest.blocking import PATHOLOGY_DAYS, Worth, candidate_pairs
from services.ingest.link_bound import most_bits, prior_bits
from services.ingest.link_columns import Bool, Codes, Columns, Int
from services.ingest.link_exams import exam_bits, of_one_person, settle
from services.ingest.link_learn import corrected, corrections
from services.ingest.link_person import Person, joined, person_of_report, person_of_study
from services.ingest.link_weights import Frequencies, components
from services.ingest.report_records import Component, LinkProposal, LinkState, ReportIdentity, ReportKind, StudyIdentity

SURE_MIN = 0.97  # probability from which a link needs no person
SHOWN_MIN = 0.3  # probability from which a link is shown to a person
_SHOWN_BITS = math.log2(SHOWN_MIN / (1 - SHOWN_MIN)) - 1e-6
LEARNT_BITS = 2.5  # what a pair may gain by what is learnt of the import
MARGIN_BITS = 3.0  # a rival within this many bits makes a link unsure
NUMBER_DATE_DAYS = 7
_IDENTIFYING = ("accession", "number", "birth", "age", "date")


@dataclass(frozen=True, slots=True)
class _Pair:
    study: int
    report: int
    bits: float
    rule: str
    components: Mapping[str, Component]
    reason: str = ""


def link(studies: Sequence[StudyIdentity], reports: Sequence[ReportIdentity]) -> list[LinkProposal]:
    """Proposals sorted by study and report. Reports that are ``settled`` are left alone; a study may come out without any."""
    open_reports = [report for report in reports if not report.settled]
    people = [person_of_study(study) for study in studies]
    imaging = [person_of_report(report) for report in open_reports if report.kind is ReportKind.IMAGING]
    pathology = [person_of_report(report) for report in open_reports if report.kind is ReportKind.PATHOLOGY]
    known = Frequencies.of([*people, *imaging, *pathology])
    pairs = _scored(people, imaging, ReportKind.IMAGING, known)
    found = _one_to_one(pairs, people, imaging)
    # what a sure imaging report tells of the patient and organ helps to find the pathology
    enriched = list(people)
    index_of_study = {person.key: n for n, person in enumerate(people)}
    index_of_report = {person.key: n for n, person in enumerate(imaging)}
    for proposal in found:
        if proposal.state is LinkState.SURE:
            n = index_of_study[proposal.study]
            enriched[n] = joined(enriched[n], imaging[index_of_report[proposal.report]])
    found += _one_to_many(_scored(enriched, pathology, ReportKind.PATHOLOGY, known), enriched, pathology)
    return sorted(found, key=lambda proposal: (proposal.study, proposal.kind.value, proposal.report))


def _scored(studies: Sequence[Person], reports: Sequence[Person], kind: ReportKind, known: Frequencies) -> list[_Pair]:
    """Pairs that are at least worth showing, best first."""
    if not studies or not reports:
        return []
    prior = prior_bits(len(reports), kind)
    codes = Codes()
    left, right = Columns.of(studies, codes), Columns.of(reports, codes)

    def worth(s: Int, r: Int) -> Bool:
        return most_bits(left, right, s, r, kind, known) + prior + LEARNT_BITS >= _SHOWN_BITS

    compared = [(s, r, components(studies[s], reports[r], kind, known)) for s, r in _candidates(left, right, kind, worth)]
    learnt = corrections(compared, prior, kind)
    pairs = []
    for s, r, stated in compared:
        fields = corrected(stated, learnt)
        bits = prior + sum(item.weight for item in fields.values())
        rule, reason = _rule(fields, studies[s], reports[r], kind)
        if rule == "weights" and (_probability(bits) < SHOWN_MIN or not _identified(fields, kind) or _impossible(fields, kind)):
            continue
        if rule == "weights" and fields["organ"].agreement == "differ":
            reason = "organ-differs"
        if rule != "weights" and not reason:
            bits = max(bits, 12.0)
        pairs.append(_Pair(s, r, bits, rule, fields, reason))
    return sorted(pairs, key=lambda pair: (-pair.bits, studies[pair.study].key, reports[pair.report].key))


def _candidates(studies: Columns, reports: Columns, kind: ReportKind, worth: Worth) -> Iterable[tuple[int, int]]:
    s, r = candidate_pairs(studies, reports, kind, worth)
    return zip(s.tolist(), r.tolist(), strict=True)


def _identified(fields: Mapping[str, Component], kind: ReportKind) -> bool:
    """Something beside name and sex speaks for the pair; a pathology date alone does not, its window is too wide."""
    speaking = [name for name in _IDENTIFYING if fields[name].agreement in ("agree", "partial") and fields[name].weight > 0]
    named = fields["name"].agreement in ("agree", "partial")
    if kind is ReportKind.PATHOLOGY:
        speaking = [name for name in speaking if name != "date"]
    return bool(speaking) and (named or "number" in speaking or "accession" in speaking or "birth" in speaking)


def _impossible(fields: Mapping[str, Component], kind: ReportKind) -> bool:
    """Another examination, however much the person agrees: a CT has no MR report, a breast specimen no chest CT."""
    return fields["modality"].agreement == "differ" or (kind is ReportKind.PATHOLOGY and fields["organ"].agreement == "differ")


def _rule(fields: Mapping[str, Component], study: Person, report: Person, kind: ReportKind) -> tuple[str, str]:
    """Which deterministic key holds ('' reason), or holds against other fields (a reason), or ``weights``."""
    against = [name for name in ("name", "sex", "birth", "age") if fields[name].agreement == "differ"]
    contradicted = (fields["name"].agreement == "differ" and (len(against) >= 2 or fields["number"].agreement == "differ")) or len(against) >= 3
    if fields["accession"].agreement == "agree":
        rule = "pathology-number" if study.pathology_numbers & report.pathology_numbers else "accession"
        rule = "study-uid" if study.study_uid and study.study_uid == report.study_uid else rule
        if contradicted:
            return rule, "number-agrees-person-differs"
        if fields["organ"].agreement == "differ":
            return rule, "number-agrees-organ-differs"
        return rule, ""
    if fields["number"].agreement == "agree" and kind is ReportKind.IMAGING and study.day is not None and report.day is not None:
        near = abs(study.day - report.day) <= NUMBER_DATE_DAYS
        fits = all(fields[name].agreement != "differ" for name in ("modality", "organ", "accession"))
        if near and fits:
            return "number+date", "number-agrees-person-differs" if contradicted else ""
    if fields["number"].agreement == "agree" and kind is ReportKind.PATHOLOGY and study.day is not None and report.day is not None:
        fits = PATHOLOGY_DAYS[0] <= report.day - study.day <= PATHOLOGY_DAYS[1] and fields["organ"].agreement in ("agree", "partial")
        if fits:
            return "number+date", "number-agrees-person-differs" if contradicted else ""
    return "weights", ""


def _probability(bits: float) -> float:
    return float(1.0 / (1.0 + 2.0 ** -max(-40.0, min(40.0, bits))))


def _one_to_one(pairs: Sequence[_Pair], studies: Sequence[Person], reports: Sequence[Person]) -> list[LinkProposal]:
    """Best pairs first; each study and report once. A rival that is not better placed elsewhere makes the pair unsure."""
    by_study, by_report = _groups(pairs)
    found, taken_studies, taken_reports = _of_one_person(pairs, by_study, by_report, studies, reports)
    for pair in pairs:
        if pair.study in taken_studies or pair.report in taken_reports:
            continue
        rivals = [
            (other, reports[other.report].key)
            for other in by_study[pair.study]
            if other.report != pair.report and other.report not in taken_reports and not _better_elsewhere(other, by_report[other.report], "study")
        ]
        rivals += [
            (other, studies[other.study].key)
            for other in by_report[pair.report]
            if other.study != pair.study and other.study not in taken_studies and not _better_elsewhere(other, by_study[other.study], "report")
        ]
        close = tuple(key for other, key in rivals if pair.bits - other.bits < MARGIN_BITS)
        found.append(_proposal(pair, studies, reports, ReportKind.IMAGING, close))
        taken_studies.add(pair.study)
        taken_reports.add(pair.report)
    return found


def _of_one_person(
    pairs: Sequence[_Pair], by_study: Mapping[int, list[_Pair]], by_report: Mapping[int, list[_Pair]], studies: Sequence[Person], reports: Sequence[Person]
) -> tuple[list[LinkProposal], set[int], set[int]]:
    """Proposals where one person has several examinations to choose from (link_exams.py), and the studies and reports they take."""
    by_edge = {(pair.study, pair.report): pair for pair in pairs}
    person = [
        edge for edge, pair in by_edge.items() if not pair.reason and (pair.components["accession"].agreement == "agree" or of_one_person(pair.components))
    ]
    found: list[LinkProposal] = []
    taken_studies: set[int] = set()
    taken_reports: set[int] = set()
    for settled in settle({edge: exam_bits(pair.components) for edge, pair in by_edge.items()}, person):
        for (study, report), margin in settled.chosen.items():
            pair = by_edge[study, report]
            rivals = [(other, reports[other.report].key) for other in by_study[study] if other.report != report]
            rivals += [(other, studies[other.study].key) for other in by_report[report] if other.study != study]
            own = [key for other, key in rivals if other.study in settled.studies and other.report in settled.reports and margin < MARGIN_BITS]
            strange = [
                key
                for other, key in rivals
                if (other.study not in settled.studies or other.report not in settled.reports) and pair.bits - other.bits < MARGIN_BITS
            ]
            found.append(_proposal(pair, studies, reports, ReportKind.IMAGING, tuple(dict.fromkeys(own + strange))))
            taken_studies.add(study)
            taken_reports.add(report)
    return found, taken_studies, taken_reports


def _better_elsewhere(pair: _Pair, others: Iterable[_Pair], side: str) -> bool:
    """The rival has a partner of its own that it fits clearly better than the one it is a rival for."""
    return any(getattr(other, side) != getattr(pair, side) and other.bits >= pair.bits + 1.0 for other in others)


def _one_to_many(pairs: Sequence[_Pair], studies: Sequence[Person], reports: Sequence[Person]) -> list[LinkProposal]:
    """Every study of the same person in the window; when a report fits two different people equally well, a person decides."""
    _, by_report = _groups(pairs)
    found = []
    for report, group in by_report.items():
        best = max(pair.bits for pair in group)
        strongest = [pair for pair in group if best - pair.bits < MARGIN_BITS]
        for pair in group:
            others = [other for other in strongest if other.study != pair.study and not _same_person(studies[other.study], studies[pair.study])]
            if best - pair.bits >= 10.0 and others and pair.rule == "weights":
                continue  # somebody else fits far better
            close = tuple(sorted(studies[other.study].key for other in others))
            found.append(_proposal(pair, studies, [*reports], ReportKind.PATHOLOGY, close))
        del report
    return found


def _same_person(a: Person, b: Person) -> bool:
    """Two studies that no field keeps apart: a shared number, or the same name with a fitting sex and birth."""
    if a.numbers & b.numbers:
        return True
    if (a.numbers and b.numbers) or (a.birth_date and b.birth_date and a.birth_date != b.birth_date) or (a.sex and b.sex and a.sex != b.sex):
        return False
    years = abs(a.birth_year - b.birth_year) if a.birth_year is not None and b.birth_year is not None else 0
    return bool(a.name_keys & b.name_keys) and years <= 1


def _groups(pairs: Iterable[_Pair]) -> tuple[dict[int, list[_Pair]], dict[int, list[_Pair]]]:
    by_study: dict[int, list[_Pair]] = {}
    by_report: dict[int, list[_Pair]] = {}
    for pair in pairs:
        by_study.setdefault(pair.study, []).append(pair)
        by_report.setdefault(pair.report, []).append(pair)
    return by_study, by_report


def _proposal(pair: _Pair, studies: Sequence[Person], reports: Sequence[Person], kind: ReportKind, close: tuple[str, ...]) -> LinkProposal:
    score = round(_probability(pair.bits), 6)
    reason = pair.reason or ("candidates-close" if close else "" if score >= SURE_MIN else "weak-evidence")
    proposal = LinkProposal(
        study=studies[pair.study].key,
        report=reports[pair.report].key,
        kind=kind,
        score=score,
        rule=pair.rule,
        components={name: Component(item.agreement, round(item.weight, 2)) for name, item in pair.components.items()},
        state=LinkState.REVIEW if reason else LinkState.SURE,
        reason=reason,
    )
    return replace(proposal, alternatives=close) if close else proposal
