"""What a backup folder says about itself, and whether it is true.

``manifest.json`` names the catalog's files and the list of objects by SHA-256, and carries its own; it is written last, in one step, so that a
backup that was broken off leaves the one before it whole.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from isocenter.errors import InvalidInput
from isocenter.objects import sha256_of

FORMAT = 1
NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class TableFile:
    """One table: rows and the hash of its file."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """One object: ``store`` is objects or staging."""

    store: str
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything a restore must know before it touches anything."""

    created_at: str
    version: str
    schema: str
    key_fingerprint: str
    folder: str  # of the catalog's files and objects.jsonl.gz, inside the backup
    tables: list[TableFile]
    objects: int
    objects_size_bytes: int
    objects_sha256: str
    damaged: list[str] = field(default_factory=list)  # keys whose bytes were not what their name says, already in the store
    format: int = FORMAT


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest in one step."""
    body = asdict(manifest)
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        file.write(orjson.dumps(body | {"sha256": _digest(body)}, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def read(folder: Path) -> Manifest:
    """The manifest of a backup; InvalidInput when there is none, or it or a file of the catalog is not as it was written."""
    try:
        body: dict[str, Any] = orjson.loads((folder / NAME).read_bytes())
        stated = body.pop("sha256")
        if body.get("format") != FORMAT:
            raise InvalidInput("This backup was made by another version of Isocenter; restore it with that version, then update.", field="source")
        if _digest(body) != stated:
            raise InvalidInput("The backup is damaged: its manifest was changed after it was written.", field="source")
        manifest = Manifest(**body | {"tables": [TableFile(**table) for table in body["tables"]]})
    except FileNotFoundError as error:
        raise InvalidInput("This folder holds no backup (no manifest.json).", field="source") from error
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput("The backup is damaged: its manifest cannot be read.", field="source") from error
    for name, sha256 in [*((f"{table.name}.jsonl.gz", table.sha256) for table in manifest.tables), ("objects.jsonl.gz", manifest.objects_sha256)]:
        path = folder / manifest.folder / name
        if not path.is_file() or sha256_of(path) != sha256:
            raise InvalidInput(f"The backup is damaged: {name} is missing or not as it was written.", field="source")
    return manifest


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def write_objects(path: Path, lines: Iterable[ObjectLine]) -> None:
    with gzip.GzipFile(path, "wb", compresslevel=3, mtime=0) as file:
        for line in lines:
            file.write(orjson.dumps(asdict(line)) + b"\n")


def read_objects(path: Path) -> Iterator[ObjectLine]:
    with gzip.open(path, "rb") as file:
        for line in file:
            yield ObjectLine(**orjson.loads(line))
