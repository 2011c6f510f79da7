"""The search language for the column copy: the second SQL builder over the one parsed filter of ``isocenter.search``.

What ``search.cases_where`` and ``grants`` say about catalog rows, this says about the copy's tables; a property test
holds both to the same numbers. Who was granted what is read from the catalog at each question, never copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Permission, Principal
from isocenter.columns.rows import IMAGES, code_column, quoted
from isocenter.grants import granted_diseases, granted_versions
from isocenter.models import DatasetVersion, Disease
from isocenter.search import ATTRIBUTES, Attribute, Filter, Grain, Kind, Value, first_schemes


@dataclass(frozen=True, slots=True)
class View:
    """What an account may see, as ids: everything, or these diseases and dataset versions; and which schemes labels are of."""

    everything: bool
    held: bool  # pixels no reviewer has looked at yet
    reads: bool = True
    diseases: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()  # the first active one of each disease: what a label is of where no scheme is named


@dataclass(slots=True)
class Where:
    """Conditions joined by AND, with their parameters in order."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, sql: str, *values: Any) -> Where:
        self.parts.append(f"({sql})")
        self.values += values
        return self

    def extend(self, other: Where) -> Where:
        self.parts += other.parts
        self.values += other.values
        return self

    @property
    def sql(self) -> str:
        return " AND ".join(self.parts) or "true"


async def view_of(session: AsyncSession, principal: Principal) -> View:
    """The grants of an account and the first schemes as they stand now."""
    schemes = tuple(sorted(await session.scalars(first_schemes())))
    if principal.sees_all_diseases:
        return View(True, principal.may(Permission.REVIEW), schemes=schemes)
    if not principal.may(Permission.READ_CATALOG):
        return View(False, False, False)
    diseases = await session.scalars(select(Disease.id).where(Disease.id.in_(granted_diseases(principal))))
    versions = await session.scalars(select(DatasetVersion.id).where(DatasetVersion.id.in_(granted_versions(principal))))
    return View(False, False, True, tuple(sorted(diseases)), tuple(sorted(versions)), schemes)


def _listed(ids: Iterable[int]) -> str:
    """Row ids (never text) as a list of SQL."""
    return ", ".join(str(int(number)) for number in ids) or "NULL"


def seen_cases(view: View, *, deleted: bool = False) -> Where:
    """``grants.visible_to`` over ``cases c``; ``deleted`` asks for the deleted ones instead (editors only, checked by the caller)."""
    if deleted:
        return Where().add("c.deleted AND NOT c.merged")
    where = Where().add("NOT c.deleted AND NOT c.merged")
    if view.everything:
        return where
    if not view.reads:
        return where.add("false")
    return where.add(f"c.disease_id IN ({_listed(view.diseases)}) OR c.case_id IN (SELECT case_id FROM members WHERE version_id IN ({_listed(view.versions)}))")


def _seen_through_disease(view: View, row: str, id_column: str, table: str) -> str:
    """That the row belongs to any case, not only this one, that is not deleted and of a granted disease."""
    other = f"SELECT o.{id_column} FROM {table} o JOIN cases k ON k.case_id = o.case_id WHERE NOT k.deleted AND k.disease_id IN ({_listed(view.diseases)})"
    return f"{row}.{id_column} IN ({other})"


def seen_images(view: View) -> Where:
    """``grants.series_visible_to`` over ``images i`` of cases that the account sees (``seen_cases``)."""
    where = Where().add("i.alive")
    if not (view.everything and view.held):
        where.add("i.visible")
    if view.everything:
        return where
    if not view.reads:
        return where.add("false")
    if not view.versions:  # then the case is seen through its disease, and with it all its series
        return where if view.diseases else where.add("false")
    through = [_seen_through_disease(view, "i", "series_id", "images")] if view.diseases else []
    return where.add(" OR ".join([*through, f"i.series_id IN (SELECT series_id FROM members WHERE version_id IN ({_listed(view.versions)}))"]))


def seen_reports(view: View) -> Where:
    """``grants.reports_visible_to`` over ``reports r`` of cases that the account sees: a grant of a dataset alone shows no report."""
    where = Where().add("r.alive")
    if view.everything:
        return where
    if not view.reads or not view.diseases:
        return where.add("false")
    return where.add(_seen_through_disease(view, "r", "report_id", "reports")) if view.versions else where


def conditions(query: Filter, grain: Grain, table: str, *, skip: Sequence[str] = ()) -> Where:
    """What the filter asks of a row of one grain."""
    where = Where()
    for name, values in query.terms:
        if ATTRIBUTES[name].grain is grain and name not in skip:
            sql, given = _coded(ATTRIBUTES[name], table, values) if _only_coded(grain, name) else _matches(ATTRIBUTES[name], f"{table}.{quoted(name)}", values)
            where.add(_or_null(sql, name, table, query.include_null), *given)
    for name, gte, lte in query.ranges:
        if ATTRIBUTES[name].grain is grain and name not in skip:
            column = f"{table}.{quoted(name)}"
            bounds = [(f"{column} >= ?", gte)] if gte is not None else []
            bounds += [(f"{column} <= ?", lte)] if lte is not None else []
            where.add(_or_null(" AND ".join(sql for sql, _ in bounds) or "true", name, table, query.include_null), *(value for _, value in bounds))
    return where


