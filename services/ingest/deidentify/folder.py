"""De-identifying a folder of images into another one, without a catalog: known values come from each patient's own headers."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from isocenter.errors import InvalidInput
from isocenter.keys import SiteKey
from services.ingest.deidentify import deidentify
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.readers import read
from services.ingest.records import Identified, ImageFacts, NewUids, Outcome, Reading, ReadResult, Refusal, Subject

REPORT_NAME = "report.csv"


@dataclass(frozen=True, slots=True)
class FolderRow:
    """What became of one file, told by its ordinal in the sorted listing of the source: names of files can name people."""

    ordinal: int
    outcome: Outcome
    code: str
    output: str  # path inside the destination, '' when nothing was written
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderResult:
    """All rows, and how many there are of each outcome."""

    counts: dict[Outcome, int]
    rows: tuple[FolderRow, ...]


@dataclass(slots=True)
class _Patient:
    """What the headers of one patient number say together."""

    names: set[str] = field(default_factory=set)


def deidentify_folder(src: Path, dst: Path, key: SiteKey, policy: DeidPolicy) -> FolderResult:
    """De-identifies every image below ``src`` into ``dst/<pseudonym>/<series>/<new SOP UID>.<ext>`` and writes ``dst/report.csv``.

    ``src`` is only read. ``dst`` must be empty or absent, and neither folder may lie in the other: InvalidInput. Images
    whose pixels may show text are written below ``dst/held`` for a person to look at, and end as review.
    """
    files = _listing(src, dst)
    dst.mkdir(parents=True, exist_ok=True)
    readings = [(ordinal, path, read(path, key)) for ordinal, path in enumerate(files, 1)]
    patients = _patients(readings)
    seen: dict[str, int] = {}
    rows = []
    with tempfile.TemporaryDirectory(dir=dst) as scratch:
        for ordinal, path, result in readings:
            if isinstance(result, Reading) and result.review is None:
                first = seen.setdefault(f"{result.pixel_hash}{result.facts.sop_uid}", ordinal)
                if first != ordinal:
                    rows.append(FolderRow(ordinal, Outcome.DUPLICATE, f"same-as-{first}", ""))
                    continue
                known = patients[_patient_key(path, result)].names
                rows.append(_released(ordinal, path, result, known, key, policy, dst, Path(scratch)))
            else:
                rows.append(_not_released(ordinal, result))
    _write_report(dst / REPORT_NAME, rows)
    return FolderResult(dict(Counter(row.outcome for row in rows)), tuple(rows))


def _listing(src: Path, dst: Path) -> list[Path]:
    source, target = src.resolve(), dst.resolve()
    if not source.is_dir():
        raise InvalidInput("The source is no folder.", field="source")
    if source == target or source in target.parents or target in source.parents:
        raise InvalidInput("Source and destination lie in one another; name a destination elsewhere.", field="destination")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput("The destination is not empty; name a new folder.", field="destination")
    return sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())


def _patient_key(path: Path, reading: Reading) -> str:
    """One patient: the number, else name and birth date, else the study, else (pictures without a header) the file's folder."""
    who = reading.identified
    if who.patient_id:
        return f"id:{who.patient_id}"
    if who.patient_name:
        return f"name:{who.patient_name}|{who.birth_date}"
    return f"study:{reading.facts.study_uid}" if reading.facts.study_uid else f"folder:{path.parent}"


def _patients(readings: list[tuple[int, Path, ReadResult]]) -> dict[str, _Patient]:
    patients: dict[str, _Patient] = {}
    for _, path, result in readings:
        if isinstance(result, Reading):
            patients.setdefault(_patient_key(path, result), _Patient()).names.update(_values(result.identified))
    return patients


def _values(who: Identified) -> set[str]:
    values = {who.patient_name, who.patient_id, who.accession_number, who.pathology_number, *who.other_names}
    return {value for value in values if value}


def _released(
    ordinal: int, path: Path, reading: Reading, known: set[str], key: SiteKey, policy: DeidPolicy, dst: Path, scratch: Path
) -> FolderRow:
    patient = _patient_key(path, reading)
    pseudonym = f"P-{key.hmac_hex('pseudonym', 'folder', patient)[:12].upper()}"
    subject = Subject(pseudonym, key.shift_days("folder", patient), tuple(sorted(known)))
    uids = _uids(reading, key)
    result = deidentify(path, reading.facts, subject, uids, key, policy, scratch)
    if isinstance(result, Refusal):
        return FolderRow(ordinal, result.outcome, result.code, "")
    name = f"{uids.sop_uid}.{result.extension}"
    place = Path(*(("held",) if result.held else ()), pseudonym, uids.series_uid, name)
    if (dst / place).exists():
        (scratch / name).unlink()
        return FolderRow(ordinal, Outcome.REVIEW, "same-uid-other-content", "")
    (dst / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(scratch / name, dst / place)
    outcome = Outcome.REVIEW if result.held else Outcome.ACCEPTED
    return FolderRow(ordinal, outcome, result.held, str(place), result.notes)


def _uids(reading: Reading, key: SiteKey) -> NewUids:
    """Keyed UIDs of the original ones; of the content where a format has none."""
    facts: ImageFacts = reading.facts
    content = reading.source_hmac
    return NewUids(
        key.uid(facts.study_uid or f"study-of:{content}"), key.uid(facts.series_uid or f"series-of:{content}"), key.uid(facts.sop_uid or content)
    )


def _not_released(ordinal: int, result: ReadResult) -> FolderRow:
    if isinstance(result, Refusal):
        return FolderRow(ordinal, result.outcome, result.code, "")
    if isinstance(result, Reading) and result.review is not None:
        return FolderRow(ordinal, result.review.outcome, result.review.code, "")
    return FolderRow(ordinal, Outcome.OTHER_RESOURCE, "" if isinstance(result, Reading) else result.code, "")


def _write_report(path: Path, rows: list[FolderRow]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("ordinal", "outcome", "code", "output", "notes"))
        writer.writerows((row.ordinal, row.outcome.value, row.code, row.output, " ".join(row.notes)) for row in rows)
