"""Read the rows of a table through a confirmed column mapping: each row gives one record or one refusal, never an error."""

from __future__ import annotations

import re
from collections.abc import Callable

from services.ingest import normalise
from services.ingest.nouns import columns_of, continued
from services.ingest.records import Outcome
from services.ingest.report_records import ColumnMapping, ImageListRow, LabelRow, ReportKind, ReportRow, RowRefusal, RowResult, Sections, Table, TableKind
from services.ingest.sections import split_sections

Cell = Callable[[str], str]
_TEXT_NOUNS = frozenset({"history", "findings", "gross", "microscopic", "impression", "text", "specimen"})
_ONE = frozenset(
    {"1", "true", "yes", "y", "t", "pos", "positive", "malignant", "malignancy", "cancer", "carcinoma", "case", "m", "p", "+", "阳性", "恶性", "是", "有", "癌"}
)
_ZERO = frozenset(["0", "false", "no", "n", "f", "neg", "negative", "benign", "normal", "control", "b", "阴性", "良性", "否", "无", "正常", "非癌", "良", "阴"])
_ADDED = ("Addendum: ", "补充报告：")  # what a column of addenda is headed by, English and Chinese
_MODALITIES = (
    ("MG", r"\bMG\b|钼靶|乳腺X|mammo"),
    ("PT", r"\bPET\b|\bPT\b|正电子"),
    ("MR", r"(?<![A-Za-z])MR(?:I|CP|A)?(?![A-Za-z])|磁共振|核磁"),
    ("CT", r"\bCT[AU]?\b|(?<![A-Za-z])CT|断层"),
    ("US", r"\bUS\b|超声|彩超|B超|ultraso|sonogra"),
    ("XA", r"\bXA\b|\bDSA\b|造影"),
    ("DX", r"\b[DC][RX]\b|X[线光]|平片|radiograph|\bx-?ray\b"),
    ("NM", r"\bNM\b|\bE?S?PECT\b|\bECT\b|骨扫描|核素"),
    ("SM", r"\bSM\b|切片|whole slide"),
)


def apply(table: Table, mapping: ColumnMapping) -> list[RowResult]:
    """One value per row, in order. InvalidInput only when the mapping does not fit the table (before any row is read)."""
    columns = columns_of(table, mapping)
    read = {TableKind.LABELS: _label, TableKind.IMAGE_LIST: _image_list}.get(mapping.kind, _report)
    texts = {noun: at for noun, at in columns.items() if noun in _TEXT_NOUNS}
    pieces = continued(table.columns, {table.columns[at] for at in texts.values()})
    taken = set(columns.values())
    more = {noun: [n for n, column in enumerate(table.columns) if n not in taken and pieces.get(column) == table.columns[at]] for noun, at in texts.items()}
    unclear_sex = "sex" in columns and _only_zero_and_one({row[columns["sex"]].strip() for row in table.rows})
    results = []
    for number, row in enumerate(table.rows, 1):

        def cell(noun: str, row: tuple[str, ...] = row) -> str:
            if noun not in columns or (noun == "sex" and unclear_sex):
                return ""
            text = row[columns[noun]]
            return "\n".join(part for part in (text, *(row[n] for n in more[noun])) if part) if more.get(noun) else text

        results.append(read(table.name, number, cell, mapping))
    return results


def _only_zero_and_one(values: set[str]) -> bool:
    """Codes 0 and 1 without a 2: hospitals mean man and woman by them in either order, so neither is told."""
    return {value.removesuffix(".0") for value in values if value} == {"0", "1"}


def _refusal(table: str, number: int, outcome: Outcome, code: str, detail: str) -> RowRefusal:
    return RowRefusal(table, number, outcome, code, detail)


def _value(cell: Cell, noun: str) -> str:
    """A short value, '' for placeholders, in a spreadsheet's whole-number form without .0."""
    text = normalise.clean_value(cell(noun))
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def _number(cell: Cell, noun: str) -> str:
    """A number as written, but '' when it cannot name anybody (0000000, 无, 1.2E+11)."""
    return _value(cell, noun) if normalise.number_key(cell(noun)) else ""


def _date(cell: Cell, noun: str, order: str, doubts: list[str]) -> str:
    text, doubt = normalise.date(cell(noun), order)
    if doubt and doubt != "missing":
        doubts.append(f"{noun.replace('_', '-')}-{doubt}")
    return text


def _age(cell: Cell, doubts: list[str]) -> float | None:
    years = normalise.age_years(cell("age"))
    if years is None and normalise.clean_value(cell("age")):
        doubts.append("age-unreadable")
    return years


def modality_of(*texts: str) -> str:
    """The DICOM modality code a cell or exam name speaks of, '' when none."""
    for text in texts:
        for code, pattern in _MODALITIES:
            if text and re.search(pattern, text, re.IGNORECASE):
                return code
    return ""


