"""What a person's answer does: rows now, follow-up work (files, texts, labels) as a batch of the import.

Decisions are appended; the review keeps what to put back, so that an answer can be undone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter import audit
from isocenter.auth import Principal
from isocenter.changes import note_changes
from isocenter.db import for_update
from isocenter.errors import Conflict, InvalidInput, StaleRevision
from isocenter.models import (
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    DoomedObject,
    ImportItem,
    Instance,
    Label,
    LabelScheme,
    Link,
    PatientIdentity,
    Report,
    Resource,
    Review,
    ReviewDecision,
    Series,
    StoreGate,
    Study,
    now,
)
from isocenter.resources import Resources
from services.ingest import second, settle
from services.ingest.records import Outcome
from services.ingest.stages import precedents, thresholds, voices
from services.ingest.stages.again import reopen_items
from services.ingest.stages.answers import fingerprint
from services.ingest.store import clinical, imports, reviews

CANNOT_TELL = "cannot_tell"


async def decide(session: AsyncSession, resources: Resources, who: Principal, review: Review, value: str, note: str, revision: int) -> None:
    """Answer a question; StaleRevision when somebody was quicker, InvalidInput for an answer that is no choice."""
    if review.revision != revision:
        raise StaleRevision("Somebody changed this question since you read it; read it again.", current=review.revision)
    if review.state != "open":
        raise Conflict("This question is answered already; undo the answer first.", state=review.state)
    if review.lease_account not in (None, who.name) and review.lease_until is not None and review.lease_until > now():
        raise Conflict("Somebody else is at this question right now.", state="leased")
    if value not in review.choices:
        raise InvalidInput(f"{value} is not one of the choices: {', '.join(str(c) for c in review.choices)}.", field="value")
    undo = await _EFFECTS[review.kind](session, resources, who, review, value)
    session.add(ReviewDecision(review_id=review.id, account=who.name, value={"value": value}, note=note, created_at=now(), undo=undo))
    review.state = "decided"
    review.revision += 1
    review.lease_account = review.lease_until = None
    audit.record(session, who, "decided", f"review:{review.key}", after={"kind": review.kind, "value": value, "subject": review.subject})
    if review.case_id is not None:
        await note_changes(session, [review.case_id])


async def undo(session: AsyncSession, who: Principal, review: Review) -> None:
    """Put back what the newest answer changed and ask again; Conflict when the answer cannot be undone."""
    decision = await session.scalar(
        select(ReviewDecision).where(ReviewDecision.review_id == review.id, ReviewDecision.undone_at.is_(None)).order_by(ReviewDecision.id.desc()).limit(1)
    )
    if review.state != "decided" or decision is None:
        raise Conflict("There is no answer to undo.", state=review.state)
    if decision.undo is None:
        raise Conflict("This answer removed bytes or started work that cannot be taken back; reopen the case's label or import again.")
    await _put_back(session, decision.undo)
    if review.kind == "label" and (pointer := decision.undo.get("case_label")):
        await precedents.label_again(session, review, pointer["scheme_id"], settled=True)
    decision.undone_at = now()
    review.state = "open"
    review.revision += 1
    # It is the next question of whoever took the answer back; what they had on the screen goes back to its place in the queue.
    await reviews.take(session, review, who.name)
    audit.record(session, who, "decision-undone", f"review:{review.key}", before={"value": decision.value})
    if review.case_id is not None:
        await note_changes(session, [review.case_id])


async def _put_back(session: AsyncSession, undo: dict[str, Any]) -> None:
    await settle.put_back(session, undo)
    if pointer := undo.get("case_label"):
        row = await session.get(CaseLabel, (pointer["case_id"], pointer["scheme_id"]))
        if row is not None and pointer.get("label_id"):
            row.label_id, row.value, row.state = pointer["label_id"], pointer["value"], pointer["state"]
            row.revision += 1
        elif row is not None:
            await session.delete(row)
    if asked := undo.get("asked"):
        await session.execute(update(Review).where(Review.key == asked, Review.state == "open").values(state="closed", revision=Review.revision + 1))
    for link in undo.get("links", ()):
        await session.execute(update(Link).where(Link.id == link["id"]).values(state=link["state"], active=link["active"], decided_by=None))
    if links := undo.get("new_links"):
        await session.execute(update(Link).where(Link.id.in_(links)).values(active=False))
    if follow := undo.get("again"):
        await imports.add_batches(session, follow["import_id"], imports.AGAIN, [(follow["payload"], 1)])
    if series := undo.get("series_held"):
        await session.execute(update(Series).where(Series.id == series).values(state="held"))
        await session.execute(update(Instance).where(Instance.series_id == series, Instance.held_reason != "").values(state="held"))
    if refused := undo.get("refused"):
        await _unrefuse(session, refused)
    if resource := undo.get("resource_back"):
        await session.execute(update(Resource).where(Resource.id == resource).values(deleted_at=None, revision=Resource.revision + 1))
    if resource := undo.get("resource_held"):
        await session.execute(update(Resource).where(Resource.id == resource).values(state="held"))


async def _unrefuse(session: AsyncSession, refused: dict[str, Any]) -> None:
    """A refused series waits for a look again, as long as the sweep has not deleted its bytes; Conflict afterwards."""
    await session.scalar(for_update(select(StoreGate), session))  # the sweep deletes under the same lock
    objects = set(refused["objects"])
    marked = {key for (key,) in await imports.chunked(session, select(DoomedObject.object_key), DoomedObject.object_key, list(objects))}
    if marked != objects:
        raise Conflict("The bytes of this series are deleted by now; import it again.")
    for start in range(0, len(marked), 500):
        await session.execute(delete(DoomedObject).where(DoomedObject.object_key.in_(sorted(marked)[start : start + 500])))
    instances = refused["instances"]
    for start in range(0, len(instances), 500):
        chunk = instances[start : start + 500]
        await session.execute(update(Instance).where(Instance.id.in_(chunk)).values(deleted_at=None))
        values = {"outcome": Outcome.ACCEPTED.value, "reason": "held-again", "detail": "A refusal was taken back; a reviewer looks at the pixels again."}
        await session.execute(update(ImportItem).where(ImportItem.instance_id.in_(chunk), ImportItem.reason == "pixels-refused").values(**values))
    await session.execute(update(Series).where(Series.id == refused["series"]).values(deleted_at=None, revision=Series.revision + 1))


async def _label(session: AsyncSession, _resources: Resources, who: Principal, review: Review, value: str) -> dict[str, Any]:
    """A reviewer's label is appended and counts from now on; "cannot tell" counts as a decision that gives no class."""
    case = await session.get(Case, review.case_id)
    assert case is not None
    if second.is_second(review):
        return await _second(session, who, review, case, value)
    scheme_code = str(review.proposal["scheme"])
    scheme = await session.scalar(
        select(LabelScheme).where(LabelScheme.disease_id == case.disease_id, LabelScheme.code == scheme_code).order_by(LabelScheme.number.desc()).limit(1)
    )
    assert scheme is not None
    label = Label(
        fingerprint=fingerprint("reviewer", case.key, scheme_code, value, review.key, review.revision, who.name),
        case_id=case.id,
        scheme_id=scheme.id,
        value=value,
        source="reviewer",
        confidence=1.0,
        evidence=[{"review": review.key, "wording": str(review.proposal.get("wording") or ""), "reason": str(review.proposal.get("reason") or "")}],
        reason="",
        decided_by=who.name,
        created_at=now(),
    )
    session.add(label)
    await session.flush()
    pointer = await session.get(CaseLabel, (case.id, scheme.id))
    before: dict[str, Any] = {"case_id": case.id, "scheme_id": scheme.id}
    if pointer is None:
        session.add(CaseLabel(case_id=case.id, scheme_id=scheme.id, label_id=label.id, value=value, state="decided"))
    else:
        before |= {"label_id": pointer.label_id, "value": pointer.value, "state": pointer.state}
        pointer.label_id, pointer.value, pointer.state = label.id, value, "decided"
        pointer.revision += 1
    await _state_items_of_case(session, case.id, "decided")
    await session.flush()
    await thresholds.learn(session, scheme)
    await voices.ask_again(session, scheme)
    await precedents.label_again(session, review, scheme.id, settled=await precedents.contradicted(session, review, scheme.id, value))
    await second.ask_second(session, review, who.name)
    return {"case_label": before}


