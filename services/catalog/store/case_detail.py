"""SQL of one case with all its parts: studies and series, reports with text, labels with evidence, files, history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from isocenter.audit import record_views
from isocenter.auth import Permission, Principal
from isocenter.errors import NotFound
from isocenter.grants import reports_visible_to, resources_visible_to, series_visible_to, visible_to
from isocenter.models import (
    AuditEvent,
    Case,
    CaseLabel,
    Disease,
    FilledValue,
    Hospital,
    Label,
    LabelScheme,
    PolicyVersion,
    Report,
    ReportText,
    Resource,
    Review,
    ReviewDecision,
    Series,
    Slide,
    Stack,
    Study,
)
from isocenter.search import LINKED, CaseStudyOf, LinkOf, StudyOf, age_of_study, sex_of_case
from services.catalog.schemas.cases import (
    CaseDetail,
    CurrentLabel,
    FilledOut,
    HistoryOut,
    LabelOut,
    LinkOut,
    ReportOut,
    ResourceOut,
    SeriesOut,
    StudyOut,
)
from services.catalog.store.series import series_shape

HISTORY_ROWS = 100


@dataclass(frozen=True, slots=True)
class SeenStudy:
    """``age_years`` is the study's, else what was filled from another place of the same patient."""

    study: Study
    hospital: str
    age_years: float | None


@dataclass(frozen=True, slots=True)
class FoundCase:
    case: Case
    disease: str
    sex: str
    studies: Sequence[SeenStudy]


async def found_case(session: AsyncSession, principal: Principal, key: str) -> FoundCase:
    """A case and its studies that this account may see (editors: also a deleted one); NotFound when there is none."""
    seen = Case.key == key if principal.may(Permission.EDIT_CATALOG) else and_(Case.key == key, visible_to(principal))
    row = (await session.execute(select(Case, Disease.code, sex_of_case()).join(Disease, Disease.id == Case.disease_id).where(seen))).one_or_none()
    if row is None:
        raise NotFound("There is no case of this key that you may see.", field="case")
    case, disease, sex = row
    studies = (
        select(StudyOf, Hospital.code, age_of_study())
        .join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
        .join(Hospital, Hospital.id == StudyOf.hospital_id)
        .where(CaseStudyOf.case_id == case.id, _study_seen(principal))
        .order_by(StudyOf.shifted_date, StudyOf.uid)
    )
    return FoundCase(case, disease, sex, [SeenStudy(*found) for found in await session.execute(studies)])


async def case_detail(session: AsyncSession, principal: Principal, found: FoundCase) -> CaseDetail:
    """Everything of a case that this account may see: seven to nine statements, whatever the case holds."""
    case = found.case
    uids = {row.study.id: row.study.uid for row in found.studies}
    series = await _series(session, principal, uids)
    links, reports = await _reports(session, principal, uids)
    keys = {report_id: report.key for report_id, report in zip(sorted(links), reports, strict=True)}
    labels, current = await _labels(session, set(keys.values()), case_id=case.id)
    every = [row for rows in series.values() for row in rows]
    ages = [row.age_years for row in found.studies if row.age_years is not None and row.study.id in series]
    pictures = sorted((-row.frame_count, row.uid, row.thumbnail) for row in every if row.thumbnail)
    return CaseDetail(
        key=case.key, disease=found.disease, sex=found.sex, age_years=min(ages, default=None), label=current,
        modalities=sorted({row.modality for row in every} - {""}), formats=sorted({row.format for row in every}),
        thumbnail=pictures[0][2] if pictures else None, created_at=case.created_at, deleted=case.deleted_at is not None, revision=case.revision,
        note=case.note,
        studies=[
            StudyOut(
                uid=row.uid, hospital=hospital, shifted_date=row.shifted_date, age_years=row.age_years, sex=row.sex, body_part=row.body_part,
                description=row.description, series=series.get(row.id, []),
                reports=sorted(keys[report_id] for report_id, linked in links.items() if any(study_id == row.id for study_id, _, _ in linked)),
            )
            for row, hospital in ((seen.study, seen.hospital) for seen in found.studies)
        ],
        reports=sorted(reports, key=lambda report: (str(report.shifted_date or ""), report.key)),
        labels=labels,
        resources=await _resources(session, principal, case),
        filled=await _filled(session, case.id),
        history=await _history(session, case.key) if principal.sees_all_diseases else [],
    )


