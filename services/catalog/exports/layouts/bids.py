"""BIDS 1.10 for MR: anatomy only. Diffusion without its gradient table and sequences BIDS has no suffix for are refused with the reason."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from services.catalog.exports.layouts.sheet import Sheet

VERSION = "1.10.0"
SUFFIX = {"T1": "T1w", "T1+C": "T1w", "T2": "T2w", "FLAIR": "FLAIR", "PD": "PDw", "T2*": "T2starw", "ANGIO": "angio"}
IGNORED = ("labels.csv", "images.csv", "refused.csv", "export.json", "card.md")


def bids(sheet: Sheet) -> None:
    """``sub-<case>/ses-NN/anat/..._T1w.nii.gz`` with side-cars, ``participants.tsv``, ``dataset_description.json``, ``README``."""
    sessions: dict[str, list[str]] = defaultdict(list)
    runs: Counter[str] = Counter()
    shown: set[str] = set()
    for unit, made in sheet.made():
        sequence = unit.image["sequence"]
        suffix = SUFFIX.get(sequence)
        if suffix is None:
            sheet.refuse(unit, "diffusion-without-gradients" if sequence in ("DWI", "ADC") else "no-bids-suffix", made.facts.get("stack"))
            continue
        if len(made.facts.get("shape", (0, 0, 0))) != 3:
            sheet.refuse(unit, "not-three-dimensional", made.facts.get("stack"))
            continue
        subject, studies = _label(unit.case_id), sessions[unit.case_id]
        if unit.image["study_uid"] not in studies:
            studies.append(unit.image["study_uid"])
        session = f"{studies.index(unit.image['study_uid']) + 1:02d}"
        stem = f"sub-{subject}_ses-{session}" + ("_ce-agent" if sequence == "T1+C" else "")
        runs[f"{stem}_{suffix}"] += 1
        path = f"sub-{subject}/ses-{session}/anat/{stem}_run-{runs[f'{stem}_{suffix}']:02d}_{suffix}"
        sheet.put(f"{path}.nii.gz", unit, made)
        sheet.json(f"{path}.json", _side_car(unit.image, made.facts))
        shown.add(unit.case_id)
    _participants(sheet, shown)
    sheet.json("dataset_description.json", {
        "Name": sheet.about.title or sheet.about.name,
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
        "License": sheet.about.licence or "not stated",
        "Authors": ["see card.md"],
        "GeneratedBy": [{"Name": "Isocenter", "Description": f"export of {sheet.about.reference}"}],
        "HEDVersion": "8.3.0",
    })  # fmt: skip
    about = sheet.about
    sheet.text("README", f"# {about.title or about.name}\n\n{about.description}\n\nDe-identified; exported from {about.reference}. card.md says how.\n")
    sheet.text(".bidsignore", "\n".join(IGNORED) + "\n")


def _participants(sheet: Sheet, shown: set[str]) -> None:
    rows = [
        {"participant_id": f"sub-{_label(row['case_id'])}"} | {name: _known(row[name]) for name in ("age", "sex", "label", "split")}
        for row in sheet.labels
        if row["case_id"] in shown
    ]
    sheet.table("participants.tsv", ("participant_id", "age", "sex", "label", "split"), rows, "\t")
    titles = dict(sheet.about.classes)
    sheet.json("participants.json", {
        "age": {"Description": "age at the examination; above 89 as 90", "Units": "year"},
        "sex": {"Description": "sex as the examination states it", "Levels": {"M": "male", "F": "female", "O": "other"}},
        "label": {"Description": "class of the case", "Levels": titles},
        "split": {"Description": "part of the version, by patient"},
    })  # fmt: skip


def _side_car(image: Any, facts: Any) -> dict[str, Any]:
    found = {"Modality": "MR", "Manufacturer": image["manufacturer"], "ManufacturersModelName": image["model_name"], "BodyPart": image["body_part"]}
    side = {name: value for name, value in found.items() if value}
    return side | ({"EchoTime": facts["echo_time_ms"] / 1000} if facts.get("echo_time_ms") else {})


def _label(text: str) -> str:
    """Letters and digits, as BIDS labels are."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _known(value: Any) -> Any:
    return "n/a" if value in (None, "") else value
