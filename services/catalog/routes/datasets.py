"""Datasets and their versions: make, freeze, describe. Their bytes: ``routes/downloads.py``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from isocenter.audit import record
from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.errors import Conflict, InvalidInput
from isocenter.models import Dataset, DatasetVersion, now
from isocenter.paging import Cursor, Limit
from isocenter.resources import Resources
from isocenter.search import Filter, parse_filter
from isocenter.web import CatalogReader, Freezer, Opened, check_revision, etag
from services.catalog import tables
from services.catalog.balance import parse_balance, parse_folds
from services.catalog.card import make_card
from services.catalog.events import Told, events
from services.catalog.freeze import Frozen, Preparation, freeze
from services.catalog.preview import outlook
from services.catalog.schemas.datasets import (
    DatasetDetail,
    DatasetEdit,
    DatasetIn,
    DatasetOut,
    DatasetPage,
    FreezeIn,
    PartCountOut,
    SplitPreview,
    SplitPreviewIn,
    VersionDetail,
)
from services.catalog.split import parse_recipe
from services.catalog.store import datasets as store
from services.catalog.store import diseases as disease_store
from services.catalog.store import freezing

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("")
async def list_datasets(opened: Opened, who: CatalogReader, limit: Limit = 100, cursor: Cursor = None) -> DatasetPage:
    async with opened.db.read() as session:
        return await store.page(session, who, cursor, limit)


@router.post("", status_code=201)
async def add_dataset(opened: Opened, who: Freezer, body: DatasetIn) -> DatasetOut:
    async with opened.db.write() as session:
        disease = await disease_store.visible_disease(session, who, body.disease)
        if disease.deleted_at is not None:
            raise Conflict("The disease is deleted; restore it first.", field="disease")
        scheme = await disease_store.scheme_of(session, disease.id, body.scheme)
        row = Dataset(
            name=body.name, title=body.title, description=body.description, licence=body.licence, disease_id=disease.id, scheme_id=scheme.id,
            created_by=who.name,
        )
        made = await store.add_dataset(session, who, row)
        record(session, who, "create", f"dataset:{body.name}")
    return made


@router.post("/split-preview")
async def preview_split(opened: Opened, who: Freezer, body: SplitPreviewIn) -> SplitPreview:
    """Patients and cases of each part and class as freezing the same body now would make them. Nothing is kept."""
    query, preparation = _asked(body)
    async with opened.db.read() as session:
        if body.dataset:
            dataset = await store.dataset_of(session, who, body.dataset)
            disease_id, scheme_id = dataset.disease_id, dataset.scheme_id
        else:
            named = [str(value) for value in dict(query.terms).get("disease", ())]
            code = body.disease or (named[0] if len(named) == 1 else "")
            if not code:
                raise InvalidInput("Name the dataset or the disease whose cases are to be split.", field="disease")
            disease_id = (await disease_store.visible_disease(session, who, code)).id
            scheme_id = (await disease_store.scheme_of(session, disease_id, body.scheme)).id
        members = await freezing.members_of(session, who, disease_id, scheme_id, query, body.label_states)
    found = await anyio.to_thread.run_sync(partial(outlook, members, preparation))
    counts = [[PartCountOut(part=row.part, label=row.label, patients=row.patients, cases=row.cases) for row in rows] for rows in (found.parts, found.folds)]
    return SplitPreview(
        parts=counts[0], folds=counts[1], share=round(found.worst, 6), cases=found.cases, patients=found.patients, balanced_away=found.balanced_away
    )


@router.get("/{name}")
async def get_dataset(opened: Opened, who: CatalogReader, name: str, response: Response) -> DatasetDetail:
    async with opened.db.read() as session:
        row = await store.dataset_of(session, who, name)
        response.headers.update(etag(row.revision))
        return await store.dataset_detail(session, row)


@router.patch("/{name}")
async def edit_dataset(opened: Opened, who: Freezer, name: str, body: DatasetEdit, request: Request, response: Response) -> DatasetOut:
    """Title, description and licence; cards of versions that are frozen keep theirs."""
    changes = {key: value for key, value in body.model_dump(exclude_unset=True).items() if value is not None}
    async with opened.db.write() as session:
        row = await store.dataset_to_edit(session, who, name)
        check_revision(request, row.revision)
        before = {key: getattr(row, key) for key in changes}
        for key, value in changes.items():
            setattr(row, key, value)
        row.revision += 1
        record(session, who, "change", f"dataset:{name}", before=before, after=changes)
        await session.flush()
        made = await store.shown(session, row)
        response.headers.update(etag(row.revision))
    return made


@router.delete("/{name}", status_code=204)
async def delete_dataset(opened: Opened, who: Freezer, name: str, request: Request) -> None:
    """Hide a dataset with its versions; it can be restored, and its name stays taken."""
    async with opened.db.write() as session:
        row = await store.dataset_to_edit(session, who, name)
        check_revision(request, row.revision)
        await store.delete_dataset(session, row)
        record(session, who, "delete", f"dataset:{name}")
    request.app.state.downloads.forget()


@router.post("/{name}/restore")
async def restore_dataset(opened: Opened, who: Freezer, name: str) -> DatasetOut:
    async with opened.db.write() as session:
        row = await store.dataset_to_edit(session, who, name, deleted=True)
        row.deleted_at, row.revision = None, row.revision + 1
        record(session, who, "restore", f"dataset:{name}")
        await session.flush()
        made = await store.shown(session, row)
    return made


@router.post("/{name}/versions", status_code=201, response_model=VersionDetail, responses={201: {"content": {"text/event-stream": {}}}})
async def freeze_version(opened: Opened, who: Freezer, name: str, body: FreezeIn, request: Request) -> VersionDetail | Response:
    """Freeze: an immutable version of what matches now. Objects first, then all rows in one transaction.

    With ``Accept: text/event-stream`` its progress comes as events ``progress`` {step, done, total}, at the end ``version`` or ``problem``.
    """
    query, preparation = _asked(body)
    async with opened.db.read() as session:
        await store.dataset_to_freeze(session, who, name)

    async def work(told: Told) -> VersionDetail:
        return await _freeze(opened, who, name, body, query, preparation, told)

    if "text/event-stream" in request.headers.get("accept", ""):
        return StreamingResponse(events(work), 201, media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    return await work(lambda step, done, total: None)


def _asked(body: FreezeIn) -> tuple[Filter, Preparation]:
    split = parse_recipe(body.split, body.seed) if body.split is not None else None
    return parse_filter(body.query), Preparation(split, parse_balance(body.balance, body.balance_parts, split), parse_folds(body.folds), body.seed)


async def _freeze(opened: Resources, who: Principal, name: str, body: FreezeIn, query: Filter, preparation: Preparation, told: Told) -> VersionDetail:
    async with freezing.snapshot(opened.db) as session:
        dataset = await store.dataset_to_freeze(session, who, name)
        about, origin = await freezing.about_of(session, dataset, query, body.label_states)
        found = await freezing.gather(session, who, dataset, query, body.label_states, partial(told, "gather"))
    if not found.cases:
        why = ", ".join(f"{name} {number}" for name, number in found.left_out.items() if number) or "no case matches the filter"
        raise InvalidInput(f"No case with a label that counts and released images matches ({why}).", field="query", left_out=found.left_out)
    told("write", 0, 1)
    origin = replace(origin, policies=found.policies)
    frozen = await anyio.to_thread.run_sync(partial(freeze, found.cases, origin, preparation, found.left_out))
    await anyio.to_thread.run_sync(partial(put_frozen, opened, frozen))
    async with opened.db.write() as session:
        number = await freezing.next_number(session, dataset.id)
        card = make_card(replace(about, number=number), frozen.manifest, frozen.counts, frozen.digest)
        version = DatasetVersion(
            dataset_id=dataset.id, number=number, digest=frozen.digest, manifest_key=manifest_key(frozen.digest), query=query.document(),
            recipe=preparation.document() | {"label_states": frozen.manifest["label_states"], "include_null": query.include_null},
            policies=found.policies, counts=frozen.counts, card=card, created_by=who.name, created_at=now(),
        )
        await freezing.add_version(session, version, frozen, found.members)
        record(session, who, "freeze", f"dataset:{name}@{number}", after={"digest": frozen.digest, "cases": frozen.counts["cases"]})
        await note_changes(session, ())
        return await store.version_detail(session, dataset, version)


@router.get("/{name}/versions/{number}")
async def get_version(opened: Opened, who: CatalogReader, name: str, number: Number) -> VersionDetail:
    async with opened.db.read() as session:
        dataset, version = await store.version_of(session, who, name, number)
        return await store.version_detail(session, dataset, version)


@router.get("/{name}/versions/{number}/card", response_class=Response, responses={200: {"content": {"text/markdown": {}}}})
async def get_card(opened: Opened, who: CatalogReader, name: str, number: Number) -> Response:
    """The card as markdown."""
    async with opened.db.read() as session:
        _, version = await store.version_of(session, who, name, number)
    return Response(str(version.card["markdown"]), media_type="text/markdown; charset=utf-8")


def manifest_key(digest: str) -> str:
    return f"datasets/{digest}/manifest.json"


def put_frozen(resources: Resources, frozen: Frozen) -> None:
    """Content addressed: writing a version twice is harmless, and a crash before the rows leaves only an orphan."""
    folder = f"datasets/{frozen.digest}"
    resources.store.put_bytes(f"{folder}/labels.csv", tables.labels_csv(frozen.manifest).encode())
    resources.store.put_bytes(f"{folder}/images.csv", tables.images_csv(frozen.manifest).encode())
    resources.store.put_bytes(manifest_key(frozen.digest), frozen.content)
