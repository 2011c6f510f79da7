"""What one request may weigh before anybody looks at it: address, headers, and how many are answered at once."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from isocenter.errors import InvalidInput, TooLarge, Unavailable
from isocenter.web import send_problem

ADDRESS_LIMIT_BYTES = 16 << 10  # QIDO with a list of UIDs is long; a browser stops at 8 to 64 KiB
HEADERS_LIMIT_BYTES = 32 << 10
IN_FLIGHT_MOST = 1000  # open event streams count too: one a browser tab


class LimitsMiddleware:
    """422 for an address with a NUL or dot segments, 413 for an address or headers over the limit, 503 over the number in flight."""

    def __init__(self, app: ASGIApp, in_flight_most: int = IN_FLIGHT_MOST) -> None:
        self.app = app
        self.in_flight_most = in_flight_most
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > ADDRESS_LIMIT_BYTES:
            await send_problem(send, TooLarge(f"The address is longer than {ADDRESS_LIMIT_BYTES >> 10} KiB; ask for less at a time."))
        elif sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_LIMIT_BYTES:
            await send_problem(send, TooLarge(f"The headers are larger than {HEADERS_LIMIT_BYTES >> 10} KiB."))
        elif "\0" in scope["path"] or not {".", ".."}.isdisjoint(scope["path"].split("/")):
            # Whoever resolves them differently from us would reach what we did not check (a service's own /metrics).
            await send_problem(send, InvalidInput("The address holds a NUL character, or . or .. as a segment."))
        elif self._in_flight >= self.in_flight_most:
            await send_problem(send, Unavailable("The server is answering as many requests as it can; try again in a moment.", retry_after=2))
        else:
            self._in_flight += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self._in_flight -= 1