def _only_coded(grain: Grain, name: str) -> bool:
    """Whether the rows of that grain have the attribute as a number only."""
    return grain in (Grain.SERIES, Grain.STACK) and name in IMAGES.coded


def _coded(attribute: Attribute, table: str, values: tuple[Value, ...]) -> tuple[str, list[Any]]:
    """The texts that match are looked up once; the rows are asked for their numbers."""
    matched, given = _matches(attribute, "value", values)
    return f"{table}.{quoted(code_column(attribute.name))} IN (SELECT code FROM words WHERE name = ? AND ({matched}))", [attribute.name, *given]


def _matches(attribute: Attribute, column: str, values: tuple[Value, ...]) -> tuple[str, list[Any]]:
    marks = ", ".join("?" * len(values))
    if attribute.kind is Kind.WORDS:
        return " OR ".join(f"contains(lower({column}), ?)" for _ in values), list(values)
    return (f"lower({column}) IN ({marks})" if attribute.kind is Kind.TEXT else f"{column} IN ({marks})"), list(values)


def _or_null(sql: str, name: str, table: str, include_null: bool) -> str:
    if not include_null:
        return sql
    if _only_coded(ATTRIBUTES[name].grain, name):
        return f"({sql}) OR {table}.{quoted(code_column(name))} = 0"
    column = f"{table}.{quoted(name)}"
    empty = "" if ATTRIBUTES[name].kind is Kind.NUMBER else f" OR {column} = ''"
    return f"({sql}) OR {column} IS NULL{empty}"


def images_in(query: Filter, view: View, *, skip: Sequence[str] = ()) -> Where:
    """Rows of ``images i`` that this account may see and that meet what the filter asks of series and stacks."""
    where = seen_images(view).extend(conditions(query, Grain.SERIES, "i", skip=skip))
    stacks = conditions(query, Grain.STACK, "i", skip=skip)
    if stacks.parts:
        where.add("i.stack_id IS NOT NULL").extend(stacks)
    return where


def _asks(query: Filter, skip: Sequence[str], *grains: Grain) -> bool:
    return any(ATTRIBUTES[name].grain in grains for name in query.names() - set(skip))


def cases_in(query: Filter, view: View, *, prefix: str = "", deleted: bool = False, skip: Sequence[str] = ()) -> Where:
    """Rows of ``cases c`` that a filter finds. ``skip`` leaves the conditions of some names out."""
    where = seen_cases(view, deleted=deleted).extend(conditions(query, Grain.CASE, "c", skip=skip))
    if prefix:
        where.add('starts_with(c."case", ?)', prefix)
    if _asks(query, skip, Grain.LABEL):
        where.extend(_has_label(query, view, skip))
    if _asks(query, skip, Grain.SERIES, Grain.STACK):
        rows = images_in(query, view, skip=skip)
        where.add(f"c.case_id IN (SELECT i.case_id FROM images i WHERE {rows.sql})", *rows.values)
    if _asks(query, skip, Grain.REPORT):
        rows = seen_reports(view).extend(conditions(query, Grain.REPORT, "r", skip=skip))
        linked, values = f"c.case_id IN (SELECT r.case_id FROM reports r WHERE {rows.sql})", rows.values
        if query.include_null:
            seen = seen_reports(view)
            linked += f" OR c.case_id NOT IN (SELECT r.case_id FROM reports r WHERE {seen.sql})"
            values = [*values, *seen.values]
        where.add(linked, *values)
    return where


def labels_in(query: Filter, view: View, *, skip: Sequence[str] = ()) -> Where:
    """Rows of ``labels l`` that meet what the filter asks of labels ("none" is the absence of a row)."""
    where = conditions(query, Grain.LABEL, "l", skip=(*skip, "label_state"))
    states = () if "label_state" in skip else dict(query.terms).get("label_state", ())
    if kept := [state for state in states if state != "none"]:
        where.add(f"l.label_state IN ({', '.join('?' * len(kept))})", *kept)
    if states == ("none",):
        where.add("false")
    return where.extend(_of_scheme(query, view, skip))


def _of_scheme(query: Filter, view: View, skip: Sequence[str]) -> Where:
    """Nothing where the scheme is named or asked for, else the first of each disease."""
    if "scheme" in query.names() or "scheme" in skip:
        return Where()
    return Where().add(f"l.scheme_id IN ({', '.join(map(str, view.schemes)) or 'NULL'})")


def unlabelled(query: Filter, view: View, *, skip: Sequence[str] = ()) -> Where:
    """Cases without a label in the schemes asked for."""
    rows = conditions(query, Grain.LABEL, "l", skip=(*skip, "label", "label_state", "label_source")).extend(_of_scheme(query, view, skip))
    return Where().add(f"c.case_id NOT IN (SELECT l.case_id FROM labels l WHERE {rows.sql})", *rows.values)


def _has_label(query: Filter, view: View, skip: Sequence[str]) -> Where:
    rows = labels_in(query, view, skip=skip)
    labelled = f"c.case_id IN (SELECT l.case_id FROM labels l WHERE {rows.sql})"
    states = () if "label_state" in skip else dict(query.terms).get("label_state", ())
    none_fits = "none" in states and not (query.names() - set(skip)) & {"label", "label_source"}
    if not (none_fits or query.include_null):
        return Where().add(labelled, *rows.values)
    without = unlabelled(query, view, skip=skip)
    return Where().add(f"{labelled} OR {without.sql}", *rows.values, *without.values)
