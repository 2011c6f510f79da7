"""Wire shapes of hospitals, diseases and label schemes. A disease document has the shape of its TOML file."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

CodeText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$", max_length=32)]
LowerCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", max_length=32)]
Title = Annotated[str, Field(min_length=1, max_length=255)]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=120)]], Field(max_length=500)]
RESERVED = ("review", "none")  # a label's states, never a class


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Titles(_Document):
    zh: Title
    en: Title


class Meaning(_Document):
    zh: str = Field("", max_length=4000)
    en: str = Field("", max_length=4000)


class ClassDocument(_Document):
    value: CodeText
    title: Titles

    @field_validator("value")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"{value} is the state of a label, not a class")
        return value


class SchemeDocument(_Document):
    code: LowerCode
    number: int = Field(1, ge=1, le=10_000)
    title: Titles
    meaning: Meaning = Meaning()
    threshold: float = Field(0.9, ge=0, le=1, description="Confidence from which a rule's label counts without a person.")
    told: Literal["", "category", "subtype", "grade", "edmondson", "tnm-t", "tnm-n", "tnm-m"] = Field(
        "", description="Only the class a report tells outright, by this rule; without it 0 and 1, and doubt goes to a person."
    )
    classes: list[ClassDocument] = Field(min_length=2, max_length=64)

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        if len({item.value for item in self.classes}) != len(self.classes):
            raise ValueError("two classes have the same value")
        return self


class TermDocument(_Document):
    id: Annotated[str, Field(min_length=1, max_length=64)]
    meaning: Literal["malignant", "benign", "uncertain"]
    kind: Literal["any", "imaging", "pathology"] = "any"
    subtype: str = Field("", max_length=64)
    words: Words = Field(min_length=1)


class CategoryDocument(_Document):
    id: Annotated[str, Field(min_length=1, max_length=64)]
    pattern: str = Field(min_length=1, max_length=500)
    grades: dict[str, Literal["malignant", "benign", "uncertain"]] = Field(max_length=100)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except (re.error, RecursionError) as error:
            raise ValueError("this is not a regular expression") from error
        return value


class DiseaseDocument(_Document):
    """A disease as posted, and as its TOML says it."""

    code: LowerCode
    prefix: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,7}$", description="Of case keys: LIV gives LIV-000123.")]
    number: int = Field(1, ge=1, le=1_000_000, description="Of the rule set; raise it when terms change.")
    title: Titles
    organ: LowerCode
    organ_words: Words = []
    body_parts: Words = []
    modalities: Words = []
    schemes: list[SchemeDocument] = Field(min_length=1, max_length=16)
    terms: list[TermDocument] = Field([], max_length=2000)
    categories: list[CategoryDocument] = Field([], max_length=100)

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        if len({(item.code, item.number) for item in self.schemes}) != len(self.schemes):
            raise ValueError("two schemes have the same code and number")
        if len({term.id for term in self.terms}) != len(self.terms):
            raise ValueError("two terms have the same id")
        return self


class LabelClassOut(BaseModel):
    code: str
    title_en: str
    title_zh: str


class LabelSchemeOut(BaseModel):
    code: str
    number: int
    title_en: str
    title_zh: str
    meaning_en: str
    meaning_zh: str
    threshold: float
    active: bool
    classes: list[LabelClassOut]


class DiseaseOut(BaseModel):
    code: str
    prefix: str
    title_en: str
    title_zh: str
    schemes: list[LabelSchemeOut]
    cases: int = Field(description="Cases this account may see.")
    deleted: bool = False
    revision: int


class DiseaseDetail(DiseaseOut):
    definition: dict[str, object] = Field(description="The document, for those who may change it; empty for others.")


class HospitalIn(_Document):
    code: CodeText
    title: str = Field("", max_length=255)


class HospitalOut(BaseModel):
    code: str
    title: str
    revision: int
