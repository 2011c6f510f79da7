"""What a hundred decisions teach: python -m benchmarks.learning [banks ...].

Every phrase of the banks (tests/reports/phrase_bank*.tsv) is a case with one report. The rules label them all; then a stand-in reviewer answers
from gold what the queue asks, in the queue's order: by priority once the second voice speaks, before that in a fixed random order; the voice is
trained anew after every 20 decisions, as the service does. Printed: coverage and errors among the cases nobody decided. Three orders (seeds).
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

from isocenter.diseases import load_diseases
from services.ingest.cases import aggregate_case
from services.ingest.label import label_report
from services.ingest.label_records import CaseLabel, SpokenReport
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set
from services.ingest.voice import CANNOT_TELL, DECISIONS_MIN, Example, Voice, audited, join, priority, train

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


def shown(pool: dict[str, Example], labels: dict[str, CaseLabel], threshold: float) -> str:
    accepted = [(pool[i].decided, label.value) for i, label in labels.items() if label.value != "review" and label.confidence >= threshold]
    flips = sum({gold, said} == {"0", "1"} for gold, said in accepted)
    hasty = sum(gold == "review" for gold, _ in accepted)
    definite = sum(pool[i].decided != "review" for i in labels)
    share = len(accepted) / len(labels)
    told = f"coverage {share:.3f} of {len(labels)} ({definite / len(labels):.3f} have 0 or 1 in gold)"
    return f"{told}  flips {flips} ({flips / max(1, len(accepted)):.4f})  doubtful accepted {hasty}"


def simulate(pool: dict[str, Example], decisions: int, seed: int, threshold: float) -> tuple[str, str]:
    def drawn(i: str) -> int:
        return int(hashlib.sha256(f"{seed} {i}".encode()).hexdigest(), 16)

    labels = {i: example.rule for i, example in pool.items()}
    order = {i: 0.5 for i, label in labels.items() if label.value == "review" or label.confidence < threshold}
    before = shown(pool, labels, threshold)
    told: dict[str, Example] = {}
    voice: Voice | None = None
    while len(told) < decisions and order:
        i = min(order, key=lambda i: (order[i], drawn(i)))
        del order[i]
        told[i] = replace(pool[i], decided=CANNOT_TELL if pool[i].decided == "review" else pool[i].decided)
        if len(told) < DECISIONS_MIN or len(told) % AGAIN_EVERY:
            continue
        voice = train(list(told.values()))
        if voice is None:
            continue
        left = [n for n in pool if n not in told]
        order = {}
        for n, said in zip(left, voice.say([pool[n].text for n in left]), strict=True):
            joined = join(pool[n].rule, said, voice)
            labels[n] = joined.case
            audit = audited(n, AUDIT_SHARE)
            if joined.case.value == "review" or joined.case.confidence < threshold:
                order[n] = priority(said, joined.effect)
            elif audit is not None:
                order[n] = audit / 2
    after = {i: label for i, label in labels.items() if i not in told}
    figures = f"threshold {voice.threshold:.3f}, accuracy {voice.accuracy:.3f}, calibration error {voice.calibration_error:.3f}" if voice else "silent"
    return before, f"{shown(pool, after, threshold)}  decided {len(told)}  voice {figures}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("banks", nargs="*", default=["phrase_bank", "phrase_bank_2", "phrase_bank_3", "phrase_bank_4"])
    parser.add_argument("--decisions", type=int, default=100)
    parser.add_argument("--threshold", type=float, default=0.9, help="of the scheme")
    asked = parser.parse_args()
    pool = {example.id: example for example in cases(asked.banks)}
    for seed in (1, 2, 3):
        before, after = simulate(pool, asked.decisions, seed, asked.threshold)
        if seed == 1:
            print(f"before: {before}")
        print(f"after, order {seed}: {after}")


if __name__ == "__main__":
    main()
