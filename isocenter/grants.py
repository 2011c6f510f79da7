"""Who may see what: one predicate per noun, in every query from the first day.

Admins, data managers and reviewers see every disease. Researchers and readers see the diseases and dataset versions
granted to a project they are a member of. What is deleted nobody sees (``deleted_at``), what is held only reviewers.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select, true

from isocenter.auth import Permission, Principal
from isocenter.models import Case, CaseStudy, Dataset, DatasetMember, DatasetVersion, Disease, Grant, Link, Member, Report, Resource, Series, Study


def granted_diseases(principal: Principal) -> Select[int | None]:
    member = select(Member.project_id).where(Member.account_id == principal.account_id)
    return select(Grant.disease_id).where(Grant.project_id.in_(member), Grant.disease_id.is_not(None))


def _granted_datasets(principal: Principal) -> Select[int | None]:
    member = select(Member.project_id).where(Member.account_id == principal.account_id)
    return select(Grant.dataset_id).where(Grant.project_id.in_(member), Grant.dataset_id.is_not(None))


def granted_versions(principal: Principal) -> Select[int]:
    return select(DatasetVersion.id).where(DatasetVersion.dataset_id.in_(_granted_datasets(principal)), DatasetVersion.withdrawn_at.is_(None))


def may_read(principal: Principal) -> ColumnElement[bool]:
    return true() if principal.may(Permission.READ_CATALOG) else false()


def diseases_visible_to(principal: Principal) -> ColumnElement[bool]:
    """Diseases a person may list."""
    if principal.sees_all_diseases:
        return Disease.deleted_at.is_(None)
    return and_(
        may_read(principal),
        Disease.deleted_at.is_(None),
        or_(
            Disease.id.in_(granted_diseases(principal)),
            Disease.id.in_(select(Dataset.disease_id).where(Dataset.id.in_(_granted_datasets(principal)))),
        ),
    )


def visible_to(principal: Principal) -> ColumnElement[bool]:
    """Cases this account may see."""
    alive = and_(Case.deleted_at.is_(None), Case.merged_into.is_(None))
    if principal.sees_all_diseases:
        return alive
    return and_(
        may_read(principal),
        alive,
        or_(
            Case.disease_id.in_(granted_diseases(principal)),
            Case.id.in_(select(DatasetMember.case_id).where(DatasetMember.version_id.in_(granted_versions(principal)))),
        ),
    )


def series_visible_to(principal: Principal) -> ColumnElement[bool]:
    """Series this account may see: of a visible disease, or a member of a granted dataset version. Held pixels only for reviewers."""
    # Correlated by name, so that an outer query may join study itself.
    alive = and_(Series.deleted_at.is_(None), exists().where(Study.id == Series.study_id, Study.deleted_at.is_(None)).correlate(Series))
    if principal.sees_all_diseases:
        return alive if principal.may(Permission.REVIEW) else and_(alive, Series.state == "visible")
    by_disease = (
        exists()
        .where(CaseStudy.study_id == Series.study_id, Case.id == CaseStudy.case_id, Case.deleted_at.is_(None))
        .where(Case.disease_id.in_(granted_diseases(principal)))
    )
    by_dataset = exists().where(DatasetMember.series_id == Series.id, DatasetMember.version_id.in_(granted_versions(principal)))
    return and_(may_read(principal), alive, Series.state == "visible", or_(by_disease, by_dataset))


def studies_visible_to(principal: Principal) -> ColumnElement[bool]:
    """Studies with at least one series this account may see."""
    if principal.sees_all_diseases:
        return Study.deleted_at.is_(None)
    return and_(Study.deleted_at.is_(None), exists().where(Series.study_id == Study.id).where(series_visible_to(principal)).correlate(Study))


def reports_visible_to(principal: Principal) -> ColumnElement[bool]:
    """Reports linked to a study of a visible case. A grant of a dataset alone shows no report text."""
    if principal.sees_all_diseases:
        return Report.deleted_at.is_(None)
    linked = (
        exists()
        .where(Link.report_id == Report.id, Link.active.is_(True), Link.state.in_(("sure", "accepted")), CaseStudy.study_id == Link.study_id)
        .where(Case.id == CaseStudy.case_id, Case.deleted_at.is_(None), Case.disease_id.in_(granted_diseases(principal)))
    )
    return and_(may_read(principal), Report.deleted_at.is_(None), linked)


def resources_visible_to(principal: Principal) -> ColumnElement[bool]:
    """Other files: reviewers see all, others what a reviewer has released of visible cases."""
    if principal.may(Permission.REVIEW):
        return Resource.deleted_at.is_(None)
    case = exists().where(Case.id == Resource.case_id).where(visible_to(principal)).correlate(Resource)
    return and_(may_read(principal), Resource.deleted_at.is_(None), Resource.state == "visible", case)


def datasets_visible_to(principal: Principal) -> ColumnElement[bool]:
    """Datasets granted by name or through their disease."""
    if principal.sees_all_diseases:
        return Dataset.deleted_at.is_(None)
    return and_(
        may_read(principal),
        Dataset.deleted_at.is_(None),
        or_(Dataset.id.in_(_granted_datasets(principal)), Dataset.disease_id.in_(granted_diseases(principal))),
    )
