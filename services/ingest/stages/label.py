"""Label: rules over scrubbed texts give report labels, reports give case labels; the doubtful go to review.

What counts for a case, in this order: a reviewer's decision, a label that was provided with the data, the rules joined by
the voice that learnt from decisions. A decision is never overwritten: evidence that contradicts it asks a new question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.changes import note_changes
from isocenter.db import upsert_ignore
from isocenter.diseases import DiseaseDefinition, definition_of
from isocenter.models import Case, CaseLabel, CaseStudy, Disease, Import, ImportItem, Label, LabelClass, Link
from services.ingest.case_reading import Books, CaseTask, WrittenReport, not_read, read_cases
from services.ingest.precedent import ALIKE, Precedents, followed
from services.ingest.stages import precedents, thirds, voices
from services.ingest.stages.answers import Answer, Question, case_row, report_row, text_of, third_row, voice_row, wording_of
from services.ingest.stages.context import Context
from services.ingest.stages.telling import is_told, schemes_of
from services.ingest.store import imports, policies, reviews
from services.ingest.store.texts import texts_of_cases
from services.ingest.voice import Example, Voice, audited, join, priority

CASES_PER_BATCH = 200


async def plan(context: Context) -> list[tuple[dict[str, Any], int]]:
    """Cases of this import's studies, and of studies whose reports came with it."""
    async with context.resources.db.read() as session:
        studies = select(ImportItem.study_id).where(ImportItem.import_id == context.import_id, ImportItem.study_id.is_not(None))
        reports = select(ImportItem.report_id).where(ImportItem.import_id == context.import_id, ImportItem.report_id.is_not(None))
        linked = select(Link.study_id).where(Link.report_id.in_(reports), Link.active.is_(True))
        ids = set(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id.in_(studies))))
        ids |= set(await session.scalars(select(CaseStudy.case_id).where(CaseStudy.study_id.in_(linked))))
    ordered = sorted(ids)
    chunks = [ordered[start : start + CASES_PER_BATCH] for start in range(0, len(ordered), CASES_PER_BATCH)]
    return [({"cases": chunk}, len(chunk)) for chunk in chunks]


async def run(context: Context) -> None:
    await label(context, list(context.payload["cases"]), last=True)


async def label(context: Context, case_ids: Sequence[int], *, last: bool) -> None:
    """Label these cases anew and move the pointers."""
    async with context.resources.db.read() as session:
        diseases = {d.id: d for d in await policies.diseases(session)}
        definitions = {d.id: definition_of(d.definition, d.code) for d in diseases.values()}
        chosen = context.options.get("schemes") or {}
        questions = await _questions(session, case_ids, chosen)
        decided = await voices.decided(session, {q.scheme.id for q in questions})
        told = {scheme: Precedents(own) for scheme, own in (await precedents.decided(session, {q.scheme.id for q in questions})).items()}
        rules = {q.scheme.id: definitions[q.disease_id].sha256 for q in questions}
        kept = voices.kept_voices(context.resources.db)
        unlearnt = kept.missing(decided, rules)
        taught = await _questions(session, sorted({case for values in unlearnt.values() for case in values}), chosen) if unlearnt else []
        answered = await thirds.decided(session, case_ids)
    documents = {row.id: (row.code, row.definition) for row in diseases.values()}
    fresh = await _learnt(context, documents, taught, unlearnt)
    for scheme, own in unlearnt.items():
        kept.keep(scheme, own, rules[scheme], fresh.get(scheme))
    learnt = kept.of(decided)
    read = await _read(context, documents, questions)
    answers = await asyncio.to_thread(lambda: [_joined(q, answer, learnt, answered, told) for q, answer in zip(questions, read, strict=True)])
    said = {
        (q.case_id, q.scheme.id): (a.last, text_of(q))
        for q, a in zip(questions, answers, strict=True)
        if a.last is not None and not is_told(a.case) and not a.followed
    }
    third = await thirds.spoken(context.resources, said)
    answers = [replace(a, third=third.get((q.case_id, q.scheme.id))) for q, a in zip(questions, answers, strict=True)]
    async with context.commit(last=last) as session:
        answers = [await _named(session, definitions[q.disease_id], q, a, learnt) for q, a in zip(questions, answers, strict=True)]
        await policies.unchanged(session, diseases)
        rule_sets = {}
        for disease_id, definition in definitions.items():
            body = {"disease": definition.code, "number": definition.number, "document": diseases[disease_id].definition}
            rule_sets[disease_id] = (await policies.ensure(session, "rules", definition.code, body, definition.sha256)).id
        await write_answers(session, context, questions, answers, rule_sets, told)
        await note_changes(session, case_ids)


