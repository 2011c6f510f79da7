"""WADO-RS under /dicom-web: metadata, frames, rendered, whole instances (PS3.18 10.4). Pure ASGI: these carry the bytes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from isocenter.auth import Permission
from isocenter.errors import InvalidInput, NotFound
from services.viewer import negotiate
from services.viewer.access import NOTHING, Seen
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.render import native_frame, native_frame_of_object
from services.viewer.store import InstanceSeen
from services.viewer.viewing import Viewing

DICOM_JSON = "application/dicom+json"
STUDY = "/dicom-web/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"
METADATA_KEPT_BYTES = 64 << 20
FRAMES_A_REQUEST = 1000


@dataclass(frozen=True, slots=True)
class _Metadata:
    packed: bytes
    etag: bytes


class Retrieve:
    """The routes, and the metadata objects kept in memory up to 64 MiB."""

    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing
        self._kept: OrderedDict[tuple[str, int, int], _Metadata] = OrderedDict()

    def routes(self) -> list[RawRoute]:
        read, download = Permission.READ_CATALOG, Permission.DOWNLOAD
        told = [
            (f"{INSTANCE}/frames/{{frames}}", read, self.frames),
            (f"{SERIES}/metadata", read, self.series_metadata),
            (f"{INSTANCE}/metadata", read, self.instance_metadata),
            (f"{STUDY}/metadata", read, self.study_metadata),
            (f"{INSTANCE}/frames/{{frames}}/rendered", read, self.rendered),
            (f"{INSTANCE}/rendered", read, self.rendered),
            (f"{INSTANCE}/thumbnail", read, self.thumbnail),
            (f"{SERIES}/thumbnail", read, self.thumbnail),
            (INSTANCE, download, self.instance),
            (SERIES, download, self.series),
        ]
        return [RawRoute(path, permission, answer, self.viewing.resources) for path, permission, answer in told]

    async def _see(self, asked: Asked) -> Seen:
        seen = await self.viewing.access.see(asked.principal, asked.path("series"), study_uid=asked.path("study"))
        if seen.series.format != "DICOM":
            raise NotFound("This series is not DICOM; see /api/v1/series for its pictures, slices or tiles.")
        return seen

    async def frames(self, asked: Asked) -> None:
        """One frame in three sends without a copy: head, pixels, tail. A list of frames comes in the order asked."""
        seen = await self._see(asked)
        instance = seen.instance(asked.path("instance"))
        numbers = _frame_numbers(asked.path("frames"))
        form = negotiate.frame_form(negotiate.wanted_of(asked.scope), instance.transfer_syntax_uid, len(numbers))
        headers: Headers = [(b"cache-control", seen.cache_control), (b"vary", b"accept")]
        if not form.multipart:
            tag = f'"{instance.sha256[:32]}-{numbers[0]}-{int(form.decoded)}"'.encode()
            media_type = form.media_type if form.media_type != "application/octet-stream" else f"{form.media_type}; transfer-syntax={form.transfer_syntax}"
            await asked.answer(await self._frame(instance, numbers[0], form), media_type, [*headers, (b"etag", tag)])
            return
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="{form.media_type}"; boundary={boundary}'
        part = f"\r\n--{boundary}\r\nContent-Type: {form.media_type}; transfer-syntax={form.transfer_syntax}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        first = await self._frame(instance, numbers[0], form)
        if len(numbers) == 1:
            headers.append((b"content-length", str(len(part) - 2 + len(first) + len(tail)).encode()))
        await asked.start(200, [(b"content-type", kind.encode()), *headers])
        await asked.send({"type": "http.response.body", "body": part[2:], "more_body": True})
        await asked.send({"type": "http.response.body", "body": first, "more_body": True})
        for number in numbers[1:]:
            await asked.send({"type": "http.response.body", "body": part, "more_body": True})
            await asked.send({"type": "http.response.body", "body": await self._frame(instance, number, form), "more_body": True})
        await asked.send({"type": "http.response.body", "body": tail})

    async def _frame(self, instance: InstanceSeen, number: int, form: negotiate.FrameForm) -> bytes:
        span = await self.viewing.bytes.span(instance, number)
        self.viewing.counted.frames.labels("decoded" if span is None or form.decoded else "stored").inc()
        if span is not None and not form.decoded:
            return await self.viewing.bytes.part(instance.object_key, span)
        if span is not None and instance.pixel_offset is not None:
            header = await self.viewing.bytes.part(instance.object_key, (0, instance.pixel_offset))
            frame = await self.viewing.bytes.part(instance.object_key, span)
            return await self.viewing.compute(native_frame, header, frame)
        return await self.viewing.compute(native_frame_of_object, await self.viewing.bytes.whole(instance.object_key), number - 1)

    async def series_metadata(self, asked: Asked) -> None:
        """The object written at ingest, gzipped as it is; a client without gzip gets it unpacked."""
        seen = await self._see(asked)
        metadata = await self._metadata(seen)
        headers: Headers = [(b"etag", metadata.etag), (b"cache-control", seen.cache_control), (b"vary", b"accept-encoding")]
        if b"gzip" in asked.header(b"accept-encoding"):
            await asked.answer(metadata.packed, DICOM_JSON, [*headers, (b"content-encoding", b"gzip")])
        else:
            await asked.answer(await self.viewing.compute(gzip.decompress, metadata.packed), DICOM_JSON, headers)

    async def instance_metadata(self, asked: Asked) -> None:
        seen = await self._see(asked)
        instance = seen.instance(asked.path("instance"))
        found = await self.viewing.compute(_one_of, (await self._metadata(seen)).packed, instance.sop_uid)
        if found is None:
            raise NotFound(NOTHING)
        await asked.answer(found, DICOM_JSON, [(b"etag", f'"{instance.sha256[:32]}-m"'.encode()), (b"cache-control", seen.cache_control)])

    async def study_metadata(self, asked: Asked) -> None:
        """The metadata of all visible series of a study, one after the other."""
        async with self.viewing.resources.db.read() as session:
            uids = await self.viewing.series_of_study(session, asked.principal, asked.path("study"))
        if not uids:
            raise NotFound(NOTHING)
        packed = []
        cache_control = b"private, max-age=300"
        for uid in uids:
            seen = await self.viewing.access.see(asked.principal, uid, study_uid=asked.path("study"))
            packed.append((await self._metadata(seen)).packed)
            if seen.held:
                cache_control = seen.cache_control
        await asked.answer(await self.viewing.compute(_joined, packed), DICOM_JSON, [(b"cache-control", cache_control)])

    async def rendered(self, asked: Asked) -> None:
        """A frame as JPEG or PNG (PS3.18 8.3.5): ``window``, ``viewport=width,height``, ``quality``."""
        seen = await self._see(asked)
        instance = seen.instance(asked.path("instance"))
        numbers = _frame_numbers(str(asked.scope["path_params"].get("frames", "1")))
        look = self.viewing.look_of(asked, negotiate.picture_type(negotiate.wanted_of(asked.scope)))
        body = await self.viewing.dicom_picture(instance, numbers[0], look)
        await asked.answer(body, look.media_type, [(b"cache-control", seen.cache_control), (b"vary", b"accept")])

    async def thumbnail(self, asked: Asked) -> None:
        seen = await self._see(asked)
        instance = asked.scope["path_params"].get("instance")
        await self.viewing.send_thumbnail(asked, seen, None if instance is None else seen.instance(str(instance)))

    async def instance(self, asked: Asked) -> None:
        """The Part-10 file as released: multipart, or alone when ``application/dicom`` is asked for."""
        seen = await self._see(asked)
        await self._send_files(asked, seen, [seen.instance(asked.path("instance"))])

    async def series(self, asked: Asked) -> None:
        """All files of a series in geometric order."""
        seen = await self._see(asked)
        if not seen.instances:
            raise NotFound(NOTHING)
        await self._send_files(asked, seen, list(seen.instances))

    async def _send_files(self, asked: Asked, seen: Seen, instances: list[InstanceSeen]) -> None:
        wanted = negotiate.wanted_of(asked.scope)
        alone = len(instances) == 1 and bool(wanted) and not wanted[0].multipart and wanted[0].media_type == "application/dicom"
        await self.viewing.note_download(asked.principal, seen)
        cache: Headers = [(b"cache-control", seen.cache_control)]
        if alone:
            only = instances[0]
            size = (b"content-length", str(only.size_bytes).encode())
            await asked.start(200, [(b"content-type", b"application/dicom"), size, (b"etag", f'"{only.sha256}"'.encode()), *cache])
            await asked.pieces(self.viewing.bytes.stream(only.object_key, 0, only.size_bytes))
            return
        boundary = secrets.token_hex(16)
        heads = [
            f"--{boundary}\r\nContent-Type: application/dicom; transfer-syntax={each.transfer_syntax_uid or '*'}\r\n\r\n".encode() for each in instances
        ]
        tail = f"--{boundary}--\r\n".encode()
        length = sum(len(head) + each.size_bytes + 2 for head, each in zip(heads, instances, strict=True)) + len(tail)

        async def pieces() -> AsyncIterator[bytes]:
            for head, each in zip(heads, instances, strict=True):
                yield head
                async for piece in self.viewing.bytes.stream(each.object_key, 0, each.size_bytes):
                    yield piece
                yield b"\r\n"
            yield tail

        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'.encode()
        await asked.start(200, [(b"content-type", kind), (b"content-length", str(length).encode()), *cache])
        await asked.pieces(pieces())

    async def _metadata(self, seen: Seen) -> _Metadata:
        key = seen.series.metadata_key
        if key is None:
            raise NotFound("The metadata of this series is not written yet; its import is still running.")
        # A series that was closed again has another object under the same name.
        version = (key, seen.series.revision, len(seen.instances))
        kept = self._kept.get(version)
        if kept is None:
            packed = await self.viewing.bytes.whole(key)
            etag = f'"{(await asyncio.to_thread(hashlib.sha256, packed)).hexdigest()[:32]}"'.encode()
            kept = self._kept[version] = _Metadata(packed, etag)
            while sum(len(one.packed) for one in self._kept.values()) > METADATA_KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        self._kept.move_to_end(version)
        return kept


def _frame_numbers(text: str) -> list[int]:
    """1-based frame numbers of ``1,2,5``; InvalidInput for anything else."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < len(part) < 8 for part in parts) or len(parts) > FRAMES_A_REQUEST:
        raise InvalidInput(f"Frames are numbers from 1, with commas between them, at most {FRAMES_A_REQUEST} a request.", field="frames")
    return [int(part) for part in parts]


def _one_of(packed: bytes, sop_uid: str) -> bytes | None:
    for document in json.loads(gzip.decompress(packed)):
        if document.get("00080018", {}).get("Value") == [sop_uid]:
            return json.dumps([document], ensure_ascii=False, separators=(",", ":")).encode()
    return None


def _joined(packed: list[bytes]) -> bytes:
    inner = [gzip.decompress(one).strip()[1:-1] for one in packed]
    return b"[" + b",".join(part for part in inner if part) + b"]"
