"""Routes of rule sets: versions as TOML, a changed text checked, previewed and applied; the wanted error rate of a scheme."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.changes import note_changes
from isocenter.diseases import definition_of
from isocenter.errors import Conflict, InvalidInput, NotFound
from isocenter.models import Disease, LabelScheme, RuleProposal, now
from isocenter.web import Configurer, Opened
from services.ingest import rule_shown
from services.ingest.rule_text import checked, conflicts, differences, same_rules, text_of
from services.ingest.rule_views import Proposal, ProposalLine, RuleCheck, RuleSetView, RulesText, SchemeView, Version, WantedError
from services.ingest.stages import thresholds
from services.ingest.store import policies, proposals

router = APIRouter(prefix="/api/v1/rules", tags=["rules"])


async def _schemes(session: AsyncSession, row: Disease) -> list[SchemeView]:
    """The schemes a threshold decides for; what a report tells outright is given or not, and has none."""
    return [rule_shown.scheme(item, await thresholds.found(session, item)) for item in await policies.schemes(session, [row.id]) if not _told(row, item)]


def _told(disease: Disease, item: LabelScheme) -> bool:
    return any(entry["code"] == item.code and entry.get("told") for entry in disease.definition.get("schemes", ()))


async def _rule_set(session: AsyncSession, row: Disease) -> RuleSetView:
    definition = definition_of(row.definition, row.code)
    listed = await proposals.versions(session, row.code)
    return RuleSetView(
        disease=row.code,
        title_en=row.title_en,
        title_zh=row.title_zh,
        number=definition.number,
        sha256=definition.sha256,
        terms=len(definition.terms),
        words=sum(len(term.words) for term in definition.terms),
        cases=await proposals.cases_count(session, row.id),
        schemes=await _schemes(session, row),
        versions=[Version(version=n, number=rules, sha256=sha, created_at=at, in_use=sha == definition.sha256) for n, sha, at, rules in listed],
        proposals=[rule_shown.line(item) for item in await proposals.newest(session, row.id)],
    )


@router.get("")
async def listed(opened: Opened, _who: Configurer) -> list[RuleSetView]:
    """The rules in use of every disease, their versions and proposals."""
    async with opened.db.read() as session:
        return [await _rule_set(session, row) for row in await policies.diseases(session)]


@router.get("/{disease}")
async def one(opened: Opened, _who: Configurer, disease: str) -> RuleSetView:
    async with opened.db.read() as session:
        return await _rule_set(session, await proposals.disease_of(session, disease))


@router.get("/{disease}/text", response_class=Response)
async def text(opened: Opened, _who: Configurer, disease: str, version: Annotated[int, Query(ge=0)] = 0) -> Response:
    """The TOML of a version; 0 = the rules in use."""
    async with opened.db.read() as session:
        row = await proposals.disease_of(session, disease)
        body, name = {"document": row.definition}, row.code
        if version:
            kept = await proposals.version(session, disease, version)
            name = f"{disease}-{version}"
            if "document" in kept.body:
                body = kept.body
            elif kept.sha256 != definition_of(row.definition, row.code).sha256:
                raise NotFound("The text of this version was not kept: it is older than the management of rules.", field="version")
    headers = {"Content-Disposition": f'attachment; filename="{name}.toml"', "Cache-Control": "no-store"}
    return Response(str(body.get("text") or text_of(body["document"])), media_type="application/toml; charset=utf-8", headers=headers)


@router.post("/{disease}/check")
async def check(opened: Opened, _who: Configurer, disease: str, body: RulesText) -> RuleCheck:
    """Whether a text may be proposed, and what it changes; 422 names line and field of what is wrong."""
    async with opened.db.read() as session:
        current = (await proposals.disease_of(session, disease)).definition
    document, definition = checked(body.text, current)
    return RuleCheck(
        number=definition.number,
        sha256=definition.sha256,
        terms=len(definition.terms),
        words=sum(len(term.words) for term in definition.terms),
        changes=differences(current, document),
        conflicts=conflicts(document),
    )


@router.post("/{disease}/proposals", status_code=201)
async def propose(request: Request, opened: Opened, who: Configurer, disease: str, body: RulesText) -> Proposal:
    """Begin the preview of a changed text; the unchanged one measures the rules in use."""
    async with opened.db.write() as session:
        row = await proposals.disease_of(session, disease)
        document, definition = checked(body.text, row.definition)
        await proposals.none_applying(session, row.id)
        made = RuleProposal(
            key=secrets.token_hex(8),
            disease_id=row.id,
            account=who.name,
            number=definition.number,
            sha256=definition.sha256,
            text=body.text,
            body=document,
            base_revision=row.revision,
            tally={},
            created_at=now(),
        )
        session.add(made)
        audit.record(session, who, "rules-proposed", f"rules:{disease}", after={"proposal": made.key, "number": made.number, "sha256": made.sha256})
        await session.flush()
        view = await rule_shown.proposal(session, made, row)
    request.app.state.rehearsal.wake()
    return view


@router.get("/{disease}/proposals")
async def proposed(opened: Opened, _who: Configurer, disease: str) -> list[ProposalLine]:
    """The twenty newest proposals."""
    async with opened.db.read() as session:
        row = await proposals.disease_of(session, disease)
        return [rule_shown.line(item) for item in await proposals.newest(session, row.id)]


@router.get("/{disease}/proposals/{key}")
async def proposal(opened: Opened, _who: Configurer, disease: str, key: str) -> Proposal:
    """A proposal with what was counted so far: moves, coverage, conflicts, accuracy on decided cases, a sample of changed reports."""
    async with opened.db.read() as session:
        row = await proposals.disease_of(session, disease)
        return await rule_shown.proposal(session, await proposals.get(session, row.id, key), row)


@router.post("/{disease}/proposals/{key}/apply")
async def apply(request: Request, opened: Opened, who: Configurer, disease: str, key: str) -> Proposal:
    """Take the proposal into use; every case of the disease is labelled anew, decisions stay. Needs a finished preview of the rules in use."""
    async with opened.db.write() as session:
        row = await proposals.disease_of(session, disease, lock=True)
        item = await proposals.get(session, row.id, key, lock=True)
        await proposals.none_applying(session, row.id)
        if item.state != "ready":
            raise Conflict("Only a proposal whose preview is done can be applied.", state=item.state)
        if item.base_revision != row.revision:
            raise Conflict("The rules have changed since this preview; propose it again.", state=item.state)
        if same_rules(item.body, row.definition):
            raise Conflict("This is what the rules in use say already: there is nothing to apply.", state=item.state)
        before = definition_of(row.definition, row.code)
        kept = {"disease": disease, "number": item.number, "document": item.body, "text": item.text, "proposed_by": item.account, "applied_by": who.name}
        await policies.ensure(session, "rules", disease, kept, item.sha256)
        row.definition = item.body
        row.revision += 1
        item.state, item.applied_by, item.cursor, item.done, item.attempt = "applying", who.name, 0, 0, 0
        item.total = await proposals.cases_count(session, row.id)
        item.finished_at = item.lease_until = None
        item.revision += 1
        told = {"proposal": key, "number": item.number, "sha256": item.sha256}
        audit.record(session, who, "rules-taken-into-use", f"rules:{disease}", before={"number": before.number, "sha256": before.sha256}, after=told)
        await note_changes(session, ())
        view = await rule_shown.proposal(session, item, row)
    request.app.state.rehearsal.wake()
    return view


@router.delete("/{disease}/proposals/{key}", status_code=204)
async def drop(opened: Opened, who: Configurer, disease: str, key: str) -> Response:
    """Give a proposal up; its preview ends."""
    async with opened.db.write() as session:
        row = await proposals.disease_of(session, disease)
        await proposals.drop(session, await proposals.get(session, row.id, key, lock=True))
        audit.record(session, who, "rules-dropped", f"rules:{disease}", before={"proposal": key})
    return Response(status_code=204)


@router.put("/{disease}/schemes/{scheme}/wanted-error")
async def want(opened: Opened, who: Configurer, disease: str, scheme: str, body: WantedError) -> SchemeView:
    """The share of wrong labels to accept among those nobody looks at; the threshold follows from decided cases. null = by hand."""
    async with opened.db.write() as session:
        row = await proposals.disease_of(session, disease)
        found: LabelScheme | None = next((item for item in await policies.schemes(session, [row.id]) if item.code == scheme), None)
        if found is None:
            raise InvalidInput(f"There is no label scheme {scheme} for this disease.", field="scheme")
        if _told(row, found):
            raise InvalidInput(f"{scheme} is what a report tells outright: there is a class or none, and no error rate to want.", field="scheme")
        before = found.wanted_error
        found.wanted_error = body.wanted_error
        found.revision += 1
        threshold = await thresholds.learn(session, found)
        after = {"wanted_error": body.wanted_error}
        audit.record(session, who, "error-rate-wanted", f"scheme:{disease}.{scheme}", before={"wanted_error": before}, after=after)
        return rule_shown.scheme(found, threshold)
