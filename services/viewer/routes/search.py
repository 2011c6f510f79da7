"""QIDO-RS under /dicom-web: studies, series and instances that the grants show (PS3.18 10.6)."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from isocenter.models import Series
from isocenter.web import CatalogReader, Opened
from services.viewer import qido, store

router = APIRouter(prefix="/dicom-web", tags=["viewer"])
DICOM_JSON = "application/dicom+json"


def _answer(documents: list[dict[str, Any]]) -> Response:
    return Response(orjson.dumps(documents), media_type=DICOM_JSON, headers={"Cache-Control": "no-store"})


@router.get("/studies")
async def studies(request: Request, opened: Opened, who: CatalogReader) -> Response:
    """Studies of DICOM series. PatientID and PatientName are the pseudonym; dates are the released, shifted ones."""
    query = request.query_params.multi_items()
    limit, offset = qido.page_of(query)
    here, of_series = qido.conditions(query, store.columns_of("study"), store.columns_of("series"))
    async with opened.db.read() as session:
        rows = await store.study_rows(session, who, here, of_series, limit, offset)
    return _answer([qido.study_json(row) for row in rows])


async def _series(request: Request, opened: Opened, who: CatalogReader, study_uid: str | None) -> Response:
    query = request.query_params.multi_items()
    limit, offset = qido.page_of(query)
    here, _ = qido.conditions(query, store.columns_of("series"))
    if study_uid is not None:
        here.append(store.StudyOf.uid == study_uid)
    async with opened.db.read() as session:
        rows = await store.series_rows(session, who, here, limit, offset)
    return _answer([qido.series_json(*row) for row in rows])


@router.get("/series")
async def series(request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _series(request, opened, who, None)


@router.get("/studies/{study_uid}/series")
async def series_of_study(study_uid: str, request: Request, opened: Opened, who: CatalogReader) -> Response:
    """Empty for an unknown study and for one of another project."""
    return await _series(request, opened, who, study_uid)


async def _instances(request: Request, opened: Opened, who: CatalogReader, study_uid: str | None, series_uid: str | None) -> Response:
    query = request.query_params.multi_items()
    limit, offset = qido.page_of(query)
    here, _ = qido.conditions(query, store.columns_of("instance"))
    if study_uid is not None:
        here.append(store.StudyOf.uid == study_uid)
    if series_uid is not None:
        here.append(Series.uid == series_uid)
    async with opened.db.read() as session:
        rows = await store.instance_rows(session, who, here, limit, offset)
    return _answer([qido.instance_json(*row) for row in rows])


@router.get("/instances")
async def instances(request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _instances(request, opened, who, None, None)


@router.get("/studies/{study_uid}/instances")
async def instances_of_study(study_uid: str, request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _instances(request, opened, who, study_uid, None)


@router.get("/studies/{study_uid}/series/{series_uid}/instances")
async def instances_of_series(study_uid: str, series_uid: str, request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _instances(request, opened, who, study_uid, series_uid)
