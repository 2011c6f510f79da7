"""Text search in reports: found in the column copy, shown from the catalog's own text."""

from __future__ import annotations

from functools import partial
from typing import Any

from isocenter.auth import Principal
from isocenter.columns import View, cases_in, view_of
from isocenter.columns.rows import fold, newest_texts
from isocenter.columns.where import seen_reports
from isocenter.paging import encode_cursor
from isocenter.resources import Resources
from isocenter.search import Filter
from services.catalog.schemas.search import ReportHit, ReportHits, TextHit

AROUND = 40  # characters shown on either side of a hit
HITS_A_REPORT = 20


async def find_text(opened: Resources, principal: Principal, text: str, query: Filter, *, after: str = "", limit: int = 50) -> ReportHits:
    """Reports that hold the text, by report key; only of cases the filter finds and this account may read."""
    async with opened.db.read() as session:
        view = await view_of(session, principal)
    folded = fold(text)
    matched, cases, rows = await opened.columns.run(partial(_find, query, view, folded, after, limit + 1))
    more, rows = len(rows) > limit, rows[:limit]
    async with opened.db.read() as session:
        texts = await newest_texts(session, [report_id for report_id, _, _, _ in rows])
    items = [ReportHit(report=key, kind=kind, cases=sorted(of), hits=places(texts.get(number, {}), folded)) for number, key, kind, of in rows]
    return ReportHits(items=items, next=encode_cursor(items[-1].report) if more else None, reports=matched, cases=cases)


def places(sections: dict[str, str], folded: str) -> list[TextHit]:
    """Where the folded text stands in the sections, one after the other, overlapping places once."""
    found: list[TextHit] = []
    for section in sorted(sections):
        body = sections[section]
        small, start = fold(body), -len(folded)
        while len(found) < HITS_A_REPORT and (start := small.find(folded, start + len(folded) if start >= 0 else 0)) >= 0:
            end = start + len(folded)
            before, after = body[max(0, start - AROUND) : start], body[end : end + AROUND]
            found.append(TextHit(section=section, start=start, end=end, before=before, found=body[start:end], after=after))
    return found


def _find(query: Filter, view: View, folded: str, after: str, limit: int, cursor: Any) -> tuple[int, int, list[tuple[int, str, str, list[str]]]]:
    cases, seen = cases_in(query, view), seen_reports(view)
    # The text first: few rows are left for the joins that say who may see them.
    cursor.execute("CREATE OR REPLACE TEMP TABLE matched AS SELECT DISTINCT case_id, report_id FROM texts WHERE contains(body, ?)", [folded])
    hits = f"""CREATE OR REPLACE TEMP TABLE hits AS SELECT r.report_id, r.report, r.report_kind, c.case_id, c."case" AS name
        FROM matched m JOIN reports r ON r.case_id = m.case_id AND r.report_id = m.report_id JOIN cases c ON c.case_id = m.case_id
        WHERE {seen.sql} AND {cases.sql}"""
    cursor.execute(hits, [*seen.values, *cases.values])
    reports, number = cursor.execute("SELECT count(DISTINCT report_id), count(DISTINCT case_id) FROM hits").fetchone()
    page = "SELECT report_id, report, report_kind, list(DISTINCT name) FROM hits WHERE report > ? GROUP BY ALL ORDER BY report LIMIT ?"
    return reports, number, cursor.execute(page, [after, limit]).fetchall()
