"""Objects in a local folder or an S3-compatible store, through obstore (facts/infrastructure.md section 3).

Keys are content addressed, so writing one twice is harmless; no conditional PUT (Swift answers 501). ``StoreConfig``
pickles, so that workers open their own connection.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.store import LocalStore, S3Store

from isocenter.errors import InvalidInput, NotFound, StorageFull, Unavailable
from isocenter.settings import Settings

MULTIPART_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, repr=False)
class StoreConfig:
    """Where objects live: ``file:///folder`` or ``s3://bucket``."""

    url: str
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""


def data_config(settings: Settings) -> StoreConfig:
    """The store of released objects."""
    return _config(settings, settings.resolved_store_url)


def staging_config(settings: Settings) -> StoreConfig:
    """The store of unreleased bytes; only ingest, and reviewers through the viewer, read it."""
    return _config(settings, settings.resolved_staging_url)


def _config(settings: Settings, url: str) -> StoreConfig:
    return StoreConfig(url, settings.s3_endpoint, settings.s3_region, settings.s3_access_key, settings.s3_secret_key.get_secret_value())


class ObjectStore:
    """Put, get, range, delete, list. Errors are ours: NotFound, StorageFull, Unavailable."""

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        parts = urlsplit(config.url)
        self.root: Path | None = None
        if parts.scheme == "file":
            self.root = Path(url2pathname(parts.path))
            self.root.mkdir(parents=True, exist_ok=True)
            self._store: LocalStore | S3Store = LocalStore(self.root)
        elif parts.scheme == "s3":
            self._store = S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                config={
                    "endpoint": config.endpoint,
                    "region": config.region,
                    "access_key_id": config.access_key,
                    "secret_access_key": config.secret_key,
                    "virtual_hosted_style_request": False,
                },
                client_options={"allow_http": True, "timeout": "60s"},
            )
        else:
            raise InvalidInput(f"An object store URL starts with file:// or s3://, not {parts.scheme}://", field="store_url")

    def path(self, key: str) -> Path | None:
        """The file of a key in a local store (for pread), None on S3."""
        return None if self.root is None else self.root / key

    def put_bytes(self, key: str, data: bytes) -> None:
        try:
            obstore.put(self._store, key, data)
        except Exception as error:
            raise _translated(error) from error

    def put_file(self, key: str, path: Path) -> None:
        """Multipart from 64 MiB, so memory stays bounded whatever the size."""
        try:
            with path.open("rb") as file:
                obstore.put(self._store, key, file, use_multipart=path.stat().st_size >= MULTIPART_BYTES, chunk_size=16 << 20)
        except Exception as error:
            raise _translated(error) from error

    def get_bytes(self, key: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except Exception as error:
            raise _translated(error) from error

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        try:
            return bytes(obstore.get_range(self._store, key, start=offset, length=length))
        except Exception as error:
            raise _translated(error) from error

    async def get_bytes_async(self, key: str) -> bytes:
        try:
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())
        except Exception as error:
            raise _translated(error) from error

    async def get_range_async(self, key: str, offset: int, length: int) -> bytes:
        try:
            return bytes(await obstore.get_range_async(self._store, key, start=offset, length=length))
        except Exception as error:
            raise _translated(error) from error

    async def stream(self, key: str, offset: int, length: int) -> AsyncIterator[bytes]:
        """``length`` bytes from ``offset`` in chunks of 1 MiB; memory stays at one chunk."""
        position, end = offset, offset + length
        while position < end:
            take = min(CHUNK_BYTES, end - position)
            yield await self.get_range_async(key, position, take)
            position += take

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file, chunk by chunk."""
        try:
            with path.open("wb") as file:
                for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK_BYTES):
                    file.write(chunk)
        except Exception as error:
            raise _translated(error) from error

    def size(self, key: str) -> int:
        try:
            return int(obstore.head(self._store, key)["size"])
        except Exception as error:
            raise _translated(error) from error

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Gone afterwards; no error when it was not there."""
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return
        except Exception as error:
            raise _translated(error) from error

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """(key, size in bytes) of every object under a prefix."""
        try:
            for page in obstore.list(self._store, prefix or None, chunk_size=1000):
                for meta in page:
                    yield str(meta["path"]), int(meta["size"])
        except Exception as error:
            raise _translated(error) from error

    def ping(self) -> None:
        """Unavailable when the store does not answer."""
        try:
            for _ in obstore.list(self._store, "ping-nothing", chunk_size=1):
                break
        except Exception as error:
            raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    text = str(error).lower()
    if isinstance(error, FileNotFoundError):
        return NotFound("The object is not in the store.")
    if "no space left" in text or "507" in text or "quota" in text:
        return StorageFull("The object store is full; free space, then resume. Nothing that was accepted before is lost.")
    return Unavailable(f"The object store does not answer ({type(error).__name__}); try again in a moment.", retry_after=5)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in 1 MiB pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def free_bytes(path: Path) -> int:
    """Free bytes of the file system a path is on."""
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize
