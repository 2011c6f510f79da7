"""SQL of a freeze: what the catalog holds for a query, and the rows of the version made of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from sqlalchemy import Exists, and_, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Principal
from isocenter.db import Database, for_update
from isocenter.grants import series_visible_to, visible_to
from isocenter.models import (
    Case,
    CaseLabel,
    Dataset,
    DatasetMember,
    DatasetVersion,
    Disease,
    Instance,
    Label,
    LabelScheme,
    Patient,
    PolicyVersion,
    Series,
    Slide,
    Stack,
)
from isocenter.search import CaseStudyOf, Filter, Grain, StudyOf, age_of_study, cases_where, column_of, conditions, series_where, sex_of_case
from services.catalog.card import About
from services.catalog.freeze import Frozen, FrozenCase, FrozenFile, FrozenSeries, Origin
from services.catalog.split import Member
from services.catalog.store.diseases import classes_of
from services.catalog.store.explaining import why

# Small enough that the rows of one query do not hold up other requests of this process for long.
CASES_A_QUERY = 200
SERIES_A_QUERY = 100
ROWS_AN_INSERT = 5000


@dataclass(frozen=True, slots=True)
class MemberIds:
    """Row ids of one stack in a version; they stay in the catalog."""

    case_key: str
    case_id: int
    series_id: int
    stack_id: int


@dataclass(slots=True)
class Gathered:
    """What a query found: cases with images and a label that counts, how many were left out and why, and the policies at work."""

    cases: list[FrozenCase] = field(default_factory=list)
    members: list[MemberIds] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@asynccontextmanager
async def snapshot(db: Database) -> AsyncIterator[AsyncSession]:
    """A reading session whose queries all see one moment: SQLite's are so, MariaDB's when told."""
    async with db.read() as session:
        if not db.is_sqlite:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


async def about_of(session: AsyncSession, dataset: Dataset, query: Filter, states: Sequence[str]) -> tuple[About, Origin]:
    """What stands on the card (number 0 until the version has one), and what was asked (no policies until gathered)."""
    disease = (await session.scalars(select(Disease).where(Disease.id == dataset.disease_id))).one()
    scheme = (await session.scalars(select(LabelScheme).where(LabelScheme.id == dataset.scheme_id))).one()
    classes = tuple((item.code, item.title_en, item.title_zh) for item in await classes_of(session, scheme.id))
    about = About(
        dataset.name, 0, dataset.title, dataset.description, dataset.licence, (disease.title_en, disease.title_zh),
        (scheme.title_en, scheme.title_zh), (scheme.meaning_en, scheme.meaning_zh), classes,
    )
    return about, Origin(disease.code, scheme.code, scheme.number, query.document(), tuple(states), {})


async def gather(
    session: AsyncSession, principal: Principal, dataset: Dataset, query: Filter, states: Sequence[str], told: Callable[[int, int], None] | None = None
) -> Gathered:
    """Cases of the dataset's disease that match, with the series that match. Held pixels are never among them.

    ``told``: cases gathered so far, and of how many.
    """
    where = [Case.disease_id == dataset.disease_id, visible_to(principal), Patient.withdrawn_at.is_(None)]
    scheme_id = dataset.scheme_id
    matched = (
        select(Case.id, Case.key, Patient.key, sex_of_case(), CaseLabel.value, CaseLabel.state, Label.source, Label.confidence, Label.policy_id)
        .join(Patient, Patient.id == Case.patient_id)
        .outerjoin(CaseLabel, and_(CaseLabel.case_id == Case.id, CaseLabel.scheme_id == scheme_id))
        .outerjoin(Label, Label.id == CaseLabel.label_id)
        .where(*where, *cases_where(query, principal, scheme_id=scheme_id))
        .order_by(Case.key)
    )
    rows = (await session.execute(matched)).tuples().all()
    left, policy_ids, chosen = Counter({"no_label": 0, "review": 0, "held": 0, "null": 0}), set[int](), dict[int, FrozenCase]()
    classes = {item.code for item in await classes_of(session, scheme_id)}
    rule_of: dict[int, int | None] = {}
    for case_id, key, patient, sex, value, state, source, confidence, policy_id in rows:
        if state is None:
            left["no_label"] += 1
        elif state not in states or value not in classes:
            left["review"] += 1
        else:
            chosen[case_id] = FrozenCase(key, patient, sex, None, value, source, state, confidence)
            rule_of[case_id] = policy_id
    if query.names() and not query.include_null:
        wider = cases_where(query.with_null(), principal, scheme_id=scheme_id)
        counted = select(func.count(Case.id)).join(Patient, Patient.id == Case.patient_id).where(*where, *wider)
        left["null"] = (await session.scalars(counted)).one() - len(rows)
    found, done = Gathered(), 0
    for some in _chunks(chosen, CASES_A_QUERY):
        images = await _images(session, principal, query, some)
        reasons = await why(session, scheme_id, some)
        done += len(some)
        if told is not None:
            told(done, len(chosen))
        for case_id in some:
            if case_id not in images:
                left["held"] += 1
                continue
            ages, series, members, policies = images[case_id]
            case = chosen[case_id]
            found.cases.append(replace(case, age_years=min(ages) if ages else None, series=tuple(series), why=tuple(reasons[case_id].items())))
            found.members += [MemberIds(case.case_id, case_id, series_id, stack_id) for series_id, stack_id in members]
            policy_ids |= policies | ({rule} if (rule := rule_of[case_id]) is not None else set())
    found.left_out, found.policies = dict(left), await _policies(session, policy_ids)
    return found


async def members_of(
    session: AsyncSession, principal: Principal, disease_id: int, scheme_id: int, query: Filter, states: Sequence[str]
) -> list[Member]:
    """The cases that ``gather`` would take, as what a split needs of them; no series or file is read."""
    images = (
        select(Stack.id)
        .join(Series, Series.id == Stack.series_id)
        .join(StudyOf, StudyOf.id == Series.study_id)
        .join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
        .outerjoin(Slide, Slide.series_id == Series.id)
        .where(CaseStudyOf.case_id == Case.id, Series.state == "visible", series_visible_to(principal))
        .where(*series_where(query), *conditions(query, Grain.STACK), _released().where(Instance.stack_id == Stack.id).correlate(Stack))
        .correlate(Case)
    )
    classes = [item.code for item in await classes_of(session, scheme_id)]
    matched = (
        select(Case.key, Patient.key, CaseLabel.value)
        .join(Patient, Patient.id == Case.patient_id)
        .join(CaseLabel, and_(CaseLabel.case_id == Case.id, CaseLabel.scheme_id == scheme_id))
        .where(Case.disease_id == disease_id, visible_to(principal), Patient.withdrawn_at.is_(None))
        .where(CaseLabel.state.in_(states), CaseLabel.value.in_(classes), *cases_where(query, principal, scheme_id=scheme_id), images.exists())
    )
    return [Member(*row) for row in (await session.execute(matched)).tuples()]


def _released() -> Exists:
    return exists().where(Instance.generation == 0, Instance.deleted_at.is_(None), Instance.state == "visible")


_Images = tuple[list[float], list[FrozenSeries], list[tuple[int, int]], set[int]]
_Files = tuple[list[FrozenFile], set[int]]  # of one stack, and the policies that de-identified them


async def _images(session: AsyncSession, principal: Principal, query: Filter, case_ids: Sequence[int]) -> dict[int, _Images]:
    """Case id -> ages, series with files, (series id, stack id) and the de-identification policies of the files.

    Columns, not entities: a version of 100,000 series would make as many objects that only their values are wanted of.
    """
    statement = (
        select(
            CaseStudyOf.case_id, Series.id, Stack.id.label("stack_id"), Stack.ordinal, Stack.sequence, Stack.phase, age_of_study().label("age"),
            Series.uid, StudyOf.uid.label("study_uid"), Series.format, Series.modality, column_of("BodyPartExamined").label("body_part"),
            Series.slice_thickness_mm, Series.spacing_mm, Series.rows, Series.columns, Slide.mpp, Slide.objective_power, Series.manufacturer,
            Series.model_name,
        )
        .select_from(Series)
        .join(StudyOf, StudyOf.id == Series.study_id)
        .join(CaseStudyOf, CaseStudyOf.study_id == StudyOf.id)
        .join(Stack, Stack.series_id == Series.id)
        .outerjoin(Slide, Slide.series_id == Series.id)
        .where(CaseStudyOf.case_id.in_(case_ids), Series.state == "visible", series_visible_to(principal))
        .where(*series_where(query), *conditions(query, Grain.STACK))
        .order_by(CaseStudyOf.case_id, Series.uid, Stack.ordinal)
    )
    rows = (await session.execute(statement)).all()
    files = await _files(session, {row.id for row in rows}, {row.stack_id: row.ordinal for row in rows})
    kept: dict[tuple[int, int], list[Any]] = defaultdict(list)  # case, series -> rows of its stacks that have files
    for row in rows:
        if row.stack_id in files:
            kept[row.case_id, row.id].append(row)
    found: dict[int, _Images] = {}
    for (case_id, series_id), stacks in kept.items():
        ages, frozen, members, policies = found.setdefault(case_id, ([], [], [], set()))
        if (age := stacks[-1].age) is not None:
            ages.append(age)
        frozen.append(_series(stacks, [file for stack in stacks for file in files[stack.stack_id][0]]))
        members += [(series_id, stack.stack_id) for stack in stacks]
        policies.update(*(files[stack.stack_id][1] for stack in stacks))
    return found


async def _files(session: AsyncSession, series_ids: set[int], ordinals: Mapping[int, int]) -> dict[int, _Files]:
    """Stack id -> its released instances, for the stacks of ``ordinals`` (rows without a stack belong to a series that is not closed yet)."""
    columns = (
        Instance.stack_id, Instance.policy_id, Instance.sop_uid, Instance.number, Instance.object_sha256, Instance.size_bytes, Instance.media_type,
        Instance.object_key,
    )
    found: dict[int, _Files] = {}
    for some in _chunks(sorted(series_ids), SERIES_A_QUERY):
        wanted = select(*columns).where(Instance.series_id.in_(some), Instance.generation == 0, Instance.deleted_at.is_(None), Instance.state == "visible")
        for stack_id, policy_id, sop_uid, number, sha256, size_bytes, media_type, object_key in await session.execute(wanted):
            if stack_id is None or (ordinal := ordinals.get(stack_id)) is None:
                continue
            files, policies = found.get(stack_id) or found.setdefault(stack_id, ([], set()))
            files.append(FrozenFile(sop_uid, number, ordinal, sha256, size_bytes, media_type, object_key))
            policies.add(policy_id)
    return found


def _series(stacks: Sequence[Any], files: Sequence[FrozenFile]) -> FrozenSeries:
    """``stacks``: the rows of one series, a stack each."""
    row = stacks[-1]
    spacing = row.spacing_mm
    return FrozenSeries(
        series_uid=row.uid, study_uid=row.study_uid, format=row.format, modality=row.modality, body_part=row.body_part or "",
        sequences=tuple(stack.sequence for stack in stacks), phases=tuple(stack.phase for stack in stacks),
        slice_thickness_mm=row.slice_thickness_mm, spacing_mm=(spacing[0], spacing[1]) if spacing and len(spacing) == 2 else None,
        rows=row.rows, columns=row.columns, mpp=row.mpp, objective_power=row.objective_power, manufacturer=row.manufacturer, model_name=row.model_name,
        files=tuple(files),
    )


async def _policies(session: AsyncSession, ids: set[int]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    wanted = select(PolicyVersion).where(PolicyVersion.id.in_(ids)).order_by(PolicyVersion.kind, PolicyVersion.scope, PolicyVersion.number)
    for row in await session.scalars(wanted):
        found[row.kind].append({"scope": row.scope, "number": row.number, "sha256": row.sha256})
    return dict(found)


async def next_number(session: AsyncSession, dataset_id: int) -> int:
    """The number of the next version; the dataset's row stays locked until commit, so that two freezes get two numbers."""
    await session.execute(for_update(select(Dataset.id).where(Dataset.id == dataset_id), session))
    return ((await session.scalars(select(func.max(DatasetVersion.number)).where(DatasetVersion.dataset_id == dataset_id))).one() or 0) + 1


async def add_version(session: AsyncSession, version: DatasetVersion, frozen: Frozen, members: Iterable[MemberIds]) -> None:
    """The version and its members, in the caller's one transaction."""
    session.add(version)
    await session.flush()
    labels = {row["case_id"]: row["label"] for row in frozen.manifest["labels"]}
    rows = [
        {
            "version_id": version.id, "stack_id": member.stack_id, "series_id": member.series_id, "case_id": member.case_id,
            "split": frozen.parts.get(member.case_key, ""), "fold": frozen.folds.get(member.case_key), "label": labels[member.case_key],
        }
        for member in members
        if member.case_key in labels  # balancing may have left it out
    ]
    for some in _chunks(rows, ROWS_AN_INSERT):
        await (await session.connection()).execute(insert(DatasetMember), some)


def _chunks(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some