async def _questions(session: AsyncSession, case_ids: Sequence[int], chosen: Mapping[str, str]) -> list[Question]:
    cases = [row for (row,) in await imports.chunked(session, select(Case).where(Case.deleted_at.is_(None)), Case.id, case_ids)]
    diseases = {d.id: d for d in await session.scalars(select(Disease))}
    schemes = await policies.schemes(session, sorted({case.disease_id for case in cases}))
    classes: dict[int, list[str]] = {}
    for scheme_id, code in await session.execute(select(LabelClass.scheme_id, LabelClass.code).order_by(LabelClass.scheme_id, LabelClass.ordinal)):
        classes.setdefault(scheme_id, []).append(code)
    texts = await texts_of_cases(session, [case.id for case in cases])
    questions = []
    for case in sorted(cases, key=lambda row: row.id):
        disease = diseases[case.disease_id]
        for scheme in schemes_of(disease, schemes, chosen.get(disease.code, "")):
            questions.append(Question(case.id, case.key, case.disease_id, scheme, tuple(classes.get(scheme.id, ())), tuple(texts.get(case.id, ()))))
    return questions


async def _read(context: Context, documents: Mapping[int, tuple[str, dict[str, Any]]], questions: Sequence[Question]) -> list[Answer]:
    """What the rules answer; read by the workers of the import, a case at once for all its schemes. documents: disease -> (code, document)."""
    places: dict[int, list[int]] = {}
    for n, question in enumerate(questions):
        places.setdefault(question.case_id, []).append(n)
    tasks = []
    for own in places.values():
        first = questions[own[0]]
        reports = tuple(WrittenReport(text.key, text.kind, text.date, text.sections) for text in first.texts)
        tasks.append(CaseTask(documents[first.disease_id][0], tuple(questions[n].scheme.code for n in own), reports))
    books = Books({documents[disease][0]: documents[disease][1] for disease in {q.disease_id for q in questions}})
    answers = [Answer((), None)] * len(questions)
    for own, readings in zip(places.values(), await context.pool.run(read_cases, books, tasks, not_read), strict=True):
        for n, reading in zip(own, readings, strict=True):
            answers[n] = Answer(tuple((questions[n].texts[place], label) for place, label in reading.reports), reading.case)
    return answers


async def _learnt(
    context: Context, documents: Mapping[int, tuple[str, dict[str, Any]]], taught: Sequence[Question], decided: Mapping[int, Mapping[int, str]]
) -> dict[int, Voice]:
    """The voice of every scheme that has learnt enough."""
    taught = [question for question in taught if question.case_id in decided.get(question.scheme.id, {})]
    examples: dict[int, list[Example]] = {}
    for question, answer in zip(taught, await _read(context, documents, taught), strict=True):
        if answer.case is not None:
            value = decided[question.scheme.id][question.case_id]
            examples.setdefault(question.scheme.id, []).append(Example(question.case_key, text_of(question), answer.case, value))
    voices_of = await asyncio.to_thread(lambda: {scheme: voices.trained(tuple(own)) for scheme, own in examples.items()})
    return {scheme: voice for scheme, voice in voices_of.items() if voice is not None}


def _joined(question: Question, answer: Answer, learnt: Mapping[int, Voice], answered: set[tuple[int, int]], told: Mapping[int, Precedents]) -> Answer:
    """With what people decided of the same words or, where nobody did, what the learnt voice says."""
    text = text_of(question)
    case = answer.case
    if case is None or is_told(case) or not text:
        return answer
    if followed(case, question.classes):
        answer = replace(answer, wording=wording_of(question, answer))
    if (question.case_id, question.scheme.id) in answered:  # a decision is not its own precedent
        return answer
    if answer.wording and (known := told.get(question.scheme.id)) is not None and (joined := known.join(case, answer.wording)) is not None:
        return replace(answer, joined=joined, voice=ALIKE, followed=tuple(one.review for one in known.of(answer.wording)))
    if (voice := learnt.get(question.scheme.id)) is None:
        return answer
    return replace(answer, joined=join(case, voice.say([text])[0], voice), voice_sha256=voice.sha256)


