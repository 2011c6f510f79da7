"""Run as a program: ``service PORT`` answers streams, ``relay PORT URL`` is an HttpUpstream in a process of its own (its memory is measured)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from gateway.relay import HttpUpstream

CHUNK = bytes(range(256)) * 256  # 64 KiB
cancelled = 0


async def service(scope: Scope, receive: Receive, send: Send) -> None:
    """/down/N: N chunks; /up: length and hash of the body; /events: one event at once, the next never; /early: 413 unread; /gone: how many were dropped."""
    global cancelled
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path.startswith("/down/"):
        count = int(path.split("/")[2])
        headers = [(b"content-length", str(count * len(CHUNK)).encode()), (b"x-double", b"1"), (b"x-double", b"2"), (b"connection", b"x-hop"), (b"x-hop", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for n in range(count):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": n + 1 < count})
        return
    if path == "/up":
        length, digest, more = 0, hashlib.sha256(), True
        while more:
            message = await receive()
            length += len(message.get("body", b""))
            digest.update(message.get("body", b""))
            more = message.get("more_body", False)
        await _json(send, {"length": length, "sha256": digest.hexdigest()})
    elif path == "/events":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"event: progress\ndata: 1\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        cancelled += 1
    elif path == "/gone":
        await _json(send, {"gone": cancelled})
    elif path == "/early":
        await _json(send, {"early": True}, 413)
    elif path == "/broken":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await asyncio.sleep(0)
        raise RuntimeError("broken on purpose")
    else:
        raw = (scope.get("raw_path") or b"").decode("latin-1")
        headers = [[n.decode("latin-1"), v.decode("latin-1")] for n, v in scope["headers"]]
        await _json(send, {"raw_path": raw, "query": scope["query_string"].decode("latin-1"), "method": scope["method"], "headers": headers})


async def _json(send: Send, value: object, status: int = 200) -> None:
    body = json.dumps(value).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    app = service if sys.argv[1] == "service" else HttpUpstream(sys.argv[3], "catalog")
    lifespan = "off" if sys.argv[1] == "service" else "on"
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="critical", lifespan=lifespan, access_log=False)  # type: ignore[arg-type]
