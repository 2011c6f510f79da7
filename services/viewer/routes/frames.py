"""WADO-RS of pixels: frames, rendered pictures, thumbnails (PS3.18 10.4). Pure ASGI: these carry the bytes."""

from __future__ import annotations

import hashlib
import secrets

from isocenter.auth import Permission
from isocenter.errors import BadRequest, NotFound, TooLarge
from services.viewer import negotiate
from services.viewer.access import NOTHING, Seen
from services.viewer.negotiate import FrameForm
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.render import Look, native_frame, native_frame_of_object
from services.viewer.routes.places import INSTANCE, SERIES, STUDY, see, see_study
from services.viewer.store import InstanceSeen
from services.viewer.transcode import frame_as, frame_of_object_as
from services.viewer.viewing import Viewing, picture_tag

FRAMES_A_REQUEST = 1000


class FrameRoutes:
    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing

    def routes(self) -> list[RawRoute]:
        told = [
            (f"{INSTANCE}/frames/{{frames}}", self.frames),
            (f"{INSTANCE}/frames/{{frames}}/rendered", self.rendered),
            (f"{INSTANCE}/frames/{{frames}}/thumbnail", self.thumbnail),
            (f"{INSTANCE}/rendered", self.rendered),
            (f"{SERIES}/rendered", self.all_rendered),
            (f"{STUDY}/rendered", self.all_rendered),
            (f"{INSTANCE}/thumbnail", self.thumbnail),
            (f"{SERIES}/thumbnail", self.thumbnail),
            (f"{STUDY}/thumbnail", self.study_thumbnail),
        ]
        return [RawRoute(path, Permission.READ_CATALOG, answer, self.viewing.resources) for path, answer in told]

    async def frames(self, asked: Asked) -> None:
        """One frame in three sends without a copy: head, pixels, tail. A list of frames comes in the order asked."""
        seen = await see(self.viewing, asked)
        instance = seen.instance(asked.path("instance"))
        numbers = _frame_numbers(asked.path("frames"))
        form = negotiate.frame_form(negotiate.wanted_of(asked.scope), instance.transfer_syntax_uid, len(numbers))
        headers: Headers = [(b"cache-control", seen.cache_control), (b"vary", b"accept")]
        described = f"{form.media_type}; transfer-syntax={form.transfer_syntax}"
        tag = f'"{instance.sha256[:32]}-{hashlib.sha256(f"{numbers}{form}".encode()).hexdigest()[:16]}"'.encode()
        headers.append((b"etag", tag))
        if not form.multipart:
            media_type = form.media_type if form.media_type != "application/octet-stream" and form.stored else described
            await asked.answer(await self.frame(instance, numbers[0], form), media_type, headers)
            return
        if await asked.unchanged(headers):
            return
        for number in numbers:
            await self.viewing.bytes.span(instance, number)  # NotFound before the answer has begun
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="{form.media_type}"; boundary={boundary}'
        part = f"\r\n--{boundary}\r\nContent-Type: {described}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        first = await self.frame(instance, numbers[0], form)
        if len(numbers) == 1:
            headers.append((b"content-length", str(len(part) - 2 + len(first) + len(tail)).encode()))
        await asked.start(200, [(b"content-type", kind.encode()), *headers])
        await asked.send({"type": "http.response.body", "body": part[2:], "more_body": True})
        await asked.send({"type": "http.response.body", "body": first, "more_body": True})
        for number in numbers[1:]:
            await asked.send({"type": "http.response.body", "body": part, "more_body": True})
            await asked.send({"type": "http.response.body", "body": await self.frame(instance, number, form), "more_body": True})
        await asked.send({"type": "http.response.body", "body": tail})

    async def frame(self, instance: InstanceSeen, number: int, form: FrameForm) -> memoryview | bytes:
        """Frame ``number`` (1-based) in the form that was agreed on."""
        span = await self.viewing.bytes.span(instance, number)
        self.viewing.counted.frames.labels("stored" if span is not None and form.stored else "decoded").inc()
        if span is not None and form.stored:
            return await self.viewing.bytes.view(instance.object_key, span)
        if span is not None and instance.pixel_offset is not None:
            header = await self.viewing.bytes.given(instance.object_key, (0, instance.pixel_offset))
            frame = await self.viewing.bytes.given(instance.object_key, span)
            if form.encoded:
                return await self.viewing.decode(frame_as, header, frame, form.transfer_syntax)
            return await self.viewing.decode(native_frame, header, frame)
        whole = await self.viewing.bytes.given(instance.object_key)
        if form.encoded:
            return await self.viewing.decode(frame_of_object_as, whole, number - 1, form.transfer_syntax)
        return await self.viewing.decode(native_frame_of_object, whole, number - 1)

    async def rendered(self, asked: Asked) -> None:
        """A frame as JPEG or PNG (PS3.18 8.3.5): ``window``, ``viewport``, ``quality``, ``annotation``, ``iccprofile``.

        Several frames, and all of a multi-frame instance when multipart is asked for, come as multipart/related.
        """
        seen = await see(self.viewing, asked)
        instance = seen.instance(asked.path("instance"))
        multipart, media_type = negotiate.picture_type(negotiate.wanted_of(asked.scope))
        look = self.viewing.rendered_look(asked, media_type)
        text = asked.scope["path_params"].get("frames")
        numbers = _frame_numbers(str(text)) if text is not None else list(range(1, max(1, instance.frames) + 1)) if multipart else [1]
        if multipart or len(numbers) > 1:
            await self._send_pictures(asked, seen, [(instance, number) for number in numbers], look)
            return
        headers: Headers = [(b"cache-control", seen.cache_control), (b"vary", b"accept"), (b"etag", picture_tag(instance, numbers[0], look))]
        await self.viewing.bytes.span(instance, numbers[0])  # NotFound for a frame that it does not have, also where the tag is known
        if not await asked.unchanged(headers):
            await asked.answer(await self.viewing.dicom_picture(instance, numbers[0], look), look.media_type, headers)

    async def all_rendered(self, asked: Asked) -> None:
        """All frames of a series or study as pictures, multipart."""
        series = await see_study(self.viewing, asked) if "series" not in asked.scope["path_params"] else [await see(self.viewing, asked)]
        look = self.viewing.rendered_look(asked, negotiate.picture_type(negotiate.wanted_of(asked.scope))[1])
        pictures = [(instance, n) for seen in series for instance in seen.instances for n in range(1, max(1, instance.frames) + 1) if instance.frames]
        if not pictures:
            raise NotFound(NOTHING)
        strictest = next((seen for seen in series if seen.held), series[0])
        await self._send_pictures(asked, strictest, pictures, look)

    async def _send_pictures(self, asked: Asked, seen: Seen, pictures: list[tuple[InstanceSeen, int]], look: Look) -> None:
        if len(pictures) > FRAMES_A_REQUEST:
            raise TooLarge(f"That would be {len(pictures)} pictures; at most {FRAMES_A_REQUEST} a request. Ask series by series or by frames.")
        first = await self.viewing.dicom_picture(*pictures[0], look)
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="{look.media_type}"; boundary={boundary}'.encode()
        part = f"--{boundary}\r\nContent-Type: {look.media_type}\r\n\r\n".encode()
        await asked.start(200, [(b"content-type", kind), (b"cache-control", seen.cache_control), (b"vary", b"accept")])
        for place, (instance, number) in enumerate(pictures):
            body = first if place == 0 else await self.viewing.dicom_picture(instance, number, look)
            await asked.send({"type": "http.response.body", "body": part + body + b"\r\n", "more_body": True})
        await asked.send({"type": "http.response.body", "body": f"--{boundary}--\r\n".encode()})

    async def thumbnail(self, asked: Asked) -> None:
        """The one made at ingest for a series; of an instance or a frame, made now."""
        seen = await see(self.viewing, asked)
        frames = asked.scope["path_params"].get("frames")
        if frames is not None:
            [number, *more] = _frame_numbers(str(frames))
            if more:
                raise BadRequest("A thumbnail is of one frame.", field="frames")
            body = await self.viewing.dicom_picture(seen.instance(asked.path("instance")), number, Look(size_px=256, quality=80))
            await asked.answer(body, "image/jpeg", _picture_headers(seen, body))
            return
        instance = asked.scope["path_params"].get("instance")
        await self.viewing.send_thumbnail(asked, seen, None if instance is None else seen.instance(str(instance)))

    async def study_thumbnail(self, asked: Asked) -> None:
        """That of the study's first series that has one."""
        for seen in await see_study(self.viewing, asked):
            if seen.series.thumbnail_key is not None:
                await self.viewing.send_thumbnail(asked, seen)
                return
        raise NotFound("No series of this study has a thumbnail.")


def _picture_headers(seen: Seen, body: bytes) -> Headers:
    return [(b"cache-control", seen.cache_control), (b"vary", b"accept"), (b"etag", f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode())]


def _frame_numbers(text: str) -> list[int]:
    """1-based frame numbers of ``1,2,5``; BadRequest for anything else."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < len(part) < 8 and int(part) for part in parts) or len(parts) > FRAMES_A_REQUEST:
        raise BadRequest(f"Frames are numbers from 1, with commas between them, at most {FRAMES_A_REQUEST} a request.", field="frames")
    return [int(part) for part in parts]