def _report(table: str, number: int, cell: Cell, mapping: ColumnMapping) -> RowResult:
    kind = ReportKind.PATHOLOGY if mapping.kind is TableKind.PATHOLOGY else ReportKind.IMAGING
    texts = {noun: normalise.clean_text(cell(noun)) for noun in ("specimen", "history", "findings", "gross", "microscopic", "impression")}
    texts = {noun: "" if _says_nothing(text) else text for noun, text in texts.items()}
    if whole := normalise.clean_text(cell("text")):
        split = split_sections(whole, kind).as_dict()
        texts = {**texts, **{noun: text for noun, text in split.items() if not texts.get(noun)}}
    if added := _value(cell, "addendum") and normalise.clean_text(cell("addendum")):
        added = added if re.match(r"补充|更正|修正|addend|amend|correct|revis", added, re.IGNORECASE) else f"{_ADDED[bool(re.search('[一-鿿]', added))]}{added}"
        texts["impression"] = "\n".join(text for text in (texts.get("impression", ""), added) if text)
    if not any(texts.get(noun) for noun in ("findings", "gross", "microscopic", "impression")):
        return _refusal(table, number, Outcome.EMPTY, "no-text", "The row has no report text.")
    doubts: list[str] = []
    exam, body_part = _value(cell, "exam"), _value(cell, "body_part")
    row = ReportRow(
        table=table,
        row_number=number,
        kind=kind,
        sections=Sections.from_dict({"exam": " ".join(t for t in (body_part, exam) if t), **texts}),
        report_number=_number(cell, "report_number"),
        accession_number=_number(cell, "accession_number"),
        pathology_number=_number(cell, "pathology_number"),
        patient_id=_number(cell, "patient_id"),
        outpatient_number=_number(cell, "outpatient_number"),
        patient_name=_value(cell, "patient_name"),
        sex=normalise.sex(cell("sex")),
        age_years=_age(cell, doubts),
        birth_date=_date(cell, "birth_date", mapping.date_order, doubts),
        exam_date=_date(cell, "exam_date", mapping.date_order, doubts),
        report_date=_date(cell, "report_date", mapping.date_order, doubts),
        modality=modality_of(_value(cell, "modality"), exam, body_part, *filter(None, (mapping.column("impression"), mapping.column("findings"))))
        if kind is ReportKind.IMAGING
        else modality_of(_value(cell, "modality"), exam, body_part),
        body_part=body_part or exam,
        study_uid=_value(cell, "study_uid"),
        names=tuple(name for name in (_value(cell, "physician"),) if name),
        doubts=tuple(doubts),
    )
    numbers = (row.report_number, row.accession_number, row.pathology_number, row.patient_id, row.outpatient_number, row.study_uid)
    if not any(numbers) and not (row.patient_name and (row.exam_date or row.report_date)):
        return _refusal(table, number, Outcome.REFUSED, "no-identity", "The row has no number, and no name with a date, to link it by.")
    return row


def _says_nothing(text: str) -> bool:
    return not normalise.clean_value(text)


def _label(table: str, number: int, cell: Cell, mapping: ColumnMapping) -> RowResult:
    raw = _value(cell, "label") or cell("label").strip()
    if not raw or re.fullmatch(r"[-—/\\?？*.]+|n/?a|nan|null|none|未知|不详", raw, re.IGNORECASE):
        return _refusal(table, number, Outcome.EMPTY, "no-label", "The row has no label.")
    row = LabelRow(
        table=table,
        row_number=number,
        value=label_value(raw),
        raw=raw,
        disease=_value(cell, "disease"),
        patient_id=_number(cell, "patient_id"),
        accession_number=_number(cell, "accession_number"),
        pathology_number=_number(cell, "pathology_number"),
        study_uid=_value(cell, "study_uid"),
        series_uid=_value(cell, "series_uid"),
        path=normalise.clean_text(cell("path")),
    )
    if not any((row.patient_id, row.accession_number, row.pathology_number, row.study_uid, row.series_uid, row.path)):
        return _refusal(table, number, Outcome.REFUSED, "no-identity", "The row names no patient, study or file that the label is of.")
    return row


def label_value(raw: str) -> str:
    """'1', '0', or the word itself in lower case when it is neither (a class of another scheme)."""
    word = normalise.clean_value(raw).lower() or raw.strip().lower()
    word = word[:-2] if re.fullmatch(r"\d+\.0", word) else word
    return "1" if word in _ONE else "0" if word in _ZERO else word


def _image_list(table: str, number: int, cell: Cell, mapping: ColumnMapping) -> RowResult:
    path = normalise.clean_text(cell("path")).replace("\\", "/")
    if not path:
        return _refusal(table, number, Outcome.EMPTY, "no-path", "The row names no file.")
    if path.startswith("/") or re.match(r"[A-Za-z]:/", path) or ".." in path.split("/"):
        return _refusal(table, number, Outcome.REFUSED, "path-outside", "The path must be relative to the source and stay inside it.")
    doubts: list[str] = []
    row = ImageListRow(
        table=table,
        row_number=number,
        path=path.removeprefix("./"),
        patient_id=_number(cell, "patient_id"),
        patient_name=_value(cell, "patient_name"),
        sex=normalise.sex(cell("sex")),
        age_years=_age(cell, doubts),
        birth_date=_date(cell, "birth_date", mapping.date_order, doubts),
        exam_date=_date(cell, "exam_date", mapping.date_order, doubts),
        accession_number=_number(cell, "accession_number"),
        pathology_number=_number(cell, "pathology_number"),
        modality=modality_of(_value(cell, "modality")),
        body_part=_value(cell, "body_part"),
        study_uid=_value(cell, "study_uid"),
        doubts=tuple(doubts),
    )
    if not any((row.patient_id, row.accession_number, row.pathology_number, row.study_uid, row.patient_name)):
        return _refusal(table, number, Outcome.REFUSED, "no-identity", "The row names no patient or study that the files are of.")
    return row
