"""Optional imputation at export: empty age by the median, empty sex by the commonest value, always flagged in the column ``imputed``.

Learnt from the training part where there is one: a test part must not speak about itself. Never done in the catalog and never unless asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any


def imputed(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """The label rows with ``imputed``: the names that were empty and are filled, joined by ``;``. What cannot be learnt stays empty."""
    found = [dict(row) for row in rows]
    base = [row for row in found if row["split"] == "train"] or found
    values: dict[str, Any] = {}
    for name in names:
        known = [row[name] for row in base if row[name] not in (None, "")]
        if known:
            values[name] = int(median(known)) if name == "age" else sorted(Counter(known).items(), key=lambda item: (-item[1], item[0]))[0][0]
    for row in found:
        filled = [name for name in values if row[name] in (None, "")]
        row.update({name: values[name] for name in filled})
        row["imputed"] = ";".join(sorted(filled))
    return found
