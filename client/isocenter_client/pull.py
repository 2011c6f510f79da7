"""Download a version: resumable to the byte, verified by SHA-256, in parallel, in bounded memory.

A file grows as ``NAME.part`` and gets its name when its hash is right, so what has its name is whole. After a kill the
next pull asks for the missing bytes only (Range with If-Range); what is finished is not asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from isocenter_client.errors import ClientError, DamagedDownload, FolderInUse, ServerAway
from isocenter_client.rest import ATTEMPTS, Rest, pause

PIECE_BYTES = 1 << 20
RESERVE_BYTES = 64 << 20  # left free on the disk
HIDDEN = ".isocenter"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of the manifest."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(slots=True)
class Progress:
    """How far a pull is; ``fetched_bytes`` came over the wire in this run."""

    files: int
    size_bytes: int
    files_done: int = 0
    done_bytes: int = 0
    fetched_bytes: int = 0


Report = Callable[[Progress], None]


def pull(rest: Rest, name: str, number: int, folder: Path, *, jobs: int = 4, report: Report | None = None) -> Progress:
    """Bring ``folder`` to hold exactly the version's files; run again after any failure, it goes on."""
    base = f"/api/v1/datasets/{name}/versions/{number}"
    version = rest.get(base)
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder):
        _claim(folder, {"reference": f"{name}@{number}", "digest": version["digest"]})
        manifest = _manifest(rest, base, folder, version["digest"])
        for part in ("labels.csv", "images.csv"):
            if not (folder / part).exists():
                _write(folder / part, rest.get_bytes(f"{base}/{part}"))
        if not (folder / "card.md").exists():
            _write(folder / "card.md", rest.get_bytes(f"{base}/card"))
        files = [Wanted(str(file["path"]), str(file["sha256"]), int(file["size_bytes"])) for file in manifest["files"]]
        return _Pull(rest, base, folder, files, report).run(jobs)


def pull_export(rest: Rest, name: str, number: int, key: str, folder: Path, *, jobs: int = 4, report: Report | None = None) -> Progress:
    """The same for a finished export of the version: its layout, its tables, nothing else."""
    base = f"/api/v1/datasets/{name}/versions/{number}/exports/{key}"
    export = rest.get(base)
    if export["state"] != "finished":
        raise ClientError(f"The export {key} is {export['state']}{': ' + export['reason'] if export['reason'] else ''}.", field="key")
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder):
        _claim(folder, {"reference": f"{name}@{number} as {export['format']}", "digest": export["digest"]})
        manifest = _manifest(rest, base, folder, export["digest"], added=("digest",))
        files = [Wanted(str(file["path"]), str(file["sha256"]), int(file["size_bytes"])) for file in manifest["files"]]
        done = _Pull(rest, base, folder, files, report, anywhere=True).run(jobs)
        _write(folder / "manifest.json", json.dumps({"digest": export["digest"], **manifest}, ensure_ascii=False).encode())
        return done


