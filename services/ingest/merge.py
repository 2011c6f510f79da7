"""All report rows of an import become unique reports (the paper's mergeAllReport); every row ends with exactly one outcome.

Rows of one kind meet under a report, pathology or accession number, or under patient and day. There, texts that are equal
or lightly edited collapse; a text marked as corrected or as an addendum supersedes or extends the earlier one; rows that
complete each other (one row per specimen) become one report; anything else stays a report of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace

from rapidfuzz import fuzz

from services.ingest.names import compare_names, parse_name
from services.ingest.normalise import fold, number_key
from services.ingest.records import Outcome
from services.ingest.report_records import Merged, MergedReport, ReportKind, ReportRow, RowOutcome, RowRefusal, Sections

EDITED_MIN = 0.9  # similarity of two texts that are the same report, lightly edited
GROUP_ROWS_MAX = 200  # rows under one number beyond which the number is a placeholder
_CORRECTED = re.compile(
    r"更正|修正报告|修改报告|订正|更改诊断|替代原报告|amended|corrected (?:report|diagnosis)|revised (?:report|diagnosis)|supersedes", re.IGNORECASE
)
_ADDENDUM = re.compile(r"补充报告|补充诊断|追加报告|补充说明|\baddend(?:um|a)\b|supplement(?:al|ary) report", re.IGNORECASE)
_DECISIVE = re.compile(r"癌|瘤|恶性|良性|阳性|阴性|不除外|未见|carcinoma|malignan|benign|negative|positive|not? ")


@dataclass(slots=True)
class _Growing:
    """A report while rows are still joining it."""

    row: ReportRow
    rows: list[ReportRow]
    earlier: list[ReportRow] = field(default_factory=list)

    @property
    def text(self) -> str:
        return _text(self.row)


def merge(rows: Iterable[ReportRow | RowRefusal]) -> Merged:
    """Unique reports and one outcome per row, in input order. Which of two equal rows leads: the fuller one, then the first."""
    given = list(rows)
    growing: list[_Growing] = []
    by_key: dict[tuple[str, ...], list[int]] = {}
    outcomes: dict[int, RowOutcome] = {}
    joined: dict[int, tuple[int, str]] = {}  # position of the row -> (report, code)
    for position, row in enumerate(given):
        if isinstance(row, RowRefusal):
            outcomes[position] = RowOutcome(row.id, row.outcome, row.code)
            continue
        keys = _keys(row)
        near = sorted({n for key in keys for n in by_key.get(key, ())[-GROUP_ROWS_MAX:]})
        at, code = _place(row, growing, near)
        joined[position] = (at, code)
        for key in keys:
            if at not in by_key.setdefault(key, []):
                by_key[key].append(at)
    reports = tuple(_finished(report) for report in growing)
    for position, (at, code) in joined.items():
        outcomes[position] = _outcome(given[position].id, reports[at], code)
    return Merged(reports, tuple(outcomes[position] for position in range(len(given))))


def _outcome(row: str, report: MergedReport, code: str) -> RowOutcome:
    """Accepted when the row's text stands in the report or its history, duplicate (pointing at it) when it says the same."""
    if row == report.id or code in ("addendum", "part", "supersedes"):
        return RowOutcome(row, Outcome.ACCEPTED, code if code in ("addendum", "part", "supersedes") else "", report.id)
    if row in report.supersedes:
        return RowOutcome(row, Outcome.ACCEPTED, "superseded", report.id)
    return RowOutcome(row, Outcome.DUPLICATE, code or "edited-repeat", report.id)


def _keys(row: ReportRow) -> list[tuple[str, ...]]:
    """Where a row looks for others of the same report."""
    kind = row.kind.value
    numbers = [number_key(row.report_number), number_key(row.pathology_number if row.kind is ReportKind.PATHOLOGY else "")]
    if row.kind is ReportKind.IMAGING or not any(numbers):
        numbers.append(number_key(row.accession_number))
    keys: list[tuple[str, ...]] = [(kind, "number", number) for number in numbers if number]
    day = row.exam_date or row.report_date
    if number := number_key(row.patient_id):
        keys.append((kind, "patient", number, day))
    elif row.patient_name and day:
        keys.append((kind, "name", parse_name(row.patient_name).han or " ".join(sorted(parse_name(row.patient_name).tokens)), day))
    return keys


