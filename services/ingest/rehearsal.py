"""Runs proposed rule sets: a preview over all cases of the disease, then, applied, the labels of all its cases anew.

Everything durable is the row of the proposal: a lease, the last case that counts, what was counted. A kill loses one chunk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.background import Background
from isocenter.db import Deadlock
from isocenter.errors import IsocenterError, Unavailable
from isocenter.models import RuleProposal, now
from isocenter.resources import Resources
from services.ingest.executor import WorkPool
from services.ingest.rule_tally import Chunk, OldCase, Rules, added, crashed, empty, tally
from services.ingest.stages import finish, label
from services.ingest.stages.context import Context
from services.ingest.store import imports, proposals

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
CASES_PER_CHUNK = 300  # about a second of work
CHUNKS_AT_ONCE = 4  # two for every process of the default pool: one works while the other is on its way
RELABEL_CASES = 200


@dataclass(frozen=True)
class Held:
    """A leased proposal."""

    id: int
    token: str
    disease_id: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Relabelling(Context):
    """The context of the label stage, where the lease is the proposal's and no batch is there to close."""

    proposal: Held | None = None

    @asynccontextmanager
    async def commit(self, *, last: bool = True) -> AsyncIterator[AsyncSession]:
        assert self.proposal is not None
        async with self.resources.db.write() as session:
            await proposals.hold(session, self.proposal.id, self.proposal.token, self.resources.settings.lease_seconds)
            yield session


class Rehearsal:
    """Claims proposals one after another until stopped; ``wake`` saves waiting for the next look."""

    def __init__(self, resources: Resources, pool: WorkPool) -> None:
        self.resources = resources
        self.pool = pool
        self._background = Background("ingest-rehearsal", self._one, IDLE_SECONDS)

    def start(self) -> None:
        self._background.start()

    def wake(self) -> None:
        self._background.wake()

    async def stop(self) -> None:
        await self._background.stop()

    async def _one(self) -> bool:
        """Whether there was something to do."""
        async with self.resources.db.write() as session:
            row = await proposals.claim(session, self.resources.settings.lease_seconds)
            if row is None:
                return False
            assert row.lease_token is not None
            held, state, key = Held(row.id, row.lease_token, row.disease_id, dict(row.body)), row.state, row.key
        renewing = asyncio.create_task(self._renew(held))
        try:
            await (self._apply(held) if state == "applying" else self._preview(held))
        except imports.LeaseLost:
            log.info("lease of a proposal lost proposal=%s", key)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(held, count=False))
            raise
        except (Unavailable, Deadlock, OSError) as error:
            log.warning("proposal put back proposal=%s kind=%s", key, type(error).__name__)
            await self._give_back(held, wait_seconds=2.0, count=False)
        except Exception as error:
            log.error("proposal failed proposal=%s kind=%s", key, type(error).__name__, exc_info=error)
            reason = error.detail if isinstance(error, IsocenterError) else f"an unexpected {type(error).__name__}; see the log"
            await self._give_back(held, wait_seconds=0.5, failure=reason)
        finally:
            renewing.cancel()
        return True

    async def _renew(self, held: Held) -> None:
        while True:
            await asyncio.sleep(self.resources.settings.lease_seconds / 3)
            try:
                async with self.resources.db.write() as session:
                    await self._hold(session, held)
            except IsocenterError as error:
                log.warning("lease of a proposal not renewed kind=%s", type(error).__name__)

    async def _give_back(self, held: Held, *, wait_seconds: float = 0.0, count: bool = True, failure: str = "") -> None:
        try:
            async with self.resources.db.write() as session:
                await proposals.give_back(session, held.id, held.token, wait_seconds=wait_seconds, count=count, failure=failure)
        except IsocenterError as error:
            log.warning("lease of a proposal not given back kind=%s", type(error).__name__)

    async def _hold(self, session: AsyncSession, held: Held) -> RuleProposal:
        return await proposals.hold(session, held.id, held.token, self.resources.settings.lease_seconds)

    async def _preview(self, held: Held) -> None:
        async with self.resources.db.write() as session:
            row = await self._hold(session, held)
            scheme = await proposals.default_scheme(session, held.disease_id)
            cursor, counted = row.cursor, row.tally or empty()
            rules = Rules(held.body, scheme.code, scheme.counts_from)
        loading = asyncio.create_task(self._load(held, cursor))
        try:
            while True:
                cursor, chunks = await loading
                if not chunks:
                    break
                loading = asyncio.create_task(self._load(held, cursor))
                runs = [self.pool.run(tally, rules, [Chunk(cases)], crashed) for cases in chunks]
                found = [part for parts in await asyncio.gather(*runs) for part in parts]
                counted = reduce(added, found, counted)
                async with self.resources.db.write() as session:
                    row = await self._hold(session, held)
                    row.tally, row.cursor = counted, cursor
                    row.done, row.attempt = row.done + sum(len(cases) for cases in chunks), 0
        finally:
            loading.cancel()
        async with self.resources.db.write() as session:
            row = await self._hold(session, held)
            row.tally, row.state, row.total = counted, "ready", row.done
            row.lease_token = row.lease_until = None
            row.finished_at = now()
            row.revision += 1

    async def _load(self, held: Held, after: int) -> tuple[int, list[tuple[OldCase, ...]]]:
        """The last case and the next chunks; none when all are through."""
        async with self.resources.db.read() as session:
            cases = await proposals.next_cases(session, held.disease_id, after, CASES_PER_CHUNK * CHUNKS_AT_ONCE)
            scheme = await proposals.default_scheme(session, held.disease_id)
            parts = [cases[start : start + CASES_PER_CHUNK] for start in range(0, len(cases), CASES_PER_CHUNK)]
            return (cases[-1][0] if cases else after), [await proposals.old_cases(session, scheme, part) for part in parts]

    async def _apply(self, held: Held) -> None:
        while True:
            async with self.resources.db.read() as session:
                row = await session.get(RuleProposal, held.id)
                after = row.cursor if row is not None else 0
                cases = await proposals.next_cases(session, held.disease_id, after, RELABEL_CASES)
                brought = await proposals.imports_of(session, [case_id for case_id, _ in cases])
            if not cases:
                break
            groups: dict[int, list[int]] = {}
            for case_id, _ in cases:
                if case_id in brought:
                    groups.setdefault(brought[case_id], []).append(case_id)
            for import_id, ids in sorted(groups.items()):
                await label.label(await self._context(held, import_id), ids, last=False)
            async with self.resources.db.write() as session:
                row = await self._hold(session, held)
                row.cursor, row.done, row.attempt = cases[-1][0], row.done + len(cases), 0
        async with self.resources.db.read() as session:
            touched = await proposals.imports_of_disease(session, held.disease_id)
        for import_id in touched:
            async with self.resources.db.write() as session:
                await self._hold(session, held)
                await finish.state_items(session, import_id)
        async with self.resources.db.write() as session:
            row = await self._hold(session, held)
            row.state, row.total = "applied", row.done
            row.lease_token = row.lease_until = None
            row.finished_at = now()
            row.revision += 1
            audit.record(session, None, "rules-applied", f"rules:{held.body['code']}", after={"number": row.number, "sha256": row.sha256, "cases": row.done})

    async def _context(self, held: Held, import_id: int) -> Relabelling:
        async with self.resources.db.read() as session:
            row = (await proposals.import_rows(session, [import_id]))[import_id]
            hospital = await imports.hospital_code(session, row.hospital_id)
        return Relabelling(self.resources, self.pool, row.id, row.key, row.hospital_id, hospital, dict(row.options), 0, held.token, {}, held)
