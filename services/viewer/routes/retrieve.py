"""WADO-RS of whole objects: study, series, instance, as multipart, alone or as a zip (PS3.18 10.4.1.1). Pure ASGI."""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing

from isocenter.auth import Permission
from isocenter.errors import DecoderFailed, NotAcceptable, NotFound
from isocenter.imaging.decode import PixelsUnreadable
from isocenter.spans import FileSpan, Spans
from services.viewer import negotiate
from services.viewer.access import NOTHING, Seen
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.routes.places import INSTANCE, SERIES, STUDY, see, see_study
from services.viewer.store import InstanceSeen
from services.viewer.transcode import OBJECT_LIMIT_BYTES, object_as
from services.viewer.viewing import Viewing


class Retrieve:
    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing

    def routes(self) -> list[RawRoute]:
        told = [(INSTANCE, self.instance), (SERIES, self.series), (STUDY, self.study)]
        return [RawRoute(path, Permission.DOWNLOAD, answer, self.viewing.resources) for path, answer in told]

    async def instance(self, asked: Asked) -> None:
        """The Part-10 file as released: multipart, or alone when ``application/dicom`` is asked for."""
        seen = await see(self.viewing, asked)
        await self._send(asked, [seen], [seen.instance(asked.path("instance"))])

    async def series(self, asked: Asked) -> None:
        """All files of a series in geometric order."""
        seen = await see(self.viewing, asked)
        await self._send(asked, [seen], list(seen.instances))

    async def study(self, asked: Asked) -> None:
        """All files of the visible DICOM series of a study."""
        series = await see_study(self.viewing, asked)
        await self._send(asked, series, [instance for seen in series for instance in seen.instances])

    async def _send(self, asked: Asked, series: list[Seen], instances: list[InstanceSeen]) -> None:
        if not instances:
            raise NotFound(NOTHING)
        form = negotiate.object_form(negotiate.wanted_of(asked.scope), len(instances))
        await self.viewing.bytes.check(instances[0])
        for seen in series:
            await self.viewing.access.note_download(asked.principal, seen.series)
        strictest = next((seen for seen in series if seen.held), series[0])
        headers: Headers = [(b"cache-control", strictest.cache_control), (b"vary", b"accept")]
        if form.kind == "zip":
            await asked.while_waited_for(self._send_zip(asked, instances, headers))
        elif form.kind == "single":
            await self._send_alone(asked, instances[0], form.transfer_syntax, headers)
        else:
            await self._send_parts(asked, instances, form.transfer_syntax, headers)

    async def _send_alone(self, asked: Asked, only: InstanceSeen, syntax: str, headers: Headers) -> None:
        if _as_stored(only, syntax):
            headers = [*headers, (b"etag", f'"{only.sha256}"'.encode()), (b"accept-ranges", b"bytes")]
            if await asked.unchanged(headers):
                return
            span = asked.wanted_range(only.size_bytes, headers)
            offset, length = span or (0, only.size_bytes)
            place = [(b"content-range", f"bytes {offset}-{offset + length - 1}/{only.size_bytes}".encode())] if span else []
            kind = f"application/dicom; transfer-syntax={only.transfer_syntax_uid or '*'}".encode()
            size = (b"content-length", str(length).encode())
            await asked.start(206 if span else 200, [(b"content-type", kind), size, *place, *headers])
            spans = self._spans(asked, [(b"", only)], b"", (offset, length))
            await (asked.pieces(self.viewing.bytes.stream(only.object_key, offset, length)) if spans is None else asked.spans(spans))
            return
        headers = [*headers, (b"etag", f'"{only.sha256[:40]}-{syntax}"'.encode())]
        if not await asked.unchanged(headers):
            await asked.answer(await self._as(only, syntax), f"application/dicom; transfer-syntax={syntax}", headers)

    async def _send_parts(self, asked: Asked, instances: list[InstanceSeen], syntax: str, headers: Headers) -> None:
        boundary = secrets.token_hex(16)
        tail = f"--{boundary}--\r\n".encode()

        def head(each: InstanceSeen, syntax: str) -> bytes:
            return f"--{boundary}\r\nContent-Type: application/dicom; transfer-syntax={syntax or each.transfer_syntax_uid or '*'}\r\n\r\n".encode()

        async def pieces() -> AsyncIterator[memoryview | bytes]:
            end = b""
            for each in instances:
                if _as_stored(each, syntax):
                    yield end + head(each, "")
                    async for piece in self.viewing.bytes.stream(each.object_key, 0, each.size_bytes):
                        yield piece
                else:
                    written, body = await self._as_or_stored(each, syntax)
                    yield end + head(each, written)
                    yield body
                end = b"\r\n"
            yield end + tail

        if len(instances) == 1 and not _as_stored(instances[0], syntax):
            body = head(instances[0], syntax) + await self._as(instances[0], syntax) + b"\r\n" + tail
            await asked.answer(body, f'multipart/related; type="application/dicom"; boundary={boundary}', headers)
            return
        spans = None
        if all(_as_stored(each, syntax) for each in instances):
            spans = self._spans(asked, [((b"\r\n" if place else b"") + head(each, ""), each) for place, each in enumerate(instances)], b"\r\n" + tail)
            length = sum(len(head(each, "")) + each.size_bytes + 2 for each in instances) + len(tail)
            headers = [*headers, (b"content-length", str(length).encode())]
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'.encode()
        await asked.start(200, [(b"content-type", kind), *headers])
        if spans is not None:
            await asked.spans(spans)
            return
        async with aclosing(pieces()) as stream:  # type: ignore[type-var]
            await asked.pieces(stream)

    def _spans(self, asked: Asked, parts: list[tuple[bytes, InstanceSeen]], tail: bytes, only: tuple[int, int] | None = None) -> Spans | None:
        """The body as parts of files, each behind its head; None where the server cannot take files or they lie on S3. ``only``: (offset, length)."""
        if not asked.takes_spans:
            return None
        found: list[bytes | FileSpan] = []
        for head, each in parts:
            file = self.viewing.bytes.file_span(each.object_key, *(only or (0, each.size_bytes)))
            if file is None:
                return None
            found += [head, file]
        return [*found, tail]

    async def _as(self, each: InstanceSeen, syntax: str) -> bytes:
        if each.size_bytes > OBJECT_LIMIT_BYTES:
            raise NotAcceptable("This object is too large to be encoded anew; take transfer-syntax=*.", field="Accept")
        return await self.viewing.decode(object_as, await self.viewing.bytes.given(each.object_key), syntax)

    async def _as_or_stored(self, each: InstanceSeen, syntax: str) -> tuple[str, bytes]:
        """One of many that cannot be brought to the syntax is sent as it is stored, and its part says so."""
        try:
            return syntax, await self._as(each, syntax)
        except (NotAcceptable, PixelsUnreadable, DecoderFailed):
            return "", await self.viewing.bytes.whole(each.object_key)

    async def _send_zip(self, asked: Asked, instances: list[InstanceSeen], headers: Headers) -> None:
        """Stored entries (the objects hardly shrink), sizes after the data; ZIP64 where needed."""
        names = [f"{number:06}-{each.sop_uid}.dcm".encode() for number, each in enumerate(instances, 1)]
        disposition = (b"content-disposition", b'attachment; filename="dicom.zip"')
        await asked.start(200, [(b"content-type", b"application/zip"), disposition, *headers])
        directory, position = [], 0
        for name, each in zip(names, instances, strict=True):
            start, checksum = position, 0
            local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 45, 0x0808, 0, 0, 0x21, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), 20) + name
            local += struct.pack("<HHQQ", 1, 16, 0, 0)
            await asked.send({"type": "http.response.body", "body": local, "more_body": True})
            async for piece in self.viewing.bytes.stream(each.object_key, 0, each.size_bytes):
                checksum = zlib.crc32(piece, checksum)
                await asked.send({"type": "http.response.body", "body": piece, "more_body": True})
            after = struct.pack("<4sIQQ", b"PK\x07\x08", checksum, each.size_bytes, each.size_bytes)
            await asked.send({"type": "http.response.body", "body": after, "more_body": True})
            position += len(local) + each.size_bytes + len(after)
            entry = struct.pack(
                "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 45, 45, 0x0808, 0, 0, 0x21, checksum, 0xFFFFFFFF, 0xFFFFFFFF, len(name), 28, 0, 0, 0, 0, 0xFFFFFFFF
            )
            directory.append(entry + name + struct.pack("<HHQQQ", 1, 24, each.size_bytes, each.size_bytes, start))
        body = b"".join(directory)
        count = len(directory)
        end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(body), position)
        end += struct.pack("<4sIQI", b"PK\x06\x07", 0, position + len(body), 1)
        end += struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        await asked.send({"type": "http.response.body", "body": body + end})


def _as_stored(each: InstanceSeen, syntax: str) -> bool:
    return syntax in ("", each.transfer_syntax_uid)
