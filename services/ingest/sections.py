"""Cut a whole report into its sections by the headings people write, in Chinese and English."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

from services.ingest.report_records import ReportKind, Sections


@lru_cache(maxsize=1)
def _heading() -> re.Pattern[str]:
    headings: dict[str, list[str]] = tomllib.loads(files("services.ingest").joinpath("rules/sections.toml").read_text("utf-8"))
    groups = "|".join(f"(?P<{name}>{'|'.join(sorted(words, key=len, reverse=True))})" for name, words in headings.items())
    # a heading opens a line or follows a sentence, and is followed by a colon, or is in brackets of its own, or alone on its line
    opening = r"(?:^|(?<=[\n。；;.!?】\]])|(?<=[\n。；;.!?】\]]\s))[ \t]*(?:\d[.、)]\s*)?"
    return re.compile(rf"{opening}(?:[【\[](?:{groups})[】\]]\s*[:：]?|(?:{_bare(groups)})[ \t]*(?:[:：]|(?=\r?\n)))", re.IGNORECASE | re.MULTILINE)


def _bare(groups: str) -> str:
    """The same alternatives under other group names, since a name may stand only once in a pattern."""
    return re.sub(r"\(\?P<(\w+)>", r"(?P<\1_>", groups)


def split_sections(text: str, kind: ReportKind) -> Sections:
    """Sections of a whole report. Without any heading all of it is the impression (one text speaks for itself).

    Text before the first heading counts as findings (imaging) or specimen (pathology). Comparison, comments and
    signatures are joined to the findings, so that nothing is lost.
    """
    marks = list(_heading().finditer(text))
    if not any((mark.lastgroup or "").rstrip("_") in ("findings", "impression", "gross", "microscopic") for mark in marks):
        return Sections(impression=text.strip())
    rest = "findings" if kind is ReportKind.IMAGING else "microscopic"
    found: dict[str, list[str]] = {}
    lead = text[: marks[0].start()].strip()
    if lead:
        found.setdefault(rest if kind is ReportKind.IMAGING else "specimen", []).append(lead)
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name = (mark.lastgroup or "").rstrip("_")
        body = text[mark.end() : following.start() if following else len(text)].strip(" \t\n:：")
        # a signature, comment or immunostain keeps its heading where it is appended
        body, name = (text[mark.start() : mark.end()].strip() + body, rest) if name in ("none", "comparison") else (body, name)
        if body:
            found.setdefault(name, []).append(body)
    return Sections(**{name: "\n".join(bodies) for name, bodies in found.items()})
