"""The parts around the services: MariaDB, Swift, nginx, Prometheus, Alertmanager, node exporter, with the files of deploy/ and addresses of this machine."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.store import S3Store

from deploy.cluster.processes import PartFailed, start, wait
from deploy.cluster.settings import BUCKET, STAGING, Cluster, write_private

DEPLOY = Path(__file__).resolve().parents[1]
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's Swift is installed for it
PROGRAMS = (
    "mariadbd", "mariadb-install-db", "mariadb", "swift-proxy-server", "swift-account-server", "swift-container-server", "swift-object-server", "memcached",
    "nginx", "prometheus", "prometheus-alertmanager", "prometheus-node-exporter",
)  # fmt: skip


def program(name: str) -> str:
    """Its full path; Debian keeps servers in sbin."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise PartFailed(f"{name} is missing; deploy/setup/system.sh cluster installs it on Debian")
    return found


def answers(url: str) -> bool:
    """True when something there says 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def mariadb_socket(folder: Path) -> Path:
    """A socket's path may have 107 bytes at most."""
    here = folder / "mariadb" / "db.sock"
    return here if len(os.fsencode(here)) < 100 else Path(tempfile.gettempdir()) / f"isocenter-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}.sock"


def mariadb(cluster: Cluster, folder: Path) -> None:
    """Its data folder when there is none, the server, the database and its user."""
    home, user, socket = folder / "mariadb", getpass.getuser(), mariadb_socket(folder)
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    if not (home / "data" / "mysql").exists():
        done = subprocess.run(  # noqa: S603 - our own arguments
            [program("mariadb-install-db"), "--no-defaults", f"--user={user}", f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal",
             "--skip-test-db", "--innodb-log-file-size=64M"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        if done.returncode:
            raise PartFailed(f"MariaDB's data folder could not be made: {done.stderr.strip()[-300:]}")
    start(folder, "mariadb", [
        program("mariadbd"), "--no-defaults", f"--user={user}", f"--datadir={home / 'data'}", f"--tmpdir={home / 'tmp'}", f"--socket={socket}",
        f"--pid-file={home / 'db.pid'}", "--bind-address=127.0.0.1", f"--port={cluster.ports['mariadb']}", "--skip-name-resolve",
        "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_520_ci", "--max-allowed-packet=64M", "--max-connections=200",
        "--innodb-buffer-pool-size=256M", "--innodb-log-file-size=64M",
        "--sql-mode=STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY",
    ])  # fmt: skip

    def ask(sql: str) -> bool:
        command = [program("mariadb"), "--no-defaults", "-uroot", f"--socket={socket}"]
        done = subprocess.run(command, input=sql, text=True, capture_output=True, timeout=30, check=False)  # noqa: S603 - our own arguments
        return done.returncode == 0

    wait(folder, "mariadb", lambda: ask("select 1"))
    sql = "create database if not exists isocenter;" + "".join(
        f"create user if not exists isocenter@'{host}' identified by '{cluster.database_password}'; grant all on isocenter.* to isocenter@'{host}';"
        for host in ("localhost", "127.0.0.1")
    )
    if not ask(sql):
        raise PartFailed(f"MariaDB did not take the database and its user; see {folder}/log/mariadb.log")


def swift(cluster: Cluster, folder: Path) -> None:
    """Swift with its S3 interface, one copy, and the two buckets."""
    home, script = folder / "swift", str(Path(__file__).with_name("swift_server.py"))
    kinds = ("account", "container", "object", "proxy")
    if not (home / "etc").exists():
        home.mkdir(parents=True)
        named = [f"{kind}={cluster.ports[f'swift_{kind}']}" for kind in kinds]
        done = subprocess.run(  # noqa: S603 - our own arguments
            [SYSTEM_PYTHON, "-I", script, "prepare", str(home), *named, f"memcached={cluster.ports['memcached']}", f"secret={cluster.store_secret}"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(home)
            raise PartFailed(f"Swift could not be set up: {done.stderr.strip()[-300:]}")
    memcached = [program("memcached"), "-l", "127.0.0.1", "-p", str(cluster.ports["memcached"]), "-m", "64"]
    start(folder, "memcached", memcached + (["-u", "root"] if os.geteuid() == 0 else []))
    for kind in kinds:
        start(folder, f"swift-{kind}", [SYSTEM_PYTHON, "-I", script, "run", str(home), kind])
    wait(folder, "swift-proxy", lambda: all(_bucket(cluster, bucket) for bucket in (BUCKET, STAGING)), 90)


def _bucket(cluster: Cluster, bucket: str) -> bool:
    """Make it; true when it is there. A URL signed for the empty key is the bucket's own: obstore has no call for it."""
    store = S3Store(
        bucket, endpoint=cluster.url("swift_proxy"), access_key_id="app:app", secret_access_key=cluster.store_secret, region="us-east-1",
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip
    url = obstore.sign(store, "PUT", "", timedelta(seconds=60))  # type: ignore[call-overload]
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10):  # noqa: S310 - our own loopback address
            return True
    except urllib.error.HTTPError as error:
        return error.code == 409  # ours already
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def nginx(cluster: Cluster, folder: Path) -> None:
    """deploy/nginx.conf without https, on loopback."""
    home = folder / "nginx"
    (home / "logs").mkdir(parents=True, exist_ok=True)
    lines = [line for line in (DEPLOY / "nginx.conf").read_text(encoding="utf-8").splitlines() if not line.endswith("# tls")]
    text = "\n".join(lines).replace("listen 8443 ssl;", f"listen 127.0.0.1:{cluster.ports['nginx']};")
    text = text.replace("X-Forwarded-Proto https", "X-Forwarded-Proto http")
    for service in ("gateway", "viewer"):
        text = text.replace(f"server {service}:8600;", f"server 127.0.0.1:{cluster.ports[service]};")
    (home / "nginx.conf").write_text(text + "\n", encoding="utf-8")
    start(folder, "nginx", [program("nginx"), "-p", f"{home}/", "-c", str(home / "nginx.conf"), "-g", "daemon off;"])
    wait(folder, "nginx", lambda: answers(f"{cluster.url('nginx')}/healthz"))


def monitoring(cluster: Cluster, folder: Path) -> None:
    """The shipped rules and routes, with this machine's addresses."""
    home = folder / "monitoring"
    home.mkdir(exist_ok=True)
    shutil.rmtree(home / "rules", ignore_errors=True)
    shutil.copytree(DEPLOY / "prometheus" / "rules", home / "rules")
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    places = {f"{service}:8600": service for service in ("gateway", "ingest", "catalog", "stats", "viewer")}
    places |= {"node-exporter:9100": "node_exporter", "alertmanager:9093": "alertmanager", "localhost:9090": "prometheus"}
    for name, part in places.items():
        text = text.replace(f'"{name}"', f'"127.0.0.1:{cluster.ports[part]}"')
    (home / "prometheus.yml").write_text(text, encoding="utf-8")
    write_private(home / "webhook_secret", cluster.webhook_secret)
    text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    text = text.replace("http://stats:8600", cluster.url("stats")).replace("/run/secrets/alert_webhook_secret", str(home / "webhook_secret"))
    (home / "alertmanager.yml").write_text(text, encoding="utf-8")
    start(folder, "node-exporter", [program("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{cluster.ports['node_exporter']}"])
    start(folder, "alertmanager", [
        program("prometheus-alertmanager"), f"--config.file={home}/alertmanager.yml", f"--storage.path={home}/alerts",
        f"--web.listen-address=127.0.0.1:{cluster.ports['alertmanager']}", "--cluster.listen-address=",
    ])  # fmt: skip
    start(folder, "prometheus", [
        program("prometheus"), f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/series", "--storage.tsdb.retention.time=7d",
        f"--web.listen-address=127.0.0.1:{cluster.ports['prometheus']}",
    ])  # fmt: skip
    for name, address in (("node-exporter", "/metrics"), ("alertmanager", "/-/ready"), ("prometheus", "/-/ready")):
        url = cluster.url(name.replace("-", "_")) + address
        wait(folder, name, lambda url=url: answers(url))  # type: ignore[misc]
