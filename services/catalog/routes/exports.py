"""Exports of a version: ask, list, look, cancel, remove; and what an augmentation recipe does to a picture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, cast

import anyio.to_thread
import orjson
from fastapi import APIRouter, Depends, Path, Request, Response

from isocenter.audit import record
from isocenter.errors import InvalidInput, NotFound
from isocenter.web import CatalogReader, Downloader, Opened
from services.catalog.exports.recipes import parse_recipe
from services.catalog.exports.runner import Exporter, reject_for_store
from services.catalog.exports.spec import FORMATS, SHARED, Spec, parse_spec
from services.catalog.exports.units import Unit, units_of
from services.catalog.schemas.exports import ExportIn, ExportList, ExportOut, FormatList, FormatOut, PreviewIn
from services.catalog.store import datasets, exports

router = APIRouter(prefix="/api/v1/datasets/{name}/versions/{number}", tags=["exports"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


def _exporter(request: Request) -> Exporter:
    return cast(Exporter, request.app.state.exporter)


Background = Annotated[Exporter, Depends(_exporter)]


@router.get("/exports/formats")
async def list_formats(opened: Opened, who: CatalogReader, name: str, number: Number) -> FormatList:
    """What the version can be exported as, with the options of each format."""
    async with opened.db.read() as session:
        await datasets.version_of(session, who, name, number)
    return FormatList(items=[FormatOut(format=form, options=sorted(options | SHARED)) for form, options in FORMATS.items()])


@router.post("/exports", status_code=202)
async def ask_export(opened: Opened, who: Downloader, background: Background, name: str, number: Number, body: ExportIn) -> ExportOut:
    """Ask for an export: a job of the background. The same format and options again are the same export, wherever it stands."""
    spec = parse_spec(body.format, body.options)
    reject_for_store(spec, opened.store.config.url)
    async with opened.db.write() as session:
        dataset, version = await datasets.served_version(session, who, name, number)
        row, fresh = await exports.ask(session, who, version, spec)
        if fresh:
            record(session, who, "export", f"dataset:{name}@{number}", after={"format": spec.format, "options": spec.document()})
        shown = exports.shape(row, dataset, version)
    background.wake()
    return shown


@router.get("/exports")
async def list_exports(opened: Opened, who: CatalogReader, name: str, number: Number) -> ExportList:
    async with opened.db.read() as session:
        dataset, version = await datasets.version_of(session, who, name, number)
        return ExportList(items=[exports.shape(row, dataset, version) for row in await exports.of_version(session, version)])


@router.get("/exports/{key}")
async def get_export(opened: Opened, who: CatalogReader, name: str, number: Number, key: str) -> ExportOut:
    """How far it is; ``reason`` says why it failed."""
    async with opened.db.read() as session:
        dataset, version = await datasets.version_of(session, who, name, number)
        return exports.shape(await exports.export_of(session, version, key), dataset, version)


@router.post("/exports/{key}/cancel")
async def cancel_export(opened: Opened, who: Downloader, background: Background, name: str, number: Number, key: str) -> ExportOut:
    """Stop an export that is not over; what it has written goes."""
    async with opened.db.write() as session:
        dataset, version = await datasets.version_of(session, who, name, number)
        row = await exports.export_of(session, version, key)
        await exports.end(session, row, "cancelled")
        record(session, who, "cancel", f"export:{name}@{number}/{key}")
        await session.refresh(row)
        shown = exports.shape(row, dataset, version)
    background.wake()
    return shown


@router.delete("/exports/{key}", status_code=204)
async def remove_export(opened: Opened, who: Downloader, background: Background, name: str, number: Number, key: str) -> None:
    """Forget an export that is over and free its bytes; asking for it again makes it anew."""
    async with opened.db.write() as session:
        _, version = await datasets.version_of(session, who, name, number)
        row = await exports.export_of(session, version, key)
        await exports.end(session, row, "removed")
        record(session, who, "remove", f"export:{name}@{number}/{key}")
    await anyio.to_thread.run_sync(background.remove_objects, exports.folder_of(row.id))


@router.post("/augmentation", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def preview_augmentation(opened: Opened, who: Downloader, background: Background, name: str, number: Number, body: PreviewIn) -> Response:
    """A PNG: the middle picture of a series, then copies of it as the recipe makes them."""
    recipe = parse_recipe(body.augment)
    async with opened.db.read() as session:
        _, version = await datasets.served_version(session, who, name, number)
    units = await anyio.to_thread.run_sync(partial(_units, background, version.manifest_key))
    unit = next((unit for unit in units if body.series_uid in (None, unit.image["series_uid"])), None)
    if unit is None:
        raise NotFound("The version has no series of this UID.", field="series_uid")
    async with opened.db.read() as session:
        keys = await exports.object_keys(session, version.id, unit.image["series_uid"])
    if any(source.sha256 not in keys for source in unit.sources):
        raise InvalidInput("An object of this series is not in the catalog any more.", field="series_uid")
    unit = replace(unit, sources=tuple(replace(source, key=keys[source.sha256]) for source in unit.sources))
    workplace = background.workplace("", Spec("png"))
    return Response(await background.preview(workplace, unit, recipe, body.seed, body.copies), media_type="image/png")


def _units(background: Exporter, manifest_key: str) -> list[Unit]:
    return units_of(orjson.loads(background.resources.store.get_bytes(manifest_key)))
