"""Map, merge, link and label over tables alone, as a hospital does to measure itself: no server, no catalog. Pure.

Every answer names rows as ``file#row`` (1 = first data row), never a person or a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from isocenter.diseases import DiseaseDefinition
from isocenter.errors import InvalidInput
from services.ingest.label import label_report
from services.ingest.link import link
from services.ingest.mapping import apply, propose
from services.ingest.merge import merge
from services.ingest.normalise import number_key
from services.ingest.nouns import fold_name
from services.ingest.readers.tables import read_table
from services.ingest.report_records import ImageListRow, LinkState, ReportIdentity, ReportRow, RowRefusal, StudyIdentity, Table, TableKind
from services.ingest.ruleset import rule_set
from services.ingest.scope import diseases_of

REVIEW_CONFIDENCE = 0.9  # how often "review" was the right answer at first look (91.5 % of 118 in the fourth phrase bank)
_PATH = "isocenter path"  # a column added to image tables that name studies and no files
_HOSPITAL = frozenset(
    map(fold_name, ("hospital", "hospital code", "hospital name", "site", "center", "centre", "institution", "institution name"))
) | frozenset(("医院", "医院名称", "院区", "机构", "中心"))
_VOTES_MIN = 5  # numbers a report table must share with a hospital's images to be taken for that hospital's
_VOTES_SHARE = 0.8

Row = ReportRow | RowRefusal


@dataclass
class Given:
    """What the tables hold. ``hospital_of``: table name or study key -> hospital, where told; ``notes``: sentences for the person."""

    rows: list[Row] = field(default_factory=list)
    studies: list[StudyIdentity] = field(default_factory=list)
    hospital_of: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SaidLink:
    """A study and a report; ``rows`` are all rows that merged into the report, its own first."""

    study: str
    report: str
    score: float
    state: str
    kind: str
    rule: str
    reason: str
    rows: tuple[str, ...]
    components: str  # field:agreement:bits, most telling first


@dataclass(frozen=True, slots=True)
class SaidLabel:
    """A row's label; ``confidence`` is the probability that ``label`` is right, also for ``review``."""

    id: str
    label: str
    confidence: float
    state: str
    kind: str = ""
    disease: str = ""
    subtype: str = ""
    reason: str = ""
    proposal: str = ""
    rules: str = ""  # version of the rule set, or what refused the row


def read(paths: Sequence[Path]) -> Given:
    """Every table, mapped by its column names and contents; InvalidInput names the file and what it lacks."""
    names = Counter(path.name for path in paths)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise InvalidInput(f"Two tables are called {repeated[0]}; rows are named by file name, so rename one.", field="tables")
    given = Given()
    for path in paths:
        table, hospitals = _without_hospital(read_table(path))
        proposal = propose(table)
        if proposal.missing:
            table = _with_path(table)
            images = propose(table, TableKind.IMAGE_LIST)
            if images.missing or not {"study_uid", "accession_number", "patient_id"} & {guess.noun for guess in images.guesses}:
                raise InvalidInput(f"The table {path.name} lacks {'; and '.join(proposal.missing)}.", field=path.name)
            proposal = images
        given.notes += [f"{path.name}: {note}" for note in table.notes]
        for n, said in enumerate((proposal, *proposal.further), 1):
            # of several reports a row the second is called file[2]#row
            part = table if n == 1 else replace(table, name=f"{table.name}[{n}]")
            rows = apply(part, said.accepted())
            mapped = ", ".join(f"{guess.noun}={guess.column} ({guess.confidence:.2f})" for guess in said.guesses if guess.column != _PATH)
            given.notes.append(f"{part.name}: {said.kind.value}, {len(rows)} rows, {mapped}")
            if said.kind is TableKind.IMAGE_LIST:
                _take_images(given, rows, hospitals)
            elif said.kind is TableKind.LABELS:
                given.notes.append(f"{part.name}: a table of labels is not read; give it to evaluate.")
            else:
                given.rows += [row for row in rows if isinstance(row, ReportRow | RowRefusal)]
                given.hospital_of |= {row.id: hospitals[row.row_number] for row in rows if row.row_number in hospitals}
    return given


def _with_path(table: Table) -> Table:
    rows = tuple((*row, f"row/{n}") for n, row in enumerate(table.rows, 1))
    return replace(table, columns=(*table.columns, _PATH), rows=rows)


def _without_hospital(table: Table) -> tuple[Table, dict[int, str]]:
    """The table without a column that names the hospital, and row number -> hospital."""
    at = next((n for n, column in enumerate(table.columns) if fold_name(column) in _HOSPITAL), None)
    if at is None:
        return table, {}
    hospitals = {n: row[at] for n, row in enumerate(table.rows, 1) if row[at]}
    rows = tuple((*row[:at], *row[at + 1 :]) for row in table.rows)
    return replace(table, columns=(*table.columns[:at], *table.columns[at + 1 :]), rows=rows), hospitals


