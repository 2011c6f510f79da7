"""One OpenAPI document of the whole product, merged from those of the services, whichever mode they run in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
import orjson
from starlette.types import ASGIApp, Message

Document = dict[str, Any]
PROBLEM: Document = {  # RFC 9457; isocenter/errors.py names the types
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
        "field": {"type": "string", "description": "The offending input, where there is one."},
    },
}  # fmt: skip
PROBLEM_ANSWER: Document = {"description": "What was wrong.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
ANSWER_SECONDS = 10


async def fetch(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """(status, whole body) of a small GET to an ASGI app; for documents and health, never for images."""
    status, body = 500, bytearray()

    async def receive() -> Message:
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body.extend(message.get("body", b""))

    asked: list[bool] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 0), "server": ("localhost", 0), "state": {},
    }  # fmt: skip
    with anyio.move_on_after(ANSWER_SECONDS) as limit:
        await app(scope, receive, send)
    return (503, b"") if limit.cancelled_caught else (status, bytes(body))


def merge(documents: Mapping[str, Document]) -> Document:
    """Paths and schemas of all; a schema whose name another service uses for something else gets its service's name in front."""
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Isocenter", "version": "1", "description": "Errors are RFC 9457 problem+json; lists are pages {items, next}."},
        "paths": {},
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "isocenter_session"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }
    schemas: Document = merged["components"]["schemas"]
    for service, document in documents.items():
        own: Document = document.get("components", {}).get("schemas", {})
        renamed = {name: f"{service.capitalize()}{name}" for name, body in own.items() if name in schemas and schemas[name] != body}
        text = json.dumps(document)
        for old, new in renamed.items():
            text = text.replace(f'"#/components/schemas/{old}"', f'"#/components/schemas/{new}"')
        document = json.loads(text)
        for name, body in document.get("components", {}).get("schemas", {}).items():
            schemas[renamed.get(name, name)] = body
        for path, operations in document.get("paths", {}).items():
            tagged = {method: _told(operation, service) if isinstance(operation, dict) else operation for method, operation in operations.items()}
            merged["paths"].setdefault(path, {}).update(tagged)
    return merged


def _told(operation: Document, service: str) -> Document:
    """The operation with its service as tag, and with what every error of the product looks like in place of FastAPI's own."""
    answers = {status: answer for status, answer in operation.get("responses", {}).items() if not status.startswith(("4", "5")) or status == "416"}
    return operation | {"tags": [service], "responses": answers | {"default": PROBLEM_ANSWER}}


class MergedDocument:
    """The merged document as bytes, made at the first request and kept once every service has answered."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self.apps = apps
        self._kept: bytes | None = None

    async def body(self) -> bytes:
        if self._kept is not None:
            return self._kept
        documents: dict[str, Document] = {}
        for name, app in self.apps.items():
            status, body = await fetch(app, "/openapi.json")
            if status == 200:
                documents[name] = orjson.loads(body)
        merged = orjson.dumps(merge(documents))
        if len(documents) == len(self.apps):
            self._kept = merged
        return merged
