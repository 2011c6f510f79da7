"""What the second voice learns from and when: decided cases of a scheme, and open questions that are asked anew after them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import Database
from isocenter.models import CaseLabel, LabelScheme, Review
from services.ingest.store import imports
from services.ingest.voice import DECISIONS_MIN, Example, Voice, train

DECISIONS_MAX = 1000  # the newest ones: what reviewers think now
AGAIN_EVERY = 20  # decisions after which the open questions are looked at again
AGAIN_MAX = 1000  # cases at a time, the most pressing first
AUDIT_SHARE = 0.02  # of the labels that need no person
TEXT_MAX = 2000  # characters of a conclusion


async def decided(session: AsyncSession, scheme_ids: Collection[int]) -> dict[int, dict[int, str]]:
    """scheme -> decided case -> value, what its voice learns from; schemes with too few are left out.

    Up to the last full step of AGAIN_EVERY decisions, so that a voice stays the same, and is not trained anew, between two steps.
    """
    found: dict[int, dict[int, str]] = {}
    for scheme_id in sorted(scheme_ids):
        count = await session.scalar(select(func.count()).where(CaseLabel.scheme_id == scheme_id, CaseLabel.state == "decided")) or 0
        if count < DECISIONS_MIN:
            continue
        rows = await session.execute(
            select(CaseLabel.case_id, CaseLabel.value)
            .where(CaseLabel.scheme_id == scheme_id, CaseLabel.state == "decided")
            .order_by(CaseLabel.label_id.desc())
            .offset(count % AGAIN_EVERY)
            .limit(DECISIONS_MAX)
        )
        found[scheme_id] = dict(rows.tuples().all())
    return found


class KeptVoices:
    """The voices of one catalog as they were trained last; what they learnt from says whether they still hold."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[str, tuple[tuple[int, str], ...]], Voice | None]] = {}

    def missing(self, decided: Mapping[int, Mapping[int, str]], rules: Mapping[int, str]) -> dict[int, Mapping[int, str]]:
        """The schemes that have other decisions or rules (scheme -> SHA-256) now than when their voice was trained."""
        return {scheme: own for scheme, own in decided.items() if self._kept.get(scheme, ((), None))[0] != _basis(own, rules[scheme])}

    def keep(self, scheme: int, own: Mapping[int, str], rules: str, voice: Voice | None) -> None:
        self._kept[scheme] = (_basis(own, rules), voice)

    def of(self, schemes: Collection[int]) -> dict[int, Voice]:
        return {scheme: voice for scheme in schemes if (voice := self._kept[scheme][1]) is not None}


def _basis(own: Mapping[int, str], rules: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    return rules, tuple(sorted(own.items()))


@lru_cache(maxsize=8)
def kept_voices(_catalog: Database) -> KeptVoices:
    """Those of this catalog, in this process."""
    return KeptVoices()


def text_of(texts: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """The conclusions that decide a case, of (kind, sections): those of pathology when there are any, else those of imaging."""
    kinds = {kind for kind, _ in texts}
    kind = "pathology" if "pathology" in kinds else "imaging"
    told = [sections.get("impression") or sections.get("microscopic") or sections.get("findings") or "" for own, sections in texts if own == kind]
    return "\n".join(f"{kind}: {text[:TEXT_MAX]}" for text in told if text)


@lru_cache(maxsize=8)
def trained(examples: tuple[Example, ...]) -> Voice | None:
    """The voice of these decisions; the same examples are learnt once per process."""
    return train(examples)


async def ask_again(session: AsyncSession, scheme: LabelScheme) -> None:
    """After every AGAIN_EVERY decisions: label the cases of the scheme's open questions again, as follow-up work of their imports.

    Questions somebody has on the screen stay as they are.
    """
    count = await session.scalar(select(func.count()).where(CaseLabel.scheme_id == scheme.id, CaseLabel.state == "decided"))
    if not count or count < DECISIONS_MIN or count % AGAIN_EVERY:
        return
    rows = await session.execute(
        select(Review.import_id, Review.case_id)
        .join(CaseLabel, (CaseLabel.case_id == Review.case_id) & (CaseLabel.scheme_id == scheme.id))
        .where(
            Review.state == "open",
            Review.kind == "label",
            Review.import_id.is_not(None),
            CaseLabel.state != "decided",
        )
        .order_by(Review.priority, Review.id)
        .limit(AGAIN_MAX)
    )
    waiting: dict[int, set[int]] = {}
    for import_id, case_id in rows.tuples():
        if import_id is not None and case_id is not None:
            waiting.setdefault(import_id, set()).add(case_id)
    for import_id, cases in sorted(waiting.items()):
        await imports.add_batches(session, import_id, imports.AGAIN, [({"unless_on_screen": sorted(cases)}, 1)])
