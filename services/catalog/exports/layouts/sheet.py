"""What every layout is given and writes to: the version, the outcomes of its units, and the list of files that becomes the export's manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isocenter.objects import ObjectStore, sha256_of
from services.catalog.exports.about import About
from services.catalog.exports.spec import Spec
from services.catalog.exports.units import Done, Made, Unit
from services.catalog.tables import cell


@dataclass(slots=True)
class Sheet:
    """``files``: path -> (sha256, size_bytes). ``paths``: (unit ordinal, name) -> where the layout put the file. ``folder``: a scratch folder."""

    about: About
    spec: Spec
    manifest: Mapping[str, Any]
    units: Sequence[Unit]
    done: Mapping[int, Done]
    labels: list[dict[str, Any]]
    store: ObjectStore
    prefix: str
    folder: Path
    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    paths: dict[tuple[int, str], str] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for unit in self.units:
            done = self.done.get(unit.ordinal)
            for stack, reason in done.refused if done else ():
                self.refuse(unit, reason, stack)

    def made(self) -> Iterator[tuple[Unit, Made]]:
        """Every converted file with its unit, in the version's order."""
        for unit in self.units:
            done = self.done.get(unit.ordinal)
            for made in done.made if done else ():
                yield unit, made

    def put(self, path: str, unit: Unit, made: Made) -> None:
        self.files[path] = (made.sha256, made.size_bytes)
        self.paths[unit.ordinal, made.name] = path

    def refuse(self, unit: Unit, reason: str, stack: int | None = None) -> None:
        self.refused.append({"case_id": unit.case_id, "series_uid": unit.image["series_uid"], "stack": stack, "reason": reason})

    def text(self, path: str, text: str) -> None:
        data = text.encode()
        sha256 = hashlib.sha256(data).hexdigest()
        self.store.put_bytes(f"{self.prefix}/files/{sha256}", data)
        self.files[path] = (sha256, len(data))

    def json(self, path: str, document: Any) -> None:
        self.text(path, json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n")

    def table(self, path: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], delimiter: str = ",") -> None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n", delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
        self.text(path, out.getvalue())

    def keep(self, path: str, source: Path) -> None:
        """A local file as one of the export."""
        sha256, size = sha256_of(source), source.stat().st_size
        self.store.put_file(f"{self.prefix}/files/{sha256}", source)
        self.files[path] = (sha256, size)

    def class_index(self, label: str) -> int:
        """Place of a label among the scheme's classes, which are in the scheme's order."""
        codes = [code for code, _ in self.about.classes]
        return codes.index(label)
