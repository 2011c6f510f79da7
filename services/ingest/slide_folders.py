"""Slides of a file and a folder (MIRAX: ``a.mrxs`` and ``a/Slidedat.ini``, ``a/Index.dat``, ``a/Data0000.dat`` ...): one image, one item.

An upload's slide is staged as one object, an uncompressed zip of file and folder.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isocenter.errors import NotFound
from services.ingest.records import Outcome, Refusal
from services.ingest.sources import safe_name

SUFFIX = ".mrxs"
_INDEX = "Slidedat.ini"
PART = Refusal(Outcome.INDEX_OR_ARCHIVE, "slide-folder", "A part of a slide that is a file and a folder; its .mrxs file stands for all of them.")


def folder_of(path: Path) -> Path | None:
    """The folder with a slide's data, None where ``path`` is no such slide or its folder is missing."""
    folder = path.with_suffix("")
    return folder if path.suffix == SUFFIX and (folder / _INDEX).is_file() else None


def is_part(path: Path) -> bool:
    """Whether a file lies in the folder of a slide whose .mrxs file is there too."""
    folder = path.parent
    return (folder / _INDEX).is_file() and folder.with_name(folder.name + SUFFIX).is_file()


def files_of(path: Path) -> list[Path]:
    """The slide's own file and those of its folder, by name; links and folders in it are left out."""
    folder = folder_of(path)
    inside = sorted(one for one in folder.iterdir() if one.is_file() and not one.is_symlink()) if folder else []
    return [path, *inside]


def self_contained(path: Path) -> bool:
    """Whether the slide reads nothing but the files of its folder: no link in it, and no file named by a path."""
    folder = folder_of(path)
    if folder is None or folder.is_symlink() or any(one.is_symlink() for one in folder.iterdir()):
        return False
    text = (folder / _INDEX).read_bytes().decode("utf-8", "replace")
    named = re.findall(r"^[ \t]*(?:FILE_\d+|INDEXFILE)[ \t]*=[ \t]*(.*?)[ \t\r]*$", text, re.MULTILINE)
    return all(name not in ("", ".", "..") and not set(name) & set("/\\") for name in named)


def packed(path: Path, target: Path) -> Path:
    """``target``, written as a zip of the slide's files (stored, not compressed: they are JPEG)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as bundle:
        for one in files_of(path):
            bundle.write(one, one.name if one == path else f"{path.stem}/{one.name}")
    return target


@contextmanager
def opened(bundle: Path) -> Iterator[Path]:
    """The .mrxs file of a staged zip, unpacked beside it for the time of the block; ``bundle`` itself when it is no zip."""
    if not zipfile.is_zipfile(bundle):
        yield bundle
        return
    folder = bundle.with_name(f"{bundle.stem}.slide")
    try:
        with zipfile.ZipFile(bundle) as archive:
            names = [name for name in archive.namelist() if safe_name(name) is not None]
            archive.extractall(folder, names)
        bundle.unlink()  # the space of a second copy
        found = next(iter(folder.glob(f"*{SUFFIX}")), None)
        if found is None:
            raise NotFound("The staged slide is incomplete.")
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
