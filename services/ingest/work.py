"""What runs in a worker: object or path in, small record out. No SQL; pixels go straight to the store.

Every function takes one frozen ``Common`` and a tuple of tasks and returns one result a task; refusals are values.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isocenter.errors import NotFound, StorageFull, Unavailable
from isocenter.imaging.series import SeriesDescription, describe_series
from isocenter.imaging.tiles import tile_index
from isocenter.keys import SiteKey
from isocenter.objects import ObjectStore, StoreConfig
from services.ingest.deidentify import deidentify
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.deidentify.text import scrub
from services.ingest.readers import read
from services.ingest.records import ImageFacts, ImageFormat, NewUids, Outcome, ReadResult, Refusal, Released, Subject
from services.ingest.slide_folders import SUFFIX, opened

log = logging.getLogger(__name__)

SLIDE_PX_A_SECOND = 2e6  # what is drawn and encoded at least where a slide has to be converted, on a busy core
FRAME_INDEX_ROW_MAX = 64  # longer frame indexes become an object


@dataclass(frozen=True, repr=False)
class Common:
    """What all tasks of a call share."""

    key: SiteKey
    store: StoreConfig
    staging: StoreConfig
    scratch: Path
    policy: DeidPolicy | None = None  # of a release call


@dataclass(frozen=True, slots=True, repr=False)
class ReadTask:
    item_id: int
    source: str  # file:<absolute path> | staged:<key>
    name: str  # the file's own name: readers take words (T2, DWI) from it

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix


@dataclass(frozen=True, slots=True, repr=False)
class ReleaseTask:
    item_id: int
    source: str
    suffix: str
    facts: ImageFacts
    subject: Subject
    uids: NewUids
    series_key: str

    @property
    def more_seconds(self) -> float:
        """What this item may take beyond the ordinary: slides may have to be drawn and written anew."""
        return self.facts.rows * self.facts.columns / SLIDE_PX_A_SECOND if self.facts.format is ImageFormat.WSI else 0.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A released object in the store; ``frame_index_key`` when the index is long."""

    released: Released
    object_key: str
    frame_index_key: str | None


@dataclass(frozen=True, slots=True)
class CloseTask:
    series_id: int
    series_key: str
    objects: tuple[tuple[str, str], ...]  # (SOP instance UID, object key)


@dataclass(frozen=True, slots=True)
class Closed:
    """What is known of a series when all its instances are there.

    ``files``: SOP instance UIDs as the description counts them; ``order``: the same in geometric order.
    """

    series_id: int
    description: SeriesDescription | None
    files: tuple[str, ...]
    order: tuple[str, ...]
    metadata_key: str | None
    thumbnail_key: str | None
    error: str = ""
    tile_index_key: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ScrubTask:
    report_id: int
    sections: tuple[tuple[str, str], ...]
    known_values: tuple[str, ...]
    shift_days: int


@contextmanager
def local(source: str, suffix: str, common: Common) -> Iterator[Path]:
    """The file of a source: a server folder's file in place, a staged object copied to scratch and removed after."""
    kind, _, where = source.partition(":")
    if kind == "file":
        yield Path(where)
        return
    common.scratch.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=suffix, dir=common.scratch)
    os.close(descriptor)
    path = Path(name)
    try:
        ObjectStore(common.staging).download(where, path)
        if suffix == SUFFIX:
            with opened(path) as slide:
                yield slide
        else:
            yield path
    finally:
        path.unlink(missing_ok=True)


def _missing(error: Exception) -> Refusal:
    return Refusal(Outcome.REFUSED, "source-gone", f"The file could not be read again ({type(error).__name__}); it was moved or deleted during the import.")


def read_items(common: Common, tasks: Sequence[ReadTask]) -> list[ReadResult]:
    """Read every file of a batch."""
    results: list[ReadResult] = []
    for task in tasks:
        try:
            with local(task.source, task.suffix, common) as path:
                results.append(read(path, common.key, PurePosixPath(task.name).name))
        except (OSError, NotFound) as error:
            results.append(_missing(error))
        except (StorageFull, Unavailable):
            raise
        except Exception as error:
            # read() promises values; whatever still comes out of a library is this file's fault, not the batch's.
            log.warning("reader failed kind=%s", type(error).__name__)
            results.append(Refusal(Outcome.REFUSED, "unreadable", f"The file could not be read ({type(error).__name__})."))
    return results


