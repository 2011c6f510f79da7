"""``make cluster``: the distributed mode as plain processes on one Debian machine, all on loopback, all below one folder (var/cluster).

start    MariaDB, Swift, every service, nginx, Prometheus, Alertmanager, node exporter; prints where and how to sign in
stop     ends them in the opposite order; the data stays
status   which run
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.cluster import parts
from deploy.cluster.processes import PartFailed, running, start, stop, wait
from deploy.cluster.settings import SERVICES, Cluster, environment, of_folder, upstreams, write_private

LOGIN = re.compile(r"sign in as (\S+) with the password (\S+)")


def say(text: str = "") -> None:
    print(text, flush=True)


def begin(folder: Path, first_port: int, import_root: Path) -> None:
    """Start what does not run; PartFailed when a part does not come up."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if running(folder):
        raise PartFailed("A cluster runs in this folder already; make cluster-stop ends it.")
    for name in parts.PROGRAMS:
        parts.program(name)
    import_root.mkdir(parents=True, exist_ok=True)
    cluster = of_folder(folder, first_port, import_root)
    began = time.monotonic()
    say("Starting MariaDB ...")
    parts.mariadb(cluster, folder)
    say("Starting Swift (the S3 store) ...")
    parts.swift(cluster, folder)
    say("Starting the services ...")
    services(cluster, folder)
    say("Starting nginx, Prometheus, Alertmanager and the node exporter ...")
    parts.nginx(cluster, folder)
    parts.monitoring(cluster, folder)
    tell(cluster, folder, time.monotonic() - began)


def services(cluster: Cluster, folder: Path) -> None:
    """The schema and the first administrator, then each service a process, then the gateway."""
    program, told = [sys.executable, "-m", "gateway.cli"], environment(cluster, folder)
    done = subprocess.run([*program, "migrate"], env=told, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise PartFailed(f"isocenter migrate: {done.stderr.strip()[-500:]}")
    if found := LOGIN.search(done.stdout):
        write_private(folder / "login.json", json.dumps({"name": found[1], "password": found[2]}))
    for service in SERVICES:
        start(folder, service, [*program, "serve", service, "--port", str(cluster.ports[service])], told)
    for service in SERVICES:
        wait(folder, service, lambda service=service: parts.answers(f"{cluster.url(service)}/readyz"))  # type: ignore[misc]
    start(folder, "gateway", [*program, "serve", "gateway", "--port", str(cluster.ports["gateway"])], told | upstreams(cluster))
    wait(folder, "gateway", lambda: parts.answers(f"{cluster.url('gateway')}/readyz"))


def tell(cluster: Cluster, folder: Path, seconds: float) -> None:
    login = json.loads((folder / "login.json").read_text()) if (folder / "login.json").exists() else {"name": "admin", "password": "(shown before)"}
    say(f"""
  Open      {cluster.url("nginx")}
  Sign in   {login["name"]}
  Password  {login["password"]}

  Imports   folders below {cluster.import_root}
  Watch     {cluster.url("prometheus")} (Prometheus), {cluster.url("alertmanager")} (Alertmanager)
  Logs      {folder}/log, one a part; make cluster-stop ends all {len(running(folder))} processes

Ready in {seconds:.0f} s.""")


def main() -> int:
    parser = argparse.ArgumentParser(description="The distributed mode on one machine.")
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("--folder", type=Path, default=Path("var/cluster"), help="where it lives (var/cluster)")
    parser.add_argument("--port", type=int, default=8700, help="of nginx; the other parts take the next ones; 0 = any free ones")
    parser.add_argument("--import-root", type=Path, default=None, help="folder that may be imported (var/cluster/import)")
    parsed = parser.parse_args()
    folder = parsed.folder.resolve()
    if parsed.action == "status":
        for name, pid in running(folder).items():
            say(f"{name} {pid}")
        return 0
    if parsed.action == "stop":
        killed = stop(folder)
        say("Stopped." + (f" Killed, because they did not end by themselves: {', '.join(killed)}." if killed else ""))
        return 0
    try:
        begin(folder, parsed.port, parsed.import_root or folder / "import")
    except (PartFailed, OSError, subprocess.TimeoutExpired) as error:
        say(f"cluster: {error}")
        if "already" not in str(error):
            stop(folder)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
