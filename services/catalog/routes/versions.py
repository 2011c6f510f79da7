"""Versions beside one another: what differs, and what a withdrawal does to them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
import orjson
from fastapi import APIRouter, Query, Request

from isocenter.audit import record
from isocenter.changes import note_changes
from isocenter.models import Dataset, DatasetVersion, now
from isocenter.resources import Resources
from isocenter.search import parse_filter
from isocenter.web import CatalogReader, Editor, Opened
from services.catalog.card import make_card
from services.catalog.routes.datasets import manifest_key, put_frozen
from services.catalog.schemas.datasets import CaseChange, Comparison, WithdrawalIn, WithdrawalOut
from services.catalog.store import datasets as store
from services.catalog.store import freezing, withdrawals
from services.catalog.versions import Change, Difference, compare, without

router = APIRouter(tags=["datasets"])

VersionNumber = Annotated[int, Query(ge=1, le=2**31 - 1)]


@router.get("/api/v1/datasets/{name}/compare")
async def compare_versions(
    opened: Opened, who: CatalogReader, name: str, before: VersionNumber, after: VersionNumber, limit: Annotated[int, Query(ge=1, le=100_000)] = 1000
) -> Comparison:
    """Cases added, removed, relabelled, moved to another part, and with other files. Withdrawn versions are not compared (410)."""
    async with opened.db.read() as session:
        _, old = await store.served_version(session, who, name, before)
        _, new = await store.served_version(session, who, name, after)
    found = await anyio.to_thread.run_sync(partial(_difference, opened, old.manifest_key, new.manifest_key))
    counted = {key: len(getattr(found, key)) for key in ("added", "removed", "relabelled", "moved", "other_files")} | {"same": found.same}
    return Comparison(
        before=f"{name}@{before}", after=f"{name}@{after}", counts=counted, added=list(found.added[:limit]), removed=list(found.removed[:limit]),
        relabelled=[_shape(change) for change in found.relabelled[:limit]], moved=[_shape(change) for change in found.moved[:limit]],
        other_files=list(found.other_files[:limit]),
    )


@router.post("/api/v1/withdrawals", status_code=201)
async def withdraw_patient(opened: Opened, who: Editor, body: WithdrawalIn, request: Request) -> WithdrawalOut:
    """A patient withdraws: versions with them are closed, the newest of each dataset is followed by one without them, and no later import takes
    them in. Asking again finishes what a crash left undone."""
    async with opened.db.write() as session:
        closed = await withdrawals.withdraw(session, who, body.case)
        record(session, who, "withdraw", f"case:{body.case}", after={"versions": len(closed.versions)})
        await note_changes(session, closed.case_ids)
    request.app.state.downloads.forget()
    made = []
    for dataset_id, version_id in closed.to_follow:
        if (reference := await _follow(opened, who, dataset_id, version_id, closed)) is not None:
            made.append(reference)
    return WithdrawalOut(withdrawn_at=closed.at, cases=list(closed.case_keys), closed=list(closed.versions), made=made)


async def _follow(opened: Resources, who: Editor, dataset_id: int, version_id: int, closed: withdrawals.Closed) -> str | None:
    """name@number of the next version; None when nobody is left in it."""
    async with opened.db.read() as session:
        dataset, old = await session.get_one(Dataset, dataset_id), await session.get_one(DatasetVersion, version_id)
        about, _ = await freezing.about_of(session, dataset, parse_filter(old.query), old.recipe.get("label_states", []))
    manifest = await anyio.to_thread.run_sync(partial(_manifest, opened, old.manifest_key))
    frozen = await anyio.to_thread.run_sync(partial(without, manifest, old.digest, old.counts, closed.case_keys))
    if not frozen.manifest["labels"]:
        return None
    await anyio.to_thread.run_sync(partial(put_frozen, opened, frozen))
    async with opened.db.write() as session:
        number = await freezing.next_number(session, dataset.id)
        card = make_card(about.at(number), frozen.manifest, frozen.counts, frozen.digest)
        version = DatasetVersion(
            dataset_id=dataset.id, number=number, digest=frozen.digest, manifest_key=manifest_key(frozen.digest), query=old.query, recipe=old.recipe,
            policies=old.policies, counts=frozen.counts, card=card, created_by=who.name, created_at=now(),
        )
        await withdrawals.add_follower(session, old, version, frozen, closed.case_ids)
        record(session, who, "freeze", f"dataset:{dataset.name}@{number}", after={"digest": frozen.digest, "follows": old.number})
        await note_changes(session, ())
    return f"{dataset.name}@{number}"


def _difference(resources: Resources, old: str, new: str) -> Difference:
    return compare(_manifest(resources, old), _manifest(resources, new))


def _manifest(resources: Resources, key: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(resources.store.get_bytes(key))
    return found


def _shape(change: Change) -> CaseChange:
    return CaseChange(case_id=change.case_id, before=change.before, after=change.after)
