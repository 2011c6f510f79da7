"""STOW-RS (PS3.18 10.5): part 10 files of a multipart/related body, spooled like an upload; the answer as a DICOM JSON dataset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from python_multipart.multipart import MultipartParser

from isocenter.errors import InvalidInput, TooLarge
from services.ingest.records import Outcome

FILES_MAX = 100_000
# PS3.18 Table 10.5.3-2 and PS3.4 Table B.2-1
FAILURES = {"refused": 0xC000, "review": 0xA700, "pending": 0x0110, "other_resource": 0x0122}
DUPLICATE_WARNING = 0xB000


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart/related body of DICOM files; InvalidInput for any other media type."""
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/related" or not boundary:
        raise InvalidInput('Send multipart/related; type="application/dicom" with a boundary (PS3.18 10.5).', field="Content-Type")
    kind = str(message.get_param("type", "application/dicom"))
    if kind != "application/dicom":
        raise InvalidInput(f"Only parts of type application/dicom are taken, not {kind[:60]}.", field="Content-Type")
    return boundary.encode()


async def spool(body: AsyncIterator[bytes], boundary: bytes, folder: Path, limit_bytes: int) -> int:
    """Write every part to ``folder/<n>.dcm``; how many. Memory stays at one chunk."""
    writer = _Parts(folder)
    parser = MultipartParser(
        boundary,
        {"on_part_begin": writer.begin, "on_part_data": writer.data, "on_part_end": writer.end},
    )
    total = 0
    try:
        async for chunk in body:
            total += len(chunk)
            if total > limit_bytes:
                raise TooLarge("The request is larger than this server takes; send fewer instances at a time.")
            await asyncio.to_thread(parser.write, chunk)
        parser.finalize()
    except ValueError as error:
        raise InvalidInput("The body is no well-formed multipart/related.", field="body") from error
    finally:
        writer.close()
    if not writer.count:
        raise InvalidInput("The body holds no part.", field="body")
    return writer.count


class _Parts:
    """Callbacks of the parser: one file a part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self._file: Any = None

    def begin(self) -> None:
        if self.count >= FILES_MAX:
            raise TooLarge(f"More than {FILES_MAX} parts; send fewer instances at a time.")
        self.count += 1
        self._file = (self.folder / f"{self.count:06d}.dcm").open("wb")

    def data(self, data: bytes, start: int, end: int) -> None:
        self._file.write(memoryview(data)[start:end])

    def end(self) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one part: the UIDs as they were sent ('' when it could not be read)."""

    sop_class_uid: str
    sop_uid: str
    outcome: str


def answer(parts: Sequence[Stored], retrieve_url: str) -> tuple[int, dict[str, Any]]:
    """(status, DICOM JSON dataset): 200 all stored, 202 some or with warnings, 409 none (PS3.18 Table 10.5.3-1)."""
    stored = [part for part in parts if part.outcome in (Outcome.ACCEPTED.value, Outcome.DUPLICATE.value)]
    failed = [part for part in parts if part not in stored]
    warned = any(part.outcome == Outcome.DUPLICATE.value for part in stored)
    dataset: dict[str, Any] = {"00081190": {"vr": "UR", "Value": [retrieve_url]}}
    if stored:
        dataset["00081199"] = {"vr": "SQ", "Value": [_reference(part) for part in stored]}
    if failed:
        dataset["00081198"] = {"vr": "SQ", "Value": [_failure(part) for part in failed]}
    if not stored:
        return 409, dataset
    return (202 if failed or warned else 200), dataset


def _reference(part: Stored) -> dict[str, Any]:
    item = _uids(part)
    if part.outcome == Outcome.DUPLICATE.value:
        item["00081196"] = {"vr": "US", "Value": [DUPLICATE_WARNING]}
    return item


def _failure(part: Stored) -> dict[str, Any]:
    return _uids(part) | {"00081197": {"vr": "US", "Value": [FAILURES.get(part.outcome, 0x0110)]}}


def _uids(part: Stored) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", **({"Value": [part.sop_class_uid]} if part.sop_class_uid else {})},
        "00081155": {"vr": "UI", **({"Value": [part.sop_uid]} if part.sop_uid else {})},
    }
