"""WADO-RS of attributes: metadata of a study, series and instance as DICOM JSON or XML, and bulk data (PS3.18 10.4.1.1)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from isocenter.auth import Permission
from isocenter.errors import BadRequest, NotAcceptable, NotFound
from services.viewer import negotiate
from services.viewer.access import NOTHING, Seen
from services.viewer.bulkdata import value_at
from services.viewer.native_xml import native_xml
from services.viewer.negotiate import DICOM_JSON, FrameForm
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.routes.frames import FrameRoutes
from services.viewer.routes.places import INSTANCE, SERIES, STUDY, see, see_study
from services.viewer.viewing import WHOLE_OBJECT_BYTES, Viewing

METADATA_KEPT_BYTES = 64 << 20
GZIP_LEVEL = 1
_PIXELS = "7FE00010"
_ATTRIBUTE_PATH = re.compile(r"[0-9A-Fa-f]{8}(/\d{1,4}/[0-9A-Fa-f]{8}){0,8}")


@dataclass(frozen=True, slots=True)
class _Metadata:
    packed: bytes
    etag: bytes


class MetadataRoutes:
    """The routes, and the metadata objects kept in memory up to 64 MiB."""

    def __init__(self, viewing: Viewing, frames: FrameRoutes) -> None:
        self.viewing = viewing
        self._frames = frames
        self._kept: OrderedDict[tuple[str, int, int], _Metadata] = OrderedDict()

    def routes(self) -> list[RawRoute]:
        read, download = Permission.READ_CATALOG, Permission.DOWNLOAD
        told = [
            (f"{SERIES}/metadata", read, self.series_metadata),
            (f"{INSTANCE}/metadata", read, self.instance_metadata),
            (f"{STUDY}/metadata", read, self.study_metadata),
            (f"{INSTANCE}/bulkdata/{{attribute:path}}", download, self.bulkdata),
            (f"{INSTANCE}/pixeldata", download, self.bulkdata),
        ]
        return [RawRoute(path, permission, answer, self.viewing.resources) for path, permission, answer in told]

    async def series_metadata(self, asked: Asked) -> None:
        """The object written at ingest, gzipped as it is; a client without gzip gets it unpacked."""
        seen = await see(self.viewing, asked)
        metadata = await self._metadata(seen)
        await self._answer(asked, metadata.packed, metadata.etag, seen.cache_control)

    async def instance_metadata(self, asked: Asked) -> None:
        seen = await see(self.viewing, asked)
        instance = seen.instance(asked.path("instance"))
        found = await self.viewing.compute(_one_of, (await self._metadata(seen)).packed, instance.sop_uid)
        if found is None:
            raise NotFound(NOTHING)
        await self._answer(asked, found, f'"{instance.sha256[:32]}-m"'.encode(), seen.cache_control)

    async def study_metadata(self, asked: Asked) -> None:
        """The metadata of all visible series of a study, one after the other."""
        packed, tags = [], []
        cache_control = b"private, max-age=300"
        for seen in await see_study(self.viewing, asked):
            metadata = await self._metadata(seen)
            packed.append(metadata.packed)
            tags.append(metadata.etag)
            if seen.held:
                cache_control = seen.cache_control
        tag = f'"{hashlib.sha256(b"".join(tags)).hexdigest()[:32]}"'.encode()
        await self._answer(asked, await self.viewing.compute(_joined, packed), tag, cache_control)

    async def _answer(self, asked: Asked, packed: bytes, tag: bytes, cache_control: bytes) -> None:
        """``packed``: a gzipped JSON array of datasets."""
        form = negotiate.document_type(negotiate.wanted_of(asked.scope))
        headers: Headers = [(b"cache-control", cache_control), (b"vary", b"accept, accept-encoding")]
        if form is None:
            raise NotAcceptable(f'Metadata can be had as {DICOM_JSON} or multipart/related; type="application/dicom+xml".', field="Accept")
        if form == DICOM_JSON:
            headers.append((b"etag", tag))
            if b"gzip" in asked.header(b"accept-encoding"):
                await asked.answer(packed, DICOM_JSON, [*headers, (b"content-encoding", b"gzip")])
            else:
                await asked.answer(await self.viewing.compute(gzip.decompress, packed), DICOM_JSON, headers)
            return
        headers.append((b"etag", tag[:-1] + b'-x"'))
        if await asked.unchanged(headers):
            return
        boundary = secrets.token_hex(16)
        body = await self.viewing.compute(_as_xml, packed, boundary)
        await asked.answer(body, f'multipart/related; type="application/dicom+xml"; boundary={boundary}', headers)

    async def bulkdata(self, asked: Asked) -> None:
        """The value of one attribute (``00420011``, or ``54000100/0/54001010`` inside a sequence, items from 0); pixel data frame by frame."""
        seen = await see(self.viewing, asked)
        instance = seen.instance(asked.path("instance"))
        path = str(asked.scope["path_params"].get("attribute", _PIXELS))
        if _ATTRIBUTE_PATH.fullmatch(path) is None:
            raise BadRequest("Bulk data is named by its tag such as 00420011, inside a sequence by 54000100/0/54001010.", field="bulkdata")
        await self.viewing.access.note_download(asked.principal, seen.series)
        headers: Headers = [(b"cache-control", seen.cache_control), (b"vary", b"accept")]
        wanted = negotiate.wanted_of(asked.scope)
        if path.upper() == _PIXELS:
            count = max(1, instance.frames)
            form = negotiate.frame_form(wanted, instance.transfer_syntax_uid, count)
            await self._pixel_data(asked, instance.sop_uid, seen, form, count, headers)
            return
        if wanted and not any(entry.media_type in ("application/octet-stream", "application/*", "*/*") for entry in wanted):
            raise NotAcceptable("Bulk data can be had as application/octet-stream, alone or as multipart/related.", field="Accept")
        if instance.size_bytes > WHOLE_OBJECT_BYTES:
            raise BadRequest("This object is too large for its attributes to be read one by one.", field="bulkdata")
        value = await self.viewing.decode(value_at, await self.viewing.bytes.given(instance.object_key), path)
        if value is None:
            raise NotFound("The instance has no such bulk data.")
        headers.append((b"etag", f'"{instance.sha256[:32]}-{path.replace("/", ".")}"'.encode()))
        if not wanted or wanted[0].multipart:
            boundary = secrets.token_hex(16)
            body = f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n".encode() + value + f"\r\n--{boundary}--\r\n".encode()
            await asked.answer(body, f'multipart/related; type="application/octet-stream"; boundary={boundary}', headers)
        else:
            await asked.answer(value, "application/octet-stream", headers)

    async def _pixel_data(self, asked: Asked, sop_uid: str, seen: Seen, form: FrameForm, count: int, headers: Headers) -> None:
        instance = seen.instance(sop_uid)
        first = await self._frames.frame(instance, 1, form)
        if not form.multipart:
            tag = f'"{instance.sha256[:32]}-p{int(form.stored)}{form.transfer_syntax}"'.encode()
            await asked.answer(first, form.media_type, [*headers, (b"etag", tag)])
            return
        boundary = secrets.token_hex(16)
        part = f"--{boundary}\r\nContent-Type: {form.media_type}; transfer-syntax={form.transfer_syntax}\r\n\r\n".encode()
        await asked.start(200, [(b"content-type", f'multipart/related; type="{form.media_type}"; boundary={boundary}'.encode()), *headers])
        for number in range(1, count + 1):
            body = first if number == 1 else await self._frames.frame(instance, number, form)
            await asked.send({"type": "http.response.body", "body": part + body + b"\r\n", "more_body": True})
        await asked.send({"type": "http.response.body", "body": f"--{boundary}--\r\n".encode()})

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


def _one_of(packed: bytes, sop_uid: str) -> bytes | None:
    for document in json.loads(gzip.decompress(packed)):
        if document.get("00080018", {}).get("Value") == [sop_uid]:
            return gzip.compress(json.dumps([document], ensure_ascii=False, separators=(",", ":")).encode(), GZIP_LEVEL)
    return None


def _joined(packed: list[bytes]) -> bytes:
    inner = [gzip.decompress(one).strip()[1:-1] for one in packed]
    return gzip.compress(b"[" + b",".join(part for part in inner if part) + b"]", GZIP_LEVEL)


def _as_xml(packed: bytes, boundary: str) -> bytes:
    head = f"--{boundary}\r\nContent-Type: application/dicom+xml\r\n\r\n".encode()
    parts = [head + native_xml(document) + b"\r\n" for document in json.loads(gzip.decompress(packed))]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
