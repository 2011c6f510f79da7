"""Wire shapes of rule sets, proposals and thresholds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.ingest.schemas import Strict


class RulesText(Strict):
    text: str = Field(min_length=1, max_length=1_000_000, description="TOML of the shape of isocenter/diseases/*.toml.")


class WantedError(Strict):
    wanted_error: float | None = Field(None, ge=0.0001, le=0.2, description="0.01 = one wrong label in a hundred; null = the threshold set by hand.")


class ThresholdView(BaseModel):
    confidence: float = Field(description="Above 1: nothing goes without a person.")
    decided: int
    accepted: int
    wrong: int
    error_bound: float
    basis: str = Field(description="shown | assumed | raised")


class SchemeView(BaseModel):
    code: str
    number: int
    title_en: str
    title_zh: str
    threshold: float = Field(description="As set by hand.")
    wanted_error: float | None
    counts_from: float = Field(description="What the label stage uses.")
    found: ThresholdView | None = Field(description="What decided cases say now.")


class Version(BaseModel):
    version: int
    number: int | None
    sha256: str
    created_at: datetime
    in_use: bool


class ProposalLine(BaseModel):
    key: str
    state: str
    number: int
    account: str
    applied_by: str | None
    done: int = Field(description="Cases so far.")
    total: int
    failure: str
    created_at: datetime
    finished_at: datetime | None


class Move(BaseModel):
    old: str
    new: str
    count: int


class Rates(BaseModel):
    """Coverage and accuracy of one side: shares 0..1, None without anything to count."""

    sure: int
    coverage: float | None
    right: int
    wrong: int
    review: int
    accuracy: float | None


class RuleLine(BaseModel):
    rule: str
    meaning: str
    reports: int
    conflicts: int
    decided: int
    right: int
    accuracy: float | None


class Sample(BaseModel):
    case: str
    report: str
    kind: str
    old: str
    new: str
    reason: str
    sentences: list[dict[str, Any]]


class Proposal(ProposalLine):
    text: str
    changes: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
    outdated: bool = Field(description="The rules in use are not those it was measured against.")
    cases: int
    reports: int
    failed: int
    case_moves: list[Move]
    report_moves: list[Move]
    told_moves: dict[str, list[Move]] = Field(description="Of the schemes that reports tell outright, by code: cases that have or would get a class.")
    old: Rates
    new: Rates
    decided: int
    reasons: dict[str, dict[str, int]]
    rules: list[RuleLine]
    unused: list[str] = Field(description="Rules of the disease that spoke in no report.")
    sample: list[Sample]


class RuleSetView(BaseModel):
    disease: str
    title_en: str
    title_zh: str
    number: int
    sha256: str
    terms: int
    words: int
    cases: int
    schemes: list[SchemeView]
    versions: list[Version]
    proposals: list[ProposalLine]


class RuleCheck(BaseModel):
    number: int
    sha256: str
    terms: int
    words: int
    changes: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
