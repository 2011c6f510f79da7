"""Which diseases a report or study speaks about, for imports that say "decide per study from body part and report"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from isocenter.diseases import DiseaseDefinition
from services.ingest.anatomy import UNSPECIFIC, organ_words
from services.ingest.context import contexts_of, cues_in, sentences
from services.ingest.label import report_scope
from services.ingest.legible import legible
from services.ingest.mentions import about
from services.ingest.report_records import Sections

_ASIDE = ("history", "family", "hypothetical")


def diseases_of(sections: Sections, definitions: Sequence[DiseaseDefinition], body_part: str = "") -> tuple[str, ...]:
    """Codes of the diseases whose organ the report is about, the most telling place first.

    Exam and specimen decide when they name an organ (肝脏MRI, right breast). When they name a region only (上腹部CT), the
    organs that the conclusion speaks of and the region shows; else those of the findings; else every organ of the region.
    A report about no organ we know gives ().
    """
    told = report_scope(sections, body_part)
    if told.organs:
        return tuple(d.code for d in definitions if d.organ in told.organs)
    possible = [d for d in definitions if about(told, d.organ)] if told else list(definitions)
    for text in (sections.impression, sections.findings, sections.microscopic, sections.gross):
        spoken = _main_organs(text)
        found = tuple(d.code for d in possible if d.organ in spoken)
        if found:
            return found
    return tuple(d.code for d in possible) if told else ()


def _main_organs(text: str) -> frozenset[str]:
    """The organs of the first item that names one, and those named as often as any other; asides and history left out."""
    if not text.strip():
        return frozenset()
    made = legible(text)
    counts: Counter[str] = Counter()
    first: set[str] = set()
    for sentence in sentences(made.text):
        words = [word for word in organ_words(made.text[sentence[0] : sentence[1]]) if word.organ not in UNSPECIFIC]
        if not words:
            continue
        cues = cues_in(made.text, *sentence)
        here = {
            word.organ
            for word in words
            if contexts_of(made.text, sentence, (sentence[0] + word.start, sentence[0] + word.end), cues).isdisjoint(_ASIDE)
        }
        counts.update(here)
        first = first or {words[0].organ} & here
    often = {organ for organ, count in counts.items() if count > 1 and count == max(counts.values())}
    return frozenset(first | often)