def _take_images(given: Given, rows: Iterable[object], hospitals: Mapping[int, str]) -> None:
    seen = {study.key for study in given.studies}
    for row in rows:
        if not isinstance(row, ImageListRow):
            continue
        key = row.study_uid or row.id
        if key in seen:
            continue  # several series or files of one study
        seen.add(key)
        given.studies.append(
            StudyIdentity(
                key=key,
                accession_number=row.accession_number,
                patient_id=row.patient_id,
                patient_name=row.patient_name,
                sex=row.sex,
                age_years=row.age_years,
                birth_date=row.birth_date,
                study_date=row.exam_date,
                modality=row.modality,
                body_part=row.body_part,
                pathology_number=row.pathology_number,
                study_uid=row.study_uid,
            )
        )
        if row.row_number in hospitals:
            given.hospital_of[key] = hospitals[row.row_number]


def links(given: Given) -> list[SaidLink]:
    """Links of every hospital, those that need no person and those that do; InvalidInput when there are no images or no reports."""
    if not given.studies:
        raise InvalidInput("None of the tables lists images (a study UID, accession or patient number, and no report text).", field="tables")
    reports = [row for row in given.rows if isinstance(row, ReportRow)]
    if not reports:
        raise InvalidInput("None of the tables holds reports.", field="tables")
    home = _homes(given, reports)
    found = []
    for hospital in sorted(set(home.values())):
        studies = [s for s in given.studies if not hospital or given.hospital_of.get(s.key, hospital) == hospital]
        merged = merge(row for row in reports if home[row.id] == hospital).reports
        rows_of = {report.id: (report.id, *(row for row in report.rows if row != report.id)) for report in merged}
        for said in link(studies, [ReportIdentity.of(report) for report in merged]):
            told = sorted(((-abs(c.weight), name, c) for name, c in said.components.items() if c.weight), key=lambda item: item[:2])
            components = " ".join(f"{name}:{c.agreement}:{c.weight:g}" for _, name, c in told)
            state = "sure" if said.state is LinkState.SURE else "review"
            found.append(SaidLink(said.study, said.report, said.score, state, said.kind.value, said.rule, said.reason, rows_of[said.report], components))
    return sorted(found, key=lambda said: (said.study, said.kind, said.report))


def _homes(given: Given, reports: Sequence[ReportRow]) -> dict[str, str]:
    """Row -> hospital: as its table says, else the hospital whose images share the table's numbers, else '' (any)."""
    numbers: dict[str, set[str]] = {}  # number -> hospitals that use it
    for study in given.studies:
        if hospital := given.hospital_of.get(study.key):
            for number in filter(None, map(number_key, (study.accession_number, study.patient_id, study.pathology_number))):
                numbers.setdefault(number, set()).add(hospital)
    votes: dict[str, Counter[str]] = {}
    for row in reports:
        for number in filter(None, map(number_key, (row.accession_number, row.report_number, row.patient_id, row.pathology_number))):
            owners = numbers.get(number, set())
            if len(owners) == 1:
                votes.setdefault(row.table, Counter()).update(owners)
    of_table = {}
    for table, counted in votes.items():
        hospital, most = counted.most_common(1)[0]
        if most >= _VOTES_MIN and most >= _VOTES_SHARE * counted.total():
            of_table[table] = hospital
    return {row.id: given.hospital_of.get(row.id) or of_table.get(row.table, "") for row in reports}


def labels(given: Given, definitions: Sequence[DiseaseDefinition], disease: str = "") -> list[SaidLabel]:
    """One label per report row, in the order of the tables; ``disease`` '' = the one the report is about."""
    by_code = {definition.code: definition for definition in definitions}
    if disease and disease not in by_code:
        raise InvalidInput(f"There is no disease {disease}; known are: {', '.join(sorted(by_code))}.", field="disease")
    if not given.rows:
        raise InvalidInput("None of the tables holds reports.", field="tables")
    return [_label(row, by_code, disease) for row in given.rows]


def _label(row: Row, definitions: Mapping[str, DiseaseDefinition], disease: str) -> SaidLabel:
    if isinstance(row, RowRefusal):
        return SaidLabel(row.id, "review", REVIEW_CONFIDENCE, "review", reason=row.code)
    code = disease or next(iter(diseases_of(row.sections, list(definitions.values()), row.body_part)), "")
    if not code:
        return SaidLabel(row.id, "review", REVIEW_CONFIDENCE, "review", row.kind.value, reason="no-disease")
    said = label_report(rule_set(definitions[code]), row.sections, row.kind, row.body_part)
    confidence = said.confidence if said.state == "sure" else REVIEW_CONFIDENCE
    return SaidLabel(row.id, said.value, confidence, said.state, row.kind.value, code, said.subtype, said.reason, said.proposal, said.rule_set)
