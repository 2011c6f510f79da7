"""OHIF's built pages and our gateway under one origin: test only, since OHIF wants the root of its origin and cannot send a token of ours."""

from __future__ import annotations

import contextlib
import json
import mimetypes
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

VERSION = "3.13.2"
KEPT = Path(__file__).parents[2] / "var" / "clients" / f"ohif-{VERSION}"  # outside git: 200 MB
PASSED = ("accept", "content-type", "cookie")


def ohif_pages() -> Path | None:
    """The built pages of @ohif/app, fetched from npm at the first run; None where npm cannot."""
    dist = KEPT / "dist"
    if not dist.exists() and (npm := shutil.which("npm")):
        KEPT.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([npm, "pack", f"@ohif/app@{VERSION}", "--silent"], cwd=KEPT, capture_output=True, timeout=300, check=False)
        for archive in KEPT.glob("*.tgz") if done.returncode == 0 else ():
            with tarfile.open(archive) as packed:
                packed.extractall(KEPT / "unpacked", filter="data")
            (KEPT / "unpacked" / "package" / "dist").rename(dist)
            archive.unlink()
    return dist if (dist / "index.html").exists() else None


def config(origin: str) -> str:
    """app-config.js with our DICOMweb as the only source."""
    root = f"{origin}/dicom-web"
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "isocenter",
        "configuration": {
            "friendlyName": "Isocenter", "name": "isocenter", "wadoUriRoot": root, "qidoRoot": root, "wadoRoot": root, "imageRendering": "wadors",
            "thumbnailRendering": "wadors", "qidoSupportsIncludeField": False, "supportsFuzzyMatching": False, "supportsWildcard": True,
            "enableStudyLazyLoad": True, "bulkDataURI": {"enabled": False}, "omitQuotationForMultipartRequest": True,
        },
    }  # fmt: skip
    told = {
        "routerBasename": "/", "extensions": [], "modes": [], "showStudyList": True, "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "isocenter", "dataSources": [source],
    }  # fmt: skip
    return f"window.config = {json.dumps(told)};"


@contextlib.contextmanager
def served(pages: Path, gateway: str, token: str) -> Iterator[str]:
    """The origin that answers /dicom-web by the gateway and everything else from ``pages``."""
    with httpx.Client(base_url=gateway, headers={"Authorization": f"Bearer {token}"}, timeout=60) as upstream:

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path.startswith("/dicom-web"):
                    given = {name: value for name, value in self.headers.items() if name.lower() in PASSED}
                    answer = upstream.get(self.path, headers={**given, "Accept-Encoding": "identity"})
                    self._send(answer.status_code, answer.headers.get("content-type", ""), answer.content)
                    return
                name = self.path.partition("?")[0].lstrip("/")
                if name == "app-config.js":
                    self._send(200, "text/javascript", config(f"http://{self.headers['Host']}").encode())
                    return
                path = (pages / name).resolve()
                if not (path.is_file() and path.is_relative_to(pages.resolve())):
                    path = pages / "index.html"
                self._send(200, mimetypes.guess_type(path.name)[0] or "application/octet-stream", path.read_bytes())

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: what went wrong the test reads from the browser."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)
