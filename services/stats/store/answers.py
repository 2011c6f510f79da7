"""Questions to the column copy, fresh or marked with their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from isocenter.auth import Principal
from isocenter.models import now
from isocenter.resources import Resources
from services.stats.store.fullness import Full, completeness
from services.stats.store.groups import ROWS_MOST, Row, grouped
from services.stats.store.scope import Asked, Scope, patient_keys, scope_of
from services.stats.tally import Dimension

PATIENCE_SECONDS = 2.0  # then a copy that is still catching up answers as it stands, marked stale


@dataclass(frozen=True, slots=True)
class Counted:
    """Several answers of one moment of the copy. ``at``: when it was last known to equal the catalog."""

    resources: Resources
    scope: Scope
    at: datetime
    stale: bool

    async def groups(self, dimensions: Sequence[Dimension]) -> tuple[list[Row], bool]:
        """At most ROWS_MOST rows, and whether there were more."""
        key = ("statistics", self.scope, tuple(dimension.name for dimension in dimensions))
        rows = await self.resources.columns.answer(partial(grouped, self.scope, tuple(dimensions), ROWS_MOST + 1), key)
        more, rows = len(rows) > ROWS_MOST, rows[:ROWS_MOST]
        for place, dimension in enumerate(dimensions):
            if dimension.name == "patient":
                async with self.resources.db.read() as session:
                    keys = await patient_keys(session, [int(row[place]) for row in rows])
                rows = [(*row[:place], keys.get(row[place], ""), *row[place + 1 :]) for row in rows]
        return rows, more

    async def totals(self) -> tuple[int, ...]:
        """Everything of the question once, in the order of ``tally.MEASURES``."""
        rows, _ = await self.groups(())
        return tuple(rows[0])

    async def completeness(self) -> list[Full]:
        key: Any = ("completeness", self.scope)
        return await self.resources.columns.answer(partial(completeness, self.scope), key)


async def counted(opened: Resources, principal: Principal, asked: Asked) -> Counted:
    """The copy caught up with the catalog's last commit, or as it stands when that takes longer than PATIENCE_SECONDS."""
    fresh = await opened.columns.catch_up_within(PATIENCE_SECONDS)
    async with opened.db.read() as session:
        scope = await scope_of(session, principal, asked)
    return Counted(opened, scope, opened.columns.caught_up_at or now(), not fresh)