def _place(row: ReportRow, growing: list[_Growing], near: Sequence[int]) -> tuple[int, str]:
    """Join the row to the report it belongs to, or open a new one: (index of the report, code)."""
    for n in near:
        code = _relation(growing[n], row)
        if code in ("repeated", "edited-repeat"):
            growing[n].rows.append(row)
            # of two versions of one text the fuller one leads; the text of a correction is never given up for an older one
            growing[n].row = _completed(growing[n].row, row) if len(_text(row)) <= len(growing[n].text) else _completed(row, growing[n].row)
            return n, code
        if code == "supersedes":
            growing[n].rows.append(row)
            growing[n].earlier.append(growing[n].row)
            growing[n].row = _completed(row, growing[n].row)
            return n, code
        if code in ("addendum", "part"):
            growing[n].rows.append(row)
            if code == "addendum":
                growing[n].earlier.append(growing[n].row)
            growing[n].row = _joined(growing[n].row, row)
            return n, code
    growing.append(_Growing(row, [row]))
    return len(growing) - 1, ""


def _relation(report: _Growing, row: ReportRow) -> str:
    """repeated | edited-repeat | supersedes | addendum | part | '' (another report)."""
    old = report.row
    if _apart(old, row):
        return ""
    before, after = fold(report.text), fold(_text(row))
    same_number = _shares_number(old, row)
    if _squeezed(before) == _squeezed(after) or any(_squeezed(fold(_text(other))) == _squeezed(after) for other in report.rows):
        return "repeated"
    if same_number and _CORRECTED.search(after) and not _CORRECTED.search(before):
        return "supersedes"
    if same_number and _ADDENDUM.search(after) and not _ADDENDUM.search(before):
        return "addendum"
    if _edited(before, after) and _same_decision(old, row):
        return "edited-repeat"
    return "part" if same_number and _complementary(old.sections, row.sections) else ""


def _apart(old: ReportRow, row: ReportRow) -> bool:
    """Two patients under one number, or two numbers under one patient and day: never one report."""
    if compare_names(parse_name(old.patient_name), parse_name(row.patient_name)).level == "differ" and number_key(old.patient_id) != number_key(row.patient_id):
        return True
    for name in ("report_number", "pathology_number", "accession_number"):
        first, second = number_key(getattr(old, name)), number_key(getattr(row, name))
        if first and second and first != second:
            return True
    return False


def _shares_number(old: ReportRow, row: ReportRow) -> bool:
    names = ("report_number", "pathology_number") if row.kind is ReportKind.PATHOLOGY else ("report_number", "accession_number")
    return any(number_key(getattr(old, name)) == number_key(getattr(row, name)) != "" for name in names)


def _edited(before: str, after: str) -> bool:
    return fuzz.ratio(before, after, score_cutoff=EDITED_MIN * 100) > 0


def _same_decision(old: ReportRow, row: ReportRow) -> bool:
    """An edit that changes a deciding word (癌, 不除外, benign ...) of the conclusion is no light edit."""

    def words(text: str) -> list[str]:
        return sorted(_DECISIVE.findall(_squeezed(fold(text)).replace("末见", "未见")))

    first, second = old.sections.impression, row.sections.impression
    if not first or not second:
        return True
    return words(first) == words(second) or fuzz.ratio(fold(first), fold(second)) >= 97


def _complementary(old: Sections, new: Sections) -> bool:
    """Each text section stands in only one of the two, or they are about different specimens."""
    both = [name for name, text in old.as_dict().items() if text and new.as_dict().get(name) not in (None, text)]
    if not [name for name in both if name not in ("exam", "history", "specimen")]:
        return True
    return bool(old.specimen and new.specimen and fold(old.specimen) != fold(new.specimen))


def _text(row: ReportRow) -> str:
    sections = row.sections
    return "\n".join(text for text in (sections.findings, sections.gross, sections.microscopic, sections.impression) if text)


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _completed(leading: ReportRow, other: ReportRow) -> ReportRow:
    """``leading`` with its empty fields and sections taken from ``other``."""
    empty = {item.name: getattr(other, item.name) for item in fields(leading) if item.name != "doubts" and getattr(leading, item.name) in ("", None, ())}
    return replace(leading, **empty, sections=Sections.from_dict(other.sections.as_dict() | leading.sections.as_dict()))


def _joined(old: ReportRow, new: ReportRow) -> ReportRow:
    """Both texts, section by section, the later below the earlier."""
    first, second = old.sections.as_dict(), new.sections.as_dict()
    texts = {name: "\n".join(dict.fromkeys(t for t in (first.get(name, ""), second.get(name, "")) if t)) for name in {**first, **second}}
    return replace(_completed(old, new), sections=Sections.from_dict(texts))


def _finished(report: _Growing) -> MergedReport:
    older = tuple(row.id for row in report.earlier if row.id != report.row.id)
    return MergedReport(report.row.id, report.row, tuple(row.id for row in report.rows), older, tuple(report.earlier))
