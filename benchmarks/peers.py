"""The servers that a benchmark measures, each on loopback in a folder of its own: Isocenter embedded, and Orthanc with its DICOMweb plugin."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


@dataclass
class Served:
    """A running server: its address, its processes, and the headers that a client sends."""

    name: str
    url: str
    pids: list[int]
    headers: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, seconds: float = 60) -> None:
    """Until something answers there; SystemExit when nothing does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit(f"nothing answers at {url}")


@contextmanager
def isocenter(folder: Path, import_root: Path, **environment: str) -> Iterator[Served]:
    """``isocenter serve`` over ``folder/data`` with a bearer token of its administrator; the token is kept in ``folder/token`` for the next run."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(folder / "data"), "--port", "0", "--import-root", str(import_root)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment})
        try:
            assert process.stdout is not None
            url, password = "", ""
            for line in process.stdout:
                password = match[1] if (match := re.search(r"as admin with the password (\S+)", line)) else password
                if match := re.search(r"listens on (http\S+)", line):
                    url = match[1]
                    break
            if not url:
                raise SystemExit(f"isocenter did not start, see {folder / 'server.log'}")
            kept = folder / "token"
            if password:
                kept.write_text(_new_token(url, password))
                kept.chmod(0o600)
            yield Served("isocenter", url, [process.pid], {"Authorization": f"Bearer {kept.read_text()}"})
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _new_token(url: str, password: str) -> str:
    with httpx.Client(base_url=url, timeout=30) as http:
        csrf = http.post("/api/v1/session", json={"name": "admin", "password": password}).raise_for_status().json()["csrf_token"]
        answer = http.post("/api/v1/tokens", json={"name": "benchmark"}, headers={"X-Isocenter-CSRF": csrf})
        return str(answer.raise_for_status().json()["token"])


def import_folder(served: Served, hospital: str, folder: Path) -> Any:
    """Import a folder of images and wait for the end; the import as the API shows it."""
    order = {"hospital": hospital, "source": {"kind": "folder", "path": str(folder)}, "tables": [], "diseases": "auto"}
    with httpx.Client(base_url=served.url, timeout=60, headers=served.headers) as http:
        key = http.post("/api/v1/imports", json=order).raise_for_status().json()["key"]
        while True:
            view = http.get(f"/api/v1/imports/{key}").raise_for_status().json()
            if view["state"] != "running":
                return view
            time.sleep(0.5)


@contextmanager
def orthanc(folder: Path, **dicomweb: Any) -> Iterator[Served]:
    """Debian's Orthanc with the DICOMweb plugin, SQLite, no authentication, bound to loopback where a shim can be built; database in ``folder``.

    ``dicomweb``: more members of the plugin's configuration, such as Servers.
    """
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or not plugin.exists():
        raise SystemExit("apt install orthanc orthanc-dicomweb")
    folder.mkdir(parents=True, exist_ok=True)
    port, dicom = free_port(), free_port()
    configuration = {
        "Name": "bench", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"), "Plugins": [str(plugin)], "HttpPort": port,
        "DicomPort": dicom, "DicomServerEnabled": False, "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DefaultEncoding": "Utf8",
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": True, **dicomweb},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    shim = _loopback_shim(folder)
    environment = {**os.environ, **({"LD_PRELOAD": str(shim)} if shim else {})}
    with (folder / "orthanc.log").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/system")
        yield Served("orthanc", f"http://127.0.0.1:{port}", [process.pid], {})
    finally:
        process.terminate()
        process.wait(60)


_SHIM = """
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
int bind(int fd, const struct sockaddr *address, socklen_t length) {
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    if (address->sa_family == AF_INET) {
        struct sockaddr_in here = *(const struct sockaddr_in *)address;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return next(fd, (struct sockaddr *)&here, sizeof here);
    }
    return next(fd, address, length);
}
"""


def _loopback_shim(folder: Path) -> Path | None:
    """Orthanc 1.10 listens on every address (it only refuses strangers): a preloaded bind() keeps it on loopback. None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, shim = folder / "bind.c", folder / "bind.so"
    source.write_text(_SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
    return shim
