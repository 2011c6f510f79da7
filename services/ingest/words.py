"""One pattern for many literal words, fast enough for thousands of reports a second.

Words are matched in folded text (:func:`services.ingest.normalise.fold`). Latin words match as whole words; the longest
word at a place wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from services.ingest.normalise import fold

_END = ""


class Ground:
    """Which characters of a text are taken already, so that spans found earlier are not found again."""

    def __init__(self, length: int) -> None:
        self._taken = bytearray(length)

    def claim(self, start: int, end: int) -> bool:
        """Take a span; False, and nothing taken, when a part of it is."""
        if self._taken.find(1, start, end) >= 0:
            return False
        self._taken[start:end] = b"\x01" * (end - start)
        return True


def pattern_of(words: Iterable[str]) -> re.Pattern[str]:
    """A compiled trie of the words; a pattern that never matches for none. Blanks in a word match any run of blanks."""
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for character in fold(word):
            node = node.setdefault(character, {})
        node[_END] = {}
    if not tree:
        return re.compile(r"(?!)")
    # a latin word must not start or end inside a longer one; Han characters have no such border
    return re.compile(rf"(?:(?<![a-z0-9])(?=[a-z0-9])|(?=[^a-z0-9])){_branch(tree)}")


def _branch(node: dict[str, Any]) -> str:
    options = []
    for character, child in sorted(node.items()):
        if character != _END:
            options.append((r"[\s\-]+" if character in " -" else re.escape(character)) + _tail(character, child))
    joined = options[0] if len(options) == 1 else "(?:" + "|".join(options) + ")"
    return joined


def _tail(character: str, node: dict[str, Any]) -> str:
    ends = _END in node
    more = [key for key in node if key != _END]
    border = r"(?![a-z0-9])" if character.isascii() and character.isalnum() else ""
    if not more:
        return border
    deeper = _branch(node)
    return f"(?:{deeper}|{border})" if ends else deeper