class _Pull:
    def __init__(self, rest: Rest, base: str, folder: Path, files: list[Wanted], report: Report | None, anywhere: bool = False) -> None:
        self.anywhere = anywhere
        self.rest, self.base, self.folder, self.report = rest, base, folder, report
        self.progress = Progress(len(files), sum(file.size_bytes for file in files))
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self.finished = _read_finished(folder)
        self.left = [file for file in files if not self._is_whole(file)]

    def run(self, jobs: int) -> Progress:
        self._tell()
        if not self.left:
            return self.progress
        self._check_space()
        queue = iter(self.left)
        threads = [threading.Thread(target=self._work, args=(queue,), name=f"pull-{n}", daemon=True) for n in range(max(1, min(jobs, 32, len(self.left))))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        except BaseException:
            self.stop.set()
            raise
        if self.failure is not None:
            raise self.failure
        return self.progress

    def _work(self, queue: Iterator[Wanted]) -> None:
        while not self.stop.is_set():
            with self.lock:
                file = next(queue, None)
            if file is None:
                return
            try:
                self._fetch(file)
            except BaseException as error:
                with self.lock:
                    self.failure = self.failure or error
                self.stop.set()

    def _fetch(self, file: Wanted) -> None:
        """Until the file is whole. A damaged one is fetched anew once; a server that is away is waited for."""
        target = self._path(file.path)
        part = target.with_name(target.name + ".part")
        target.parent.mkdir(parents=True, exist_ok=True)
        damaged, attempt, arrived = 0, 0, 0
        while not self.stop.is_set():
            try:
                digest = self._append(file, part)
            except ServerAway:
                size = part.stat().st_size if part.exists() else 0
                attempt, arrived = (attempt + 1 if size <= arrived else 1), size
                if attempt == ATTEMPTS:
                    raise
                pause(attempt)
                continue
            if digest is None:  # stopped half-way
                return
            if digest == file.sha256:
                os.replace(part, target)
                self._finish(file)
                return
            damaged += 1
            part.unlink()
            self._count(-file.size_bytes, 0)
            if damaged == 2:
                raise DamagedDownload(f"{file.path} came with a wrong hash twice; tell the operator of the server.")

    def _append(self, file: Wanted, part: Path) -> str | None:
        """Fetch what is missing of a part; its hash, or None when told to stop."""
        import httpx

        digest = hashlib.sha256()
        have = _hash_into(digest, part) if part.exists() else 0
        if have > file.size_bytes:
            part.unlink()
            digest, have = hashlib.sha256(), 0
        self._count(have, 0)
        counted = have
        try:
            if have < file.size_bytes:
                headers = {"Range": f"bytes={have}-", "If-Range": f'"{file.sha256}"'} if have else {}
                with self.rest.stream(f"{self.base}/files/{file.sha256}", headers) as answer:
                    if have and answer.status_code != 206:
                        self._count(-have, 0)
                        digest, have, counted = hashlib.sha256(), 0, 0
                    # Unbuffered: what has arrived is in the file when this process is killed.
                    with part.open("ab" if have else "wb", buffering=0) as out:
                        # As they come from the socket, 64 KiB: gathering larger ones copies every byte twice more.
                        for piece in answer.iter_raw():
                            if self.stop.is_set():
                                return None
                            out.write(piece)
                            digest.update(piece)
                            self._count(len(piece), len(piece))
                            counted += len(piece)
            elif file.size_bytes == 0:
                part.touch()
            if counted != file.size_bytes and counted < file.size_bytes:
                raise ServerAway("The connection ended before the file was complete.")
        except (httpx.TransportError, ServerAway) as error:
            self._count(-counted, 0)
            raise error if isinstance(error, ServerAway) else self.rest.away(error) from error
        except BaseException:
            self._count(-counted, 0)
            raise
        return digest.hexdigest()

    def _finish(self, file: Wanted) -> None:
        with self.lock:
            with (self.folder / HIDDEN / "finished").open("a") as log:
                log.write(_line(file))
            self.progress.files_done += 1
        self._tell()

    def _is_whole(self, file: Wanted) -> bool:
        """True when the file is there: by the log and its size, or by its hash when the log does not know it."""
        target = self._path(file.path)
        try:
            size = target.stat().st_size
        except OSError:
            return False
        if size != file.size_bytes:
            return False
        if _line(file) not in self.finished:
            digest = hashlib.sha256()
            _hash_into(digest, target)
            if digest.hexdigest() != file.sha256:
                return False
        self.progress.files_done += 1
        self.progress.done_bytes += file.size_bytes
        return True

    def _path(self, path: str) -> Path:
        return safe_path(self.folder, path, anywhere=self.anywhere)

    def _check_space(self) -> None:
        parts = 0
        for file in self.left:
            with suppress(OSError):
                parts += self._path(file.path + ".part").stat().st_size
        needed = self.progress.size_bytes - self.progress.done_bytes - parts
        free = shutil.disk_usage(self.folder).free
        if needed + RESERVE_BYTES > free:
            raise ClientError(f"The disk of {self.folder} has {free >> 20} MiB free and {needed >> 20} MiB are to come; free space or choose another folder.")

    def _count(self, done: int, fetched: int) -> None:
        with self.lock:
            self.progress.done_bytes += done
            self.progress.fetched_bytes += fetched
        if fetched:
            self._tell()

    def _tell(self) -> None:
        if self.report is not None:
            self.report(self.progress)


def safe_path(folder: Path, path: str, *, anywhere: bool = False) -> Path:
    """Where a path of a manifest lies; ClientError for one that would leave the folder. ``anywhere``: not only below images/, but never our own files."""
    pure = PurePosixPath(path)
    allowed = bool(pure.parts) and pure.parts[0] not in (HIDDEN, "manifest.json") if anywhere else path.startswith("images/")
    if not allowed or pure.is_absolute() or ".." in pure.parts or any(char in path for char in '\\:\0*?"<>|'):
        raise ClientError("The manifest names a file outside the dataset's folder; it does not come from a sound server.")
    return folder.joinpath(*pure.parts)


def canonical(document: Any) -> bytes:
    """The bytes a digest is over: sorted keys, no blanks, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _manifest(
    rest: Rest, base: str, folder: Path, digest: str, added: tuple[str, ...] = ("name", "number", "reference", "digest")
) -> dict[str, Any]:
    """The manifest, from the folder when it is there, checked against its digest; ``added``: members that stand before what the digest is over."""
    place = folder / "manifest.json"
    for fresh in (False, True):
        if fresh:
            _write(place, rest.get_bytes(f"{base}/manifest"))
        elif not place.exists():
            continue
        try:
            manifest = json.loads(place.read_bytes())
            content = {key: value for key, value in manifest.items() if key not in added}
            if hashlib.sha256(canonical(content)).hexdigest() == digest:
                return dict(manifest)
        except (ValueError, AttributeError):
            continue
    raise DamagedDownload("The manifest does not have the version's digest; tell the operator of the server.")


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def _hash_into(digest: Any, path: Path) -> int:
    size = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return size


def _line(file: Wanted) -> str:
    return f"{file.sha256} {file.size_bytes} {file.path}\n"


def _read_finished(folder: Path) -> set[str]:
    """Lines of the log; one cut off by a kill matches nothing."""
    try:
        return set((folder / HIDDEN / "finished").read_text().splitlines(keepends=True))
    except OSError:
        return set()


def _claim(folder: Path, about: dict[str, str]) -> None:
    place = folder / HIDDEN / "version.json"
    try:
        held = json.loads(place.read_text())
    except (OSError, ValueError):
        held = None
    if held is not None and held.get("digest") != about["digest"]:
        raise FolderInUse(f"{folder} holds {held.get('reference')}; pull {about['reference']} into another folder.")
    if held is None:
        _write(place, json.dumps(about).encode())


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """A lock that ends with the process, however it ends."""
    (folder / HIDDEN).mkdir(exist_ok=True)
    with (folder / HIDDEN / "lock").open("w") as file:
        _lock(file, folder)
        yield


def _lock(file: IO[str], folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise FolderInUse(f"Another pull runs in {folder}.") from None
