"""The first start and every other: folder, key file, schema, key check, diseases, one administrator.

A key is made only together with a new catalog; a catalog without its key refuses (it would be read as another site's).
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import select

from gateway.passwords import Passwords, new_password
from isocenter.audit import record
from isocenter.auth import Role
from isocenter.db import Database
from isocenter.diseases import load_diseases
from isocenter.errors import Conflict, InvalidInput, WrongKey
from isocenter.keys import SiteKey, create_key_file, read_key_file
from isocenter.models import Account, now
from isocenter.schema import bind_key, check_key, current_revision, migrate, require_schema
from isocenter.settings import Settings
from services.catalog.seed import seed_diseases

ADMINISTRATOR = "admin"


@dataclass(frozen=True)
class Started:
    """The site key, and the new administrator's password when this was the first start (show it once)."""

    key: SiteKey
    password: str | None


async def prepare(settings: Settings) -> Started:
    """Make or update the catalog and check the key: at every start of the embedded mode, and by ``isocenter migrate``."""
    make_private_folder(settings.data.absolute())
    db = Database(settings.resolved_catalog_url, pool_size=2)
    try:
        key = await _key_of(settings, db)
        await migrate(db)
        await bind_key(db, key)
        await seed(db)
        return Started(key, await first_administrator(db))
    finally:
        await db.close()


async def check(settings: Settings) -> SiteKey:
    """The site key, for a service of the distributed mode: it changes no schema and makes no key."""
    key = read_key_file(settings.resolved_key_file)
    db = Database(settings.resolved_catalog_url, pool_size=1)
    try:
        await require_schema(db)
        await check_key(db, key)
    finally:
        await db.close()
    return key


async def _key_of(settings: Settings, db: Database) -> SiteKey:
    path = settings.resolved_key_file
    if path.exists():
        return read_key_file(path)
    if await current_revision(db) is not None:
        raise WrongKey(f"The catalog exists but its site key file {path.name} is missing; put the file back (isocenter restore, or your copy of it).")
    return create_key_file(path)


async def seed(db: Database) -> None:
    """The diseases that come with Isocenter; what a person changed stays."""
    async with db.write() as session:
        await seed_diseases(session, load_diseases())


async def first_administrator(db: Database) -> str | None:
    """Create the account ``admin`` when there is no account at all; returns its random password, else None."""
    async with db.read() as session:
        if (await session.scalars(select(Account.id).limit(1))).first() is not None:
            return None
    password = new_password()
    hashed = await Passwords().hash(password)
    async with db.write() as session:
        if (await session.scalars(select(Account.id).limit(1))).first() is not None:
            return None
        session.add(
            Account(
                name=ADMINISTRATOR, full_name="", email="", department="", role=Role.ADMIN.value, password_hash=hashed, identity_permission=False,
                language="", active=True, created_at=now(), password_changed_at=now(), revision=1,
            )
        )  # fmt: skip
        record(session, None, "create-account", f"account:{ADMINISTRATOR}", after={"role": Role.ADMIN})
    return password


def make_private_folder(folder: Path) -> None:
    """The folder, readable by its owner only when it is new."""
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)


def lock_folder(folder: Path) -> IO[str]:
    """A lock for the life of this process: two servers on one folder would work on the same imports. Conflict when it is taken."""
    make_private_folder(folder)
    file = open(folder / "serve.lock", "a")  # noqa: SIM115 - held open on purpose
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Conflict(f"Another isocenter serves the folder {folder.name} already; stop it first, or give another --data.") from error
    os.set_inheritable(file.fileno(), False)
    return file


def require_safe_address(settings: Settings) -> None:
    """InvalidInput when the gateway would speak plain http to other machines."""
    if settings.behind_https or settings.host == "localhost":
        return
    try:
        if ipaddress.ip_address(settings.host).is_loopback:
            return
    except ValueError:
        pass
    raise InvalidInput(
        "Passwords and images would travel unencrypted: listen on 127.0.0.1, or put a proxy that speaks https in front and set ISOCENTER_BEHIND_HTTPS=1.",
        field="host",
    )
