"""Claims: a report that several people's studies claim by weight alone waits for a person. Pure.

The linker looks at pairs; here all studies that claim one report are seen together. Two patients of one name examined
within a day look alike to weights: unless a number or the birth date tells, nobody may be given the other's report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.ingest.report_records import LinkProposal, LinkState

BY_WEIGHTS = "weights"


def contested(proposals: Sequence[LinkProposal], people: Mapping[str, str]) -> list[LinkProposal]:
    """The proposals, with sure ones demoted to review where different people claim the same report.

    ``people``: study key -> the number its patient is known by; studies without a number have each their own.
    """
    claims: dict[str, set[str]] = {}
    for proposal in proposals:
        claims.setdefault(proposal.report, set()).add(people.get(proposal.study, proposal.study))
    return [
        replace(proposal, state=LinkState.REVIEW, reason="claimed-by-several")
        if proposal.state is LinkState.SURE and proposal.rule == BY_WEIGHTS and len(claims[proposal.report]) > 1 and not _born_alike(proposal)
        else proposal
        for proposal in proposals
    ]


def _born_alike(proposal: LinkProposal) -> bool:
    part = proposal.components.get("birth")
    return part is not None and part.agreement == "agree"
