"""Addresses and secrets of a cluster on one machine: made once, kept in cluster.json (0600) and read again."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

SERVICES = ("ingest", "catalog", "stats", "viewer")
PARTS = (
    "nginx", "gateway", *SERVICES, "mariadb", "swift_proxy", "swift_account", "swift_container", "swift_object", "memcached", "prometheus", "alertmanager",
    "node_exporter",
)  # fmt: skip
BUCKET, STAGING = "isocenter", "isocenter-staging"


@dataclass(frozen=True)
class Cluster:
    """``ports``: part -> port on 127.0.0.1; nginx has the first one."""

    ports: dict[str, int]
    database_password: str
    store_secret: str
    webhook_secret: str
    import_root: str

    def url(self, part: str) -> str:
        return f"http://127.0.0.1:{self.ports[part]}"

    @property
    def catalog_url(self) -> str:
        return f"mysql+asyncmy://isocenter:{self.database_password}@127.0.0.1:{self.ports['mariadb']}/isocenter?charset=utf8mb4"


def of_folder(folder: Path, first_port: int, import_root: Path) -> Cluster:
    """What was noted, or a new one; ``first_port`` 0 = any free ports."""
    note = folder / "cluster.json"
    if note.exists():
        return Cluster(**json.loads(note.read_text(encoding="utf-8")))
    made = Cluster(_ports(first_port), secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16), str(import_root.resolve()))
    write_private(note, json.dumps(asdict(made), indent=1))
    return made


def write_private(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


def _ports(first: int) -> dict[str, int]:
    if first:
        return {part: first + number for number, part in enumerate(PARTS)}
    probes = [socket.socket() for _ in PARTS]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {part: int(probe.getsockname()[1]) for part, probe in zip(PARTS, probes, strict=True)}
    finally:
        for probe in probes:
            probe.close()


def environment(cluster: Cluster, folder: Path) -> dict[str, str]:
    """What the services are told, as in deploy/compose.yml; nothing of the caller's own settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ISOCENTER_")}
    return inherited | {
        "ISOCENTER_DATA": str(folder / "data"),
        "ISOCENTER_CATALOG_URL": cluster.catalog_url,
        "ISOCENTER_STORE_URL": f"s3://{BUCKET}",
        "ISOCENTER_STAGING_URL": f"s3://{STAGING}",
        "ISOCENTER_S3_ENDPOINT": cluster.url("swift_proxy"),
        "ISOCENTER_S3_ACCESS_KEY": "app:app",
        "ISOCENTER_S3_SECRET_KEY": cluster.store_secret,
        "ISOCENTER_IMPORT_ROOTS": cluster.import_root,
        "ISOCENTER_ALERT_WEBHOOK_SECRET": cluster.webhook_secret,
        "ISOCENTER_PROMETHEUS_URL": cluster.url("prometheus"),
    }


def upstreams(cluster: Cluster) -> dict[str, str]:
    """What the gateway is told beside."""
    names = {"ingest": "INGEST_URL", "catalog": "CATALOG_SERVICE_URL", "stats": "STATS_URL", "viewer": "VIEWER_URL"}
    return {f"ISOCENTER_{name}": cluster.url(service) for service, name in names.items()}
