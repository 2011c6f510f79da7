"""What one question is about: who asks, which filter, which version, which days of import."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.columns import View, view_of
from isocenter.errors import InvalidInput, NotFound
from isocenter.grants import datasets_visible_to
from isocenter.models import Dataset, DatasetVersion, LabelScheme, Patient
from isocenter.search import Filter, Grain, first_schemes, parse_filter

EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class Asked:
    """The question as it came. ``version``: name@number; days: YYYY-MM-DD, both included, empty = open."""

    query: Filter = EVERYTHING
    scheme: str = ""
    version: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The question with everything read from the catalog that the copy does not hold: grants, schemes, the version's row id."""

    query: Filter
    view: View
    schemes: tuple[int, ...]
    version: int | None = None
    since: str = ""
    until: str = ""

    @property
    def only_with_images(self) -> bool:
        """Visits without an image that is asked for and may be seen do not count: not with a condition on images, not for those who see by grant."""
        return not self.view.everything or self.version is not None or self.query.asks(Grain.SERIES, Grain.STACK)

    @property
    def dated(self) -> bool:
        return bool(self.since or self.until)


def filter_of(document: str, disease: str, modality: str) -> Filter:
    """The filter of a JSON text, with the two short forms laid over it."""
    try:
        parsed = json.loads(document) if document else None
    except ValueError:
        raise InvalidInput("query is the JSON of a filter: terms, ranges, include_null.", field="query") from None
    query = parse_filter(parsed)
    for name, values in (("disease", disease), ("Modality", modality)):
        if values:
            query = query.with_terms(name, values.split(","))
    return query


async def scope_of(session: AsyncSession, principal: Principal, asked: Asked) -> Scope:
    """NotFound for a version this account may not see, withdrawn ones among them."""
    chosen = first_schemes()
    if asked.scheme:
        chosen = chosen.where(LabelScheme.code == asked.scheme)
    schemes = tuple(sorted(await session.scalars(chosen)))
    version = await _version(session, principal, asked.version) if asked.version else None
    return Scope(asked.query, await view_of(session, principal), schemes, version, asked.since, asked.until)


async def _version(session: AsyncSession, principal: Principal, reference: str) -> int:
    name, _, number = reference.partition("@")
    if not name or not number.isdecimal() or len(number) > 9:
        raise InvalidInput("A dataset version is written name@number, as in liver@1.", field="version")
    wanted = select(DatasetVersion.id).join(Dataset, Dataset.id == DatasetVersion.dataset_id).where(datasets_visible_to(principal))
    wanted = wanted.where(Dataset.name == name, DatasetVersion.number == int(number), DatasetVersion.withdrawn_at.is_(None))
    found: int | None = await session.scalar(wanted)
    if found is None:
        raise NotFound("There is no such dataset version.")
    return found


async def patient_keys(session: AsyncSession, ids: Sequence[int]) -> dict[str, str]:
    """Row id as text -> the patient's pseudonym."""
    rows = (await session.execute(select(Patient.id, Patient.key).where(Patient.id.in_(ids)))).tuples()
    return {str(number): key for number, key in rows}
