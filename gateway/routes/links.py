"""Making a signed link (``gateway/links.py``)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.links import LINK_SECONDS, PREFIX, Link, link_token
from isocenter.audit import record
from isocenter.web import CatalogReader, Opened

router = APIRouter(prefix="/api/v1", tags=["gateway"])


class LinkRequest(BaseModel):
    """One of ``series`` (its UID) and ``resource`` (its SHA-256)."""

    model_config = ConfigDict(extra="forbid")

    series: Annotated[str | None, Field(pattern=r"^[0-9A-Za-z._-]{1,64}$")] = None
    resource: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    seconds: Annotated[int, Field(ge=1, le=LINK_SECONDS)] = LINK_SECONDS

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.series is None) == (self.resource is None):
            raise ValueError("name one series or one resource")
        return self


class LinkView(BaseModel):
    """``url`` goes in front of an address of that series or resource, such as /slides/UID.dzi or /dicom-web/studies/..."""

    kind: Literal["series", "resource"]
    url: str
    expires_at: datetime


@router.post("/signed-links", status_code=201)
async def make_link(body: LinkRequest, opened: Opened, who: CatalogReader) -> LinkView:
    """A link that lives ten minutes at most. It opens what this account may see at the time of its use."""
    kind: Literal["series", "resource"] = "series" if body.series is not None else "resource"
    link = Link(who.account_id, kind, body.series or body.resource or "", int(time.time()) + body.seconds)
    expires_at = datetime.fromtimestamp(link.expires, UTC)
    async with opened.db.write() as session:
        record(session, who, "issue-link", f"{kind}:{link.name}", after={"expires_at": expires_at.isoformat()})
    return LinkView(kind=kind, url=f"{PREFIX}{link_token(link, opened.key)}", expires_at=expires_at)
