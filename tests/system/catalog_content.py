"""What a catalog says, by natural keys only: no row ids, times or tokens; two equal catalogs give equal documents."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from isocenter.db import Database
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    ExamTally,
    ImportItem,
    Instance,
    Label,
    LabelScheme,
    Link,
    Patient,
    PatientIdentity,
    Report,
    ReportText,
    Review,
    Series,
    Stack,
    Study,
)


async def content(url: str) -> dict[str, Any]:
    """Noun -> sorted rows."""
    db = Database(url)
    queries = {
        "patients": select(Patient.key, Patient.sex),
        "identities": select(PatientIdentity.number_hmac, Patient.key).join(Patient, Patient.id == PatientIdentity.patient_id),
        "studies": select(Study.uid, PatientIdentity.number_hmac, Study.shifted_date, Study.body_part).join(
            PatientIdentity, PatientIdentity.id == Study.identity_id
        ),
        "series": select(Series.uid, Series.modality, Series.instance_count, Series.size_bytes, Series.state, Series.metadata_key, Series.thumbnail_key),
        "stacks": select(Series.uid, Stack.ordinal, Stack.sequence, Stack.instance_count).join(Series, Series.id == Stack.series_id),
        "instances": select(Instance.sop_uid, Instance.object_sha256, Instance.number, Instance.state),
        "cases": select(Case.key, Patient.key).join(Patient, Patient.id == Case.patient_id),
        "case_studies": select(Case.key, Study.uid)
        .select_from(CaseStudy)
        .join(Case, Case.id == CaseStudy.case_id)
        .join(Study, Study.id == CaseStudy.study_id),
        "reports": select(Report.key, Report.kind, Report.shifted_date),
        "texts": select(Report.key, ReportText.version, ReportText.sections).join(Report, Report.id == ReportText.report_id),
        "links": select(Study.uid, Report.key, Link.generation, Link.state, Link.score)
        .select_from(Link)
        .join(Study, Study.id == Link.study_id)
        .join(Report, Report.id == Link.report_id),
        # Not the fingerprint: that of a provided label holds its import's key, which differs between any two imports.
        "labels": select(Case.key, LabelScheme.code, Label.value, Label.source, Label.confidence, Label.reason, Label.evidence)
        .select_from(Label)
        .join(Case, Case.id == Label.case_id, isouter=True)
        .join(LabelScheme, LabelScheme.id == Label.scheme_id),
        "case_labels": select(Case.key, CaseLabel.value, CaseLabel.state).join(Case, Case.id == CaseLabel.case_id),
        "reviews": select(Review.kind, Review.subject, Review.state).where(~Review.subject.startswith("item:"), ~Review.subject.startswith("resource:")),
        "items": select(ImportItem.ordinal, ImportItem.outcome, ImportItem.reason, ImportItem.link_state, ImportItem.label_state),
        "tally": select(ExamTally.day, ExamTally.modality, ExamTally.studies),
    }
    try:
        async with db.read() as session:
            return {noun: sorted(tuple(map(str, row)) for row in (await session.execute(query)).all()) for noun, query in queries.items()}
    finally:
        await db.close()