def release_items(common: Common, tasks: Sequence[ReleaseTask]) -> list[Stored | Refusal]:
    """De-identify, verify and store every file of a batch."""
    store = ObjectStore(common.store)
    results: list[Stored | Refusal] = []
    common.scratch.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        folder = Path(tempfile.mkdtemp(dir=common.scratch))
        try:
            with local(task.source, task.suffix, common) as path:
                results.append(_release(common, store, task, path, folder))
        except (OSError, NotFound) as error:
            if isinstance(error, OSError) and error.errno in (28, 122):
                raise StorageFull("The scratch disk is full; free space, then resume. Nothing that was accepted before is lost.") from None
            results.append(_missing(error))
        except (StorageFull, Unavailable):
            raise
        except Exception as error:
            log.warning("de-identification failed kind=%s", type(error).__name__)
            results.append(Refusal(Outcome.REVIEW, "deidentification-failed", f"The file could not be de-identified ({type(error).__name__})."))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return results


def _release(common: Common, store: ObjectStore, task: ReleaseTask, path: Path, folder: Path) -> Stored | Refusal:
    assert common.policy is not None
    released = deidentify(path, task.facts, task.subject, task.uids, common.key, common.policy, folder)
    if isinstance(released, Refusal):
        return released
    written = next(iter(sorted(folder.iterdir())))
    object_key = f"data/{task.series_key}/{released.sha256}"
    store.put_file(object_key, written)
    index_key = None
    if len(released.frame_index) > FRAME_INDEX_ROW_MAX:
        index_key = f"{object_key}.frames.json"
        store.put_bytes(index_key, json.dumps(released.frame_index, separators=(",", ":")).encode())
    return Stored(released, object_key, index_key)


def close_series(common: Common, tasks: Sequence[CloseTask]) -> list[Closed]:
    """Order the instances of each series, find its stacks, write its metadata object and thumbnail."""
    store = ObjectStore(common.store)
    return [_close(common, store, task) for task in tasks]


def _close(common: Common, store: ObjectStore, task: CloseTask) -> Closed:
    common.scratch.mkdir(parents=True, exist_ok=True)
    files = tuple(uid for uid, _ in task.objects)
    with tempfile.TemporaryDirectory(dir=common.scratch) as name:
        paths: list[Path] = []
        for number, (_, object_key) in enumerate(task.objects):
            path = store.path(object_key)
            if path is None:
                path = Path(name) / str(number)
                store.download(object_key, path)
            paths.append(path)
        try:
            description = describe_series(paths)
        except (StorageFull, Unavailable):
            raise
        except Exception as error:
            # A series that cannot be described keeps its instances in file order; viewing finds out more.
            log.warning("series not described kind=%s", type(error).__name__)
            return Closed(task.series_id, None, files, files, None, None, type(error).__name__)
        index = tile_index([(object_key, path) for (_, object_key), path in zip(task.objects, paths, strict=True)])
    metadata_key = thumbnail_key = None
    if description.metadata_gz:
        metadata_key = f"data/{task.series_key}/metadata.json.gz"
        store.put_bytes(metadata_key, description.metadata_gz)
    if description.thumbnail_jpeg:
        thumbnail_key = f"data/{task.series_key}/thumbnail.jpg"
        store.put_bytes(thumbnail_key, description.thumbnail_jpeg)
    tile_index_key = None
    if index is not None:
        tile_index_key = f"data/{task.series_key}/tiles.json.gz"
        store.put_bytes(tile_index_key, index.packed())
    order = tuple(files[place] for place in description.order)
    return Closed(task.series_id, description, files, order, metadata_key, thumbnail_key, tile_index_key=tile_index_key)


def scrub_reports(_common: Common, tasks: Sequence[ScrubTask]) -> list[dict[str, str]]:
    """Section name -> scrubbed and shifted text, for each report."""
    return [{name: scrub(text, task.known_values, task.shift_days).text for name, text in task.sections} for task in tasks]
