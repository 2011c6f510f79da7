"""What the tables at hand say of the stated m: how often sex, birth date, day and number agree in pairs that belong together.

One step of expectation maximisation (Fellegi and Sunter 1969; Winkler 1988) with the stated values as prior: of every pair that is the
best of both its sides, the probability that it belongs together is taken from all *other* fields, and so often counts the level
of this one. A hospital that registers sex carelessly is not held to the stated 2 %; a small import stays at the stated values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from services.ingest.report_records import Component, ReportKind

PRIOR_PAIRS = 200.0  # pairs the stated values are worth
BELONGS_MIN = 0.9  # by the other fields, for a pair to teach
BITS_MAX = 2.5  # no level is moved further than this
STATED: Mapping[str, Mapping[str, float]] = {
    "sex": {"agree": 0.978, "differ": 0.022},
    "birth": {"agree": 0.95, "partial": 0.025, "differ": 0.025},
    "number": {"agree": 0.95, "partial": 0.02, "differ": 0.03},
    "date": {"agree": 0.82, "partial": 0.17, "differ": 0.01},
}
Fields = Mapping[str, Component]
Corrections = Mapping[tuple[str, str], float]  # (field, agreement) -> bits


def corrections(pairs: Sequence[tuple[int, int, Fields]], prior_bits: float, kind: ReportKind) -> Corrections:
    """Bits to add to a field's weight at a level: log2(m as found / m as stated). ``pairs``: (study, report, compared fields)."""
    fields = [name for name in STATED if name != "date" or kind is ReportKind.IMAGING]  # the days of pathology are a window, no error
    counts = {(name, level): PRIOR_PAIRS * m for name in fields for level, m in STATED[name].items()}
    for compared in _best_of_both(pairs):
        total = prior_bits + sum(item.weight for item in compared.values())
        for name in fields:
            item = compared[name]
            belongs = 1.0 / (1.0 + 2.0 ** -max(-40.0, min(40.0, total - item.weight)))
            if belongs >= BELONGS_MIN and (name, item.agreement) in counts:
                counts[name, item.agreement] += belongs
    found = {}
    for name in fields:
        whole = sum(counts[name, level] for level in STATED[name])
        for level, stated in STATED[name].items():
            found[name, level] = max(-BITS_MAX, min(BITS_MAX, math.log2(counts[name, level] / whole / stated)))
    return found


def _best_of_both(pairs: Sequence[tuple[int, int, Fields]]) -> list[Fields]:
    """Compared fields of the pairs that are the heaviest of their study and of their report; the first of equals."""
    of_study: dict[int, tuple[float, int]] = {}
    of_report: dict[int, tuple[float, int]] = {}
    for n, (s, r, compared) in enumerate(pairs):
        weight = sum(item.weight for item in compared.values())
        for best, key in ((of_study, s), (of_report, r)):
            if key not in best or weight > best[key][0]:
                best[key] = (weight, n)
    return [compared for n, (s, r, compared) in enumerate(pairs) if of_study[s][1] == n == of_report[r][1]]


def corrected(compared: Fields, found: Corrections) -> dict[str, Component]:
    """The fields with their weights after what was found."""
    return {name: Component(item.agreement, item.weight + found.get((name, item.agreement), 0.0)) for name, item in compared.items()}