async def _second(session: AsyncSession, who: Principal, review: Review, case: Case, value: str) -> dict[str, Any]:
    """A second reader's answer decides nothing: the same one confirms, another one asks a third time."""
    answer = select(ReviewDecision).join(Review, Review.id == ReviewDecision.review_id).where(ReviewDecision.undone_at.is_(None))
    first = await session.scalar(answer.where(Review.key == str(review.proposal["first"])).order_by(ReviewDecision.id.desc()).limit(1))
    if first is None:
        raise Conflict("The first answer was undone; there is nothing to read a second time.")
    if first.account == who.name:
        raise Conflict("A second reading is for somebody else than the first reader.")
    if first.value["value"] == value:
        return {}
    third = await second.ask_third(session, review, str(review.proposal["first"]))
    audit.record(session, who, "readers-disagree", f"case:{case.key}", after={"review": third.key})
    return {"asked": third.key}


async def _state_items_of_case(session: AsyncSession, case_id: int, state: str) -> None:
    studies = select(CaseStudy.study_id).where(CaseStudy.case_id == case_id)
    await session.execute(update(ImportItem).where(ImportItem.study_id.in_(studies), ImportItem.label_state != "").values(label_state=state))
    reports = select(Link.report_id).where(Link.study_id.in_(studies), Link.active.is_(True))
    await session.execute(update(ImportItem).where(ImportItem.report_id.in_(reports), ImportItem.label_state != "").values(label_state=state))


