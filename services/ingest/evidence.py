"""What a reviewer is shown beside a question: scrubbed texts with evidence, images, candidates; values only with the permission."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.models import (
    Case,
    CaseStudy,
    Disease,
    Hospital,
    Import,
    ImportItem,
    Label,
    LabelClass,
    LabelScheme,
    Link,
    Report,
    ReportText,
    Resource,
    Review,
    ReviewDecision,
    Series,
    Study,
)
from isocenter.resources import Resources
from services.ingest.identity import ItemCapsule, ReportCapsule, StudyCapsule
from services.ingest.schemas import Choice, ReviewView
from services.ingest.store import capsules
from services.ingest.store.texts import texts_of_cases

TITLES = {
    "accept": ("Take it in", "接收"),
    "refuse": ("Refuse", "拒绝"),
    "retry": ("Try again", "重试"),
    "none": ("None of these", "都不是"),
    "cannot_tell": ("Cannot tell", "无法判断"),
    "same": ("The same examination: remove the later copy", "同一次检查：移除后到的副本"),
    "different": ("Different examinations: keep both", "不同检查：都保留"),
    "both": ("Both hold", "两份都有效"),
    "plain": ("Plain", "平扫"),
    "enhanced": ("Enhanced", "增强"),
    "angiography": ("Angiography", "造影"),
    "other": ("Another sequence", "其他序列"),
}
IMAGES_MAX = 24
RIVALS_MAX = 3  # other studies shown beside a report that may be theirs


async def view(session: AsyncSession, review: Review, *, full: bool) -> ReviewView:
    """The question as a person reads it; ``full`` adds texts, images and earlier answers."""
    case_key = await session.scalar(select(Case.key).where(Case.id == review.case_id)) if review.case_id else None
    disease = await session.scalar(select(Disease.code).where(Disease.id == review.disease_id)) if review.disease_id else None
    import_key = await session.scalar(select(Import.key).where(Import.id == review.import_id)) if review.import_id else None
    proposal = dict(review.proposal)
    decisions: list[dict[str, Any]] = []
    if full:
        proposal |= await _evidence(session, review)
        rows = await session.scalars(select(ReviewDecision).where(ReviewDecision.review_id == review.id).order_by(ReviewDecision.id.desc()))
        decisions = [
            {"account": r.account, "value": r.value["value"], "note": r.note, "created_at": r.created_at.isoformat(), "undone": r.undone_at is not None}
            for r in rows
        ]
    return ReviewView(
        key=review.key,
        kind=review.kind,
        subject=review.subject,
        disease=disease,
        case_key=case_key,
        import_key=import_key,
        priority=review.priority,
        state=review.state,
        created_at=review.created_at,
        lease_account=review.lease_account,
        choices=await _choices(session, review),
        proposal=proposal,
        decisions=decisions,
        revision=review.revision,
    )


async def _choices(session: AsyncSession, review: Review) -> list[Choice]:
    titles: dict[str, tuple[str, str]] = dict(TITLES)
    if review.kind == "label" and review.disease_id is not None:
        rows = await session.execute(
            select(LabelClass.code, LabelClass.title_en, LabelClass.title_zh)
            .join(LabelScheme, LabelScheme.id == LabelClass.scheme_id)
            .where(LabelScheme.disease_id == review.disease_id, LabelScheme.code == str(review.proposal.get("scheme", "")))
        )
        titles |= {code: (en, zh) for code, en, zh in rows}
    if review.kind == "pixels":
        titles |= {"accept": ("No text: show it", "没有文字：可以显示"), "refuse": ("Text: refuse it", "有文字：拒绝")}
    if review.kind == "disease":
        titles |= {code: (en, zh) for code, en, zh in await session.execute(select(Disease.code, Disease.title_en, Disease.title_zh))}
    if review.kind == "duplicate" and review.proposal["what"] == "reports":
        titles |= {str(key): (f"Report {n} holds", f"报告 {n} 有效") for n, key in enumerate(review.proposal["reports"], start=1)}
    if review.kind == "link":
        titles |= {str(entry["report_key"]): (f"Report {n}", f"报告 {n}") for n, entry in enumerate(review.proposal["candidates"], start=1)}
    named = {str(c): titles.get(str(c), (str(c), str(c))) for c in review.choices}
    return [Choice(value=c, title_en=en, title_zh=zh, final=is_final(review, c)) for c, (en, zh) in named.items()]


def is_final(review: Review, choice: str) -> bool:
    """Whether an answer cannot be taken back: a staged copy goes with a refusal, files and cases are made by the others."""
    if review.kind == "disease":
        return choice != "none"
    return review.item_id is not None and review.kind in ("identifiers", "leak", "pixels")


async def _evidence(session: AsyncSession, review: Review) -> dict[str, Any]:
    if review.kind == "label" and review.case_id is not None:
        studies = list(await session.scalars(select(CaseStudy.study_id).where(CaseStudy.case_id == review.case_id)))
        texts = (await texts_of_cases(session, [review.case_id])).get(review.case_id, [])
        labels = await _newest_labels(session, [text.report_id for text in texts], review)
        reports = [
            {
                "key": text.key,
                "kind": text.kind,
                "shifted_date": text.date,
                "sections": text.sections,
                "evidence": labels[text.report_id].evidence if text.report_id in labels else [],
                "value": labels[text.report_id].value if text.report_id in labels else "",
                "reason": labels[text.report_id].reason if text.report_id in labels else "",
            }
            for text in texts
        ]
        return {"reports": reports, "images": await _images(session, studies)}
    if review.kind in ("link", "disease"):
        study = await session.scalar(select(Study).where(Study.uid == str(review.proposal["study_uid"])))
        if study is None:
            return {}
        shown: dict[str, Any] = {
            "study": {
                "uid": study.uid,
                "body_part": study.body_part,
                "shifted_date": study.shifted_date.isoformat() if study.shifted_date else None,
                "sex": study.sex,
                "age_years": study.age_years,
                "images": await _images(session, [study.id]),
            }
        }
        if review.kind == "disease":
            linked = select(Report.key).join(Link, Link.report_id == Report.id).where(Link.study_id == study.id, Link.active.is_(True))
            shown["reports"] = [{"key": key, **text} for key, text in (await _texts(session, list(await session.scalars(linked)))).items()]
        if review.kind == "link":
            keys = [str(entry["report_key"]) for entry in review.proposal["candidates"]]
            texts_by_key = await _texts(session, keys)
            # Two patients' dates are shifted by different days: side by side they would say what is not so. The proposal tells the days between.
            shown["study"]["shifted_date"] = None
            rivals = await _rivals(session, study.id, keys)
            shown["candidates"] = [
                {**entry, **texts_by_key.get(str(entry["report_key"]), {}), "shifted_date": None, "rivals": rivals.get(str(entry["report_key"]), [])}
                for entry in review.proposal["candidates"]
            ]
        return shown
    if review.kind == "duplicate":
        return await _doubles(session, review)
    if review.kind == "sequence":
        rows = list(await session.scalars(select(Series.study_id).where(Series.uid == str(review.proposal["series_uid"]))))
        return {"images": [image for image in await _images(session, rows) if image["series_uid"] == review.proposal["series_uid"]]}
    if review.kind == "pixels" and "series_uid" in review.proposal:
        series = await session.scalar(select(Series).where(Series.uid == str(review.proposal["series_uid"])))
        if series is None:
            return {}
        url = f"/api/v1/series/{series.uid}/preview"
        facts = {
            "modality": series.modality,
            "rows": series.rows,
            "columns": series.columns,
            "instances": series.instance_count,
            "manufacturer": series.manufacturer,
        }
        return {"images": [{"preview": url, "frames": series.frame_count}], "facts": facts}
    if review.kind == "resource":
        return {"file": f"/api/v1/reviews/{review.key}/file"}
    if "ordinal" in review.proposal:
        return {"images": [{"preview": f"/api/v1/reviews/{review.key}/preview"}]}
    return {}


async def _rivals(session: AsyncSession, study_id: int, report_keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """report -> the other studies that may take it or hold it, best first, each with its pictures."""
    rows = await session.execute(
        select(Report.key, Study, Link.state)
        .join(Link, Link.report_id == Report.id)
        .join(Study, Study.id == Link.study_id)
        .where(Report.key.in_(report_keys), Link.active.is_(True), Link.state != "rejected", Study.id != study_id, Study.deleted_at.is_(None))
        .order_by(Link.score.desc(), Study.id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for key, study, state in rows.tuples():
        if len(own := found.setdefault(key, [])) < RIVALS_MAX:
            about = {"uid": study.uid, "body_part": study.body_part, "sex": study.sex, "age_years": study.age_years, "state": state}
            own.append(about | {"images": await _images(session, [study.id])})
    return found


async def _doubles(session: AsyncSession, review: Review) -> dict[str, Any]:
    """Both studies with their pictures, or both texts, in the order of the proposal."""
    if review.proposal["what"] == "reports":
        keys = [str(key) for key in review.proposal["reports"]]
        texts = await _texts(session, keys)
        return {"reports": [{"key": key, **texts.get(key, {"sections": {}})} for key in keys]}
    found = await session.execute(select(Study, Hospital.code).join(Hospital).where(Study.uid.in_(review.proposal["studies"])).order_by(Study.id))
    return {
        "both": [
            {"uid": s.uid, "hospital": code, "body_part": s.body_part, "sex": s.sex, "age_years": s.age_years, "images": await _images(session, [s.id])}
            for s, code in found.tuples()
        ]
    }


async def _newest_labels(session: AsyncSession, report_ids: Sequence[int], review: Review) -> dict[int, Label]:
    rows = await session.scalars(
        select(Label)
        .join(LabelScheme, LabelScheme.id == Label.scheme_id)
        .where(Label.report_id.in_(report_ids), Label.case_id.is_(None), LabelScheme.disease_id == review.disease_id)
        .order_by(Label.id)
    )
    return {row.report_id: row for row in rows if row.report_id is not None}


async def _texts(session: AsyncSession, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = await session.execute(
        select(Report, ReportText).join(ReportText, ReportText.report_id == Report.id).where(Report.key.in_(keys)).order_by(ReportText.version)
    )
    return {
        report.key: {
            "kind": report.kind,
            "shifted_date": report.shifted_date.isoformat() if report.shifted_date else None,
            "sex": report.sex,
            "age_years": report.age_years,
            "sections": text.sections,
        }
        for report, text in rows
    }


async def _images(session: AsyncSession, study_ids: Sequence[int]) -> list[dict[str, Any]]:
    rows = await session.scalars(
        select(Series).where(Series.study_id.in_(study_ids), Series.deleted_at.is_(None)).order_by(Series.study_id, Series.number, Series.id).limit(IMAGES_MAX)
    )
    return [
        {
            "series_uid": row.uid,
            "thumbnail": f"/api/v1/series/{row.uid}/thumbnail",
            "preview": f"/api/v1/series/{row.uid}/preview",
            "modality": row.modality,
            "description": row.description,
            "sequence": row.sequence,
            "phase": row.phase,
            "format": row.format,
            "instance_count": row.instance_count,
            "frame_count": row.frame_count,
            "state": row.state,
        }
        for row in rows
    ]


async def identity_of(session: AsyncSession, resources: Resources, review: Review) -> list[dict[str, Any]]:
    """Raw values side by side: the study and its candidates. The caller checks the permission and writes the audit event."""
    shown: list[dict[str, Any]] = []
    if review.kind in ("link", "disease"):
        study = await session.scalar(select(Study).where(Study.uid == str(review.proposal["study_uid"])))
        if study is not None:
            shown.extend(await _study_values(session, resources, [study.id]))
        keys = [str(entry["report_key"]) for entry in review.proposal.get("candidates", ())]
        reports = {row.id: row.key for row in await session.scalars(select(Report).where(Report.key.in_(keys)))}
        shown.extend(await _report_values(session, resources, reports))
    elif review.case_id is not None:
        studies = list(await session.scalars(select(CaseStudy.study_id).where(CaseStudy.case_id == review.case_id)))
        shown.extend(await _study_values(session, resources, studies))
        texts = (await texts_of_cases(session, [review.case_id])).get(review.case_id, [])
        shown.extend(await _report_values(session, resources, {text.report_id: text.key for text in texts}))
    elif review.item_id is not None:
        capsule = await capsules.get(session, resources.key, "item", review.item_id, ItemCapsule)
        if capsule is not None:
            read = capsule.reading.identified if capsule.reading else None
            shown.append(
                {
                    "of": "file",
                    "path": capsule.path,
                    "patient_name": read.patient_name if read else "",
                    "patient_id": read.patient_id if read else "",
                    "study_date": read.study_date if read else "",
                }
            )
    return shown


async def _study_values(session: AsyncSession, resources: Resources, study_ids: Sequence[int]) -> list[dict[str, Any]]:
    sealed = await capsules.get_many(session, resources.key, "study", study_ids, StudyCapsule)
    return [
        {
            "of": "study",
            "key": c.identity.key,
            "patient_name": c.identity.patient_name,
            "patient_id": c.identity.patient_id,
            "sex": c.identity.sex,
            "age_years": c.identity.age_years,
            "birth_date": c.identity.birth_date,
            "date": c.identity.study_date,
            "accession_number": c.identity.accession_number,
            "pathology_number": c.identity.pathology_number,
        }
        for c in sealed.values()
    ]


async def _report_values(session: AsyncSession, resources: Resources, reports: dict[int, str]) -> list[dict[str, Any]]:
    sealed = await capsules.get_many(session, resources.key, "report", reports, ReportCapsule)
    return [
        {
            "of": "report",
            "key": reports[report],
            "patient_name": c.row.patient_name,
            "patient_id": c.row.patient_id,
            "sex": c.row.sex,
            "age_years": c.row.age_years,
            "birth_date": c.row.birth_date,
            "date": c.row.exam_date or c.row.report_date,
            "accession_number": c.row.accession_number,
            "pathology_number": c.row.pathology_number,
        }
        for report, c in sealed.items()
    ]


async def resource_of(session: AsyncSession, review: Review) -> Resource | None:
    """The other resource a question is about."""
    item = await session.get(ImportItem, review.item_id) if review.kind == "resource" and review.item_id is not None else None
    return await session.get(Resource, item.resource_id) if item is not None and item.resource_id is not None else None


async def item_source(session: AsyncSession, resources: Resources, review: Review) -> ItemCapsule | None:
    """Where the file of an item question is."""
    if review.item_id is None or await session.get(ImportItem, review.item_id) is None:
        return None
    return await capsules.get(session, resources.key, "item", review.item_id, ItemCapsule)
