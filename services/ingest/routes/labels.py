"""Routes of labels: why a case has the one it has."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from isocenter.web import CatalogReader, Opened
from services.ingest.explain import explain

router = APIRouter(prefix="/api/v1", tags=["labels"])


@router.get("/cases/{case_key}/labels/explain")
async def explained(opened: Opened, who: CatalogReader, case_key: str, scheme: Annotated[str, Query(max_length=32)] = "") -> dict[str, Any]:
    """Row -> link with scores -> sentence -> rule and version -> voices -> decision; ``scheme`` '' = the newest that has a label."""
    async with opened.db.read() as session:
        return await explain(session, who, case_key, scheme)
