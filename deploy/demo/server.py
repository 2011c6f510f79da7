"""The demo's own ``isocenter serve`` process: started, watched for what it says, ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

LOGIN = re.compile(r"sign in as (\S+) with the password (\S+)")
LISTENS = re.compile(r"listens on (http\S+)")
START_SECONDS = 90


class ServerFailed(Exception):
    """The server ended, or did not come up in time; the message says where its log is."""


class Server:
    """A running server. ``url`` is where it answers; ``login`` (name, password) only at its first start with this data."""

    def __init__(self, data: Path, import_root: Path, host: str, port: int, log: Path) -> None:
        self.log = log
        self.url = ""
        self.login: tuple[str, str] | None = None
        self._spoken = threading.Event()
        program = Path(sys.executable).with_name("isocenter")
        arguments = ["serve", "--data", str(data), "--host", host, "--port", str(port), "--import-root", str(import_root)]
        # a session of its own: Ctrl-C reaches us, and we end it in order
        self._process = subprocess.Popen(  # noqa: S603 - our own program and arguments
            [str(program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, said: IO[str]) -> None:
        """Copy what the server says into the log, but for the password."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "w", encoding="utf-8", buffering=1) as log:
            for line in said:
                if found := LOGIN.search(line):
                    self.login = (found[1], found[2])
                    line = line.replace(found[2], "(in login.json)")
                if found := LISTENS.search(line):
                    self.url = found[1]
                    self._spoken.set()
                log.write(line)
        self._spoken.set()

    def wait_ready(self) -> None:
        """Return when it has said where it listens."""
        if not self._spoken.wait(START_SECONDS) or not self.url:
            self.stop()
            raise ServerFailed(f"The server did not start{self._last_words()}")

    def _last_words(self) -> str:
        """What the server said to a person at the end, not its JSON log lines."""
        plain = [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("{")]
        return f": {plain[-1]}" if plain else "."

    def wait(self) -> int:
        """Until it ends by itself: its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(5)


def free_port_from(host: str, port: int) -> int:
    """``port``, or the next one above it that nobody listens on; 0 stays 0 (any)."""
    for candidate in range(port, port + 20) if port else ():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return 0