def views_of(found: FoundCase) -> list[str]:
    """Subjects of the view events of a case: its studies, or the case itself when it shows none."""
    return sorted(f"study:{row.study.uid}" for row in found.studies) or [f"case:{found.case.key}"]


async def note_views(session: AsyncSession, principal: Principal, subjects: list[str]) -> None:
    """One view event per account, subject and hour."""
    await record_views(session, principal, subjects)


def _study_seen(principal: Principal) -> ColumnElement[bool]:
    """``grants.studies_visible_to`` of ``StudyOf``."""
    if principal.sees_all_diseases:
        return StudyOf.deleted_at.is_(None)
    return and_(StudyOf.deleted_at.is_(None), exists().where(Series.study_id == StudyOf.id).where(series_visible_to(principal)).correlate(StudyOf))


async def _series(session: AsyncSession, principal: Principal, uids: dict[int, str]) -> dict[int, list[SeriesOut]]:
    """Study id -> its series with stacks and slide, by number."""
    wanted = (
        select(Series, Stack, Slide)
        .outerjoin(Stack, Stack.series_id == Series.id)
        .outerjoin(Slide, Slide.series_id == Series.id)
        .where(Series.study_id.in_(uids), series_visible_to(principal))
        .order_by(Series.study_id, Series.number, Series.uid, Stack.ordinal)
    )
    rows: dict[int, tuple[Series, list[Stack], Slide | None]] = {}
    for row in await session.execute(wanted):
        series, stack, slide = cast("tuple[Series, Stack | None, Slide | None]", row)  # outer joins
        stacks = rows.setdefault(series.id, (series, [], slide))[1]
        if stack is not None:
            stacks.append(stack)
    found: dict[int, list[SeriesOut]] = defaultdict(list)
    for series, stacks, slide in rows.values():
        found[series.study_id].append(series_shape(series, uids[series.study_id], stacks, slide))
    return found


async def _reports(
    session: AsyncSession, principal: Principal, uids: dict[int, str]
) -> tuple[dict[int, list[tuple[int, float, str]]], list[ReportOut]]:
    """Report id -> (study id, score, state), and the reports in the order of their ids. Doubtful links only for those who see every disease."""
    newer = aliased(ReportText)
    newest = select(func.max(newer.version)).where(newer.report_id == Report.id).correlate(Report).scalar_subquery()
    statement = (
        select(LinkOf.study_id, LinkOf.score, LinkOf.state, Report.id, Report.key, Report.kind, Report.shifted_date, Report.language, ReportText.sections)
        .join(Report, Report.id == LinkOf.report_id)
        .outerjoin(ReportText, and_(ReportText.report_id == Report.id, ReportText.version == newest))
        .where(LinkOf.study_id.in_(uids), LinkOf.active.is_(True), reports_visible_to(principal))
        .where(LinkOf.state != "rejected" if principal.sees_all_diseases else LinkOf.state.in_(LINKED))
        .order_by(LinkOf.report_id, LinkOf.study_id)
    )
    links: dict[int, list[tuple[int, float, str]]] = defaultdict(list)
    rows: dict[int, Any] = {}
    for row in await session.execute(statement):
        links[row.id].append((row.study_id, row.score, row.state))
        rows[row.id] = row
    labels: dict[str, list[LabelOut]] = defaultdict(list)
    if rows:
        for label in (await _labels(session, {row.key for row in rows.values()}, report_ids=sorted(rows)))[0]:
            labels[label.report_key or ""].append(label)
    reports = [
        ReportOut(
            key=row.key, kind=row.kind, shifted_date=row.shifted_date, language=row.language, sections=row.sections or {},
            links=[LinkOut(study_uid=uids[study_id], score=score, state=state) for study_id, score, state in links[report_id]],
            labels=labels[row.key],
        )
        for report_id, row in sorted(rows.items())
    ]
    return links, reports


