"""What a process opens once and hands to ``create_app``: catalog, stores, key. Nothing else opens anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from isocenter.columns import Columns
from isocenter.db import Database
from isocenter.keys import SiteKey, read_key_file
from isocenter.metrics import Metrics
from isocenter.objects import ObjectStore, data_config, staging_config
from isocenter.settings import Settings


@dataclass(frozen=True)
class Resources:
    """The catalog, the store of released objects, the store of unreleased bytes, the site key, and the column copy."""

    settings: Settings
    db: Database
    store: ObjectStore
    staging: ObjectStore
    key: SiteKey
    columns: Columns = field(init=False)  # one copy a process: embedded services share it
    metrics: dict[str, Metrics] = field(init=False, default_factory=dict)  # of the services of this process; stats shows them
    stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)  # set when the process is told to stop: streams without an end see it

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", Columns(self.db, self.settings.scratch))

    async def close(self) -> None:
        await self.columns.stop()
        await self.db.close()


def open_resources(settings: Settings, key: SiteKey | None = None) -> Resources:
    """Open everything a service needs; WrongKey when the key file is missing or no key."""
    return Resources(
        settings=settings,
        db=Database(settings.resolved_catalog_url),
        store=ObjectStore(data_config(settings)),
        staging=ObjectStore(staging_config(settings)),
        key=key or read_key_file(settings.resolved_key_file),
    )
