"""DICOM JSON (PS3.18 annex F) written as the Native DICOM Model (PS3.19 A.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def native_xml(document: Mapping[str, Any]) -> bytes:
    """One dataset as an XML document."""
    body = "".join(_attribute(tag, value) for tag, value in sorted(document.items()))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
    return f"{head}{body}</NativeDicomModel>".encode()


def _attribute(tag: str, value: Mapping[str, Any]) -> str:
    keyword = keyword_for_tag(int(tag, 16))
    named = f" keyword={quoteattr(keyword)}" if keyword else ""
    return f"<DicomAttribute tag={quoteattr(tag)} vr={quoteattr(str(value['vr']))}{named}>{_content(value)}</DicomAttribute>"


def _content(value: Mapping[str, Any]) -> str:
    if "BulkDataURI" in value:
        return f"<BulkData uri={quoteattr(str(value['BulkDataURI']))}/>"
    if "InlineBinary" in value:
        return f"<InlineBinary>{value['InlineBinary']}</InlineBinary>"
    parts = []
    for number, one in enumerate(value.get("Value", []), 1):
        if value["vr"] == "SQ":
            items = "".join(_attribute(tag, inner) for tag, inner in sorted(one.items()))
            parts.append(f'<Item number="{number}">{items}</Item>')
        elif value["vr"] == "PN":
            parts.append(f'<PersonName number="{number}">{_name(one or {})}</PersonName>')
        elif one is not None:
            parts.append(f'<Value number="{number}">{_text(one)}</Value>')
    return "".join(parts)


def _name(groups: Mapping[str, str]) -> str:
    written = []
    for group in ("Alphabetic", "Ideographic", "Phonetic"):
        if groups.get(group):
            inner = "".join(f"<{part}>{_text(text)}</{part}>" for part, text in zip(_NAME_PARTS, groups[group].split("^"), strict=False) if text)
            written.append(f"<{group}>{inner}</{group}>")
    return "".join(written)


def _text(value: Any) -> str:
    return escape(_NOT_XML.sub("", str(value)))
