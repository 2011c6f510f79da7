"""Release: de-identify, verify and store every grouped file; other resources are kept hidden until a reviewer releases them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import upsert_ignore
from isocenter.models import CaseStudy, Import, ImportItem, Link, Patient, PatientIdentity, Resource, Series, Study, now
from isocenter.objects import sha256_of
from services.ingest.deidentify.policy import DeidPolicy, load_policy
from services.ingest.identity import ItemCapsule, ReportCapsule, StudyCapsule, subject
from services.ingest.records import NewUids, Outcome, Refusal
from services.ingest.stages.context import Context
from services.ingest.store import capsules, clinical, imports, policies, reviews
from services.ingest.work import ReleaseTask, Stored, local, release_items

# Reasons of a reading that a person may overrule: the file is taken in as it is.
ACCEPTABLE = frozenset({"missing-identifiers", "burned-in-text-suspect", "missing-modality"})


async def plan(context: Context) -> list[tuple[dict[str, Any], int]]:
    """Batches by series, so that a series' files stay together."""
    size = context.resources.settings.batch_files
    async with context.resources.db.read() as session:
        ids = list(
            await session.scalars(
                select(ImportItem.id)
                .where(ImportItem.import_id == context.import_id, ImportItem.kind == "file", ImportItem.outcome.is_(None))
                .order_by(ImportItem.series_id, ImportItem.ordinal)
            )
        )
    return [({"items": ids[start : start + size]}, len(ids[start : start + size])) for start in range(0, len(ids), size)]


async def run(context: Context) -> None:
    await release(context, list(context.payload["items"]), last=True)


async def release(context: Context, ids: Sequence[int], *, last: bool) -> None:
    """Release these items and write their rows in one transaction; staged copies of settled items go afterwards."""
    policy = await asyncio.to_thread(load_policy)
    async with context.resources.db.read() as session:
        items = list(await session.scalars(select(ImportItem).where(ImportItem.id.in_(ids), ImportItem.outcome.is_(None)).order_by(ImportItem.ordinal)))
        sealed = await capsules.get_many(session, context.key, "item", [item.id for item in items], ItemCapsule)
        tasks = await _tasks(session, context, [item for item in items if item.series_id is not None], sealed)
    results = await context.pool.run(release_items, replace(context.common, policy=policy), tasks, _crashed)
    stored = {task.item_id: result for task, result in zip(tasks, results, strict=True)}
    resources = [item for item in items if item.id in sealed and sealed[item.id].resource is not None]
    kept = {item.id: await asyncio.to_thread(_keep, context, sealed[item.id]) for item in resources}
    async with context.commit(last=last) as session:
        settled = await _write(session, context, items, sealed, stored, policy)
        settled += await _write_resources(session, context, resources, sealed, kept)
    for key in settled:
        await asyncio.to_thread(context.resources.staging.delete, key)


async def _tasks(session: AsyncSession, context: Context, items: Sequence[ImportItem], sealed: dict[int, ItemCapsule]) -> list[ReleaseTask]:
    """What the workers need: facts, all that linking knows of the patient, and the new UIDs."""
    study_ids = sorted({item.study_id for item in items if item.study_id is not None})
    studies = await capsules.get_many(session, context.key, "study", study_ids, StudyCapsule)
    statement = (
        select(Study.id, Study.uid, Patient.key)
        .join(PatientIdentity, PatientIdentity.id == Study.identity_id)
        .join(Patient, Patient.id == PatientIdentity.patient_id)
    )
    who = {study: (uid, key) for study, uid, key in await imports.chunked(session, statement, Study.id, study_ids)}
    series = dict(await imports.chunked(session, select(Series.id, Series.uid), Series.id, [item.series_id for item in items]))
    reports = await reports_of_studies(session, context, study_ids)
    tasks = []
    for item in items:
        capsule = sealed[item.id]
        assert capsule.reading is not None
        assert item.study_id is not None
        assert item.series_id is not None
        study_uid, pseudonym = who[item.study_id]
        facts = capsule.reading.facts
        if item.override and item.override.get("pixels_seen"):
            facts = replace(facts, pixels_may_hold_text="")  # a reviewer has looked at them
        tasks.append(
            ReleaseTask(
                item.id,
                capsule.source,
                PurePosixPath(capsule.path).suffix,
                facts,
                subject(context.key, studies[item.study_id], pseudonym, tuple(reports.get(item.study_id, ())), facts),
                NewUids(study_uid, series[item.series_id], capsule.sop_uid),
                context.key.hmac_hex("series-folder", series[item.series_id]),
            )
        )
    return tasks


