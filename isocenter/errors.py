"""Every error of the product, and the one table that maps a class to an HTTP status (RFC 9457 problem+json).

Messages are sentences for the person who asked: what was wrong, with the offending name, and what to do next.
They never hold patient data.
"""

from __future__ import annotations

from http import HTTPStatus


class IsocenterError(Exception):
    """Base of all: ``field`` names the offending input where there is one; ``extra`` joins the problem document."""

    def __init__(self, detail: str, *, field: str | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.extra = extra


class InvalidInput(IsocenterError):
    """The request or file does not say something that can be done."""


class BadRequest(InvalidInput):
    """As InvalidInput, where a standard asks for 400 (DICOMweb, IIIF)."""


class NotAcceptable(IsocenterError):
    """Nothing that the client takes can be given; ``detail`` names what can be had."""


class RangeNotSatisfiable(IsocenterError):
    """The range of bytes asked for lies outside the body."""


class NotAuthenticated(IsocenterError):
    """Nobody is signed in."""


class NotAllowed(IsocenterError):
    """Somebody is signed in who may not do this."""


class NotFound(IsocenterError):
    """Nothing by that name that this account may see (also for what others may see: 404, not 403)."""


class Gone(IsocenterError):
    """It was there and is not served any more (a withdrawn dataset version)."""


class Conflict(IsocenterError):
    """The thing is in a state that does not allow this."""


class StaleRevision(IsocenterError):
    """The ETag given is not the current revision."""


class TooLarge(IsocenterError):
    """A body or file over the stated limit."""


class TooManyRequests(IsocenterError):
    """Throttled; ``extra['retry_after']`` seconds."""


class StorageFull(IsocenterError):
    """The object store or scratch disk has no space left."""


class Unavailable(IsocenterError):
    """A part we need (catalog, object store, another service) does not answer; trying again later may do."""


class DecoderFailed(IsocenterError):
    """A decoder crashed, took too long or too much memory; only the picture that was asked for is lost."""


class WrongKey(IsocenterError):
    """The site key file is missing or is not the one the catalog was made with."""


STATUS: dict[type[IsocenterError], HTTPStatus] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    BadRequest: HTTPStatus.BAD_REQUEST,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    RangeNotSatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Gone: HTTPStatus.GONE,
    Conflict: HTTPStatus.CONFLICT,
    StaleRevision: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DecoderFailed: HTTPStatus.BAD_GATEWAY,
    WrongKey: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: IsocenterError) -> HTTPStatus:
    """The status of the nearest class in ``STATUS``; 500 for a bare IsocenterError."""
    for cls in type(error).__mro__:
        if cls in STATUS:
            return STATUS[cls]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(error: IsocenterError) -> dict[str, object]:
    """The RFC 9457 document of an error; ``type`` is a relative name, stable for programs."""
    status = status_of(error)
    kind = "".join("-" + c.lower() if c.isupper() else c for c in type(error).__name__).lstrip("-")
    document: dict[str, object] = {"type": f"/problems/{kind}", "title": status.phrase, "status": int(status), "detail": error.detail}
    if error.field is not None:
        document["field"] = error.field
    return document | error.extra
