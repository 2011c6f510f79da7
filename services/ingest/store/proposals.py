"""Proposed rule sets: their durable state, leases, and the cases a preview reads. Several runners may be at work."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import for_update
from isocenter.errors import Conflict, NotFound
from isocenter.models import Case, CaseLabel, CaseStudy, Disease, Import, Label, LabelScheme, PolicyVersion, RuleProposal, now
from services.ingest.rule_tally import NONE, OldCase, OldReport
from services.ingest.stages.telling import schemes_of
from services.ingest.store import imports, policies
from services.ingest.store.texts import texts_of_cases

ACTIVE = ("waiting", "previewing", "applying")
ATTEMPTS = 3


async def disease_of(session: AsyncSession, code: str, *, lock: bool = False) -> Disease:
    """The disease; NotFound for one that is not there or deleted."""
    statement = select(Disease).where(Disease.code == code, Disease.deleted_at.is_(None))
    row: Disease | None = await session.scalar(for_update(statement, session) if lock else statement)
    if row is None:
        raise NotFound("There is no disease with this code.", field="disease")
    return row


async def get(session: AsyncSession, disease_id: int, key: str, *, lock: bool = False) -> RuleProposal:
    statement = select(RuleProposal).where(RuleProposal.key == key, RuleProposal.disease_id == disease_id)
    row: RuleProposal | None = await session.scalar(for_update(statement, session) if lock else statement)
    if row is None:
        raise NotFound("There is no proposal with this key.", field="key")
    return row


async def newest(session: AsyncSession, disease_id: int, limit: int = 20) -> list[RuleProposal]:
    return list(await session.scalars(select(RuleProposal).where(RuleProposal.disease_id == disease_id).order_by(RuleProposal.id.desc()).limit(limit)))


async def none_applying(session: AsyncSession, disease_id: int) -> None:
    """Conflict while the rules of a disease are being applied."""
    found = select(RuleProposal.key).where(RuleProposal.disease_id == disease_id, RuleProposal.state == "applying")
    if (key := await session.scalar(found.limit(1))) is not None:
        raise Conflict("Another version is being applied; wait until it is done.", proposal=key)


async def versions(session: AsyncSession, code: str) -> list[tuple[int, str, Any, Any]]:
    """(number, sha256, created_at, number of the rules) of every version that labelled something or was applied, newest first."""
    rows = await session.execute(
        select(PolicyVersion.number, PolicyVersion.sha256, PolicyVersion.created_at, PolicyVersion.body)
        .where(PolicyVersion.kind == "rules", PolicyVersion.scope == code)
        .order_by(PolicyVersion.number.desc())
        .limit(200)
    )
    return [(number, sha, at, body.get("number")) for number, sha, at, body in rows.tuples()]


async def version(session: AsyncSession, code: str, number: int) -> PolicyVersion:
    found = select(PolicyVersion).where(PolicyVersion.kind == "rules", PolicyVersion.scope == code, PolicyVersion.number == number)
    row: PolicyVersion | None = await session.scalar(found)
    if row is None:
        raise NotFound("There is no version with this number.", field="version")
    return row


async def claim(session: AsyncSession, lease_seconds: int) -> RuleProposal | None:
    """A proposal with work to do whose lease is free, leased; one that failed three times without getting on is given up."""
    moment = now()
    free = or_(RuleProposal.lease_until.is_(None), RuleProposal.lease_until < moment)
    statement = select(RuleProposal).where(RuleProposal.state.in_(ACTIVE), free).order_by(RuleProposal.id).limit(1)
    row: RuleProposal | None = await session.scalar(for_update(statement, session, skip_locked=True))
    if row is None:
        return None
    if row.state == "waiting":
        row.state = "previewing"
        row.total = await cases_count(session, row.disease_id)
    row.lease_token, row.lease_until = secrets.token_hex(16), moment + timedelta(seconds=lease_seconds)
    row.attempt += 1
    row.revision += 1
    return row


async def hold(session: AsyncSession, proposal_id: int, token: str, lease_seconds: int) -> RuleProposal:
    """The proposal, locked and its lease renewed; LeaseLost when somebody else has it or it was dropped."""
    statement = select(RuleProposal).where(RuleProposal.id == proposal_id, RuleProposal.lease_token == token, RuleProposal.state.in_(ACTIVE))
    row: RuleProposal | None = await session.scalar(for_update(statement, session))
    if row is None:
        raise imports.LeaseLost("This proposal is somebody else's work now, or was dropped.")
    row.lease_until = now() + timedelta(seconds=lease_seconds)
    return row


async def give_back(session: AsyncSession, proposal_id: int, token: str, *, wait_seconds: float = 0.0, count: bool = True, failure: str = "") -> None:
    """Leave the work to whoever comes next; ``failed`` when it got nowhere three times."""
    row = await session.scalar(for_update(select(RuleProposal).where(RuleProposal.id == proposal_id, RuleProposal.lease_token == token), session))
    if row is None:
        return
    row.lease_token, row.lease_until = None, now() + timedelta(seconds=wait_seconds)
    if not count:
        row.attempt -= 1
    elif row.attempt >= ATTEMPTS and row.state != "applying":  # rules in use must reach every case: that is tried until it works
        row.state, row.failure, row.finished_at = "failed", failure[:255], now()
    row.revision += 1


async def cases_count(session: AsyncSession, disease_id: int) -> int:
    found = select(func.count()).select_from(Case).where(Case.disease_id == disease_id, Case.deleted_at.is_(None))
    return await session.scalar(found) or 0


async def next_cases(session: AsyncSession, disease_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """(id, key) of the next cases of a disease, in order of their ids."""
    found = select(Case.id, Case.key).where(Case.disease_id == disease_id, Case.deleted_at.is_(None), Case.id > after).order_by(Case.id).limit(limit)
    return list((await session.execute(found)).tuples().all())


async def default_scheme(session: AsyncSession, disease_id: int) -> LabelScheme:
    """The scheme that cases are labelled by unless an import chose another; never one of what reports tell outright."""
    disease = await session.get_one(Disease, disease_id)
    found = schemes_of(disease, await policies.schemes(session, [disease_id]), "")
    if not found:
        raise Conflict("This disease has no active label scheme.")
    return found[0]


async def old_cases(session: AsyncSession, scheme: LabelScheme, cases: Sequence[tuple[int, str]]) -> tuple[OldCase, ...]:
    """These cases with their texts, what the rules said so far, and what reviewers decided."""
    ids = [case_id for case_id, _ in cases]
    texts = await texts_of_cases(session, ids)
    reports = sorted({text.report_id for found in texts.values() for text in found})
    of_report = select(Label.report_id, Label.value).where(Label.scheme_id == scheme.id, Label.case_id.is_(None), Label.source == "rule").order_by(Label.id)
    said = dict(await imports.chunked(session, of_report, Label.report_id, reports))
    of_case = select(Label.case_id, Label.value, Label.confidence, Label.reason).where(Label.scheme_id == scheme.id, Label.source == "rule").order_by(Label.id)
    before = {case: (value, confidence, reason) for case, value, confidence, reason in await imports.chunked(session, of_case, Label.case_id, ids)}
    pointed = select(CaseLabel.case_id, CaseLabel.value).where(CaseLabel.scheme_id == scheme.id, CaseLabel.state == "decided", CaseLabel.value != "cannot_tell")
    decided = dict(await imports.chunked(session, pointed, CaseLabel.case_id, ids))
    disease = await session.get_one(Disease, scheme.disease_id)
    names = {item.id: item.code for item in schemes_of(disease, await policies.schemes(session, [disease.id]), "") if item.id != scheme.id}
    standing = select(CaseLabel.case_id, CaseLabel.scheme_id, CaseLabel.value).where(CaseLabel.scheme_id.in_(names))
    told: dict[int, dict[str, str]] = {}
    for case_id, number, value in await imports.chunked(session, standing, CaseLabel.case_id, ids):
        told.setdefault(case_id, {})[names[number]] = value
    found = []
    for case_id, key in cases:
        value, confidence, reason = before.get(case_id, (NONE, 0.0, ""))
        own = tuple(OldReport(t.key, t.kind, t.date, t.sections, said.get(t.report_id, NONE)) for t in texts.get(case_id, ()))
        sure = value not in (NONE, "review") and confidence >= scheme.counts_from
        found.append(OldCase(key, own, value, sure, reason if value == "review" else "low-confidence", decided.get(case_id, ""), told.get(case_id, {})))
    return tuple(found)


async def imports_of(session: AsyncSession, case_ids: Sequence[int]) -> dict[int, int]:
    """case -> the newest import that brought a study of it."""
    return dict(await imports.chunked(session, select(CaseStudy.case_id, CaseStudy.import_id).order_by(CaseStudy.import_id), CaseStudy.case_id, case_ids))


async def imports_of_disease(session: AsyncSession, disease_id: int) -> list[int]:
    found = select(CaseStudy.import_id).join(Case, Case.id == CaseStudy.case_id).where(Case.disease_id == disease_id).distinct().order_by(CaseStudy.import_id)
    return list(await session.scalars(found))


async def import_rows(session: AsyncSession, ids: Sequence[int]) -> dict[int, Import]:
    return {row.id: row for row in await session.scalars(select(Import).where(Import.id.in_(ids)))}


async def drop(session: AsyncSession, row: RuleProposal) -> None:
    """It is not measured or applied any more; Conflict once it is applied."""
    if row.state in ("applying", "applied"):
        raise Conflict("This version is in use; propose another one to go back.", state=row.state)
    values = {"state": "dropped", "lease_token": None, "lease_until": None, "finished_at": now(), "revision": RuleProposal.revision + 1}
    await session.execute(update(RuleProposal).where(RuleProposal.id == row.id).values(**values))
