"""Routes of labels and links: why a case has the label it has; a report put to a study or taken from it by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from isocenter.web import CatalogReader, Opened, Reviewer
from services.ingest import settle
from services.ingest.explain import explain
from services.ingest.schemas import LinkChange, LinkView

router = APIRouter(prefix="/api/v1", tags=["labels"])


@router.get("/cases/{case_key}/labels/explain")
async def explained(opened: Opened, who: CatalogReader, case_key: str, scheme: Annotated[str, Query(max_length=32)] = "") -> dict[str, Any]:
    """Row -> link with scores -> sentence -> rule and version -> voices -> decision; ``scheme`` '' = the newest that has a label."""
    async with opened.db.read() as session:
        return await explain(session, who, case_key, scheme)


@router.post("/links")
async def change_link(request: Request, opened: Opened, who: Reviewer, body: LinkChange) -> LinkView:
    """Unlink a report from a study, or link it (again): a new generation counts, text and labels are found anew."""
    async with opened.db.write() as session:
        made = await settle.change_link(session, who, body.study_uid, body.report_key, body.linked)
        view = LinkView(study_uid=body.study_uid, report_key=body.report_key, generation=made.generation, state=made.state, active=made.active)
    request.app.state.coordinator.wake()
    return view