async def _labels(
    session: AsyncSession, shown: set[str], *, case_id: int | None = None, report_ids: list[int] | None = None
) -> tuple[list[LabelOut], CurrentLabel | None]:
    """Newest first, and the one that counts now in the first active scheme. Evidence points into a report's text and goes with the right to see that report."""
    report_id = func.coalesce(Label.report_id, ReportText.report_id)
    statement = (
        select(Label, LabelScheme.id, LabelScheme.code, LabelScheme.active, Report.key, PolicyVersion.scope, PolicyVersion.number, CaseLabel.state)
        .join(LabelScheme, LabelScheme.id == Label.scheme_id)
        .outerjoin(ReportText, ReportText.id == Label.report_text_id)
        .outerjoin(Report, Report.id == report_id)
        .outerjoin(PolicyVersion, PolicyVersion.id == Label.policy_id)
        .outerjoin(CaseLabel, and_(CaseLabel.label_id == Label.id, CaseLabel.case_id == Label.case_id))
        .where(Label.case_id == case_id if report_ids is None else Label.report_id.in_(report_ids))
        .order_by(Label.created_at.desc(), Label.id.desc())
    )
    rows = list(await session.execute(statement))
    undone = await _undone(session, case_id) if case_id is not None and any(row[0].source == "reviewer" for row in rows) else set()
    found = []
    counting: dict[int, CurrentLabel] = {}
    for label, scheme_id, scheme, active, report_key, scope, number, state in rows:
        open_report = report_key in shown
        if active and state is not None:
            counting[scheme_id] = CurrentLabel(scheme=scheme, value=label.value, state=state, source=label.source, confidence=label.confidence)
        found.append(
            LabelOut(
                scheme=scheme, value=label.value, source=label.source, confidence=label.confidence, state=state or "", reason=label.reason,
                decided_by=label.decided_by, undone=label.id in undone, created_at=label.created_at, report_key=report_key if open_report else None,
                evidence=label.evidence if open_report else [], rule_set=f"{scope}@{number}" if scope is not None else None,
            )
        )
    return found, counting[min(counting)] if counting else None


async def _undone(session: AsyncSession, case_id: int) -> set[int]:
    """Labels of answers that were taken back: the n-th label a review gave belongs to its n-th answer."""
    answers: dict[str, list[bool]] = defaultdict(list)
    decided = (
        select(Review.key, ReviewDecision.undone_at)
        .join(ReviewDecision, ReviewDecision.review_id == Review.id)
        .where(Review.case_id == case_id, Review.kind == "label")
        .order_by(ReviewDecision.id)
    )
    for key, undone_at in (await session.execute(decided)).tuples():
        answers[key].append(undone_at is not None)
    given: dict[str, list[int]] = defaultdict(list)
    rows = select(Label.id, Label.evidence).where(Label.case_id == case_id, Label.source == "reviewer").order_by(Label.id)
    for label_id, evidence in (await session.execute(rows)).tuples():
        given[next((str(item["review"]) for item in evidence if "review" in item), "")].append(label_id)
    return {label for key, labels in given.items() for label, gone in zip(labels, answers[key], strict=False) if gone}


async def _resources(session: AsyncSession, principal: Principal, case: Case) -> list[ResourceOut]:
    of_case = or_(Resource.case_id == case.id, Resource.scope == case.key)
    rows = await session.scalars(select(Resource).where(of_case, resources_visible_to(principal)).order_by(Resource.title, Resource.sha256))
    return [
        ResourceOut(
            title=row.title, media_type=row.media_type, code=row.code, size_bytes=row.size_bytes, sha256=row.sha256, state=row.state,
            url=f"/api/v1/resources/{row.sha256}?case={case.key}",
        )
        for row in rows
    ]


async def _filled(session: AsyncSession, case_id: int) -> list[FilledOut]:
    rows = await session.scalars(select(FilledValue).where(FilledValue.case_id == case_id).order_by(FilledValue.name, FilledValue.source))
    return [FilledOut(name=row.name, value=row.value, source=row.source) for row in rows]


async def _history(session: AsyncSession, key: str) -> list[HistoryOut]:
    wanted = select(AuditEvent).where(AuditEvent.subject == f"case:{key}").order_by(AuditEvent.id.desc()).limit(HISTORY_ROWS)
    return [HistoryOut(at=row.at, actor=row.actor, verb=row.verb, before=row.before, after=row.after) for row in await session.scalars(wanted)]
