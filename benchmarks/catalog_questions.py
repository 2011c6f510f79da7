"""The questions of the catalog benchmark, seeded, and the bars their answers are held to."""

from __future__ import annotations

import random
from typing import Any

BARS_MS = {"first page": 100, "count": 150, "facets": 300, "one case": 20, "text": 200}
BULK = 20_000
WORDS = ("结节", "肝癌", "不除外", "囊肿", "adenocarcinoma", "no evidence", "nodule", "12 mm", "未见异常", "胰头", "BI-RADS 4A", "肝", "metast", "造影")
TERMS = {
    "disease": ["liver", "lung", "breast", "pancreas"], "Modality": ["CT", "MR", "US", "SM", "MG"], "sex": ["F", "M"], "label": ["0", "1"],
    "label_state": ["sure", "review", "decided", "none"], "hospital": [f"h{n}" for n in range(8)], "BodyPartExamined": ["LIVER", "CHEST", "BREAST", "PANCREAS"],
    "Manufacturer": ["Siemens", "GE MEDICAL SYSTEMS", "Philips", "rare 7"], "ManufacturerModelName": [f"model {n}" for n in (0, 3, 20, 55)],
    "format": ["DICOM", "WSI", "NIFTI"], "phase": ["portal", "arterial", "delayed"], "sequence": ["T1", "T2", "DWI"], "report_kind": ["pathology"],
    "SeriesDescription": ["thin", "薄层", "axial"],
}  # fmt: skip
RANGES = {"age": (20, 90), "SliceThickness": (0.5, 8), "mpp": (0.2, 0.6)}


def queries(number: int) -> list[dict[str, Any]]:
    """Distinct filters of 0 to 3 conditions, seeded."""
    dice, found = random.Random(3), {}
    while len(found) < number:
        document: dict[str, Any] = {"terms": {}, "ranges": {}}
        for name in dice.sample([*TERMS, *RANGES], dice.choice((0, 1, 1, 2, 2, 3, 3))):
            if name in TERMS:
                document["terms"][name] = sorted(dice.sample(TERMS[name], min(len(TERMS[name]), dice.choice((1, 1, 2)))))
            else:
                low, high = RANGES[name]
                start = dice.uniform(low, high)
                document["ranges"][name] = {"gte": round(start, 2), "lte": round(start + dice.uniform(0.02, 0.5) * (high - low), 2)}
        found[repr(document)] = document
    return list(found.values())


def shown(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p95 = ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.95)] * 1000
    verdict = "met" if p95 <= BARS_MS[name] else "MISSED"
    return f"  {name:<11} p50 {p50:7.1f} ms  p95 {p95:7.1f} ms  bar {BARS_MS[name]} ms  {verdict}  ({len(ordered)} requests)"
