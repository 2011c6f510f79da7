"""SQL of saved searches; everybody has their own and sees no others."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.errors import InvalidInput, NotFound
from isocenter.models import SavedSearch
from isocenter.search import Filter
from services.catalog.schemas.search import SavedSearchOut

MAX_SEARCHES = 500  # of one account


async def of_account(session: AsyncSession, principal: Principal) -> list[SavedSearchOut]:
    rows = await session.scalars(select(SavedSearch).where(SavedSearch.account_id == principal.account_id).order_by(SavedSearch.name, SavedSearch.id))
    return [_shape(row) for row in rows]


async def add(session: AsyncSession, principal: Principal, name: str, query: Filter) -> SavedSearchOut:
    """Conflict (by the unique key) when the account has one of this name."""
    if len(await of_account(session, principal)) >= MAX_SEARCHES:
        raise InvalidInput(f"An account keeps at most {MAX_SEARCHES} searches; delete one first.", field="name")
    row = SavedSearch(account_id=principal.account_id, name=name, query=query.document())
    session.add(row)
    await session.flush()
    return _shape(row)


async def change(session: AsyncSession, principal: Principal, number: int, name: str, query: Filter) -> SavedSearchOut:
    row = await _own(session, principal, number)
    row.name, row.query = name, query.document()
    await session.flush()
    return _shape(row)


async def remove(session: AsyncSession, principal: Principal, number: int) -> None:
    row = await _own(session, principal, number)
    await session.execute(delete(SavedSearch).where(SavedSearch.id == row.id))


async def _own(session: AsyncSession, principal: Principal, number: int) -> SavedSearch:
    row = (await session.scalars(select(SavedSearch).where(SavedSearch.id == number, SavedSearch.account_id == principal.account_id))).one_or_none()
    if row is None:
        raise NotFound("There is no search of yours with this number.", field="number")
    return row


def _shape(row: SavedSearch) -> SavedSearchOut:
    return SavedSearchOut(id=row.id, name=row.name, query=row.query, created_at=row.created_at)
