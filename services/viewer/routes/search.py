"""QIDO-RS under /dicom-web: studies, series and instances that the grants show (PS3.18 10.6)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from isocenter.errors import NotAcceptable
from isocenter.models import Series
from isocenter.web import CatalogReader, Opened
from services.viewer import negotiate, qido, store
from services.viewer.native_xml import native_xml
from services.viewer.viewing import Viewing

ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/dicom+json": {}, "multipart/related": {}}}}
router = APIRouter(prefix="/dicom-web", tags=["viewer"], default_response_class=Response, responses=ANSWERS)
DICOM_JSON = "application/dicom+json"
HEADERS_MOST = 200  # series whose metadata object one query opens for includefield

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Asked:
    query: Query
    limit: int
    offset: int
    fields: qido.Fields
    form: str


def _asked(request: Request) -> _Asked:
    query = request.query_params.multi_items()
    limit, offset = qido.page_of(query)
    form = negotiate.document_type(negotiate.wanted_of(request.scope))
    if form is None:
        raise NotAcceptable(f'Results can be had as {DICOM_JSON} or multipart/related; type="application/dicom+xml".', field="Accept")
    return _Asked(query, limit, offset, qido.fields_of(query), form)


def _answer(documents: list[dict[str, Any]], asked: _Asked, warnings: list[str]) -> Response:
    """One row more than asked is read, to know whether there are more (PS3.18 8.3.4.4)."""
    if len(documents) > asked.limit:
        documents = documents[: asked.limit]
        warnings = [*warnings, f"There are additional results that can be requested; this answer ends at {asked.limit} (limit is at most {qido.LIMIT_MOST})."]
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if warnings:
        headers["Warning"] = ", ".join(f'299 isocenter "{text}"' for text in warnings)
    if asked.form == DICOM_JSON:
        return Response(orjson.dumps(documents), media_type=DICOM_JSON, headers=headers)
    boundary = secrets.token_hex(16)
    parts = b"".join(b"--%b\r\nContent-Type: application/dicom+xml\r\n\r\n%b\r\n" % (boundary.encode(), native_xml(one)) for one in documents)
    kind = f'multipart/related; type="application/dicom+xml"; boundary={boundary}'
    return Response(parts + f"--{boundary}--\r\n".encode(), headers={**headers, "Content-Type": kind})


async def _filled(
    request: Request, asked: _Asked, level: str, documents: list[dict[str, Any]], holders: Sequence[Series | None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The documents with what ``includefield`` asks for, from the metadata objects written at ingest."""
    if not asked.fields:
        return documents, []
    viewing: Viewing = request.app.state.viewing
    headers: dict[int, dict[str, dict[str, Any]]] = {}
    result = []
    left_out = False
    for document, series in zip(documents, holders, strict=True):
        missing = (level == "instance" and asked.fields.everything) or any(tag not in document for tag in asked.fields.of(level))
        if series is None or series.metadata_key is None or not missing:
            result.append(document)
            continue
        if series.id not in headers and len(headers) >= HEADERS_MOST:
            left_out = True
            result.append(document)
            continue
        if series.id not in headers:
            headers[series.id] = await viewing.headers_of(series.metadata_key)
        of_series = headers[series.id]
        sources = list(of_series.values())
        if level == "instance":
            sources = [of_series[uid] for uid in document["00080018"]["Value"] if uid in of_series]
        result.append(qido.with_fields(document, sources, asked.fields, level))
    warnings = [f"includefield was followed for the first {HEADERS_MOST} series only; ask with a smaller limit."] if left_out else []
    return result, warnings


@router.get("/studies")
async def studies(request: Request, opened: Opened, who: CatalogReader) -> Response:
    """Studies of DICOM series. PatientID and PatientName are the pseudonym; dates are the released, shifted ones."""
    asked = _asked(request)
    here, of_series = qido.conditions(asked.query, store.columns_of("study"), store.columns_of("series"))
    async with opened.db.read() as session:
        rows = await store.study_rows(session, who, here, of_series, asked.limit + 1, asked.offset)
        firsts = await store.first_series(session, who, [row.study.id for row in rows]) if asked.fields and rows else {}
    documents, warnings = await _filled(request, asked, "study", [qido.study_json(row) for row in rows], [firsts.get(row.study.id) for row in rows])
    return _answer(documents, asked, warnings)


async def _series(request: Request, opened: Opened, who: CatalogReader, study_uid: str | None) -> Response:
    asked = _asked(request)
    here, _ = qido.conditions(asked.query, store.columns_of("series"))
    if study_uid is not None:
        here.append(store.StudyOf.uid == study_uid)
    async with opened.db.read() as session:
        rows = await store.series_rows(session, who, here, asked.limit + 1, asked.offset)
    documents, warnings = await _filled(request, asked, "series", [qido.series_json(*row) for row in rows], [row[0] for row in rows])
    return _answer(documents, asked, warnings)


@router.get("/series")
async def series(request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _series(request, opened, who, None)


@router.get("/studies/{study_uid}/series")
async def series_of_study(study_uid: str, request: Request, opened: Opened, who: CatalogReader) -> Response:
    """Empty for an unknown study and for one of another project."""
    return await _series(request, opened, who, study_uid)


async def _instances(request: Request, opened: Opened, who: CatalogReader, study_uid: str | None, series_uid: str | None) -> Response:
    asked = _asked(request)
    here, _ = qido.conditions(asked.query, store.columns_of("instance"))
    of_patient = any(qido.keyword_of(name) in ("PatientID", "PatientName") for name, _ in asked.query if name not in qido.CONTROL)
    if study_uid is not None:
        here.append(store.StudyOf.uid == study_uid)
    if series_uid is not None:
        here.append(Series.uid == series_uid)
    async with opened.db.read() as session:
        rows = await store.instance_rows(session, who, here, asked.limit + 1, asked.offset, of_patient=of_patient)
    documents, warnings = await _filled(request, asked, "instance", [qido.instance_json(*row) for row in rows], [row[1] for row in rows])
    return _answer(documents, asked, warnings)


@router.get("/instances")
async def instances(request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _instances(request, opened, who, None, None)


@router.get("/studies/{study_uid}/instances")
async def instances_of_study(study_uid: str, request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _instances(request, opened, who, study_uid, None)


@router.get("/studies/{study_uid}/series/{series_uid}/instances")
async def instances_of_series(study_uid: str, series_uid: str, request: Request, opened: Opened, who: CatalogReader) -> Response:
    return await _instances(request, opened, who, study_uid, series_uid)
