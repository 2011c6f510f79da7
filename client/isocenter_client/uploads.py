"""Bring a folder and report tables to the server, import them, and wait for the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from isocenter_client.errors import ClientError, ServerAway
from isocenter_client.rest import ATTEMPTS, Rest, pause, raise_problem

FINAL = frozenset({"finished", "failed", "cancelled", "withdrawn"})
KINDS = ("imaging", "pathology", "labels", "image_list")
PIECE_BYTES = 1 << 20
POLL_SECONDS = 1.0

Told = Callable[[str, int, int], None]  # step, done, total


@dataclass(frozen=True)
class ImportReport:
    """An import as the server reports it; ``view`` is the whole answer."""

    key: str
    state: str
    view: dict[str, Any]

    @property
    def totals(self) -> dict[str, int]:
        return dict(self.view.get("totals", {}))


def import_folder(
    rest: Rest,
    folder: Path | None,
    hospital: str,
    *,
    tables: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
    diseases: Sequence[str] | str = "auto",
    schemes: Mapping[str, str] | None = None,
    server_root: str = "",
    server_path: str = "",
    wait: bool = True,
    told: Told | None = None,
) -> ImportReport:
    """Import ``folder`` (uploaded), or ``server_path`` below the allowed root ``server_root`` (read in place).

    ``tables``: kind (imaging, pathology, labels, image_list) -> file or files on this machine. The server proposes the
    columns; to confirm them first, use the pages.
    """
    kinds = dict(tables or {})
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ClientError(f"There is no kind of table {unknown[0]}; there are {', '.join(KINDS)}.", field="tables")
    if folder is not None and not folder.is_dir():
        raise ClientError(f"{folder} is no folder.", field="folder")
    named = [(kind, Path(path)) for kind, paths in kinds.items() for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for _, path in named:
        if not path.is_file():
            raise ClientError(f"{path} is no file.", field="tables")
    body: dict[str, Any] = {"hospital": hospital, "diseases": diseases if isinstance(diseases, str) else list(diseases), "schemes": dict(schemes or {})}
    if server_root:
        body["source"] = {"kind": "folder", "root": server_root, "path": server_path}
    elif folder is not None:
        body["source"] = {"kind": "upload", "upload": upload(rest, list(_files(folder)), told)}
    else:
        body["source"] = {"kind": "none"}
    body["tables"] = []
    if named:
        # Tables travel apart: they are no images of the import.
        key = upload(rest, [(path, f"{place}/{path.name}") for place, (_, path) in enumerate(named)], told)
        body["tables"] = [{"kind": kind, "upload": key, "path": f"{place}/{path.name}"} for place, (kind, path) in enumerate(named)]
    view = rest.send("POST", "/api/v1/imports", body, timeout=600)
    return wait_for(rest, view["key"], told) if wait else ImportReport(view["key"], view["state"], view)


def wait_for(rest: Rest, key: str, told: Told | None = None) -> ImportReport:
    """Wait until an import has ended."""
    while True:
        view = rest.get(f"/api/v1/imports/{quote(key, safe='')}")
        if told is not None:
            stage = next((stage for stage in view["stages"] if stage["state"] == "running"), None)
            told(stage["name"] if stage else view["state"], stage["done"] if stage else 1, stage["total"] if stage else 1)
        if view["state"] in FINAL:
            return ImportReport(key, view["state"], view)
        time.sleep(POLL_SECONDS)


def upload(rest: Rest, files: Sequence[tuple[Path, str]], told: Told | None = None) -> str:
    """Upload (file here, path there); the key of the upload. A broken connection goes on from what has arrived."""
    key = str(rest.send("POST", "/api/v1/uploads")["key"])
    sizes = [path.stat().st_size for path, _ in files]
    total, done = sum(sizes), 0
    for (path, name), size in zip(files, sizes, strict=True):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _put(rest, key, path, name, size, _arrived(rest, key, name) if attempt > 1 else 0)
                break
            except ServerAway:
                if attempt == ATTEMPTS:
                    raise
                pause(attempt)
        done += size
        if told is not None:
            told("upload", done, total)
    return key


def _put(rest: Rest, key: str, path: Path, name: str, size: int, first: int) -> None:
    import httpx

    if first and first >= size:
        return
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size - first)}
    if first:
        headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    try:
        answer = rest.http.put(f"/api/v1/uploads/{key}/files/{quote(name)}", content=_pieces(path, first), headers=headers)
    except httpx.TransportError as error:
        raise rest.away(error) from error
    raise_problem(answer)


def _arrived(rest: Rest, key: str, name: str) -> int:
    files = rest.get(f"/api/v1/uploads/{key}")["files"]
    return next((int(file["size_bytes"]) for file in files if file["path"] == name), 0)


def _pieces(path: Path, first: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while piece := file.read(PIECE_BYTES):
            yield piece


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below, links to folders not followed, in a fixed order."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if path.is_file():
                yield path, path.relative_to(folder).as_posix()
