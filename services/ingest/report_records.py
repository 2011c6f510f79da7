"""What crosses between the rooms of ingest that handle tables and reports: frozen, picklable values.

Everything with ``repr=False`` holds patient data: it is kept in capsules only and never logged. Dates are
YYYYMMDD or ''; an empty string always means "not told". A row is named ``table#row_number`` (1 = first data row).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from services.ingest.records import Outcome


class TableKind(StrEnum):
    """What a table lists; the person may overrule the guess."""

    IMAGING = "imaging"
    PATHOLOGY = "pathology"
    LABELS = "labels"
    IMAGE_LIST = "image_list"


class ReportKind(StrEnum):
    IMAGING = "imaging"
    PATHOLOGY = "pathology"


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A table as read: ``rows[n - 1]`` is data row n, as long as ``columns``; all cells are text, '' when blank.

    ``sheets`` names the sheets the rows come from (XLSX, XLS); ``notes`` are codes such as ``title-rows-skipped``.
    """

    name: str
    encoding: str  # utf-8, utf-8-sig, gb18030, utf-16 ... or xlsx, xls
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sheets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """One of our nouns and the column it was found in; ``why`` is ``name``, ``content`` or ``name+content``."""

    noun: str
    column: str
    confidence: float  # 0..1
    why: str


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Confirmed by a person once per hospital and table layout: noun -> column.

    ``date_order`` (ymd, mdy, dmy) decides dates such as 03/04/2021. Stored as JSON (:meth:`body`) by its sha256.
    """

    kind: TableKind
    columns: tuple[tuple[str, str], ...]
    date_order: str = "ymd"

    def column(self, noun: str) -> str | None:
        return dict(self.columns).get(noun)

    def body(self) -> dict[str, object]:
        return {"kind": self.kind.value, "columns": dict(self.columns), "date_order": self.date_order}

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.body(), sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @classmethod
    def from_body(cls, body: Mapping[str, object]) -> ColumnMapping:
        """The mapping of a stored or posted document; KeyError or ValueError when it is none."""
        columns = body["columns"]
        if not isinstance(columns, Mapping):
            raise ValueError("columns must be an object of noun and column")
        pairs = tuple(sorted((str(noun), str(column)) for noun, column in columns.items() if column))
        return cls(TableKind(str(body["kind"])), pairs, str(body.get("date_order", "ymd")))


@dataclass(frozen=True, slots=True)
class MappingProposal:
    """What :func:`services.ingest.mapping.propose` found, for a person to confirm.

    ``missing`` are sentences saying what a usable table of this kind still needs; empty = usable.
    """

    kind: TableKind
    kind_confidence: float
    guesses: tuple[ColumnGuess, ...]
    unmapped: tuple[str, ...]
    missing: tuple[str, ...]
    date_order: str = "ymd"
    further: tuple[MappingProposal, ...] = ()  # the other reports of a row, when each row holds several

    def accepted(self) -> ColumnMapping:
        """The mapping if the person changes nothing."""
        return ColumnMapping(self.kind, tuple(sorted((g.noun, g.column) for g in self.guesses)), self.date_order)


@dataclass(frozen=True, slots=True, repr=False)
class Sections:
    """The text of one report, by section; '' where absent. A pathology diagnosis stands in ``impression``."""

    exam: str = ""  # what was examined, the method (imaging)
    specimen: str = ""  # what was sent in (pathology)
    history: str = ""  # clinical history and question: never makes a label
    findings: str = ""
    gross: str = ""
    microscopic: str = ""
    impression: str = ""

    def as_dict(self) -> dict[str, str]:
        """Sections that hold text, in reading order."""
        return {name: text for name in _SECTION_NAMES if (text := getattr(self, name))}

    @classmethod
    def from_dict(cls, texts: Mapping[str, str]) -> Sections:
        return cls(**{name: text for name, text in texts.items() if name in _SECTION_NAMES})


_SECTION_NAMES = tuple(item.name for item in fields(Sections))


@dataclass(frozen=True, slots=True, repr=False)
class ReportRow:
    """One row of a report table in our nouns. ``doubts`` are codes (``exam-date-unreadable``)."""

    table: str
    row_number: int
    kind: ReportKind
    sections: Sections
    report_number: str = ""
    accession_number: str = ""
    pathology_number: str = ""
    patient_id: str = ""
    outpatient_number: str = ""
    patient_name: str = ""
    sex: str = ""  # M | F | O | ""
    age_years: float | None = None
    birth_date: str = ""
    exam_date: str = ""
    report_date: str = ""
    modality: str = ""
    body_part: str = ""
    study_uid: str = ""
    names: tuple[str, ...] = ()  # physicians named in columns of their own: to be scrubbed
    doubts: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.table}#{self.row_number}"


@dataclass(frozen=True, slots=True, repr=False)
class LabelRow:
    """One row of a label table (challenge CSV): the value is '0', '1' or the word as written in ``raw``."""

    table: str
    row_number: int
    value: str  # 0 | 1 | the word, lower case
    raw: str
    disease: str = ""
    patient_id: str = ""
    accession_number: str = ""
    pathology_number: str = ""
    study_uid: str = ""
    series_uid: str = ""
    path: str = ""

    @property
    def id(self) -> str:
        return f"{self.table}#{self.row_number}"


@dataclass(frozen=True, slots=True, repr=False)
class ImageListRow:
    """One row of an image list: who and when the files of ``path`` (a path or glob pattern) are about."""

    table: str
    row_number: int
    path: str
    patient_id: str = ""
    patient_name: str = ""
    sex: str = ""
    age_years: float | None = None
    birth_date: str = ""
    exam_date: str = ""
    accession_number: str = ""
    pathology_number: str = ""
    modality: str = ""
    body_part: str = ""
    study_uid: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.table}#{self.row_number}"


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """A row that gives no record; ``code`` from a closed set, ``detail`` a sentence without patient data."""

    table: str
    row_number: int
    outcome: Outcome
    code: str
    detail: str

    @property
    def id(self) -> str:
        return f"{self.table}#{self.row_number}"


RowResult = ReportRow | LabelRow | ImageListRow | RowRefusal


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The one outcome of a table row after merging; ``report`` is the id of the report it ended in, '' for none."""

    row: str
    outcome: Outcome
    code: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class MergedReport:
    """One report of an import. ``id`` = id of its leading row; ``rows`` all rows that speak in it.

    ``supersedes``: ids of the earlier texts of the same report, oldest first, which are kept as history in ``earlier``.
    """

    id: str
    row: ReportRow
    rows: tuple[str, ...]
    supersedes: tuple[str, ...] = ()
    earlier: tuple[ReportRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """Reports, and exactly one outcome per input row, in input order."""

    reports: tuple[MergedReport, ...]
    outcomes: tuple[RowOutcome, ...]


@dataclass(frozen=True, slots=True, repr=False)
class StudyIdentity:
    """What linking may know of one image study (or slide) of one hospital."""

    key: str
    accession_number: str = ""
    patient_id: str = ""
    patient_name: str = ""
    sex: str = ""
    age_years: float | None = None
    birth_date: str = ""
    study_date: str = ""
    modality: str = ""
    body_part: str = ""
    descriptions: tuple[str, ...] = ()
    pathology_number: str = ""
    study_uid: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class ReportIdentity:
    """What linking may know of one report. ``about`` is text that names the organ: exam, specimen, conclusion."""

    key: str
    kind: ReportKind
    accession_number: str = ""
    report_number: str = ""
    pathology_number: str = ""
    patient_id: str = ""
    outpatient_number: str = ""
    patient_name: str = ""
    sex: str = ""
    age_years: float | None = None
    birth_date: str = ""
    date: str = ""
    modality: str = ""
    about: str = ""
    study_uid: str = ""
    settled: bool = False  # already linked by a decision: never proposed anew

    @classmethod
    def of(cls, report: MergedReport) -> ReportIdentity:
        row = report.row
        text = row.sections
        return cls(
            key=report.id,
            kind=row.kind,
            accession_number=row.accession_number,
            report_number=row.report_number,
            pathology_number=row.pathology_number,
            patient_id=row.patient_id,
            outpatient_number=row.outpatient_number,
            patient_name=row.patient_name,
            sex=row.sex,
            age_years=row.age_years,
            birth_date=row.birth_date,
            date=row.exam_date or row.report_date,
            modality=row.modality,
            about="\n".join(t for t in (row.body_part, text.exam, text.specimen, text.impression, text.findings, text.gross) if t),
            study_uid=row.study_uid,
        )


class LinkState(StrEnum):
    SURE = "sure"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Component:
    """How one field spoke: ``agreement`` agree | partial | differ | missing, ``weight`` in bits (log2 of m/u)."""

    agreement: str
    weight: float


@dataclass(frozen=True, slots=True)
class LinkProposal:
    """A study and a report that seem to belong together. ``score`` is a probability (0..1).

    ``rule``: what decided (``accession``, ``number+date``, ``pathology-number``, ``study-uid``, ``weights``).
    ``reason`` says why it is unsure; ``alternatives`` are keys of close rivals (reports, or studies for imaging).
    """

    study: str
    report: str
    kind: ReportKind
    score: float
    rule: str
    components: Mapping[str, Component]
    state: LinkState
    reason: str = ""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Scrubbed:
    """Text without identifying values; ``counts`` per kind (name, phone, number, id, email, address, hospital, date, age)."""

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilledValue:
    """A value a study lacked, taken from another study or report of the same patient; ``source`` names it."""

    study: str
    name: str  # sex | age_years | body_part
    value: str
    source: str  # study:<key> | report:<key>
