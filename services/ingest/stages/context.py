"""What a stage is given: the opened resources, the pool, the import and the leased batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.keys import SiteKey
from isocenter.objects import data_config, staging_config
from isocenter.resources import Resources
from services.ingest.executor import WorkPool
from services.ingest.store import imports
from services.ingest.work import Common


@dataclass(frozen=True)
class Context:
    """One leased batch and everything needed to do it."""

    resources: Resources
    pool: WorkPool
    import_id: int
    import_key: str
    hospital_id: int
    hospital: str
    options: dict[str, Any]
    batch_id: int
    token: str
    payload: dict[str, Any]

    @property
    def key(self) -> SiteKey:
        return self.resources.key

    @property
    def days(self) -> int:
        return self.resources.settings.identity_days

    @property
    def common(self) -> Common:
        settings = self.resources.settings
        return Common(self.key, data_config(settings), staging_config(settings), settings.scratch)

    @asynccontextmanager
    async def commit(self, *, last: bool = True) -> AsyncIterator[AsyncSession]:
        """A write that counts only while the lease is held; ``last`` closes the batch in the same transaction."""
        async with self.resources.db.write() as session:
            await imports.hold(session, self.batch_id, self.token)
            yield session
            if last:
                await imports.finish(session, self.batch_id, self.token)
