"""``make demo``: a server with a sample hospital in it, imported through the public API as a user would.

Everything lives in one folder (var/demo): sample/, data/ (catalog, objects, key), server.log, login.json (0600). Run again it
goes on with what is there. ``--once`` ends after the import with exit code 0 or 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx

from deploy.demo.sample import HospitalDrop, SampleSummary, find_sample, make_sample
from deploy.demo.server import Server, ServerFailed, free_port_from

END_STATES = {"finished", "failed", "cancelled"}
IMPORT_SECONDS = 900


class DemoFailed(Exception):
    """A sentence for the person at the terminal."""


class Api:
    """The public REST API with a browser-like session: cookie, and the CSRF token on writes."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)

    def sign_in(self, name: str, password: str) -> None:
        answer = self.call("POST", "/session", {"name": name, "password": password})
        self._client.headers["X-Isocenter-CSRF"] = answer["csrf_token"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            try:
                detail = answer.json().get("detail", answer.text)
            except ValueError:
                detail = answer.text[:200]
            raise DemoFailed(f"{method} /api/v1{path} answered {answer.status_code}: {detail}")
        return answer.json() if answer.content else None


def say(text: str = "") -> None:
    print(text, flush=True)


def run(folder: Path, host: str, port: int, once: bool) -> int:
    """The exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    again = (folder / "data").exists()
    if again:
        say(f"Going on with the demo in {folder} (make demo-reset starts anew).")
    sample = _sample(folder / "sample")
    chosen = free_port_from(host, port)
    if chosen != port:
        say(f"Port {port} is taken; using {chosen or 'another'}.")
    with _serving(folder, host, chosen) as server:
        api = Api(server.url)
        name, password = _login(folder / "login.json")
        api.sign_in(name, password)
        keys = _import_all(api, sample, folder / "imports.json")
        reports = {code: _wait(api, code, key) for code, key in keys.items()}
        _tell(server.url, name, password, reports, folder)
        failed = any(report["state"] != "finished" for report in reports.values())
        if once:
            return int(failed)
        say("Serving until Ctrl-C.")
        return server.wait()


def _sample(folder: Path) -> SampleSummary:
    """The sample, made when it is not there yet; a half-made one (we were stopped) is made anew."""
    found = find_sample(folder)
    if found is None:
        say("Making the sample: two fictitious hospitals ...")
        shutil.rmtree(folder, ignore_errors=True)
        found = make_sample(folder)
    say(f"Sample: {found.files} files, {found.size_bytes / 1e6:.0f} MB, {found.patients} patients, in {folder}")
    return found


@contextmanager
def _serving(folder: Path, host: str, port: int) -> Iterator[Server]:
    say("Starting isocenter serve ...")
    server = Server(folder / "data", folder / "sample", host, port, folder / "server.log")
    try:
        server.wait_ready()
        _keep_login(folder / "login.json", server)
        yield server
    except BaseException:
        _keep_login(folder / "login.json", server)  # it is said once only, also by a server that then does not come up
        raise
    finally:
        server.stop()


def _keep_login(note: Path, server: Server) -> None:
    """Keep the administrator that the server made at its first start, in a file that only its owner can read."""
    if server.login is not None:
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:
            json.dump({"name": server.login[0], "password": server.login[1]}, out)


def _login(note: Path) -> tuple[str, str]:
    if not note.exists():
        raise DemoFailed(f"{note} is gone, and the password is shown only once: isocenter reset-password admin, or make demo-reset")
    kept = json.loads(note.read_text(encoding="utf-8"))
    return kept["name"], kept["password"]


def _import_all(api: Api, sample: SampleSummary, note: Path) -> dict[str, str]:
    """Hospital code to import key; imports that an earlier run of the demo began are not begun again."""
    keys: dict[str, str] = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    known = {hospital["code"] for hospital in _items(api.call("GET", "/hospitals"))}
    for drop in sample.hospitals:
        if drop.code not in known:
            api.call("POST", "/hospitals", {"code": drop.code, "title": drop.title})
        if drop.code not in keys:
            keys[drop.code] = api.call("POST", "/imports", _request(drop))["key"]
            note.write_text(json.dumps(keys), encoding="utf-8")
    return keys


def _request(drop: HospitalDrop) -> dict[str, Any]:
    """The import as a data manager would ask for it: the disease is decided per study from body part and report."""
    return {
        "hospital": drop.code,
        "source": {"kind": "folder", "path": str(drop.images.resolve())},
        "tables": [{"kind": table.kind, "path": str(table.path.resolve())} for table in drop.tables],
        "diseases": "auto",
    }


def _items(answer: Any) -> list[Any]:
    """The entries of a listing, plain or in a page."""
    return answer if isinstance(answer, list) else answer["items"]


def _wait(api: Api, code: str, key: str) -> dict[str, Any]:
    """The import's report once it has ended; says what it does meanwhile, a line a change."""
    deadline, told = time.monotonic() + IMPORT_SECONDS, ""
    while time.monotonic() < deadline:
        report: dict[str, Any] = api.call("GET", f"/imports/{key}")
        line = _progress(report)
        if line != told:
            say(f"  {code:<6} {line}")
            told = line
        if report["state"] in END_STATES:
            return report
        time.sleep(0.5)
    raise DemoFailed(f"The import of {code} did not end in {IMPORT_SECONDS // 60} minutes; it is at: {told}")


def _progress(report: dict[str, Any]) -> str:
    """State, and the stages under way with their counts."""
    running = [f"{stage['name']} {stage['done']}/{stage['total']}" for stage in report["stages"] if stage["state"] == "running"]
    return " · ".join([str(report["state"]), *running])


def _tell(url: str, name: str, password: str, reports: dict[str, dict[str, Any]], folder: Path) -> None:
    say()
    for code, report in reports.items():
        say(f"  {code:<6} {report['state']}{': ' + report['failure'] if report['failure'] else ''}")
        for kind, outcomes in report["counts"].items():
            say(f"         {kind}: {_listed(outcomes)}")
        for states in ("links", "labels"):
            say(f"         {states}: {_listed(report[states])}")
        waiting = report["held"] + report["counts"]["files"]["review"]
        say(f"         {report['reviews_open']} questions wait in review, {waiting} files are held until somebody looked")
    say(f"""
  Open      {url}
  Sign in   {name}
  Password  {password}

  What to try next
   1. Imports: every file and every table row with its outcome; look at what was refused, and why.
   2. Review: two patients named 王芳, a screen with a burned-in name, "cannot be excluded". Decide one.
   3. Cases: open a liver or lung case, scroll its images beside its reports and its label with the evidence.
   4. Datasets: freeze what you filtered and download it; or from a terminal:
        .venv/bin/isc login {url} --name {name}
        .venv/bin/isc find --disease lung
        .venv/bin/isc freeze lung-demo --from-last --split 70/15/15
        .venv/bin/isc pull lung-demo@1 --to var/lung-demo

  Files: {folder}/sample (what was imported), {folder}/data (catalog, objects, key), {folder}/server.log
""")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "none"


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="Serve a sample hospital.")
    parser.add_argument("--folder", type=Path, default=Path("var/demo"), help="where the demo lives (var/demo)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8600, help="8600, or the next free one above")
    parser.add_argument("--once", action="store_true", help="end after the import")
    parsed = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        return run(parsed.folder, parsed.host, parsed.port, parsed.once)
    except (DemoFailed, ServerFailed, httpx.TransportError) as error:
        say(f"demo: {error}\n      the server's log is {parsed.folder / 'server.log'}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped. make demo goes on with it.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
