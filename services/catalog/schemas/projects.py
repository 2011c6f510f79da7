"""Wire shapes of projects, their members and their grants."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ProjectIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", max_length=64)
    title: str = Field("", max_length=255)


class ProjectChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=255)


class GrantsOut(BaseModel):
    diseases: list[str]
    datasets: list[str]


class ProjectOut(BaseModel):
    code: str
    title: str
    members: list[str]
    grants: GrantsOut
    revision: int
