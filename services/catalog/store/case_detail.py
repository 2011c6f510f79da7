"""SQL of one case with all its parts: studies and series, reports with text, labels with evidence, files, history."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.audit import record_views
from isocenter.auth import Principal
from isocenter.grants import reports_visible_to, resources_visible_to, series_visible_to, studies_visible_to
from isocenter.models import (
    AuditEvent,
    Case,
    CaseLabel,
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
    Study,
)
from isocenter.search import LINKED, CaseStudyOf, LinkOf
from services.catalog.schemas.cases import CaseDetail, FilledOut, HistoryOut, LabelOut, LinkOut, ReportOut, ResourceOut, SeriesOut, StudyOut
from services.catalog.store.cases import case_out
from services.catalog.store.series import shapes

HISTORY_ROWS = 100


async def case_detail(session: AsyncSession, principal: Principal, case: Case) -> CaseDetail:
    """Everything of a case that this account may see."""
    head = await case_out(session, principal, case)
    studies = await _studies(session, principal, case.id)
    study_ids = [row.id for row, _ in studies]
    series = await _series(session, principal, study_ids)
    links = await _links(session, principal, study_ids)
    uids = {row.id: row.uid for row, _ in studies}
    reports = await _reports(session, links, uids)
    shown = {report.key for report in reports}
    keys = {report_id: report.key for report_id, report in zip(sorted(links), reports, strict=True)}
    return CaseDetail(
        **head.model_dump(exclude={"studies", "series", "reports"}),
        note=case.note,
        studies=[
            StudyOut(
                uid=row.uid, hospital=hospital, shifted_date=row.shifted_date, age_years=row.age_years, sex=row.sex, body_part=row.body_part,
                description=row.description, series=series[row.id],
                reports=sorted(keys[report_id] for report_id, found in links.items() if any(study_id == row.id for study_id, _, _ in found)),
            )
            for row, hospital in studies
        ],
        reports=sorted(reports, key=lambda report: (str(report.shifted_date or ""), report.key)),
        labels=await _labels(session, shown, case_id=case.id),
        resources=await _resources(session, principal, case),
        filled=await _filled(session, case.id),
        history=await _history(session, case.key) if principal.sees_all_diseases else [],
    )


def views_of(detail: CaseDetail) -> list[str]:
    """Subjects of the view events of a case: its studies, or the case itself when it shows none."""
    return sorted(f"study:{study.uid}" for study in detail.studies) or [f"case:{detail.key}"]


async def note_views(session: AsyncSession, principal: Principal, subjects: list[str]) -> None:
    """One view event per account, subject and hour."""
    await record_views(session, principal, subjects)


async def _studies(session: AsyncSession, principal: Principal, case_id: int) -> list[tuple[Study, str]]:
    statement = (
        select(Study, Hospital.code)
        .join(CaseStudyOf, CaseStudyOf.study_id == Study.id)
        .join(Hospital, Hospital.id == Study.hospital_id)
        .where(CaseStudyOf.case_id == case_id, studies_visible_to(principal))
        .order_by(Study.shifted_date, Study.uid)
    )
    return [(study, code) for study, code in (await session.execute(statement)).tuples()]


async def _series(session: AsyncSession, principal: Principal, study_ids: list[int]) -> dict[int, list[SeriesOut]]:
    wanted = select(Series).where(Series.study_id.in_(study_ids), series_visible_to(principal)).order_by(Series.study_id, Series.number, Series.uid)
    rows = list(await session.scalars(wanted))
    found: dict[int, list[SeriesOut]] = defaultdict(list)
    for row, shape in zip(rows, await shapes(session, rows), strict=True):
        found[row.study_id].append(shape)
    return found


async def _links(session: AsyncSession, principal: Principal, study_ids: list[int]) -> dict[int, list[tuple[int, float, str]]]:
    """Report id -> (study id, score, state). Doubtful links only for those who see every disease."""
    statement = (
        select(LinkOf.report_id, LinkOf.study_id, LinkOf.score, LinkOf.state)
        .join(Report, Report.id == LinkOf.report_id)
        .where(LinkOf.study_id.in_(study_ids), LinkOf.active.is_(True), reports_visible_to(principal))
        .where(LinkOf.state != "rejected" if principal.sees_all_diseases else LinkOf.state.in_(LINKED))
        .order_by(LinkOf.report_id, LinkOf.study_id)
    )
    found: dict[int, list[tuple[int, float, str]]] = defaultdict(list)
    for report_id, study_id, score, state in (await session.execute(statement)).tuples():
        found[report_id].append((study_id, score, state))
    return found


async def _reports(session: AsyncSession, links: dict[int, list[tuple[int, float, str]]], uids: dict[int, str]) -> list[ReportOut]:
    """In the order of their ids."""
    ids = sorted(links)
    newest = select(ReportText.report_id, func.max(ReportText.version).label("version")).where(ReportText.report_id.in_(ids))
    newest_of = newest.group_by(ReportText.report_id).subquery()
    texts_of = select(ReportText.report_id, ReportText.sections).join(
        newest_of, and_(newest_of.c.report_id == ReportText.report_id, newest_of.c.version == ReportText.version)
    )
    texts: dict[int, dict[str, Any]] = dict((await session.execute(texts_of)).tuples().all())
    rows = list(await session.scalars(select(Report).where(Report.id.in_(ids)).order_by(Report.id)))
    labels: dict[str, list[LabelOut]] = defaultdict(list)
    for label in await _labels(session, {row.key for row in rows}, report_ids=ids):
        labels[label.report_key or ""].append(label)
    return [
        ReportOut(
            key=row.key, kind=row.kind, shifted_date=row.shifted_date, language=row.language, sections=texts.get(row.id, {}),
            links=[LinkOut(study_uid=uids[study_id], score=score, state=state) for study_id, score, state in links[row.id]],
            labels=labels[row.key],
        )
        for row in rows
    ]


async def _labels(session: AsyncSession, shown: set[str], *, case_id: int | None = None, report_ids: list[int] | None = None) -> list[LabelOut]:
    """Newest first. Evidence points into a report's text and goes with the right to see that report."""
    report_id = func.coalesce(Label.report_id, ReportText.report_id)
    statement = (
        select(Label, LabelScheme.code, Report.key, PolicyVersion.scope, PolicyVersion.number, CaseLabel.state)
        .join(LabelScheme, LabelScheme.id == Label.scheme_id)
        .outerjoin(ReportText, ReportText.id == Label.report_text_id)
        .outerjoin(Report, Report.id == report_id)
        .outerjoin(PolicyVersion, PolicyVersion.id == Label.policy_id)
        .outerjoin(CaseLabel, and_(CaseLabel.label_id == Label.id, CaseLabel.case_id == Label.case_id))
        .where(Label.case_id == case_id if report_ids is None else Label.report_id.in_(report_ids))
        .order_by(Label.created_at.desc(), Label.id.desc())
    )
    found = []
    undone = await _undone(session, case_id) if case_id is not None else set()
    for label, scheme, report_key, scope, number, state in await session.execute(statement):
        open_report = report_key in shown
        found.append(
            LabelOut(
                scheme=scheme, value=label.value, source=label.source, confidence=label.confidence, state=state or "", reason=label.reason,
                decided_by=label.decided_by, undone=label.id in undone, created_at=label.created_at, report_key=report_key if open_report else None,
                evidence=label.evidence if open_report else [], rule_set=f"{scope}@{number}" if scope is not None else None,
            )
        )
    return found


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
