"""Find which column of a hospital's table is which of our nouns, by name and by content; ``apply`` reads rows through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rapidfuzz import fuzz

from services.ingest import normalise
from services.ingest.groups import groups_of
from services.ingest.nouns import DATES, KEYS, TEXTS, Noun, continued, fold_name, nouns, what_is_missing
from services.ingest.report_records import ColumnGuess, MappingProposal, Table, TableKind
from services.ingest.rows import apply
from services.ingest.shapes import Shape, shape_of

__all__ = ["apply", "content_score", "name_score", "propose"]

TEXTS_ANY = ("impression", "findings", "text", "microscopic")
NAME_MIN = 0.55  # below this a name says nothing
CONFIDENCE_MIN = 0.45
INITIALS_SCORE = 0.78
WEAK_SCORE = 0.58  # under what an import accepts without a person (begin.CONFIDENT)


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
            # what a name is stands at its end, in Chinese and English: 检查诊断 is a diagnosis, exam date a date
            place = 0.64 if longer.endswith(shorter) else 0.6 if longer.startswith(shorter) else 0.55
            best = max(best, place + 0.3 * len(shorter) / len(longer))
        ratio = fuzz.ratio(folded, name) / 100
        if ratio >= (0.8 if ascii_only else 0.66) and len(shorter) >= (5 if ascii_only else 3):
            best = max(best, ratio * 0.85)
    if folded in noun.initials:
        best = max(best, INITIALS_SCORE)
    if folded in noun.weak:
        best = max(best, WEAK_SCORE)
    return best if best >= NAME_MIN else 0.0


def content_score(shape: Shape, noun: Noun) -> float:
    """How the values fit, -1 (they contradict) .. 1. Unfilled columns say 0."""
    if not shape.filled:
        return 0.0
    fit = shape.fit(noun.shape)
    if noun.code in KEYS and noun.shape == "number":
        if shape.fit("phone") > 0.6 or shape.fit("national_id") > 0.6 or shape.fit("uid") > 0.6:
            return -1.0
        if shape.serial:
            return -1.0  # 1, 2, 3 ...: a row number names nobody
        return 2 * max(fit, shape.fit("uid") * 0.2) - 1
    if noun.shape == "age" and (shape.mean_length > 6 or shape.fit("sex") > 0.8):
        return -1.0
    return 2 * fit - 1


# what content alone may say, when the name says nothing: only shapes that hardly anything else has
_SELF_EVIDENT = {"sex": 0.55, "study_uid": 0.7, "path": 0.5, "modality": 0.5, "patient_name": 0.5, "exam_date": 0.5, "age": 0.0, "label": 0.5}


def propose(table: Table, kind: TableKind | None = None) -> MappingProposal:
    """The best mapping of a table; without ``kind`` the kind that fits best. Never fails: ``missing`` says what lacks."""
    shapes = {column: shape_of([row[n] for row in table.rows]) for n, column in enumerate(table.columns)}
    if several := _of_groups(table, kind, shapes):
        return replace(several[0], further=tuple(several[1:]))
    return _best(table, kind, shapes)


def _of_groups(table: Table, kind: TableKind | None, shapes: dict[str, Shape]) -> list[MappingProposal]:
    """One usable proposal per report of a row, when each row holds several; else none."""
    if kind not in (None, *TEXTS):
        return []
    groups, grouped = groups_of(table.columns, _is_named(TEXTS_ANY), _is_named((*KEYS, *DATES)))
    found = []
    for group in groups:
        alone = dict(group.columns)
        own = [column for column in table.columns if column in alone or column not in grouped]
        names = [alone.get(column, column) if _names_more(alone.get(column, column), column) else column for column in own]
        if len(set(names)) < len(names):
            names = own
        back = dict(zip(names, own, strict=True))
        at = [table.columns.index(column) for column in own]
        part = Table(table.name, table.encoding, tuple(names), tuple(tuple(row[n] for n in at) for row in table.rows))
        wanted = group.kind or kind
        said = _best(part, wanted, {name: shapes[column] for name, column in back.items()})
        if said.missing or said.kind not in TEXTS or (kind and said.kind is not kind) or not any(g.column in alone for g in _renamed(said, back).guesses):
            continue
        found.append(_renamed(said, back))
    if len(found) < 2:
        return []
    used = {guess.column for said in found for guess in said.guesses}
    return [replace(said, unmapped=tuple(column for column in table.columns if column not in used)) for said in found]


def _is_named(codes: Sequence[str]) -> Callable[[str], bool]:
    wanted = [noun for noun in nouns() if noun.code in codes]
    return lambda name: any(name_score(name, noun) >= 0.75 for noun in wanted)


def _names_more(alone: str, column: str) -> bool:
    """The name without its group says as much as with it (日期 of 病理日期), and is no bare rest (号 of 病理号)."""
    return any(name_score(alone, noun) >= name_score(column, noun) > 0 or name_score(alone, noun) > 0.7 for noun in nouns())


def _renamed(said: MappingProposal, back: dict[str, str]) -> MappingProposal:
    guesses = tuple(replace(guess, column=back[guess.column]) for guess in said.guesses)
    return replace(said, guesses=guesses, unmapped=tuple(back[column] for column in said.unmapped))


def _best(table: Table, kind: TableKind | None, shapes: dict[str, Shape]) -> MappingProposal:
    proposals = [_propose(table, candidate, shapes) for candidate in ([kind] if kind else list(TableKind))]
    if kind:
        return proposals[0][0]
    ranked = sorted(proposals, key=lambda item: (not item[0].missing, not _codes_beside_reports(item[0], proposals, shapes), item[1]), reverse=True)
    (best, score), runner_up = ranked[0], ranked[1][1]
    confidence = round(max(0.3, min(1.0, 0.5 + (score - runner_up) / 4)), 3) if not best.missing else 0.2
    return MappingProposal(best.kind, confidence, best.guesses, best.unmapped, best.missing, best.date_order)


def _codes_beside_reports(said: MappingProposal, all_said: Sequence[tuple[MappingProposal, float]], shapes: dict[str, Shape]) -> bool:
    """A label column that could as well be called a conclusion (结果), beside a column of real report text: a table of reports."""
    if said.kind is not TableKind.LABELS or said.missing:
        return False
    column = next(guess.column for guess in said.guesses if guess.noun == "label")
    told = [g.column for other, _ in all_said if other.kind in TEXTS and not other.missing for g in other.guesses if g.noun in TEXTS_ANY]
    return _is_named(("impression",))(column) and any(shapes[text].fit("text") > 0.7 and shapes[text].mean_length >= 8 for text in told)


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
    _only_text(guesses)
    order_of_dates = _date_order(table, guesses)
    unmapped = tuple(column for column in table.columns if column not in taken and column not in continued(table.columns, taken))
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


def _only_text(guesses: dict[str, ColumnGuess]) -> None:
    """A report body named like findings is the whole report where no conclusion stands beside it."""
    whole = next(noun for noun in nouns() if noun.code == "text")
    if "findings" in guesses and not {"impression", "text"} & guesses.keys() and name_score(guesses["findings"].column, whole) > 0.8:
        guesses["text"] = replace(guesses.pop("findings"), noun="text")


def _date_order(table: Table, guesses: dict[str, ColumnGuess]) -> str:
    columns = [table.columns.index(guesses[noun].column) for noun in (*DATES, "birth_date") if noun in guesses]
    return normalise.date_order([row[n] for row in table.rows for n in columns])
