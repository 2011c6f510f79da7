"""A log line is one JSON object with the request's id; what an exception says stays out of it."""

from __future__ import annotations

import json
import logging
import sys

from isocenter.logs import JsonLines, request_id


def _line(message: str, error: BaseException | None = None) -> dict[str, object]:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("isocenter.x", logging.WARNING, __file__, 1, message, None, info)
    text = JsonLines().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_line_when_within_a_request_then_has_its_id() -> None:
    token = request_id.set("abc123")
    try:
        line = _line("import failed import=7")
    finally:
        request_id.reset(token)
    assert (line["level"], line["logger"], line["message"], line["request_id"]) == ("warning", "isocenter.x", "import failed import=7", "abc123")
    assert "request_id" not in _line("x")


def test_line_when_an_error_is_logged_then_class_and_place_but_not_its_text() -> None:
    try:
        raise ValueError("王芳 13800001111")
    except ValueError:
        line = _line("failed\nin two lines", sys.exc_info()[1])
    assert line["error"] == "ValueError"
    assert str(line["trace"]).count("test_logs.py:") == 1
    assert "王芳" not in json.dumps(line, ensure_ascii=False)
