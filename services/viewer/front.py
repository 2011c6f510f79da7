"""The raw routes without a framework in front of them: an address is split once and looked up by its first segment and its number of segments.

Starlette would try some thirty regular expressions behind three more layers before a tile is found. The same routes stand in the router too, where
addresses with open ends (``{attribute:path}``) and everything unusual (HEAD, a trailing slash) is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from services.viewer.raw import RawRoute

_PARAMETER = re.compile(r"(.*)\{(\w+)(:int)?\}(.*)")


class _Segment:
    """One segment of a template: literal, or text around one parameter."""

    __slots__ = ("after", "before", "name", "number")

    def __init__(self, template: str) -> None:
        match = _PARAMETER.fullmatch(template)
        self.before, self.name, self.number, self.after = (match[1], match[2], bool(match[3]), match[4]) if match else (template, "", False, "")

    def read(self, given: str, into: dict[str, object]) -> bool:
        if not self.name:
            return given == self.before
        value = given[len(self.before) : len(given) - len(self.after)]
        if not value or len(given) < len(self.before) + len(self.after) or not (given.startswith(self.before) and given.endswith(self.after)):
            return False
        if self.number and not (value.isascii() and value.isdigit()):
            return False
        into[self.name] = int(value) if self.number else value
        return True


class Front:
    """Answers GET of the routes it knows, and hands everything else to ``app``."""

    def __init__(self, app: ASGIApp, routes: Iterable[RawRoute]) -> None:
        self.app = app
        self._known: dict[tuple[str, int], list[tuple[list[_Segment], RawRoute]]] = {}
        for route in routes:
            parts = route.path.strip("/").split("/")
            if "GET" in route.methods and ":path}" not in route.path and not parts[0].startswith("{"):
                self._known.setdefault((parts[0], len(parts)), []).append(([_Segment(part) for part in parts], route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            given = scope["path"][1:].split("/")
            for segments, route in self._known.get((given[0], len(given)), ()):
                found: dict[str, object] = {}
                if all(segment.read(part, found) for segment, part in zip(segments, given, strict=True)):
                    scope["path_params"] = found
                    await route(scope, receive, send)
                    return
        await self.app(scope, receive, send)