async def _link(session: AsyncSession, _resources: Resources, who: Principal, review: Review, value: str) -> dict[str, Any]:
    """The chosen report is linked, the other candidates of the question are rejected; texts and labels follow."""
    study = await session.scalar(select(Study).where(Study.uid == str(review.proposal["study_uid"])))
    assert study is not None
    candidates = [str(entry["report_key"]) for entry in review.proposal["candidates"]]
    reports = {row.key: row for row in await session.scalars(select(Report).where(Report.key.in_(candidates)))}
    before: list[dict[str, Any]] = []
    chosen: Report | None = reports.get(value)
    for key, report in sorted(reports.items()):
        link = await session.scalar(select(Link).where(Link.study_id == study.id, Link.report_id == report.id).order_by(Link.generation.desc()).limit(1))
        if link is None:
            continue
        before.append({"id": link.id, "state": link.state, "active": link.active})
        link.state = "accepted" if key == value else "rejected"
        link.active = key == value
        link.source, link.decided_by = "reviewer", who.name
    if chosen is not None:
        # The report is about this study's patient now; its text is scrubbed and shifted again with what is known of them.
        chosen.identity_id = study.identity_id
        chosen.revision += 1
    follow = {"reports": sorted(report.id for report in reports.values()), "cases": (await clinical.cases_of_studies(session, [study.id])).get(study.id, [])}
    if review.import_id is not None:
        await imports.add_batches(session, review.import_id, imports.AGAIN, [(follow, 1)])
        return {"links": before, "again": {"import_id": review.import_id, "payload": follow}}
    return {"links": before}


async def _disease(session: AsyncSession, _resources: Resources, _who: Principal, review: Review, value: str) -> dict[str, Any] | None:
    """The study gets a case of the chosen disease."""
    if value == "none":
        return {}
    study = await session.scalar(select(Study).where(Study.uid == str(review.proposal["study_uid"])))
    disease = await session.scalar(select(Disease.id).where(Disease.code == value))
    assert study is not None
    assert disease is not None
    patient = await session.scalar(select(PatientIdentity.patient_id).where(PatientIdentity.id == study.identity_id))
    assert patient is not None
    assert review.import_id is not None
    cases = await clinical.ensure_cases(session, review.import_id, [(patient, disease, study.id)])
    await imports.add_batches(session, review.import_id, imports.AGAIN, [({"cases": sorted(cases.values())}, 1)])
    await note_changes(session, cases.values())
    return None


async def _item(session: AsyncSession, _resources: Resources, _who: Principal, review: Review, value: str) -> dict[str, Any] | None:
    """A file that is not in the catalog: take it in (or try again), or refuse it and drop its staged copy."""
    assert review.import_id is not None
    item = await session.get(ImportItem, review.item_id)
    assert item is not None
    if value == "refuse":
        item.outcome, item.reason = Outcome.REFUSED.value, "refused-in-review"
        item.detail = "A reviewer refused this file."
        await imports.add_batches(session, review.import_id, imports.AGAIN, [({}, 1)])  # its staged copy goes
        return None
    override = {"accepted": True, "pixels_seen": review.kind == "pixels"} if value == "accept" else {"retry": True}
    await reopen_items(session, [item.id], override)
    await imports.add_batches(session, review.import_id, imports.AGAIN, [({"items": [item.id]}, 1)])
    return None


