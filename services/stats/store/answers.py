"""Questions to the column copy, fresh or marked with their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isocenter.auth import Principal
from isocenter.models import now
from isocenter.resources import Resources
from services.stats.store.fullness import Full, completeness
from services.stats.store.groups import ROWS_MOST, Row, grouped
from services.stats.store.scope import Asked, Scope, patient_keys, scope_of
from services.stats.store.visits import one_moment, visits_of
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
        return (await self.charts([dimensions]))[0]

    async def charts(self, wanted: Sequence[Sequence[Dimension]]) -> list[tuple[list[Row], bool]]:
        """``groups`` of several charts; those that are not remembered in one pass over the copy."""
        keys = [("statistics", self.scope, tuple(dimension.name for dimension in dimensions)) for dimensions in wanted]

        def work(missing: Sequence[int], cursor: Any) -> list[list[Row]]:
            with one_moment(cursor):
                visits = self.resources.columns.derived("visits", visits_of, cursor)
                return grouped(self.scope, visits, [wanted[place] for place in missing], ROWS_MOST + 1, cursor)

        made = await self.resources.columns.answers(work, keys)
        return [(await self._told(dimensions, rows[:ROWS_MOST]), len(rows) > ROWS_MOST) for dimensions, rows in zip(wanted, made, strict=True)]

    async def _told(self, dimensions: Sequence[Dimension], rows: list[Row]) -> list[Row]:
        """Patients by their pseudonyms."""
        for place, dimension in enumerate(dimensions):
            if dimension.name == "patient":
                async with self.resources.db.read() as session:
                    keys = await patient_keys(session, [int(row[place]) for row in rows])
                rows = [(*row[:place], keys.get(row[place], ""), *row[place + 1 :]) for row in rows]
        return rows

    async def totals(self) -> tuple[int, ...]:
        """Everything of the question once, in the order of ``tally.MEASURES``."""
        rows, _ = await self.groups(())
        return tuple(rows[0])

    async def completeness(self) -> list[Full]:
        def work(cursor: Any) -> list[Full]:
            with one_moment(cursor):
                return completeness(self.scope, self.resources.columns.derived("visits", visits_of, cursor), cursor)

        return await self.resources.columns.answer(work, ("completeness", self.scope))


async def counted(opened: Resources, principal: Principal, asked: Asked) -> Counted:
    """The copy caught up with the catalog's last commit, or as it stands when that takes longer than PATIENCE_SECONDS."""
    fresh = await opened.columns.catch_up_within(PATIENCE_SECONDS)
    async with opened.db.read() as session:
        scope = await scope_of(session, principal, asked)
    return Counted(opened, scope, opened.columns.caught_up_at or now(), not fresh)
