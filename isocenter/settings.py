"""Settings: frozen, typed, prefix ``ISOCENTER_``; read once by the process (``gateway/cli.py``), never at import."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICES = ("ingest", "catalog", "stats", "viewer")


class Settings(BaseSettings):
    """All settings of every process. One sentence each, with unit and the reason of the default."""

    model_config = SettingsConfigDict(env_prefix="ISOCENTER_", frozen=True, extra="ignore")

    data: Path = Field(Path("var/isocenter"), description="Folder of the embedded mode: catalog.db, objects/, staging/, site.key, scratch/.")
    catalog_url: str = Field("", description="SQLAlchemy URL; empty = SQLite in `data`. Distributed: mysql+asyncmy://user:password@host:port/name?charset=utf8mb4.")
    store_url: str = Field("", description="Object store: empty = folder `data`/objects; s3://bucket in the distributed mode.")
    staging_url: str = Field("", description="Store of unreleased bytes (uploads, held): empty = `data`/staging; must be another bucket than `store_url`.")
    s3_endpoint: str = Field("", description="Endpoint of the S3-compatible store, path style.")
    s3_region: str = Field("us-east-1", description="Region name sent in signatures; most self-hosted stores accept any.")
    s3_access_key: str = Field("", description="S3 access key.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key.")
    key_file: Path | None = Field(None, description="Site key file (0600); empty = `data`/site.key.")
    import_roots: str = Field("", description="Folders on the server that may be imported, separated like PATH; empty = none, uploads only.")
    executor: str = Field("processes:2", description="Where ingest work runs: inline: | processes:N | dask://host:8786. Two processes suit a small server.")
    import_workers: int = Field(2, ge=1, le=64, description="Batches that one coordinator runs at the same time.")
    export_workers: int = Field(1, ge=1, le=64, description="Processes that convert exports: one, and niced, so that people and imports come first.")
    batch_files: int = Field(64, ge=1, le=4096, description="Files a batch: 64 hides the per-task cost (measured: 4 ms a task on Dask).")
    lease_seconds: int = Field(120, ge=2, description="A batch whose lease is older is taken over by another coordinator.")
    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback requires https in front (cookies are Secure).")
    port: int = Field(8600, ge=0, le=65535, description="Port to listen on; 0 = any free port.")
    behind_https: bool = Field(False, description="Say true when a proxy in front speaks https; without it the gateway listens on loopback only.")
    trusted_proxies: str = Field("127.0.0.1,::1", description="Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed, comma separated.")
    ingest_url: str = Field("", description="Upstream of the gateway; empty = in this process.")
    catalog_service_url: str = Field("", description="Upstream of the gateway; empty = in this process.")
    stats_url: str = Field("", description="Upstream of the gateway; empty = in this process.")
    viewer_url: str = Field("", description="Upstream of the gateway; empty = in this process.")
    session_hours: int = Field(12, ge=1, le=24 * 30, description="Life of a browser session: one working day.")
    upload_limit_bytes: int = Field(64 << 30, ge=1, description="Largest upload of one import.")
    unpack_limit_bytes: int = Field(256 << 30, ge=1, description="Largest sum of unpacked bytes of one archive (zip bomb).")
    identity_days: int = Field(3650, ge=1, description="How long capsules with real names and numbers are kept (linking next month's reports needs them).")
    alert_webhook_secret: SecretStr = Field(
        SecretStr(""), description="What Alertmanager sends as bearer token, 16 characters or more; empty = only operators' accounts may post alerts."
    )
    alert_mail_server: str = Field("", description="host:port of the mail server for alerts of the product itself; empty = no mail.")
    alert_mail_security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the mail server is spoken to; none = one on this machine.")
    alert_mail_user: str = Field("", description="Name at the mail server; empty = it asks for none.")
    alert_mail_password: SecretStr = Field(SecretStr(""), description="Password at the mail server.")
    alert_mail_from: str = Field("", description="Sender of alert mails.")
    alert_mail_to: str = Field("", description="Receivers of alert mails, comma separated.")
    alert_post_url: str = Field("", description="Where alerts of the product itself are posted, in Alertmanager's webhook form; empty = nowhere.")
    alert_post_secret: SecretStr = Field(SecretStr(""), description="Sent to `alert_post_url` as bearer token; empty = none.")
    prometheus_url: str = Field("", description="Prometheus of the distributed mode, for the page Servers: all hosts and services; empty = this host only.")
    metrics_networks: str = Field("", description="Networks (CIDR, comma separated) that may read the gateway's /metrics besides this machine; empty = none.")
    small_cell_least: int = Field(0, ge=0, le=100, description="Statistics hide groups of fewer patients than this; 0 = none. Counts can identify people.")
    third_voice_url: str = Field(
        "", description="Base address of an OpenAI-compatible service of the site's own (https://host/v1) that reads scrubbed reports; empty = off."
    )
    third_voice_model: str = Field("", max_length=64, description="Model name that is sent to it.")
    third_voice_key: SecretStr = Field(SecretStr(""), description="Bearer token of that service; empty = none is sent.")
    third_voice_seconds: float = Field(20.0, gt=0, le=120, description="Seconds for one answer; a late one is no answer, the case goes on without.")
    decoders: int = Field(2, ge=1, le=64, description="Processes that decode images for the viewer: as many as processors.")
    decode_seconds: float = Field(30, gt=0, description="Longest that one image may be decoded; the process is ended and the request gets 502.")
    decode_memory_bytes: int = Field(3 << 30, ge=64 << 20, description="Most memory that one decoder may take: a frame of 1 GiB and its copy.")
    pictures_waiting: int = Field(200, ge=1, description="Pictures that may be made or wait at a time; more get 429 with Retry-After.")
    pictures_an_account: int = Field(64, ge=1, description="The same for one account: ten viewers of six requests each.")
    log_level: str = Field("INFO", description="Level of the JSON log lines.")

    @model_validator(mode="after")
    def _stores_apart(self) -> Self:
        if self.store_url and self.store_url == self.staging_url:
            raise ValueError("ISOCENTER_STAGING_URL must not be ISOCENTER_STORE_URL: unreleased bytes live apart")
        return self

    @model_validator(mode="after")
    def _webhook_secret_long(self) -> Self:
        if 0 < len(self.alert_webhook_secret.get_secret_value()) < 16:
            raise ValueError("ISOCENTER_ALERT_WEBHOOK_SECRET must have 16 characters or more")
        return self

    @model_validator(mode="after")
    def _third_voice_whole(self) -> Self:
        if self.third_voice_url:
            url = urlsplit(self.third_voice_url)
            if url.scheme not in ("http", "https") or not url.hostname or url.username or url.password or url.query or url.fragment:
                raise ValueError("ISOCENTER_THIRD_VOICE_URL must be http(s)://host[:port]/path, without a name, password, query or fragment")
            if not self.third_voice_model:
                raise ValueError("ISOCENTER_THIRD_VOICE_MODEL must be set with ISOCENTER_THIRD_VOICE_URL")
        return self

    @model_validator(mode="after")
    def _mail_whole(self) -> Self:
        given = {"alert_mail_server": self.alert_mail_server, "alert_mail_from": self.alert_mail_from, "alert_mail_to": self.alert_mail_to}
        missing = [f"ISOCENTER_{name.upper()}" for name, value in given.items() if not value]
        if 0 < len(missing) < len(given):
            raise ValueError(f"alert mail needs server, sender and receivers; missing: {', '.join(missing)}")
        if self.alert_mail_server and not self.alert_mail_server.rpartition(":")[2].isdigit():
            raise ValueError("ISOCENTER_ALERT_MAIL_SERVER is host:port")
        return self

    @field_validator("alert_post_url", "prometheus_url")
    @classmethod
    def _http(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("an address that starts with http:// or https://")
        return url

    @field_validator("metrics_networks")
    @classmethod
    def _networks(cls, text: str) -> str:
        for part in filter(None, text.split(",")):
            ipaddress.ip_network(part.strip())
        return text

    @property
    def resolved_catalog_url(self) -> str:
        return self.catalog_url or f"sqlite+aiosqlite:///{self.data.absolute() / 'catalog.db'}"

    @property
    def resolved_key_file(self) -> Path:
        return self.key_file or self.data.absolute() / "site.key"

    @property
    def resolved_store_url(self) -> str:
        return self.store_url or (self.data.absolute() / "objects").as_uri()

    @property
    def resolved_staging_url(self) -> str:
        return self.staging_url or (self.data.absolute() / "staging").as_uri()

    @property
    def scratch(self) -> Path:
        return self.data.absolute() / "scratch"

    @property
    def allowed_roots(self) -> tuple[Path, ...]:
        return tuple(Path(part).resolve() for part in self.import_roots.split(os.pathsep) if part)

    @property
    def embedded(self) -> bool:
        """True when SQLite: this process migrates the catalog at start and needs nothing beside it."""
        return self.resolved_catalog_url.startswith("sqlite")

    def upstream_url(self, service: str) -> str:
        return {"ingest": self.ingest_url, "catalog": self.catalog_service_url, "stats": self.stats_url, "viewer": self.viewer_url}[service]