async def reports_of_studies(session: AsyncSession, context: Context, study_ids: Sequence[int]) -> dict[int, list[ReportCapsule]]:
    """study -> capsules of the reports that count as linked."""
    pairs = await imports.chunked(
        session, select(Link.study_id, Link.report_id).where(Link.active.is_(True), Link.state.in_(("sure", "accepted"))), Link.study_id, study_ids
    )
    known = await capsules.get_many(session, context.key, "report", [report for _, report in pairs], ReportCapsule)
    found: dict[int, list[ReportCapsule]] = {}
    for study, report in pairs:
        if report in known:
            found.setdefault(study, []).append(known[report])
    return found


def _crashed(_task: ReleaseTask) -> Refusal:
    return Refusal(Outcome.REFUSED, "crashed-worker", "De-identifying this file ended its worker process three times; it was put aside.")


async def _write(
    session: AsyncSession,
    context: Context,
    items: Sequence[ImportItem],
    sealed: dict[int, ItemCapsule],
    stored: dict[int, Stored | Refusal],
    policy: DeidPolicy,
) -> list[str]:
    """Instances and outcomes; the staging keys of items that are settled now."""
    deid = await policies.ensure(session, "deid", policy.name, {"name": policy.name, "number": policy.number}, policy.sha256)
    rows: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    settled: list[str] = []
    for item in items:
        result = stored.get(item.id)
        if result is None:
            continue
        capsule = sealed[item.id]
        if isinstance(result, Refusal):
            updates.append({"id": item.id, "outcome": result.outcome.value, "reason": result.code, "detail": result.detail[:255], "instance_id": None})
            if result.outcome is not Outcome.REVIEW:
                settled.extend(staged_key(capsule.source))
            continue
        rows.append(_instance(item, capsule, result, deid.id))
        settled.extend(staged_key(capsule.source))
    ids = await clinical.write_instances(session, rows)
    reasons = {item.id: (item.reason, item.detail) for item in items}
    for item in items:
        result = stored.get(item.id)
        if isinstance(result, Stored):
            reason, detail = reasons[item.id]
            if result.released.held:
                reason, detail = f"held-{result.released.held}"[:64], "In the catalog; a reviewer looks at the pixels before anybody else sees them."
            updates.append({"id": item.id, "outcome": Outcome.ACCEPTED.value, "reason": reason, "detail": detail, "instance_id": ids[sealed[item.id].sop_uid]})
            capsule = sealed[item.id]
            assert item.series_id is not None
            assert capsule.reading is not None
            await clinical.ensure_slide(session, item.series_id, capsule.reading.facts)
    await imports.set_items(session, updates)
    return settled


def _instance(item: ImportItem, capsule: ItemCapsule, result: Stored, policy_id: int) -> dict[str, Any]:
    assert capsule.reading is not None
    facts, released = capsule.reading.facts, result.released
    lengths = {length for _, length in released.frame_index}
    short = [list(frame) for frame in released.frame_index] if result.frame_index_key is None and released.frame_index else None
    return {
        "sop_uid": capsule.sop_uid,
        "generation": 0,
        "series_id": item.series_id,
        "number": 0,
        "sop_class_uid": facts.sop_class_uid[:64],
        "object_key": result.object_key,
        "object_sha256": released.sha256,
        "size_bytes": released.size_bytes,
        "media_type": released.media_type,
        "source_hmac": capsule.reading.source_hmac,
        "pixel_hash": capsule.reading.pixel_hash,
        "policy_id": policy_id,
        "transfer_syntax_uid": released.transfer_syntax_uid or facts.transfer_syntax_uid,
        "rows": facts.rows,
        "columns": facts.columns,
        "frames": max(1, facts.frames),
        "pixel_offset": released.pixel_offset,
        "frame_bytes": lengths.pop() if len(lengths) == 1 else None,
        "frame_index": short,
        "frame_index_key": result.frame_index_key,
        "state": "held" if released.held else "visible",
        "held_reason": released.held[:64],
    }


def staged_key(source: str) -> list[str]:
    """The staging key of a source, none for a file of a server folder."""
    kind, _, where = source.partition(":")
    return [where] if kind == "staged" else []


