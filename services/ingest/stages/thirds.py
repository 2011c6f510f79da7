"""The third voice in the label stage: which cases it is asked about, what it said before, and the label that follows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import CaseLabel, Label, LabelClass, LabelScheme
from isocenter.resources import Resources
from services.ingest.label_records import CaseLabel as Aggregated
from services.ingest.store import imports
from services.ingest.third import Address, Asked, Third, ask, join
from services.ingest.voice import Said

NAME = "third"

Place = tuple[int, int]  # case, scheme


def text_sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def spoken(resources: Resources, cases: Mapping[Place, tuple[Aggregated, str]]) -> dict[Place, Third]:
    """What the third voice makes of these cases (label so far, deciding text); empty while it is off.

    A case that a person decided is not asked about, and the same text is asked about once.
    """
    address = Address.of(resources.settings)
    if address is None:
        return {}
    async with resources.db.read() as session:
        answered = await decided(session, [case for case, _ in cases])
        known = await _said_before(session, address.model, cases)
        titles = await _titles(session, sorted({scheme for _, scheme in cases}))
    open_places = [place for place, (case, text) in sorted(cases.items()) if place not in answered and text and case.reason != "no-report"]
    waiting = [place for place in open_places if place not in known]
    answers = await ask(address, [Asked(*titles[scheme], cases[case, scheme][1]) for case, scheme in waiting])
    said = {place: answer for place, answer in zip(waiting, answers, strict=True) if answer is not None} | known
    return {place: join(cases[place][0], said[place]) for place in open_places if place in said}


async def decided(session: AsyncSession, case_ids: Sequence[int]) -> set[Place]:
    """(case, scheme) that a person decided."""
    statement = select(CaseLabel.case_id, CaseLabel.scheme_id).where(CaseLabel.state == "decided")
    return {(case, scheme) for case, scheme in await imports.chunked(session, statement, CaseLabel.case_id, case_ids)}


async def _said_before(session: AsyncSession, model: str, cases: Mapping[Place, tuple[Aggregated, str]]) -> dict[Place, Said]:
    statement = select(Label.case_id, Label.scheme_id, Label.evidence).where(Label.source == "model").order_by(Label.id)
    found = {}
    for case, scheme, evidence in await imports.chunked(session, statement, Label.case_id, [case for case, _ in cases]):
        for item in evidence:
            if item.get("voice") == f"{NAME}:{model}" and (case, scheme) in cases and item.get("text_sha256") == text_sha(cases[case, scheme][1]):
                found[case, scheme] = Said(str(item["value"]), float(item["probability"]))
    return found


async def _titles(session: AsyncSession, scheme_ids: Sequence[int]) -> dict[int, tuple[str, tuple[tuple[str, str], ...]]]:
    """scheme -> (its title, classes with titles), in English."""
    titles = dict((await session.execute(select(LabelScheme.id, LabelScheme.title_en).where(LabelScheme.id.in_(scheme_ids)))).tuples().all())
    classes: dict[int, list[tuple[str, str]]] = {}
    rows = select(LabelClass.scheme_id, LabelClass.code, LabelClass.title_en).where(LabelClass.scheme_id.in_(scheme_ids)).order_by(LabelClass.ordinal)
    for scheme, code, title in (await session.execute(rows)).tuples():
        classes.setdefault(scheme, []).append((code, title))
    return {scheme: (title, tuple(classes.get(scheme, ()))) for scheme, title in titles.items()}


def evidence_of(third: Third, model: str, text: str) -> dict[str, Any]:
    """What a label row keeps of it; the text only as a hash."""
    said = {"value": third.said.value, "probability": round(third.said.probability, 4), "effect": third.effect}
    return {"voice": f"{NAME}:{model}", **said, "text_sha256": text_sha(text)}
