"""``isocenter columns``: make the column copies of every running process anew, or prove that a copy equals the catalog's rows.

A copy is a private file of its process (isocenter/columns). ``rebuild`` reaches all of them through the catalog: it notes every case
as changed, so each process reads every row again before its next answer. ``check`` makes a copy in this process in both ways - loaded
whole, then with every case replaced - and compares each with the rows; the live copy of the statistics service is compared by
``GET /api/v1/statistics/copy?check=true``.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select

from isocenter.changes import note_changes
from isocenter.columns import Columns
from isocenter.db import Database
from isocenter.models import Case
from isocenter.settings import Settings


async def rebuild(settings: Settings) -> str:
    """Note every case as changed; a sentence for the person who asked."""
    db = Database(settings.resolved_catalog_url)
    try:
        async with db.write() as session:
            ids = list(await session.scalars(select(Case.id)))
            revision = await note_changes(session, ids)
    finally:
        await db.close()
    return f"Revision {revision}: every process reads all {len(ids):,} cases again before its next count."


async def check(settings: Settings) -> tuple[list[str], bool]:
    """A line for each table, and whether all are right."""
    db = Database(settings.resolved_catalog_url)
    lines: list[str] = []
    right = True
    try:
        with TemporaryDirectory(prefix="isocenter-columns-") as folder:
            columns = Columns(db, Path(folder))
            try:
                for way, bring in (("loaded", columns.catch_up), ("replaced", columns.replace_all)):
                    await bring()
                    for name, (rows, different) in (await columns.check()).items():
                        right = right and different == 0
                        lines.append(f"{way:<9} {name:<8} {rows:>12,} rows  {'equal' if not different else f'{different:,} DIFFERENT'}")
            finally:
                columns.close()
    finally:
        await db.close()
    lines.append(f"The column copy {'equals' if right else 'DIFFERS FROM'} the catalog's rows.")
    return lines, right
