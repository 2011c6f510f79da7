"""Mentions of a rule set's terms in one section of a report, each with its context and the organ it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.ingest.anatomy import UNSPECIFIC, OrganWord, Scope, anatomy, organ_words
from services.ingest.context import clauses_of, contexts_of
from services.ingest.legible import legible
from services.ingest.report_records import ReportKind
from services.ingest.ruleset import FUZZY_HAN_MIN, RuleSet, TermRule
from services.ingest.words import Ground

SECTION_CHARACTERS_MAX = 50_000  # of a section that are read; a report is a tenth of it
_NEAR_LENGTH_MAX = 12
_CLAUSE_END = re.compile(r"[，,。；;:：]")
_EITHER = re.compile(r"[\s,，/]*(?:(?<![a-z])or(?![a-z])|versus|vs\.?|/|或|还是|抑或)[\s\w\-]{0,24}")


@dataclass(frozen=True, slots=True)
class Mention:
    """``start``, ``end``: offsets in the section's source text. ``sentence``: ordinal within the section."""

    section: str
    sentence: int
    start: int
    end: int
    text: str
    rule: str
    meaning: str
    subtype: str
    contexts: frozenset[str]
    length: int  # of the matched term: longer ones are more telling

    def has(self, *contexts: str) -> bool:
        return not self.contexts.isdisjoint(contexts)


@dataclass(frozen=True, slots=True)
class _Hit:
    start: int
    end: int
    rule: TermRule


def mentions_in(rules: RuleSet, section: str, source: str, kind: ReportKind, scope: Scope) -> list[Mention]:
    """All mentions of a section, in order. ``scope``: what the whole report is about, for sentences that name no organ."""
    made = legible(source[:SECTION_CHARACTERS_MAX], rules.speller)
    text = made.text
    hits = _hits(rules, text, kind)
    if not hits:
        return []
    clauses = clauses_of(text)
    found: list[Mention] = []
    nearby: dict[int, list[OrganWord]] = {}
    organs = organ_words(text) + [
        OrganWord(rules.disease.organ, match.start(), match.end()) for match in rules.organ_words.finditer(text)
    ]
    for hit in hits:
        n = clauses.at(hit.start)
        sentence = clauses.bounds[n]
        span = (hit.start, min(hit.end, sentence[1]))
        contexts = frozenset() if hit.rule.fixed else contexts_of(text, sentence, span, clauses.cues(n))
        if n not in nearby:
            nearby[n] = [word for word in organs if sentence[0] <= word.start < sentence[1]]
        if not _fits(rules, hit, text, nearby[n], scope):
            contexts |= {"other-organ"}
        start, end = made.span(hit.start, hit.end)
        found.append(Mention(section, n, start, end, source[start:end], hit.rule.id, hit.rule.meaning, hit.rule.subtype, contexts, hit.end - hit.start))
    return _either_or(found, source)


def _either_or(found: list[Mention], source: str) -> list[Mention]:
    """A benign and a malignant word joined by "or" (hemangioma or metastasis, 炎症或肿瘤) put each other in doubt."""
    for n, (a, b) in enumerate(pairwise(list(found))):
        opposed = {a.meaning, b.meaning} in ({"malignant", "benign"}, {"mass", "benign"}, {"malignant", "uncertain"})
        if opposed and not (a.has("negated") or b.has("negated")) and a.sentence == b.sentence and _EITHER.fullmatch(source[a.end : b.start].lower()):
            found[n : n + 2] = [replace(a, contexts=a.contexts | {"hedged"}), replace(b, contexts=b.contexts | {"hedged"})]
    return found


def _hits(rules: RuleSet, text: str, kind: ReportKind) -> list[_Hit]:
    """Longest terms first where they overlap; pseudo terms take their place and are dropped."""
    found: list[_Hit] = []
    for match in rules.pattern.finditer(text):
        rule = rules.term(match[0], kind)
        if rule is not None:
            found.append(_Hit(match.start(), match.end(), rule))
    for rule, pattern in rules.patterns:
        if rule.kind in ("any", kind.value):
            found += [_Hit(m.start(), m.end(), rule) for m in pattern.finditer(text) if m.end() > m.start()]
    found += _near_hits(rules, text, kind)
    ground = Ground(len(text))
    kept = [hit for hit in sorted(found, key=lambda h: (h.start - h.end, h.start)) if ground.claim(hit.start, hit.end)]
    return sorted((hit for hit in kept if hit.rule.meaning != "pseudo"), key=lambda hit: hit.start)


def _near_hits(rules: RuleSet, text: str, kind: ReportKind) -> list[_Hit]:
    """Long Han terms with one character wrong, where no two meanings are as near."""
    found = []
    for end, last in enumerate(text, 1):
        forms = rules.near.get(last)
        if not forms:
            continue
        for start in range(max(0, end - _NEAR_LENGTH_MAX), end - FUZZY_HAN_MIN + 1):
            window = text[start:end]
            if window in rules.words:
                continue
            for n in range(1, len(window) - 1):
                word = forms.get(f"{window[:n]}?{window[n + 1 :]}")
                rule = rules.term(word, kind) if word else None
                if rule is not None:
                    found.append(_Hit(start, end, rule))
                    break
    return found


def _fits(rules: RuleSet, hit: _Hit, text: str, organs: Sequence[OrganWord], scope: Scope) -> bool:
    """The organ a mention is about: named in the term, else before it in the sentence, else after it in the clause, else the report's."""
    organ = rules.disease.organ
    inside = [word.organ for word in organs if hit.start <= word.start < hit.end and word.organ not in UNSPECIFIC]
    if inside:
        return organ in inside or hit.rule.own
    near = [word for word in organs if word.organ not in UNSPECIFIC]
    before = [word for word in near if word.end <= hit.start]
    if before:
        return _last_group(text, before, organ)
    after = [word for word in near if word.start >= hit.end and not _CLAUSE_END.search(text[hit.end : word.start])]
    if after:
        return any(word.organ == organ for word in after)
    return hit.rule.own or about(scope, organ)


def _last_group(text: str, before: Sequence[OrganWord], organ: str) -> bool:
    """The organs named last before the mention, those listed together (肝、胆、胰) as one group."""
    last = before[-1]
    group = {last.organ}
    for word in reversed(before[:-1]):
        between = text[word.end : last.start]
        if len(between) > 6 or any(mark in between for mark in "，,。；;:："):
            break
        group.add(word.organ)
        last = word
    return organ in group


def about(scope: Scope, organ: str) -> bool:
    """Whether a report of this scope may speak of the organ; an unknown scope may."""
    if not scope:
        return True
    if scope.organs:
        return organ in scope.organs
    return bool(anatomy().regions.get(organ, frozenset()) & scope.regions)


