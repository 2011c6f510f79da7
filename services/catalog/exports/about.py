"""The version behind an export, as its layouts repeat it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """What stands on the version's card, as far as layouts repeat it. ``classes``: (code, title_en)."""

    name: str
    number: int
    title: str
    description: str
    licence: str
    created: str  # ISO date
    classes: tuple[tuple[str, str], ...]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.number}"