async def _named(session: AsyncSession, definition: DiseaseDefinition, question: Question, answer: Answer, learnt: Mapping[int, Voice]) -> Answer:
    """With the number of the voice that spoke, so that a label can name it."""
    if answer.joined is None or answer.followed:
        return answer
    scope, voice = f"{definition.code}.{question.scheme.code}", learnt[question.scheme.id]
    row = await policies.ensure(session, "voice", scope, voice.body(), voice.sha256)
    return replace(answer, voice=f"{scope}@{row.number}", voice_policy=row.id)


async def write_answers(
    session: AsyncSession,
    context: Context,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    rule_sets: Mapping[int, int],
    told: Mapping[int, Precedents],
) -> None:
    """Append labels, move pointers, ask what is doubtful."""
    rows: list[dict[str, Any]] = []
    model = context.resources.settings.third_voice_model
    for question, answer in zip(questions, answers, strict=True):
        rows.extend(report_row(question, text, spoken, rule_sets[question.disease_id]) for text, spoken in answer.reports)
        if answer.case is not None:
            rows.append(case_row(question, answer, rule_sets[question.disease_id]))
            if answer.joined is not None:
                rows.append(voice_row(question, answer))
            if answer.third is not None:
                rows.append(third_row(question, answer, answer.third, model))
    unique = {row["fingerprint"]: row for row in rows}
    prints = sorted(unique)
    before = {p for (p,) in await imports.chunked(session, select(Label.fingerprint), Label.fingerprint, prints)}
    fresh = [unique[p] for p in prints if p not in before]
    if fresh:
        await session.execute(insert(Label), fresh)
    ids = dict(await imports.chunked(session, select(Label.fingerprint, Label.id), Label.fingerprint, prints))
    case_ids = [question.case_id for question in questions]
    pointers = {(row.case_id, row.scheme_id): row for (row,) in await imports.chunked(session, select(CaseLabel), CaseLabel.case_id, case_ids)}
    provided: dict[tuple[int, int], Label] = {}
    withdrawn = select(Import.id).where(Import.state == "withdrawn")
    counting = or_(Label.import_id.is_(None), Label.import_id.not_in(withdrawn))
    statement = select(Label).where(Label.source == "provided", counting).order_by(Label.id)
    disputed: set[tuple[int, int]] = set()
    for (row,) in await imports.chunked(session, statement, Label.case_id, case_ids):
        earlier = provided.get((row.case_id, row.scheme_id))
        if earlier is not None and earlier.value != row.value:
            disputed.add((row.case_id, row.scheme_id))
        provided[row.case_id, row.scheme_id] = row
    asked: list[dict[str, Any]] = []
    sure: list[str] = []
    waiting = await precedents.waiting(session, {a.wording for a in answers if a.wording}, exclude=set(case_ids))
    for answer in answers:
        if answer.wording and answer.last is not None and answer.last.value == "review":
            waiting[answer.wording] = waiting.get(answer.wording, 0) + 1
    overruled = _overruled(questions, answers, pointers)
    for question, answer in zip(questions, answers, strict=True):
        place = (question.case_id, question.scheme.id)
        if is_told(answer.case) and question.case_id in overruled:
            answer = Answer((), None)
        print_ = case_row(question, answer, 0)["fingerprint"] if answer.case is not None else ""
        new = print_ not in before
        counts = voice_row(question, answer)["fingerprint"] if answer.joined is not None else print_
        if answer.third is not None and answer.third.effect != "none":
            counts = third_row(question, answer, answer.third, model)["fingerprint"]
        said = _decide(question, answer, ids.get(counts), new, pointers.get(place), provided.get(place))
        if said is None:
            pointer = pointers.get(place)
            if pointer is not None and pointer.state != "decided":
                await session.delete(pointer)  # what spoke for this label was withdrawn or unlinked
            continue
        label_id, value, state, reason = said
        if place in disputed and state != "decided":
            state, reason = "review", "provided-contradict"  # two imports brought different labels: nothing is overwritten silently
        subject = f"case:{question.case_key}:{question.scheme.code}"
        if state != "decided":
            await _point(session, place, pointers.get(place), label_id, value, state)
        if reason:
            asked.append(label_question(question, answer, subject, reason, context, _pressing(question, answer, waiting, told)))
        elif state == "sure":
            drawn = audited(subject, voices.AUDIT_SHARE) if answer.joined is not None else None
            if drawn is None:
                sure.append(subject)
            else:
                asked.append({**label_question(question, answer, subject, "audit", context, drawn / 2)})
    await reviews.ask(session, asked)
    await reviews.withdraw(session, "label", sure)


