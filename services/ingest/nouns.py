"""The nouns a table's columns may be, the names hospitals give them, and what a usable table needs of them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from pypinyin import Style, pinyin

from isocenter.errors import InvalidInput
from services.ingest import normalise
from services.ingest.report_records import ColumnMapping, Table, TableKind

KEYS = ("patient_id", "accession_number", "report_number", "pathology_number", "study_uid", "outpatient_number")
TEXTS = {TableKind.IMAGING: ("impression", "findings", "text"), TableKind.PATHOLOGY: ("impression", "microscopic", "text")}
DATES = ("exam_date", "report_date")


@dataclass(frozen=True, slots=True)
class Noun:
    """One of our column nouns: the names hospitals use (folded), the shape of its values, the tables that have it."""

    code: str
    kinds: frozenset[TableKind]
    shape: str
    names: tuple[str, ...]
    weak: frozenset[str] = frozenset()  # names that mean this noun only where nothing better is there (ID, 编号): a person confirms
    initials: frozenset[str] = frozenset()  # of its Chinese names in pinyin: 检查流水号 -> jclsh


@lru_cache(maxsize=1)
def nouns() -> tuple[Noun, ...]:
    """The nouns of rules/columns.toml, in the file's order (which breaks ties)."""
    body = tomllib.loads(files("services.ingest").joinpath("rules/columns.toml").read_text("utf-8"))
    return tuple(
        Noun(
            code,
            frozenset(map(TableKind, item["kinds"])),
            item["shape"],
            tuple(dict.fromkeys(map(fold_name, item["names"]))),
            frozenset(map(fold_name, item.get("weak", ()))),
            frozenset(map(_initials, filter(_all_han, (fold_name(name) for name in item["names"])))),
        )
        for code, item in body.items()
    )


def _all_han(name: str) -> bool:
    return len(name) > 2 and all("\u3400" <= c <= "\u9fff" for c in name)


def _initials(name: str) -> str:
    return "".join(syllable[0][0] for syllable in pinyin(name, style=Style.NORMAL))


def fold_name(column: str) -> str:
    """A column name without case, blanks, marks, units and brackets: 患者年龄(岁) -> 患者年龄; Accession_No. -> accessionno."""
    text = normalise.simplified(unicodedata.normalize("NFKC", column)).lower()
    text = re.sub(r"[(\[{【].*?[)\]}】]", "", text) or text
    return re.sub(r"[\W_]+", "", text)


def continued(columns: Sequence[str], first: Iterable[str]) -> dict[str, str]:
    """Columns that go on with a text cut in pieces (所见1, 所见2; findings, findings 2) -> the column in ``first`` where it begins.

    What a repeated name gets when a table is read, ``诊断 (2)``, counts as well.
    """
    begins = {_piece(column) for column in first}
    by_stem = {stem: column for column in first for stem, n in [_piece(column)] if n in (0, 1)}
    found: dict[str, str] = {}
    for column in columns:
        stem, n = _piece(column)
        if n > 1 and stem in by_stem and (stem, n) not in begins:
            found[column] = by_stem[stem]
    return found


def _piece(column: str) -> tuple[str, int]:
    """(name without its number, number); 0 where it has none."""
    told = re.fullmatch(r"(.*\D?)[ _-]?[(（]?([1-9])[)）]?", column.strip())
    return (fold_name(told[1]), int(told[2])) if told and fold_name(told[1]) else (fold_name(column), 0)


def what_is_missing(kind: TableKind, found: set[str]) -> tuple[str, ...]:
    """Sentences on what a usable table of this kind still needs."""
    missing = []
    if kind in TEXTS:
        if not found.intersection(KEYS) and not ("patient_name" in found and found.intersection(DATES)):
            missing.append("a key column: patient number, accession number, report number, or patient name together with a date")
        if not found.intersection(TEXTS[kind]):
            words = "impression or findings" if kind is TableKind.IMAGING else "diagnosis or microscopic description"
            missing.append(f"a text column: {words}, or the whole report")
        return tuple(missing)
    if kind is TableKind.LABELS and "label" not in found:
        missing.append("a label column (0 and 1, or words)")
    if kind is TableKind.IMAGE_LIST and "path" not in found:
        missing.append("a column with the path or path pattern of the files")
    if not found.intersection({*KEYS, "series_uid", *(("path",) if kind is TableKind.LABELS else ("patient_name",))}):
        missing.append("a key column: patient number, accession number, pathology number or study UID")
    return tuple(missing)


def check(table: Table, mapping: ColumnMapping) -> None:
    """InvalidInput when a mapping names columns the table has not, unknown nouns, or leaves out what is needed."""
    known = {noun.code for noun in nouns() if mapping.kind in noun.kinds}
    for noun, column in mapping.columns:
        if noun not in known:
            raise InvalidInput(f"A {mapping.kind.value} table has no noun {noun}.", field=noun)
        if column not in table.columns:
            raise InvalidInput(f"The table {table.name} has no column {column}.", field=column)
    missing = what_is_missing(mapping.kind, {noun for noun, _ in mapping.columns})
    if missing:
        raise InvalidInput(f"The table {table.name} lacks {'; and '.join(missing)}.", field=table.name)


def columns_of(table: Table, mapping: ColumnMapping) -> dict[str, int]:
    """noun -> position in a row, after :func:`check`."""
    check(table, mapping)
    return {noun: table.columns.index(column) for noun, column in mapping.columns}
