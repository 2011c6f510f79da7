"""What an export is made of: one unit a series of the version, and what the conversion of a unit gave or refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = "isocenter-export/1"


@dataclass(frozen=True, slots=True)
class Source:
    """A released object of a series. ``stack``: ordinal of its stack; ``path``: in the version; ``key``: where it is stored."""

    sha256: str
    stack: int
    path: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """A series of a case. ``name``: case and number of the series in it, as in LIV-000123_02."""

    ordinal: int
    name: str
    case_id: str
    label: str
    split: str
    image: Mapping[str, Any]  # the series' row of images.csv
    sources: tuple[Source, ...]  # in geometric order
    masks: tuple[str, ...] = ()  # keys of released DICOM SEG objects of the case


@dataclass(frozen=True, slots=True)
class Made:
    """A stored file of an export. ``name``: unit, stack, slice and copy; the layout gives it its path."""

    name: str
    ending: str
    sha256: str
    size_bytes: int
    facts: dict[str, Any] = field(default_factory=dict)  # stack, slice, augmented, width, height, mask ...


@dataclass(frozen=True, slots=True)
class Done:
    """Outcome of a unit: its files, and (stack or None, reason in kebab-case) for what was refused."""

    ordinal: int
    made: tuple[Made, ...] = ()
    refused: tuple[tuple[int | None, str], ...] = ()

    def document(self) -> dict[str, Any]:
        return asdict(self)


def done_of(document: Mapping[str, Any]) -> Done:
    """What :meth:`Done.document` wrote."""
    refused = tuple((stack, str(reason)) for stack, reason in document["refused"])
    return Done(int(document["ordinal"]), tuple(Made(**made) for made in document["made"]), refused)


def units_of(manifest: Mapping[str, Any]) -> list[Unit]:
    """The units of a version, in the order of its images.csv. Object keys and masks are filled in when a unit is run."""
    labels = {row["case_id"]: row for row in manifest["labels"]}
    files: dict[tuple[str, str], list[Source]] = defaultdict(list)
    for row in manifest["files"]:
        files[row["path"].split("/")[1], row["series_uid"]].append(Source(row["sha256"], row["stack"], row["path"]))
    numbers: Counter[str] = Counter()
    units = []
    for ordinal, image in enumerate(manifest["images"]):
        case_id = image["case_id"]
        numbers[case_id] += 1
        label = labels[case_id]
        name = f"{case_id}_{numbers[case_id]:02d}"
        units.append(Unit(ordinal, name, case_id, label["label"], label["split"], image, tuple(files[case_id, image["series_uid"]])))
    return units
