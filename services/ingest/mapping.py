"""Find which column of a hospital's table is which of our nouns, by name and by content; ``apply`` reads rows through it."""

from __future__ import annotations

from rapidfuzz import fuzz

from services.ingest import normalise
from services.ingest.nouns import DATES, KEYS, TEXTS, Noun, fold_name, nouns, what_is_missing
from services.ingest.report_records import ColumnGuess, MappingProposal, Table, TableKind
from services.ingest.rows import apply
from services.ingest.shapes import Shape, shape_of

__all__ = ["apply", "content_score", "name_score", "propose"]

NAME_MIN = 0.55  # below this a name says nothing
CONFIDENCE_MIN = 0.45


def name_score(column: str, noun: Noun) -> float:
    """0..1: 1 for a listed name, less for one that contains it, less for a near one; 0 under NAME_MIN."""
    folded = fold_name(column)
    if not folded:
        return 0.0
    best = 0.0
    for rank, name in enumerate(noun.names):
        if folded == name:
            return 1.0 - min(rank, 40) * 0.001
        shorter, longer = sorted((folded, name), key=len)
        ascii_only = shorter.isascii()
        if len(shorter) >= (4 if ascii_only else 2) and shorter in longer:
            at_end = longer.endswith(shorter) or longer.startswith(shorter)
            best = max(best, (0.62 if at_end else 0.55) + 0.3 * len(shorter) / len(longer))
        ratio = fuzz.ratio(folded, name) / 100
        if ratio >= (0.8 if ascii_only else 0.66) and len(shorter) >= (5 if ascii_only else 3):
            best = max(best, ratio * 0.85)
    return best if best >= NAME_MIN else 0.0


def content_score(shape: Shape, noun: Noun) -> float:
    """How the values fit, -1 (they contradict) .. 1. Unfilled columns say 0."""
    if not shape.filled:
        return 0.0
    fit = shape.fit(noun.shape)
    if noun.code in KEYS and noun.shape == "number":
        if shape.fit("phone") > 0.6 or shape.fit("national_id") > 0.6 or shape.fit("uid") > 0.6:
            return -1.0
        return 2 * max(fit, shape.fit("uid") * 0.2) - 1
    if noun.shape == "age" and (shape.mean_length > 6 or shape.fit("sex") > 0.8):
        return -1.0
    return 2 * fit - 1


# what content alone may say, when the name says nothing: only shapes that hardly anything else has
_SELF_EVIDENT = {"sex": 0.55, "study_uid": 0.7, "path": 0.5, "modality": 0.5, "patient_name": 0.5, "exam_date": 0.5, "age": 0.0, "label": 0.5}


def propose(table: Table, kind: TableKind | None = None) -> MappingProposal:
    """The best mapping of a table; without ``kind`` the kind that fits best. Never fails: ``missing`` says what lacks."""
    shapes = {column: shape_of([row[n] for row in table.rows]) for n, column in enumerate(table.columns)}
    proposals = [_propose(table, candidate, shapes) for candidate in ([kind] if kind else list(TableKind))]
    if kind:
        return proposals[0][0]
    ranked = sorted(proposals, key=lambda item: (not item[0].missing, item[1]), reverse=True)
    (best, score), runner_up = ranked[0], ranked[1][1]
    confidence = round(max(0.3, min(1.0, 0.5 + (score - runner_up) / 4)), 3) if not best.missing else 0.2
    return MappingProposal(best.kind, confidence, best.guesses, best.unmapped, best.missing, best.date_order)


def _propose(table: Table, kind: TableKind, shapes: dict[str, Shape]) -> tuple[MappingProposal, float]:
    candidates = []
    for order, noun in enumerate(noun for noun in nouns() if kind in noun.kinds):
        for column in table.columns:
            name, content = name_score(column, noun), content_score(shapes[column], noun)
            score, why = _confidence(noun, name, content, shapes[column])
            if score >= CONFIDENCE_MIN:
                candidates.append((-score, order, column, noun.code, why))
    guesses: dict[str, ColumnGuess] = {}
    taken: set[str] = set()
    for negative, _, column, code, why in sorted(candidates):
        if code not in guesses and column not in taken:
            guesses[code] = ColumnGuess(code, column, round(-negative, 3), why)
            taken.add(column)
    _longest_text(guesses, taken, shapes, kind)
    order_of_dates = _date_order(table, guesses)
    unmapped = tuple(column for column in table.columns if column not in taken)
    missing = what_is_missing(kind, set(guesses))
    telling = {"pathology": ("gross", "microscopic", "pathology_number", "specimen"), "imaging": ("findings", "modality", "exam", "body_part"),
               "image_list": ("path",), "labels": ("label",)}[kind.value]  # fmt: skip
    score = sum(guess.confidence * (2 if guess.noun in telling else 0.5) for guess in guesses.values() if guess.why != "content")
    proposal = MappingProposal(kind, 1.0, tuple(sorted(guesses.values(), key=lambda g: table.columns.index(g.column))), unmapped, missing, order_of_dates)
    return proposal, score


def _confidence(noun: Noun, name: float, content: float, shape: Shape) -> tuple[float, str]:
    if content <= -0.6 and shape.filled:
        return 0.0, "content"
    if name:
        if not shape.filled:
            return name * 0.7, "name"
        return min(1.0, name * (0.85 + 0.15 * content)), "name+content" if content > 0.4 else "name"
    evident = _SELF_EVIDENT.get(noun.code, 0.0)
    if evident and content > 0.8 and (noun.code not in ("patient_name", "exam_date") or shape.distinct > 0.3):
        return evident * content, "content"
    return 0.0, "content"


def _longest_text(guesses: dict[str, ColumnGuess], taken: set[str], shapes: dict[str, Shape], kind: TableKind) -> None:
    """No text column by name: the column of the longest texts, if there are texts at all, as the whole report."""
    if kind not in TEXTS or any(noun in guesses for noun in TEXTS[kind]):
        return
    texts = [column for column, shape in shapes.items() if column not in taken and shape.fit("text") > 0.7 and shape.mean_length >= 20]
    if texts:
        column = max(texts, key=lambda name: shapes[name].mean_length)
        guesses["text"] = ColumnGuess("text", column, 0.5, "content")
        taken.add(column)


def _date_order(table: Table, guesses: dict[str, ColumnGuess]) -> str:
    columns = [table.columns.index(guesses[noun].column) for noun in (*DATES, "birth_date") if noun in guesses]
    return normalise.date_order([row[n] for row in table.rows for n in columns])
