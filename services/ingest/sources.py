"""Files of a source: a folder on the server under an allowed root (read in place, never changed), or an upload.

Archives are unpacked with limits: no absolute path, no ``..``, no link, no more bytes or members than allowed.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isocenter.errors import InvalidInput
from services.ingest.records import Outcome, Refusal

MEMBERS_MAX = 1_000_000
RATIO_MAX = 1000  # unpacked : packed, from 100 MiB on
RATIO_FROM_BYTES = 100 << 20
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """One file: absolute path, its name relative to the source, size; ``refusal`` when it must not be read."""

    path: Path
    name: str
    size_bytes: int
    refusal: Refusal | None = None


def resolve_folder(path: str, roots: tuple[Path, ...]) -> Path:
    """The folder (or file) when it lies under an allowed root; InvalidInput when not. Links are resolved first."""
    if not roots:
        raise InvalidInput("This server allows no folder to be imported; set ISOCENTER_IMPORT_ROOTS or upload the files.", field="source.path")
    given = Path(path)
    if not given.is_absolute():
        raise InvalidInput("Give the folder as an absolute path of the server.", field="source.path")
    resolved = given.resolve()
    if not any(resolved == root or root in resolved.parents for root in roots):
        raise InvalidInput("This folder is outside the folders that may be imported; ask the operator to allow its root.", field="source.path")
    if not resolved.exists():
        raise InvalidInput("There is nothing at this path on the server.", field="source.path")
    return resolved


def has_files(folder: Path) -> bool:
    """True when there is at least one file anywhere below."""
    return folder.is_file() or any(names for _, _, names in os.walk(folder))


def walk(folder: Path) -> Iterator[Found]:
    """All files below in a stable order (by name, byte-wise). A link that leads outside is found but refused."""
    if folder.is_file():
        yield Found(folder, folder.name, folder.stat().st_size)
        return
    root = folder.resolve()
    for current, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(current) / name
            relative = path.relative_to(folder).as_posix()
            try:
                info = path.stat()
            except OSError:
                yield Found(path, relative, 0, Refusal(Outcome.REFUSED, "unreadable-file", "The file cannot be opened (a broken link or no permission)."))
                continue
            if path.is_symlink() and root not in path.resolve().parents:
                yield Found(path, relative, 0, Refusal(Outcome.REFUSED, "link-outside-source", "The link leads outside the source folder."))
            elif not stat.S_ISREG(info.st_mode):
                yield Found(path, relative, 0, Refusal(Outcome.REFUSED, "not-a-file", "This is no regular file (a socket, pipe or device)."))
            else:
                yield Found(path, relative, info.st_size)
        for link in [name for name in folders if (Path(current) / name).is_symlink()]:
            yield Found(Path(current) / link, (Path(current) / link).relative_to(folder).as_posix(), 0,
                        Refusal(Outcome.REFUSED, "link-to-folder", "Links to folders are not followed."))  # fmt: skip


def is_archive(path: Path) -> bool:
    """True for zip and tar files by content (a .docx or .xlsx is a zip too and is left alone)."""
    if path.suffix.lower() in (".xlsx", ".docx", ".pptx", ".jar", ".npz", ".odt", ".ods"):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return zipfile.is_zipfile(path)
    return head[257:262] == b"ustar" or (path.suffix.lower() in (".tgz", ".tar") and tarfile.is_tarfile(path))


def safe_name(name: str) -> PurePosixPath | None:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or ":" in pure.parts[0] or "\0" in name:
        return None
    return pure


def unpack(archive: Path, target: Path, limit_bytes: int) -> list[Found] | Refusal:
    """Write the members below ``target``; a Refusal (and nothing left behind) when the archive is hostile or broken."""
    refusal = Refusal(Outcome.REFUSED, "archive-unreadable", "The archive is damaged or protected by a password.")
    try:
        return _unpack_zip(archive, target, limit_bytes) if zipfile.is_zipfile(archive) else _unpack_tar(archive, target, limit_bytes)
    except _Hostile as error:
        refusal = Refusal(Outcome.REFUSED, error.code, error.detail)
    except (zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, EOFError, ValueError):
        pass
    except OSError as error:
        if error.errno in (28, 122):  # no space, quota
            raise
    import shutil

    shutil.rmtree(target, ignore_errors=True)
    return refusal


class _Hostile(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


_OUTSIDE = ("archive-path-outside", "A member's path leads outside the archive; nothing of it was unpacked.")
_BOMB = ("archive-too-large", "The archive unpacks to more than is allowed; nothing of it was kept.")


def _unpack_zip(archive: Path, target: Path, limit_bytes: int) -> list[Found]:
    found: list[Found] = []
    with zipfile.ZipFile(archive) as bundle:
        members = [info for info in bundle.infolist() if not info.is_dir()]
        packed = max(1, archive.stat().st_size)
        total = sum(info.file_size for info in members)
        if len(members) > MEMBERS_MAX or total > limit_bytes or (total > RATIO_FROM_BYTES and total / packed > RATIO_MAX):
            raise _Hostile(*_BOMB)
        for info in members:
            pure = safe_name(info.filename)
            if pure is None or stat.S_ISLNK(info.external_attr >> 16):
                raise _Hostile(*_OUTSIDE)
            with bundle.open(info) as member:
                found.append(_write(member, target, pure, info.file_size))
    return found


def _unpack_tar(archive: Path, target: Path, limit_bytes: int) -> list[Found]:
    found: list[Found] = []
    total = 0
    with tarfile.open(archive) as bundle:
        for info in bundle:
            if info.isdir():
                continue
            pure = safe_name(info.name)
            if pure is None or not info.isfile():
                raise _Hostile(*_OUTSIDE)
            total += info.size
            if total > limit_bytes or len(found) >= MEMBERS_MAX:
                raise _Hostile(*_BOMB)
            member = bundle.extractfile(info)
            assert member is not None
            found.append(_write(member, target, pure, info.size))
    return found


def _write(member: object, target: Path, pure: PurePosixPath, expected: int) -> Found:
    path = target / pure
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with path.open("wb") as out:
        while chunk := member.read(CHUNK_BYTES):  # type: ignore[attr-defined]
            written += len(chunk)
            if written > expected:  # the directory lied about the size
                raise _Hostile(*_BOMB)
            out.write(chunk)
    return Found(path, pure.as_posix(), written)