def item_question(context: Context, item: ImportItem) -> dict[str, Any]:
    """A question about one file that is not in the catalog: which kind, and what may be answered, follow from its reason."""
    if item.reason in ACCEPTABLE:
        kind, choices = ("pixels" if "burned-in" in item.reason else "identifiers"), ["accept", "refuse"]
    else:
        kind, choices = "leak" if "leak" in item.reason else "identifiers", ["retry", "refuse"]
    proposal = {"reason": item.reason, "detail": item.detail, "import_key": context.import_key, "ordinal": item.ordinal}
    places = {"hospital_id": context.hospital_id, "import_id": context.import_id, "item_id": item.id}
    return reviews.question(kind, f"item:{context.import_key}/{item.ordinal}", proposal, choices, priority=0.4, **places)


def _keep(context: Context, capsule: ItemCapsule) -> tuple[str, int] | None:
    """Copy an other resource into the unreleased store; (sha256, bytes), None when it is gone."""
    try:
        with local(capsule.source, PurePosixPath(capsule.path).suffix, context.common) as path:
            sha256 = sha256_of(path)
            context.resources.staging.put_file(f"held/{sha256}", path)
            return sha256, path.stat().st_size
    except FileNotFoundError:
        return None


async def _known_resource(session: AsyncSession, context: Context, sha256: str) -> Resource | None:
    """The same file of this hospital from an earlier import."""
    statement = (
        select(Resource)
        .join(Import, Import.id == Resource.import_id)
        .where(Resource.sha256 == sha256, Import.hospital_id == context.hospital_id, Resource.import_id != context.import_id)
        .order_by(Resource.id)
        .limit(1)
    )
    found: Resource | None = await session.scalar(statement)
    return found


async def _write_resources(
    session: AsyncSession, context: Context, items: Sequence[ImportItem], sealed: dict[int, ItemCapsule], kept: dict[int, tuple[str, int] | None]
) -> list[str]:
    """Resource rows (hidden) and a question for each; in a case when their study is known."""
    updates: list[dict[str, Any]] = []
    settled: list[str] = []
    questions: list[dict[str, Any]] = []
    for item in items:
        capsule, copy = sealed[item.id], kept[item.id]
        assert capsule.resource is not None
        if copy is None:
            updates.append({"id": item.id, "outcome": Outcome.REFUSED.value, "reason": "source-gone", "detail": "The file is gone.", "resource_id": None})
            continue
        sha256, size = copy
        known = await _known_resource(session, context, sha256)
        if known is not None:
            detail = "This file was deleted from the catalog before." if known.deleted_at else "This file is in the catalog already."
            reason = "deleted-before" if known.deleted_at else "known-resource"
            updates.append({"id": item.id, "outcome": Outcome.DUPLICATE.value, "reason": reason, "detail": detail, "resource_id": known.id})
            settled.extend(staged_key(capsule.source))
            continue
        study_id = case_id = None
        if capsule.resource.study_uid:
            study_id = await session.scalar(select(Study.id).where(Study.uid == context.key.uid(capsule.resource.study_uid)))
            case_id = await session.scalar(select(CaseStudy.case_id).where(CaseStudy.study_id == study_id).order_by(CaseStudy.case_id).limit(1))
        scope = f"import:{context.import_key}"
        row = {
            "scope": scope,
            "sha256": sha256,
            "case_id": case_id,
            "study_id": study_id,
            "import_id": context.import_id,
            "title": f"{capsule.resource.code} {item.extension}".strip(),
            "media_type": capsule.resource.media_type,
            "code": capsule.resource.code,
            "object_key": f"held/{sha256}",
            "size_bytes": size,
            "state": "held",
            "created_at": now(),
            "revision": 1,
        }
        await upsert_ignore(session, Resource.__table__, [row])
        resource_id = await session.scalar(select(Resource.id).where(Resource.scope == scope, Resource.sha256 == sha256))
        detail = "Kept hidden: a reviewer decides whether it may be shown."
        updates.append({"id": item.id, "outcome": Outcome.OTHER_RESOURCE.value, "reason": capsule.resource.code, "detail": detail, "resource_id": resource_id})
        questions.append(
            reviews.question(
                "resource",
                f"resource:{scope}/{sha256[:16]}",
                {"reason": capsule.resource.code, "media_type": capsule.resource.media_type, "size_bytes": size, "import_key": context.import_key,
                 "ordinal": item.ordinal},
                ["accept", "refuse"],
                priority=0.9,
                hospital_id=context.hospital_id,
                import_id=context.import_id,
                item_id=item.id,
                case_id=case_id,
            )
        )  # fmt: skip
        settled.extend(staged_key(capsule.source))
    await imports.set_items(session, updates)
    await reviews.ask(session, questions)
    return settled
