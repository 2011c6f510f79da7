"""Diseases as data: one TOML file each, seeded as rows at first start and read by the label rules. A new one needs no code."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from isocenter.errors import InvalidInput

MEANINGS = ("malignant", "benign", "uncertain")
KINDS = ("any", "imaging", "pathology")
TOLD = ("category", "subtype", "grade", "edmondson", "tnm-t", "tnm-n", "tnm-m")  # rules of services/ingest/told.py


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class of a scheme; ``value`` is what stands in labels.csv."""

    value: str
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """The classes a case of this disease may get (the paper's 最终分类的类别). U(disease, code, number).

    ``told`` '': 0 or 1 with doubt sent to a person. Else one of TOLD: the class a report tells outright, or no label; classes then
    stand in ascending order.
    """

    code: str
    number: int
    title_zh: str
    title_en: str
    classes: tuple[LabelClass, ...]
    told: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """Words that mean the same: ``meaning`` malignant | benign | uncertain, ``kind`` of report they count in."""

    id: str
    meaning: str
    kind: str  # any | imaging | pathology
    subtype: str
    words: tuple[str, ...]  # literal, matched in any case, traditional and full-width forms


@dataclass(frozen=True, slots=True)
class Category:
    """A reporting system (BI-RADS, Lung-RADS, LI-RADS): ``pattern`` captures the grade, ``grades`` say what it means."""

    id: str
    pattern: str
    grades: tuple[tuple[str, str], ...]  # upper-case grade -> malignant | benign | uncertain


@dataclass(frozen=True, slots=True)
class DiseaseDefinition:
    """A disease, its organ, its label schemes, and its own words beside the general ones of the language rules."""

    code: str
    prefix: str  # of case keys: LIV-000123
    title_zh: str
    title_en: str
    organ: str  # a code of services/ingest/rules/anatomy.toml
    organ_words: tuple[str, ...]  # words of this organ beyond anatomy.toml
    body_parts: tuple[str, ...]  # DICOM BodyPartExamined values that may show the organ
    modalities: tuple[str, ...]
    schemes: tuple[LabelScheme, ...]
    terms: tuple[Term, ...]
    categories: tuple[Category, ...]
    number: int  # of the rule set
    sha256: str  # of the TOML bytes

    def __hash__(self) -> int:  # of the content, which its name stands for: a key of compiled rules, asked for every report
        return hash(self.sha256)

    def scheme(self, code: str = "") -> LabelScheme:
        """The scheme of that code, or the first; KeyError when there is none such."""
        for scheme in self.schemes:
            if not code or scheme.code == code:
                return scheme
        raise KeyError(code)


def load_diseases() -> list[DiseaseDefinition]:
    """The diseases that come with Isocenter, sorted by code."""
    folder = files(__name__)
    found = [parse_disease(entry.read_bytes(), entry.name) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return sorted(found, key=lambda disease: disease.code)


def parse_disease(content: bytes, name: str) -> DiseaseDefinition:
    """One definition from TOML bytes; InvalidInput names file and key when something is missing or not of the closed sets."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"The disease file {name} is not UTF-8 TOML.", field=name) from error
    return definition_of(document, name)


def definition_of(document: Mapping[str, Any], name: str) -> DiseaseDefinition:
    """The definition of a document (parsed TOML, or as the catalog keeps it), with the same checks.

    Its ``sha256`` is over the canonical JSON, so that a rule set has one name whichever way it came.
    """
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    try:
        disease = _definition(document, hashlib.sha256(canonical.encode()).hexdigest())
    except KeyError as error:
        raise InvalidInput(f"The disease {name} lacks the key {error.args[0]}.", field=str(error.args[0])) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"The disease {name} has a value of the wrong kind.", field=name) from error
    for term in disease.terms:
        if term.meaning not in MEANINGS or term.kind not in KINDS or not term.words:
            raise InvalidInput(f"The disease {name}: term {term.id} needs words, a meaning {MEANINGS} and a kind {KINDS}.", field=name)
    if any(scheme.told and scheme.told not in TOLD for scheme in disease.schemes) or (disease.schemes and disease.schemes[0].told):
        raise InvalidInput(f"The disease {name}: told is one of {TOLD}, and the first scheme has none.", field=name)
    if len({term.id for term in disease.terms}) != len(disease.terms):
        raise InvalidInput(f"The disease {name}: two terms have the same id.", field=name)
    return disease


def _definition(body: Mapping[str, Any], sha256: str) -> DiseaseDefinition:
    return DiseaseDefinition(
        code=body["code"],
        prefix=body["prefix"],
        title_zh=body["title"]["zh"],
        title_en=body["title"]["en"],
        organ=body["organ"],
        organ_words=tuple(body.get("organ_words", ())),
        body_parts=tuple(body["body_parts"]),
        modalities=tuple(body.get("modalities", ())),
        schemes=tuple(_scheme(scheme) for scheme in body["schemes"]),
        terms=tuple(
            Term(term["id"], term["meaning"], term.get("kind", "any"), term.get("subtype", ""), tuple(term["words"]))
            for term in body["terms"]
        ),
        categories=tuple(
            Category(item["id"], item["pattern"], tuple(sorted((grade, meaning) for grade, meaning in item["grades"].items())))
            for item in body.get("categories", ())
        ),
        number=int(body["number"]),
        sha256=sha256,
    )


def _scheme(body: Mapping[str, Any]) -> LabelScheme:
    classes = tuple(LabelClass(item["value"], item["title"]["zh"], item["title"]["en"]) for item in body["classes"])
    return LabelScheme(body["code"], int(body["number"]), body["title"]["zh"], body["title"]["en"], classes, str(body.get("told", "")))
