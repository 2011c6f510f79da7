"""What a hundred decisions teach: python -m benchmarks.learning [banks ...] [--hospital 3000].

Every phrase of the banks (tests/reports/phrase_bank*.tsv) is a case with one report. The rules label them all; then a stand-in reviewer answers
from gold what the queue asks, in the queue's order: by priority once the second voice speaks, before that in a fixed random order; the voice is
trained anew after every 20 decisions, as the service does; a decision counts at once for cases of the same words (precedent.py). Printed: coverage
and errors among the cases nobody decided, of all and of those that have a 0 or 1 in gold. Three orders (seeds).

``--hospital N``: a made hospital beside the banks, where every phrase is used once: N reports whose phrase is drawn from the same banks by Zipf's law
(the n-th most frequent 1/n times as often as the first), with other sizes, sides and dates in each; and four near-duplicates of phrases that the rules
doubt, which must not follow (a negation added, a doubt added, the malignancy excluded, the organ exchanged).
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from isocenter.diseases import load_diseases
from services.ingest.cases import aggregate_case
from services.ingest.label import label_report
from services.ingest.label_records import CaseLabel, SpokenReport
from services.ingest.precedent import Decided, Precedents, wording
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set
from services.ingest.voice import CANNOT_TELL, DECISIONS_MIN, Example, Said, Voice, audited, join, priority, train

BANKS = Path(__file__).resolve().parent.parent / "tests" / "reports"
AGAIN_EVERY = 20
AUDIT_SHARE = 0.02


def cases(banks: list[str]) -> list[Example]:
    """``decided`` of an Example is its gold here."""
    rules = {disease.code: rule_set(disease) for disease in load_diseases()}
    found = []
    for name in banks:
        for n, line in enumerate((BANKS / f"{name}.tsv").read_text("utf-8").splitlines()):
            if line and not line.startswith("#"):
                kind, disease, gold, text = line.split("\t")
                label = label_report(rules[disease], Sections(impression=text), ReportKind(kind))
                case = aggregate_case([SpokenReport(f"{name}#{n}", ReportKind(kind), label)])
                found.append(Example(f"{name}#{n}", f"{kind}: {text}", case, gold))
    return found


def hospital(banks: list[str], count: int, unknown: float, seed: int = 11) -> list[Example]:
    """``count`` cases of a made hospital; the frequency of a phrase follows its place in a shuffled list of the banks' phrases.

    The rules are taken to know nothing of the share ``unknown`` of the phrases, drawn by a hash: they were mended on these banks.
    """
    draw = random.Random(seed)
    rules = {disease.code: rule_set(disease) for disease in load_diseases()}
    phrases = [line.split("\t") for name in banks for line in (BANKS / f"{name}.tsv").read_text("utf-8").splitlines() if line and line[0] != "#"]
    draw.shuffle(phrases)
    found = []
    for n, (kind, disease, gold, phrase) in enumerate(draw.choices(phrases, [1 / place for place in range(1, len(phrases) + 1)], k=count)):
        text = varied(phrase, draw)
        label = label_report(rules[disease], Sections(impression=text), ReportKind(kind))
        case = aggregate_case([SpokenReport(f"h#{n}", ReportKind(kind), label)])
        if audited(f"unknown {phrase}", unknown) is not None:
            case = CaseLabel("review", 0.0, "", f"{kind}-no-evidence", case.report)
        found.append(Example(f"{disease}#{n}", f"{kind}: {text}", case, gold))
    return found


def varied(phrase: str, draw: random.Random) -> str:
    """The phrase about another patient: sizes and dates drawn anew, left and right exchanged for half of them."""
    text = re.sub(r"\d+(?:\.\d+)?(?= ?mm)", lambda _: str(draw.randint(4, 60)), phrase)
    text = re.sub(r"\d+\.\d+(?= ?cm)", lambda _: f"{draw.uniform(0.5, 6):.1f}", text)
    text = re.sub(r"20\d\d-\d\d-\d\d", lambda _: f"20{draw.randint(10, 25)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}", text)
    if draw.random() < 0.5:
        other = {"左": "右", "右": "左", "left": "right", "right": "left", "Left": "Right", "Right": "Left"}
        text = re.sub(r"[左右](?=[肺乳肝叶侧上下])|\b(?:left|right|Left|Right)\b", lambda match: other[match[0]], text)
    return text


def changed(text: str) -> list[str]:
    """Near-duplicates that say something else."""
    body = text.split(": ", 1)
    return [f"{body[0]}: {start}{body[1]}" for start in ("未见：", "不能除外恶性，", "已除外恶性，", "脾脏")]


def shown(pool: dict[str, Example], labels: dict[str, CaseLabel], threshold: float) -> str:
    accepted = [(pool[i].decided, label.value) for i, label in labels.items() if label.value != "review" and label.confidence >= threshold]
    flips = sum({gold, said} == {"0", "1"} for gold, said in accepted)
    hasty = sum(gold == "review" for gold, _ in accepted)
    definite = sum(pool[i].decided != "review" for i in labels)
    share, answered = len(accepted) / max(1, len(labels)), (len(accepted) - hasty) / max(1, definite)
    told = f"coverage {share:.3f} of {len(labels)}, {answered:.3f} of the {definite} with 0 or 1 in gold"
    return f"{told}  flips {flips} ({flips / max(1, len(accepted)):.4f})  doubtful accepted {hasty}"


def words_of(example: Example) -> str:
    return f"{example.id.partition('#')[0] if not example.id.startswith('phrase') else ''}{wording(example.text)}"


def simulate(pool: dict[str, Example], decisions: int, seed: int, threshold: float) -> tuple[str, str]:
    drawn = {i: int(hashlib.sha256(f"{seed} {i}".encode()).hexdigest(), 16) for i in pool}
    words = {i: words_of(example) for i, example in pool.items()}
    labels = {i: example.rule for i, example in pool.items()}
    before = shown(pool, labels, threshold)
    told: dict[str, Example] = {}
    made: list[Decided] = []
    voice: Voice | None = None
    said: dict[str, Said] = {}
    while len(told) < decisions:
        known = Precedents(made)
        order: dict[str, float] = {}
        waiting = Counter(words[i] for i, label in labels.items() if i not in told and (label.value == "review" or label.confidence < threshold))
        for i, example in pool.items():
            if i in told:
                continue
            joined = known.join(example.rule, words[i])
            effect, own = "none", abs(example.rule.confidence - 0.5)
            if joined is None and voice is not None and i in said:
                joined = join(example.rule, said[i], voice)
                effect, own = joined.effect, priority(said[i], joined.effect)
            elif joined is not None:
                effect = joined.effect
            labels[i] = joined.case if joined is not None else example.rule
            if labels[i].value == "review" or labels[i].confidence < threshold:
                pressing = 0.0 if effect in ("disagrees", "contradicts") else known.priority(own, labels[i], words[i], waiting[words[i]])
                order[i] = pressing
            elif voice is not None and (audit := audited(i, AUDIT_SHARE)) is not None:
                order[i] = audit / 2
        if not order:
            break
        i = min(order, key=lambda i: (order[i], drawn[i]))
        value = CANNOT_TELL if pool[i].decided == "review" else pool[i].decided
        told[i] = replace(pool[i], decided=value)
        made.append(Decided(words[i], value, labels[i].reason, i))
        if len(told) >= DECISIONS_MIN and len(told) % AGAIN_EVERY == 0 and (voice := train(list(told.values()))) is not None:
            left = [n for n in pool if n not in told]
            said = dict(zip(left, voice.say([pool[n].text for n in left]), strict=True))
    known = Precedents(made)
    for i, example in pool.items():
        if i not in told and (joined := known.join(example.rule, words[i])) is not None:
            labels[i] = joined.case
    after = {i: label for i, label in labels.items() if i not in told}
    followed = sum(label.reason == "decided-like" for label in after.values())
    lured = [text for i in told for text in changed(told[i].text)]
    astray = sum(known.join(CaseLabel("review", 0.0, "", "imaging-hedged"), wording(text)) is not None for text in lured)
    figures = f"threshold {voice.threshold:.3f}, accuracy {voice.accuracy:.3f}" if voice else "silent"
    line = f"{shown(pool, after, threshold)}  decided {len(told)}, followed {followed}, near-duplicates that followed {astray} of {len(lured)}"
    return before, f"{line}  voice {figures}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("banks", nargs="*", default=["phrase_bank", "phrase_bank_2", "phrase_bank_3", "phrase_bank_4", "phrase_bank_5"])
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--threshold", type=float, default=0.9, help="of the scheme")
    parser.add_argument("--hospital", type=int, default=0, help="cases of a made hospital in place of the banks' own")
    parser.add_argument("--unknown", type=float, default=0.3, help="share of the made hospital's phrases that the rules are taken not to know")
    asked = parser.parse_args()
    made = hospital(asked.banks, asked.hospital, asked.unknown) if asked.hospital else cases(asked.banks)
    pool = {example.id: example for example in made}
    for seed in (1, 2, 3):
        before, after = simulate(pool, asked.decisions, seed, asked.threshold)
        if seed == 1:
            print(f"before: {before}")
        print(f"after, order {seed}: {after}")


if __name__ == "__main__":
    main()
