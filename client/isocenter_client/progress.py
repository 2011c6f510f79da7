"""One line of progress on stderr; silent when stderr is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

from isocenter_client.pull import Progress

WIDTH = 28


class Bar:
    """``[#######-----]  62 %  1.2 GB of 1.9 GB  41 MB/s``, at most ten times a second; its line ends when the block ends."""

    def __init__(self, out: TextIO | None = None, quiet: bool = False) -> None:
        self.out = out or sys.stderr
        self.shown = not quiet and self.out.isatty()
        self.started = time.monotonic()
        self.last = 0.0
        self.drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.drawn:
            self.out.write("\n")

    def pull(self, progress: Progress) -> None:
        """For :func:`isocenter_client.pull.pull`."""
        rate = progress.fetched_bytes / max(time.monotonic() - self.started, 0.001)
        sizes = f"{size_text(progress.done_bytes)} of {size_text(progress.size_bytes)}"
        self._draw(progress.done_bytes, progress.size_bytes, f"{sizes}  {progress.files_done}/{progress.files} files  {size_text(rate)}/s")

    def step(self, name: str, done: int, total: int) -> None:
        """For imports: the stage and how far it is."""
        shown = f"{size_text(done)} of {size_text(total)}" if name == "upload" else f"{done}/{total}"
        self._draw(done, total, f"{name}  {shown}")

    def _draw(self, done: int, total: int, text: str) -> None:
        moment = time.monotonic()
        if not self.shown or (moment - self.last < 0.1 and done < total):
            return
        self.last, self.drawn = moment, True
        share = done / total if total else 1.0
        filled = round(WIDTH * min(1.0, share))
        self.out.write(f"\r[{'#' * filled}{'-' * (WIDTH - filled)}] {share:4.0%}  {text}\x1b[K")
        self.out.flush()


def size_text(size_bytes: float) -> str:
    """``1.2 GB``: decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" or size_bytes >= 100 else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"