async def _pixels(session: AsyncSession, resources: Resources, who: Principal, review: Review, value: str) -> dict[str, Any] | None:
    """Held pixels become visible, or the series goes."""
    if review.item_id is not None:
        return await _item(session, resources, who, review, value)
    series = await session.scalar(select(Series).where(Series.uid == str(review.proposal["series_uid"])))
    assert series is not None
    if value == "accept":
        series.state = "visible"
        await session.execute(update(Instance).where(Instance.series_id == series.id, Instance.state == "held").values(state="visible"))
        held = select(Instance.id).where(Instance.series_id == series.id)
        await session.execute(
            update(ImportItem).where(ImportItem.instance_id.in_(held)).values(reason="released-in-review", detail="A reviewer has looked at the pixels.")
        )
        return {"series_held": series.id}
    moment = now()
    series.deleted_at = moment
    series.revision += 1
    instances = list(await session.scalars(select(Instance).where(Instance.series_id == series.id, Instance.deleted_at.is_(None))))
    for instance in instances:
        instance.deleted_at = moment
        session.add(DoomedObject(object_key=instance.object_key, created_at=moment))
    doomed = [instance.object_key for instance in instances]
    for key in (series.metadata_key, series.thumbnail_key):
        if key:
            doomed.append(key)
            session.add(DoomedObject(object_key=key, created_at=moment))
    await session.execute(
        update(ImportItem)
        .where(ImportItem.instance_id.in_([instance.id for instance in instances]))
        .values(outcome=Outcome.REFUSED.value, reason="pixels-refused", detail="A reviewer found that the pixels may not be shown.")
    )
    return {"refused": {"series": series.id, "instances": [instance.id for instance in instances], "objects": doomed}}


async def _resource(session: AsyncSession, resources: Resources, _who: Principal, review: Review, value: str) -> dict[str, Any] | None:
    """A hidden file becomes visible to those who see its case, or goes."""
    item = await session.get(ImportItem, review.item_id)
    row = await session.get(Resource, item.resource_id) if item is not None and item.resource_id is not None else None
    if row is None:
        raise Conflict("The file of this question is gone.")
    if value == "accept":
        # Bytes first, then the row: a released resource is always there.
        key = f"data/resources/{row.sha256}"
        resources.store.put_bytes(key, resources.staging.get_bytes(row.object_key))
        row.object_key, row.state = key, "visible"
        row.revision += 1
        return {"resource_held": row.id}
    row.deleted_at = now()
    row.revision += 1
    return {"resource_back": row.id}


async def reopen(session: AsyncSession, who: Principal, case: Case, scheme: LabelScheme, choices: list[str]) -> Review:
    """A new question about a case's label, whatever counts now; the old answer stays in history."""
    pointer = await session.get(CaseLabel, (case.id, scheme.id))
    count = len(list(await session.scalars(select(Review.id).where(Review.case_id == case.id, Review.kind == "label"))))
    counted = await session.get(Label, pointer.label_id) if pointer is not None else None
    proposal = {
        "case_key": case.key,
        "scheme": scheme.code,
        "wording": next((str(item["wording"]) for item in counted.evidence if item.get("wording")), "") if counted is not None else "",
        "value": "",
        "current": pointer.value if pointer else "",
        "confidence": 0.0,
        "reason": reviews.REOPENED,
        "reports": [],
        "number": count + 1,
    }
    row = reviews.question(
        "label", f"case:{case.key}:{scheme.code}", proposal, [*choices, CANNOT_TELL], priority=0.0, disease_id=case.disease_id, case_id=case.id
    )
    await reviews.ask(session, [row])
    if pointer is not None and pointer.state != "decided":
        pointer.state = "review"
        pointer.revision += 1
    audit.record(session, who, "label-reopened", f"case:{case.key}", after={"scheme": scheme.code})
    review = await reviews.get(session, str(row["key"]))
    await reviews.take(session, review, who.name)  # it is on their screen
    return review


_EFFECTS = {
    "label": _label,
    "link": _link,
    "disease": _disease,
    "identifiers": _item,
    "leak": _item,
    "pixels": _pixels,
    "resource": _resource,
    "duplicate": settle.duplicate,
    "sequence": settle.sequence,
}