def _overruled(questions: Sequence[Question], answers: Sequence[Answer], pointers: Mapping[tuple[int, int], CaseLabel]) -> set[int]:
    """Cases whose reports say the contrary of what a person decided: the stage or subtype they tell is no label either until that is settled."""
    found = set()
    for question, answer in zip(questions, answers, strict=True):
        pointer, case = pointers.get((question.case_id, question.scheme.id)), answer.case
        if pointer is not None and pointer.state == "decided" and case is not None and case.value not in ("review", pointer.value):
            found.add(question.case_id)
    return found


def _decide(
    question: Question, answer: Answer, rule_id: int | None, rule_is_new: bool, pointer: CaseLabel | None, provided: Label | None
) -> tuple[int, str, str, str] | None:
    """(label id, value, state, reason to ask or '') of what counts now; None when there is nothing to say."""
    rule = answer.case
    definite = rule is not None and rule.value != "review"
    if pointer is not None and pointer.state == "decided":
        contradicts = definite and rule is not None and rule_is_new and rule.value != pointer.value
        return pointer.label_id, pointer.value, "decided", "contradicts-decision" if contradicts else ""
    if provided is not None:
        contradicts = definite and rule is not None and rule.value != provided.value
        return provided.id, provided.value, "review" if contradicts else "sure", "provided-contradicts" if contradicts else ""
    if rule is None or rule_id is None:
        return None
    if answer.last is not None:
        rule = answer.last
        definite = rule.value != "review"
    if not definite:
        return rule_id, "review", "review", rule.reason or "unsure"
    if rule.confidence < question.scheme.counts_from:
        return rule_id, rule.value, "review", "low-confidence"
    return rule_id, rule.value, "sure", ""


async def _point(session: AsyncSession, place: tuple[int, int], pointer: CaseLabel | None, label_id: int, value: str, state: str) -> None:
    if pointer is None:
        row = {"case_id": place[0], "scheme_id": place[1], "label_id": label_id, "value": value, "state": state, "revision": 1}
        await upsert_ignore(session, CaseLabel.__table__, [row])
    elif (pointer.label_id, pointer.value, pointer.state) != (label_id, value, state):
        pointer.label_id, pointer.value, pointer.state = label_id, value, state
        pointer.revision += 1


def _pressing(question: Question, answer: Answer, waiting: Mapping[str, int], told: Mapping[int, Precedents]) -> float:
    """The place of a question in the queue, low first."""
    case, joined = answer.last, answer.joined
    if (answer.third is not None and answer.third.effect == "disagrees") or (joined is not None and joined.effect in ("disagrees", "contradicts")):
        return 0.0
    own = priority(joined.said, joined.effect) if joined is not None and not answer.followed else abs((case.confidence if case else 0.5) - 0.5)
    known = told.get(question.scheme.id) or Precedents(())
    return known.priority(own, case, answer.wording, waiting.get(answer.wording, 1)) if case is not None else own


def label_question(question: Question, answer: Answer, subject: str, reason: str, context: Context, pressing: float) -> dict[str, Any]:
    """What a reviewer is asked about a case's label."""
    joined = answer.joined
    case = answer.last
    proposal: dict[str, Any] = {
        "case_key": question.case_key,
        "scheme": question.scheme.code,
        "value": case.value if case else "",
        "leaning": next((spoken.proposal for text, spoken in answer.reports if case and text.key == case.report), ""),
        "confidence": round(case.confidence, 4) if case else 0.0,
        "reason": reason,
        "reports": sorted(text.key for text, _ in answer.reports),
        "wording": answer.wording,
    }
    if joined is not None:
        proposal["voice"] = {"value": joined.said.value, "probability": round(joined.said.probability, 1), "effect": joined.effect}
        if answer.followed:
            proposal["voice"]["decisions"] = len(answer.followed)
    if answer.third is not None:
        said = answer.third.said
        proposal["third"] = {"value": said.value, "probability": round(said.probability, 1), "effect": answer.third.effect}
    return reviews.question(
        "label",
        subject,
        proposal,
        [*question.classes, "cannot_tell"],
        priority=pressing,
        hospital_id=context.hospital_id,
        disease_id=question.disease_id,
        case_id=question.case_id,
        import_id=context.import_id,
    )
