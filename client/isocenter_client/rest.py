"""One connection pool to the server, and its problem documents as errors."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from isocenter_client.errors import ClientError, NotFound, NotSignedIn, ServerAway, Withdrawn

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 6
RETRIED = frozenset({429, 502, 503, 504})
_ERRORS: dict[int, type[ClientError]] = {401: NotSignedIn, 404: NotFound, 410: Withdrawn}


class Rest:
    """JSON in, JSON out; reads are tried again while the server is away, writes are not."""

    def __init__(self, url: str, token: str = "", *, connections: int = 8, timeout_seconds: float = 60.0) -> None:
        import httpx

        self.url = url.rstrip("/")
        headers = {"User-Agent": "isocenter-client", "Accept-Encoding": "gzip"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._retried("GET", path, params={key: value for key, value in params.items() if value is not None}).json()

    def get_bytes(self, path: str) -> bytes:
        return self._retried("GET", path).content

    def ask(self, path: str, body: Any) -> Any:
        """A POST that only reads (search, count): tried again like a GET."""
        return self._retried("POST", path, json=body).json()

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """A write, sent once; what the server answered, None for an empty answer."""
        import httpx

        try:
            answer = self.http.request(method, path, json=body, **options) if body is not None else self.http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self.away(error) from error
        raise_problem(answer)
        return answer.json() if answer.content else None

    def send_told(self, path: str, body: Any, told: Callable[[str, int, int], None]) -> Any:
        """A long write whose progress comes as events; what it ended with. Sent once."""
        import httpx

        try:
            with self.http.stream("POST", path, json=body, headers={"Accept": "text/event-stream"}, timeout=600) as answer:
                if answer.status_code >= 400 or "event-stream" not in answer.headers.get("content-type", ""):
                    answer.read()
                    raise_problem(answer)
                    return answer.json()
                name = ""
                for line in answer.iter_lines():
                    key, _, value = line.partition(": ")
                    if key == "event":
                        name = value
                    elif key == "data" and name == "progress":
                        found = json.loads(value)
                        told(found["step"], found["done"], found["total"])
                    elif key == "data" and name == "problem":
                        problem = json.loads(value)
                        raise _ERRORS.get(problem["status"], ClientError)(problem["detail"], status=problem["status"], field=problem.get("field"))
                    elif key == "data":
                        return json.loads(value)
        except httpx.TransportError as error:
            raise self.away(error) from error
        raise ServerAway("The connection ended before the server was done; look whether the version is there before you try again.")

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        with self.http.stream("GET", path, headers={"Accept-Encoding": "identity", **headers}) as answer:
            if answer.status_code >= 400:
                answer.read()
            raise_problem(answer)
            yield answer

    def away(self, error: Exception) -> ServerAway:
        return away(self.url, error)

    def _retried(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self.http.request(method, path, **options)
            except httpx.TransportError as error:
                # A server that was never reached is most likely a wrong address: say so soon.
                if attempt == (2 if isinstance(error, httpx.ConnectError) else ATTEMPTS):
                    raise self.away(error) from error
            else:
                if answer.status_code not in RETRIED or attempt == ATTEMPTS:
                    raise_problem(answer)
                    return answer
            pause(attempt)
        raise AssertionError("unreachable")


def away(url: str, error: Exception) -> ServerAway:
    return ServerAway(f"{url} does not answer ({type(error).__name__}); check the address and try again.")


def delay(attempt: int) -> float:
    """Seconds to wait before try ``attempt + 1``: about 0.2, 0.4, 0.8 ..., at most 5."""
    return min(5.0, 0.2 * 2.0 ** (attempt - 1)) * random.uniform(0.7, 1.3)  # noqa: S311 - jitter


def pause(attempt: int) -> None:
    time.sleep(delay(attempt))


def raise_problem(answer: httpx.Response) -> None:
    """The error of a problem document; nothing for a good answer."""
    if answer.status_code < 400:
        return
    try:
        document = answer.json()
        detail, field = str(document["detail"]), document.get("field")
    except (ValueError, KeyError, TypeError, AttributeError):
        detail, field = f"The server answered {answer.status_code} {answer.reason_phrase}.", None
    kind = ServerAway if answer.status_code in RETRIED else _ERRORS.get(answer.status_code, ClientError)
    raise kind(detail, status=answer.status_code, field=field)
