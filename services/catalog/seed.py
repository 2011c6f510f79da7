"""Diseases as rows at first start. Afterwards the tables rule: a disease that is there, even deleted, is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.diseases import DiseaseDefinition
from services.catalog.schemas.diseases import DiseaseDocument
from services.catalog.store import diseases as store


async def seed_diseases(session: AsyncSession, definitions: Sequence[DiseaseDefinition]) -> list[str]:
    """Codes of the diseases that were new. Called by the process that starts, in its write transaction."""
    added = []
    known = await store.known_codes(session)
    for definition in sorted(definitions, key=lambda item: item.code):
        if definition.code not in known:
            await store.add_disease(session, document_of(definition))
            added.append(definition.code)
    return added


def document_of(definition: DiseaseDefinition) -> DiseaseDocument:
    """The document that stands in ``disease.definition``: the shape of the TOML file."""
    schemes = [
        {
            "code": scheme.code,
            "number": scheme.number,
            "title": {"zh": scheme.title_zh, "en": scheme.title_en},
            "told": scheme.told,
            "classes": [{"value": item.value, "title": {"zh": item.title_zh, "en": item.title_en}} for item in scheme.classes],
        }
        for scheme in definition.schemes
    ]
    terms = [
        {"id": term.id, "meaning": term.meaning, "kind": term.kind, "subtype": term.subtype, "words": list(term.words)} for term in definition.terms
    ]
    body = {
        "code": definition.code,
        "prefix": definition.prefix,
        "number": definition.number,
        "title": {"zh": definition.title_zh, "en": definition.title_en},
        "organ": definition.organ,
        "organ_words": list(definition.organ_words),
        "body_parts": list(definition.body_parts),
        "modalities": list(definition.modalities),
        "schemes": schemes,
        "terms": terms,
        "categories": [{"id": item.id, "pattern": item.pattern, "grades": dict(item.grades)} for item in definition.categories],
    }
    return DiseaseDocument.model_validate(body)
