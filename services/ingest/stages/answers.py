"""One case under one scheme: the question, what the rules and the voices answer, and the label rows that keep it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from isocenter.models import LabelScheme, now
from services.ingest.label_records import CaseLabel as Aggregated
from services.ingest.label_records import ReportLabel
from services.ingest.precedent import wording
from services.ingest.stages import thirds, voices
from services.ingest.store.texts import Text
from services.ingest.third import Third
from services.ingest.voice import Joined

FOLLOWED_SHOWN = 3  # decisions named in the evidence of a label that follows them, the newest


@dataclass(frozen=True)
class Question:
    """One case to label under one scheme."""

    case_id: int
    case_key: str
    disease_id: int
    scheme: LabelScheme
    classes: tuple[str, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Answer:
    """What the rules say, per report and for the case, and what the learnt voice adds (None while it is silent)."""

    reports: tuple[tuple[Text, ReportLabel], ...]
    case: Aggregated | None
    joined: Joined | None = None
    voice: str = ""  # disease.scheme@number and SHA-256, once it is stored
    voice_sha256: str = ""
    voice_policy: int | None = None
    third: Third | None = None
    wording: str = ""  # name of the deciding conclusion's words (precedent.py)
    followed: tuple[str, ...] = ()  # keys of the questions whose answers the joined label follows; empty when the learnt voice spoke

    @property
    def last(self) -> Aggregated | None:
        """The case's label after all voices that spoke."""
        if self.third is not None:
            return self.third.case
        return self.joined.case if self.joined is not None else self.case


def text_of(question: Question) -> str:
    return voices.text_of([(text.kind, text.sections) for text in question.texts])


def wording_of(question: Question, answer: Answer) -> str:
    """The words that decide the case, beside what its reports of the other kind say."""
    kinds = {text.kind for text in question.texts}
    beside = [
        f"{text.kind}:{said.value}" for text, said in answer.reports if "pathology" in kinds and text.kind != "pathology" and said.reason != "other-organ"
    ]
    return wording(text_of(question), beside)


def fingerprint(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False).encode()).hexdigest()


def _evidence(spoken: ReportLabel) -> list[dict[str, Any]]:
    return [{key: value for key, value in asdict(item).items() if key != "text"} | {"context": list(item.context)} for item in spoken.evidence]


def report_row(question: Question, text: Text, spoken: ReportLabel, policy_id: int) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint("report", text.key, text.sections, question.scheme.code, question.disease_id, spoken.rule_set_sha256, spoken.value),
        "case_id": None,
        "study_id": None,
        "report_id": text.report_id,
        "scheme_id": question.scheme.id,
        "value": spoken.value,
        "source": "rule",
        "confidence": spoken.confidence,
        "report_text_id": text.text_id,
        "evidence": _evidence(spoken),
        "reason": spoken.reason[:64],
        "policy_id": policy_id,
        "decided_by": None,
        "created_at": now(),
    }


def case_row(question: Question, answer: Answer, policy_id: int) -> dict[str, Any]:
    case = answer.case
    assert case is not None
    deciding = next(((text, spoken) for text, spoken in answer.reports if text.key == case.report), None)
    reports = sorted((text.key, spoken.value, spoken.rule_set_sha256) for text, spoken in answer.reports)
    return {
        "fingerprint": fingerprint("case", question.case_key, question.scheme.code, case.value, reports),
        "case_id": question.case_id,
        "study_id": None,
        "report_id": deciding[0].report_id if deciding else None,
        "scheme_id": question.scheme.id,
        "value": case.value,
        "source": "rule",
        "confidence": case.confidence,
        "report_text_id": deciding[0].text_id if deciding else None,
        "evidence": [*(_evidence(deciding[1]) if deciding else []), *([{"wording": answer.wording}] if answer.wording else [])],
        "reason": case.reason[:64],
        "policy_id": policy_id or None,
        "decided_by": None,
        "created_at": now(),
    }


def voice_row(question: Question, answer: Answer) -> dict[str, Any]:
    """The case's label after both voices, beside the rules' own: never the same row, so that each can be read later."""
    joined = answer.joined
    assert joined is not None
    row = case_row(question, replace(answer, case=joined.case), 0)
    said = {"voice": answer.voice, "value": joined.said.value, "probability": round(joined.said.probability, 4), "effect": joined.effect}
    if answer.followed:
        said |= {"decisions": list(answer.followed[-FOLLOWED_SHOWN:]), "count": len(answer.followed)}
    print_ = fingerprint("voice", row["fingerprint"], answer.voice_sha256, joined.said.value, joined.effect, joined.case.confidence)
    return row | {"fingerprint": print_, "source": "model", "evidence": [*row["evidence"], said], "policy_id": answer.voice_policy}


def third_row(question: Question, answer: Answer, third: Third, model: str) -> dict[str, Any]:
    """The case's label after the third voice, beside those before it."""
    before = voice_row(question, answer) if answer.joined is not None else case_row(question, answer, 0)
    row = case_row(question, replace(answer, case=third.case), 0)
    print_ = fingerprint("third", before["fingerprint"], model, third.said.value, round(third.said.probability, 4), third.effect, third.case.confidence)
    evidence = [*before["evidence"], thirds.evidence_of(third, model, text_of(question))]
    return row | {"fingerprint": print_, "source": "model", "evidence": evidence, "policy_id": answer.voice_policy}
