"""``isocenter link``, ``label`` and ``evaluate``: a hospital measures itself on its own tables, without a server."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import TextIO

from isocenter.diseases import load_diseases
from isocenter.errors import InvalidInput
from services.ingest import agreement, measure
from services.ingest.agreement import REVIEW, Scored
from services.ingest.readers.tables import read_table
from services.ingest.rows import label_value

LINK_COLUMNS = ("study_uid", "report_id", "score", "state", "kind", "rule", "reason", "rows", "components")
LABEL_COLUMNS = tuple(item.name for item in fields(measure.SaidLabel))
WORST = 10
Row = dict[str, str]
_IDS = ("id", "row", "row_id", "report_id")
_LABELS = ("label01", "label", "gold", "value", "class")


def link(tables: Sequence[Path], output: Path | None, *, everything: bool) -> None:
    """Links as CSV; those that wait for a person only with ``everything``."""
    given = measure.read(tables)
    found = measure.links(given)
    shown = [said for said in found if everything or said.state == "sure"]
    _write(output, LINK_COLUMNS, ((*astuple(said)[:7], ";".join(said.rows), said.components) for said in shown))
    hint = "written too" if everything else "--all writes them too"
    _tell(given.notes, f"{len(shown)} links written, {sum(said.state != 'sure' for said in found)} wait for a person ({hint}).")


def label(tables: Sequence[Path], output: Path | None, disease: str) -> None:
    """A label per report row as CSV."""
    given = measure.read(tables)
    found = measure.labels(given, load_diseases(), disease)
    _write(output, LABEL_COLUMNS, (astuple(said) for said in found))
    _tell(given.notes, f"{len(found)} labels written, {sum(said.state != 'sure' for said in found)} wait for a person.")


def _tell(notes: Iterable[str], last: str) -> None:
    for note in (*notes, last):
        print(note, file=sys.stderr)


def _write(output: Path | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with _opened(output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
    else:
        with output.open("w", encoding="utf-8", newline="") as file:
            yield file


def _rows(path: Path) -> list[Row]:
    table = read_table(path)
    return [dict(zip((c.strip().lower() for c in table.columns), row, strict=True)) for row in table.rows]


def _column(rows: Sequence[Row], names: Sequence[str], path: Path, what: str) -> str:
    for name in names:
        if rows and name in rows[0]:
            return name
    raise InvalidInput(f"{path.name} has no column for {what}; one of {', '.join(names)} is needed.", field=path.name)


def evaluate(predictions: Path, gold: Path, repeats: Path | None) -> list[str]:
    """Lines to print. ``repeats``: a table with id and dup_of, so that a link to a row or to its duplicate counts the same."""
    said, truth = _rows(predictions), _rows(gold)
    if said and "study_uid" in said[0] and "report_id" in said[0]:
        return _links(said, truth, gold, _rows(repeats) if repeats else [])
    return _labels(said, predictions, truth, gold)


def _labels(said: list[Row], predictions: Path, truth: list[Row], gold: Path) -> list[str]:
    id_said, id_gold = _column(said, _IDS, predictions, "the row"), _column(truth, _IDS, gold, "the row")
    label_said, label_gold = _column(said, ("label", *_LABELS), predictions, "the label"), _column(truth, _LABELS, gold, "the label")
    given = {row[id_said]: row for row in said}
    answers, absent = [], 0
    for row in truth:
        if not row[label_gold]:
            continue  # nobody judged it
        answer = given.get(row[id_gold])
        absent += answer is None
        value = label_value(answer[label_said]) if answer else REVIEW
        answers.append(Scored(row[id_gold], label_value(row[label_gold]), value, _number(answer, "confidence") if answer else 0.0))
    if not answers:
        raise InvalidInput(f"{gold.name} has no row with a label.", field=gold.name)
    classes = agreement.per_class(answers)
    beyond = len(given) - len(answers) + absent
    lines = [f"{len(answers)} rows with gold, {absent} of them without a prediction (counted as review), {beyond} predictions without gold"]
    lines += _table(("class", "precision", "recall", "F1", "gold", "said"), [(v, r.precision, r.recall, r.f1, r.wanted, r.found) for v, r in classes.items()])
    accepted = [a for a in answers if a.said != REVIEW]
    flips, doubtful = sum(a.flipped for a in accepted), sum(a.gold == REVIEW for a in accepted)
    n = max(1, len(accepted))
    lines.append(f"macro-F1 {agreement.macro_f1(classes):.4f}   accuracy {sum(a.right for a in answers) / len(answers):.4f}")
    wrong = f"{flips} flipped ({flips / n:.2%}), {doubtful} doubtful ({doubtful / n:.2%})"
    lines.append(f"accepted without a person {len(accepted)} ({len(accepted) / len(answers):.1%}): {wrong}")
    return [*lines, *_coverage(answers), *_calibration(accepted), *_worst(answers)]


def _links(said: list[Row], truth: list[Row], gold: Path, repeats: list[Row]) -> list[str]:
    root = {i: row["rows"].split(";")[0] for row in said for i in row.get("rows", "").split(";") if i}
    root |= {row["id"]: row["dup_of"] or row["id"] for row in repeats if row.get("id") and "dup_of" in row}
    wanted: dict[str, set[tuple[str, str]]] = {}
    columns = {"imaging": "imaging_id", "pathology": "pathology_ids"}
    if not truth or "imaging_id" not in truth[0]:
        columns = {"": _column(truth, ("report_id", "report"), gold, "the report")}
    study = _column(truth, ("study_uid", "study_id", "study"), gold, "the study")
    for kind, column in columns.items():
        pairs = ((row[study], i) for row in truth for i in re.split(r"[;|\s]+", row.get(column, "")) if i)
        wanted[kind] = {(s, root.get(i, i)) for s, i in pairs}
    lines, answers = [], []
    shown = []
    for kind, pairs_wanted in wanted.items():
        own = [row for row in said if not kind or row.get("kind", kind) == kind]
        sure = {(row["study_uid"], root.get(row["report_id"], row["report_id"])) for row in own if row.get("state", "sure") == "sure"}
        score = agreement.rates(sure, pairs_wanted)
        shown.append((kind or "all", score.precision, score.recall, score.f1, score.wanted, score.found))
        waiting = [row for row in own if row.get("state", "sure") != "sure"]
        if waiting:
            lines.append(f"{kind or 'all'}: {len(waiting)} wait for a person")
        for row in own:
            pair = (row["study_uid"], root.get(row["report_id"], row["report_id"]))
            answers.append(Scored(f"{row['study_uid']} {row['report_id']}", "linked" if pair in pairs_wanted else "apart", "linked", _number(row, "score")))
        missed = sorted(pairs_wanted - {(row["study_uid"], root.get(row["report_id"], row["report_id"])) for row in own})
        lines += [f"missed {kind or 'link'}: {s} {r}" for s, r in missed[:WORST]]
    head = _table(("links", "precision", "recall", "F1", "gold", "said"), shown)
    return [*head, *_calibration(answers), *_worst(answers), *lines]


def _number(row: Row, column: str) -> float:
    try:
        return min(1.0, max(0.0, float(row.get(column) or 1.0)))
    except ValueError as error:
        raise InvalidInput(f"A value of {column} is no number between 0 and 1.", field=column) from error


def _coverage(answers: Sequence[Scored]) -> list[str]:
    shown = []
    for rate in agreement.ERROR_RATES:
        wrong, flipped = agreement.coverage_at(answers, rate), agreement.coverage_at(answers, rate, flips_only=True)
        shown.append((f"{rate:.1%}", *wrong, *flipped))
    return _table(("error rate", "coverage", "from confidence", "coverage (flips only)", "from confidence"), shown)


def _calibration(answers: Sequence[Scored]) -> list[str]:
    shown = [(b.count, b.confidence, b.accuracy) for b in agreement.reliability(answers)]
    head = f"expected calibration error {agreement.calibration_error(answers):.4f} (accepted, n={len(answers)})"
    return [head, *_table(("count", "confidence", "right"), shown)]


def _worst(answers: Sequence[Scored]) -> list[str]:
    found = agreement.worst(answers, WORST)
    return _table(("worst", "gold", "said", "confidence"), [(a.id, a.gold, a.said, a.confidence) for a in found]) if found else ["nothing wrong"]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [tuple(head), *(tuple(f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
