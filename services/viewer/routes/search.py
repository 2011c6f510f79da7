"""QIDO-RS under /dicom-web: studies, series and instances that the grants show (PS3.18 10.6).

Pure ASGI like the routes that carry bytes: a viewer asks hundreds of small questions, and a framework would cost more than their answers.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from isocenter.auth import Permission
from isocenter.errors import NotAcceptable
from isocenter.prepared import Rows
from services.viewer import negotiate, qido, store
from services.viewer.matching import Term
from services.viewer.native_xml import native_xml
from services.viewer.negotiate import DICOM_JSON
from services.viewer.raw import Asked, Headers, RawRoute
from services.viewer.routes.places import ROOT, SERIES, STUDY
from services.viewer.viewing import Viewing

HEADERS_MOST = 200  # series whose metadata object one query opens for includefield

Query = Sequence[tuple[str, str]]
Holder = tuple[int, str | None]  # id and metadata object of the series that a result lies in
NONE: Holder = (0, None)
_OFFERED = {level: store.keywords_of(level) for level in ("study", "series", "instance")}
TOLD = {
    f"{ROOT}/studies": "Studies of DICOM series. PatientID and PatientName are the pseudonym; dates are the released, shifted ones.",
    f"{ROOT}/series": "Series, by study and number.",
    f"{STUDY}/series": "Series of a study. Empty for an unknown study and for one of another project.",
    f"{ROOT}/instances": "Instances, series by series in geometric order.",
    f"{STUDY}/instances": "Instances of a study. Empty for an unknown study and for one of another project.",
    f"{SERIES}/instances": "Instances of a series. Empty for an unknown series and for one of another project.",
}


@dataclass(frozen=True, slots=True)
class _Search:
    query: Query
    limit: int
    offset: int
    fields: qido.Fields
    form: str


def _search(asked: Asked) -> _Search:
    query = parse_qsl(asked.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    limit, offset = qido.page_of(query)
    form = negotiate.document_type(negotiate.wanted_of(asked.scope))
    if form is None:
        raise NotAcceptable(f'Results can be had as {DICOM_JSON} or multipart/related; type="application/dicom+xml".', field="Accept")
    return _Search(query, limit, offset, qido.fields_of(query), form)


def _below(asked: Asked, terms: list[Term] | None) -> list[Term] | None:
    """With the study and the series of the address."""
    of_address = asked.scope["path_params"]
    named = (("study", "StudyInstanceUID"), ("series", "SeriesInstanceUID"))
    return None if terms is None else [*terms, *(Term(keyword, "in", (str(of_address[name]),)) for name, keyword in named if name in of_address)]


async def _answer(asked: Asked, documents: list[qido.Json], search: _Search, warnings: list[str]) -> None:
    """One row more than asked is read, to know whether there are more (PS3.18 8.3.4.4)."""
    if len(documents) > search.limit:
        documents = documents[: search.limit]
        warnings = [*warnings, f"There are additional results that can be requested; this answer ends at {search.limit} (limit is at most {qido.LIMIT_MOST})."]
    headers: Headers = [(b"cache-control", b"no-store"), (b"vary", b"accept")]
    if warnings:
        headers.append((b"warning", ", ".join(f'299 isocenter "{text}"' for text in warnings).encode()))
    if search.form == DICOM_JSON:
        await asked.answer(orjson.dumps(documents), DICOM_JSON, headers)
        return
    boundary = secrets.token_hex(16)
    parts = b"".join(b"--%b\r\nContent-Type: application/dicom+xml\r\n\r\n%b\r\n" % (boundary.encode(), native_xml(one)) for one in documents)
    kind = f'multipart/related; type="application/dicom+xml"; boundary={boundary}'
    await asked.answer(parts + f"--{boundary}--\r\n".encode(), kind, headers)


class SearchRoutes:
    """The routes at the three levels, each below what the address names."""

    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing

    def routes(self) -> list[RawRoute]:
        answers: dict[str, Callable[[Asked], Awaitable[None]]] = {"studies": self.studies, "series": self.series, "instances": self.instances}
        return [RawRoute(path, Permission.READ_CATALOG, answers[path.rpartition("/")[2]], self.viewing.resources) for path in TOLD]

    async def studies(self, asked: Asked) -> None:
        search = _search(asked)
        terms = qido.terms_of(search.query, "study", _OFFERED["study"])

        def look(rows: Rows) -> tuple[list[store.StudyRow], dict[int, Holder]]:
            found = store.study_rows(rows, asked.principal, terms or [], search.limit + 1, search.offset)
            return found, dict(store.first_series(rows, asked.principal, [row.id for row in found])) if search.fields else {}

        found, firsts = ([], {}) if terms is None else await self.viewing.resources.db.ask(look)
        documents, warnings = await self._filled(search, "study", [qido.study_json(row) for row in found], [firsts.get(row.id, NONE) for row in found])
        await _answer(asked, documents, search, warnings)

    async def series(self, asked: Asked) -> None:
        search = _search(asked)
        terms = _below(asked, qido.terms_of(search.query, "series", _OFFERED["series"]))
        found: list[store.SeriesRow] = []
        if terms is not None:
            found = await self.viewing.resources.db.ask(lambda rows: store.series_rows(rows, asked.principal, terms, search.limit + 1, search.offset))
        documents, warnings = await self._filled(search, "series", [qido.series_json(row) for row in found], [(row.id, row.metadata_key) for row in found])
        await _answer(asked, documents, search, warnings)

    async def instances(self, asked: Asked) -> None:
        search = _search(asked)
        terms = _below(asked, qido.terms_of(search.query, "instance", _OFFERED["instance"]))
        found: list[store.InstanceRow] = []
        if terms is not None:
            found = await self.viewing.resources.db.ask(lambda rows: store.instance_rows(rows, asked.principal, terms, search.limit + 1, search.offset))
        holders = [(row.series_id, row.metadata_key) for row in found]
        documents, warnings = await self._filled(search, "instance", [qido.instance_json(row) for row in found], holders)
        await _answer(asked, documents, search, warnings)

    async def _filled(self, search: _Search, level: str, documents: list[qido.Json], holders: Sequence[Holder]) -> tuple[list[qido.Json], list[str]]:
        """The documents with what ``includefield`` asks for, from the metadata objects written at ingest."""
        fields = search.fields
        if not fields:
            return documents, []
        headers: dict[int, dict[str, dict[str, Any]]] = {}
        result = []
        left_out = False
        for document, (series_id, metadata_key) in zip(documents, holders, strict=True):
            missing = (level == "instance" and fields.everything) or any(tag not in document for tag in fields.of(level))
            if metadata_key is None or not missing:
                result.append(document)
                continue
            if series_id not in headers and len(headers) >= HEADERS_MOST:
                left_out = True
                result.append(document)
                continue
            if series_id not in headers:
                headers[series_id] = await self.viewing.headers_of(metadata_key)
            of_series = headers[series_id]
            sources = list(of_series.values())
            if level == "instance":
                sources = [of_series[uid] for uid in document["00080018"]["Value"] if uid in of_series]
            result.append(qido.with_fields(document, sources, fields, level))
        warnings = [f"includefield was followed for the first {HEADERS_MOST} series only; ask with a smaller limit."] if left_out else []
        return result, warnings


def described(routes: Iterable[RawRoute]) -> dict[str, Any]:
    """The paths of an OpenAPI document: a raw route tells FastAPI nothing about itself."""
    answered = {"description": "What matches.", "content": {DICOM_JSON: {}, "multipart/related": {}}}
    paths: dict[str, Any] = {}
    for route in routes:
        parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"{(\w+)}", route.path)]
        name = re.sub(r"\W+", "_", route.path).strip("_")
        told = {"summary": TOLD[route.path].partition(".")[0], "description": TOLD[route.path], "operationId": f"{name}_get"}
        paths[route.path] = {"get": {"tags": ["viewer"], **told, "parameters": parameters, "responses": {"200": answered}}}
    return paths
