"""What this DICOMweb origin server offers (PS3.18 8.9), as JSON or WADL. docs/dicomweb.md is the same at length."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import orjson

from isocenter.auth import Permission
from services.viewer import negotiate, qido, store
from services.viewer.raw import Asked, RawRoute
from services.viewer.routes.places import ROOT
from services.viewer.viewing import Viewing

WADL = "application/vnd.sun.wadl+xml"
_OBJECTS = ['multipart/related; type="application/dicom"', "application/zip"]
_ATTRIBUTES = ["application/dicom+json", 'multipart/related; type="application/dicom+xml"']
_PICTURES = ["image/jpeg", "image/png"]
_FRAMES = [f'multipart/related; type="{kind}"' for kind in ("application/octet-stream", *negotiate.TARGETS)]
_RENDERED = ["window", "viewport", "quality", "annotation", "iccprofile", "accept"]
_SEARCH = ["limit", "offset", "fuzzymatching", "includefield", "accept"]


def resources() -> list[tuple[str, str, list[str], list[str]]]:
    """(name, path, query parameters, media types) of every resource."""
    study, series, instance = "/studies/{study}", "/studies/{study}/series/{series}", "/studies/{study}/series/{series}/instances/{instance}"
    found = []
    for level, paths in (
        ("study", ["/studies"]),
        ("series", ["/series", f"{study}/series"]),
        ("instance", ["/instances", f"{study}/instances", f"{series}/instances"]),
    ):
        keys = sorted({*store.keywords_of(level), "ModalitiesInStudy", *qido.EMPTY})
        found += [("search", path, [*_SEARCH, *(key for key in keys if key != "ModalitiesInStudy" or level == "study")], _ATTRIBUTES) for path in paths]
    for path in (study, series, instance):
        found.append(("retrieve", path, ["accept"], _OBJECTS + (["application/dicom"] if path == instance else [])))
        found.append(("metadata", f"{path}/metadata", ["accept"], _ATTRIBUTES))
        found.append(("rendered", f"{path}/rendered", _RENDERED, _PICTURES))
        found.append(("thumbnail", f"{path}/thumbnail", [], ["image/jpeg"]))
    found.append(("frames", f"{instance}/frames/{{frames}}", ["accept"], _FRAMES))
    found.append(("rendered", f"{instance}/frames/{{frames}}/rendered", _RENDERED, _PICTURES))
    found.append(("thumbnail", f"{instance}/frames/{{frames}}/thumbnail", [], ["image/jpeg"]))
    found.append(("bulkdata", f"{instance}/bulkdata/{{attribute}}", ["accept"], ["application/octet-stream"]))
    return found


class CapabilityRoutes:
    def __init__(self, viewing: Viewing) -> None:
        self.viewing = viewing

    def routes(self) -> list[RawRoute]:
        paths = (ROOT, f"{ROOT}/")
        return [RawRoute(path, Permission.READ_CATALOG, self.capabilities, self.viewing.resources, ("GET", "OPTIONS")) for path in paths]

    async def capabilities(self, asked: Asked) -> None:
        wanted = negotiate.wanted_of(asked.scope)
        as_wadl = bool(wanted) and wanted[0].media_type in (WADL, "application/xml", "text/xml")
        headers = [(b"cache-control", b"private, max-age=300"), (b"vary", b"accept")]
        if as_wadl:
            await asked.answer(_wadl(), WADL, headers)
            return
        document = {
            "service": "DICOMweb origin server (PS3.18): QIDO-RS, WADO-RS",
            "limit_default": qido.LIMIT_DEFAULT,
            "limit_most": qido.LIMIT_MOST,
            "transfer_syntaxes": ["*", negotiate.EXPLICIT_LITTLE_ENDIAN, *negotiate.ENCODED],
            "resources": [{"name": name, "path": ROOT + path, "query": query, "media_types": kinds} for name, path, query, kinds in resources()],
        }
        await asked.answer(orjson.dumps(document), "application/json", headers)


def _wadl() -> bytes:
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02">', f"<resources base={quoteattr(ROOT)}>"]
    for name, path, query, kinds in resources():
        parameters = "".join(f'<param name={quoteattr(key)} style="query"/>' for key in query)
        answers = "".join(f"<representation mediaType={quoteattr(kind)}/>" for kind in kinds)
        method = f'<method name="GET" id={quoteattr(name)}><request>{parameters}</request><response status="200">{answers}</response></method>'
        parts.append(f"<resource path={quoteattr(path.lstrip('/'))}>{method}</resource>")
    return "".join([*parts, "</resources></application>"]).encode()
