"""JSON log lines with a request id that crosses all services. Ids, never contents."""

from __future__ import annotations

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("isocenter_request_id", default="")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, request id, message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        if record.exc_info and record.exc_info[0] is not None:
            # The class and the place only: an exception's text may hold a value of a patient.
            line["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            places = []
            while trace is not None:
                places.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 2)[-1]}:{trace.tb_lineno}")
                trace = trace.tb_next
            line["trace"] = places[-12:]
        return json.dumps(line, ensure_ascii=False)


def configure(level: str) -> None:
    """Send all loggers to stderr as JSON lines. Called once by the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    # These libraries put header values into their messages.
    for noisy in ("pydicom", "nibabel", "PIL", "tifffile", "httpx", "httpcore", "asyncmy"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
