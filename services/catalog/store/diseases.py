"""SQL of hospitals, diseases and label schemes."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import Permission, Principal
from isocenter.errors import Conflict, InvalidInput, NotFound
from isocenter.grants import diseases_visible_to, series_visible_to, visible_to
from isocenter.models import Case, CaseLabel, Disease, Hospital, Label, LabelClass, LabelScheme, Series, now
from isocenter.search import Filter, StudyOf, nearest
from services.catalog.schemas.diseases import DiseaseDetail, DiseaseDocument, DiseaseOut, HospitalOut, LabelClassOut, LabelSchemeOut, SchemeDocument


async def hospitals(session: AsyncSession, principal: Principal) -> list[HospitalOut]:
    """All, or for those bound by grants the ones they see a series of."""
    statement = select(Hospital).order_by(Hospital.code)
    if not principal.sees_all_diseases:
        seen = select(StudyOf.id).join(Series, Series.study_id == StudyOf.id).where(StudyOf.hospital_id == Hospital.id, series_visible_to(principal))
        statement = statement.where(seen.correlate(Hospital).exists())
    return [HospitalOut(code=row.code, title=row.title, revision=row.revision) for row in await session.scalars(statement)]


async def add_hospital(session: AsyncSession, code: str, title: str) -> HospitalOut:
    session.add(Hospital(code=code, title=title))
    await session.flush()
    return HospitalOut(code=code, title=title, revision=1)


async def list_diseases(session: AsyncSession, principal: Principal) -> list[DiseaseOut]:
    rows = list(await session.scalars(select(Disease).where(diseases_visible_to(principal)).order_by(Disease.code)))
    counted = select(Case.disease_id, func.count(Case.id)).where(visible_to(principal)).group_by(Case.disease_id)
    cases = {disease_id: int(number) for disease_id, number in (await session.execute(counted)).tuples()}
    schemes = await _schemes(session, [row.id for row in rows])
    return [_shape(row, schemes[row.id], cases.get(row.id, 0)) for row in rows]


async def disease_detail(session: AsyncSession, principal: Principal, code: str) -> DiseaseDetail:
    row = await visible_disease(session, principal, code)
    cases = (await session.scalars(select(func.count(Case.id)).where(Case.disease_id == row.id, visible_to(principal)))).one()
    shape = _shape(row, (await _schemes(session, [row.id]))[row.id], cases)
    definition = row.definition if principal.may(Permission.CONFIGURE) else {}
    return DiseaseDetail(**shape.model_dump(), definition=definition)


async def visible_disease(session: AsyncSession, principal: Principal, code: str) -> Disease:
    """The row; NotFound unless this account may see it (those who configure also see deleted ones)."""
    seen = diseases_visible_to(principal)
    if principal.may(Permission.CONFIGURE):
        seen = or_(seen, Disease.deleted_at.is_not(None))
    row = (await session.scalars(select(Disease).where(Disease.code == code, seen))).one_or_none()
    if row is None:
        raise NotFound("There is no disease of this code that you may see.", field="disease")
    return row


async def check_diseases(session: AsyncSession, principal: Principal, query: Filter) -> None:
    """InvalidInput for a disease of the filter that this account cannot see, with the nearest it can: a typing error is no empty result."""
    wanted = [str(value) for value in dict(query.terms).get("disease", ())]
    if not wanted:
        return
    known = set(await session.scalars(select(Disease.code).where(diseases_visible_to(principal))))
    if unknown := sorted(set(wanted) - known):
        field = "query.terms.disease"
        raise InvalidInput(f"There is no disease {unknown[0]} that you may see; {nearest(unknown[0], sorted(known))}", field=field, known=sorted(known))


async def known_codes(session: AsyncSession) -> set[str]:
    return set(await session.scalars(select(Disease.code)))


async def add_disease(session: AsyncSession, document: DiseaseDocument) -> Disease:
    """A new disease with its schemes; Conflict when code or prefix is taken."""
    taken = (await session.scalars(select(Disease).where(or_(Disease.code == document.code, Disease.prefix == document.prefix)))).first()
    if taken is not None:
        same_code = taken.code == document.code
        hint = "; restore it" if taken.deleted_at else ""
        raise Conflict(f"A disease with this {'code' if same_code else 'prefix'} exists already{hint}.", field="code" if same_code else "prefix")
    row = Disease(
        code=document.code, prefix=document.prefix, title_en=document.title.en, title_zh=document.title.zh, definition=document.model_dump(mode="json")
    )
    session.add(row)
    await session.flush()
    for scheme in document.schemes:
        await _put_scheme(session, row.id, scheme)
    return row


async def change_disease(session: AsyncSession, row: Disease, document: DiseaseDocument) -> None:
    """Take over a changed document. Schemes it no longer names become inactive; classes in use stay."""
    if document.code != row.code or document.prefix != row.prefix:
        raise Conflict("Code and prefix of a disease never change: case keys and datasets name them.", field="code")
    row.title_en, row.title_zh, row.definition = document.title.en, document.title.zh, document.model_dump(mode="json")
    row.revision += 1
    kept = {(scheme.code, scheme.number) for scheme in document.schemes}
    for old in await session.scalars(select(LabelScheme).where(LabelScheme.disease_id == row.id)):
        if (old.code, old.number) not in kept and old.active:
            old.active, old.revision = False, old.revision + 1
    for scheme in document.schemes:
        await _put_scheme(session, row.id, scheme)


async def mark_deleted(session: AsyncSession, row: Disease, deleted: bool) -> None:
    row.deleted_at, row.revision = now() if deleted else None, row.revision + 1
    await session.flush()


async def scheme_of(session: AsyncSession, disease_id: int, code: str) -> LabelScheme:
    """The newest active scheme of that code, or the disease's first one for ''; NotFound when there is none."""
    statement = select(LabelScheme).where(LabelScheme.disease_id == disease_id, LabelScheme.active.is_(True))
    statement = statement.where(LabelScheme.code == code).order_by(LabelScheme.number.desc()) if code else statement.order_by(LabelScheme.id)
    row = (await session.scalars(statement.limit(1))).one_or_none()
    if row is None:
        raise NotFound("The disease has no label scheme of this code.", field="scheme")
    return row


async def classes_of(session: AsyncSession, scheme_id: int) -> list[LabelClass]:
    return list(await session.scalars(select(LabelClass).where(LabelClass.scheme_id == scheme_id).order_by(LabelClass.ordinal)))


async def _put_scheme(session: AsyncSession, disease_id: int, document: SchemeDocument) -> None:
    known = (LabelScheme.disease_id == disease_id, LabelScheme.code == document.code, LabelScheme.number == document.number)
    row = (await session.scalars(select(LabelScheme).where(*known))).one_or_none()
    values = {
        "title_en": document.title.en, "title_zh": document.title.zh, "meaning_en": document.meaning.en, "meaning_zh": document.meaning.zh,
        "threshold": document.threshold, "active": True,
    }
    if row is None:
        row = LabelScheme(disease_id=disease_id, code=document.code, number=document.number, **values)
        session.add(row)
        await session.flush()
    else:
        await session.execute(update(LabelScheme).where(LabelScheme.id == row.id).values(**values, revision=LabelScheme.revision + 1))
    old = {item.code: item for item in await classes_of(session, row.id)}
    gone = set(old) - {item.value for item in document.classes}
    if gone:
        used = select(Label.value).where(Label.scheme_id == row.id, Label.value.in_(gone)).union(
            select(CaseLabel.value).where(CaseLabel.scheme_id == row.id, CaseLabel.value.in_(gone))
        )
        if (await session.execute(used)).first() is not None:
            raise Conflict(f"Labels use a class that {document.code} no longer has; give the scheme a new number instead.", field="schemes")
        for code in gone:
            await session.delete(old[code])
    for ordinal, item in enumerate(document.classes):
        if item.value in old:
            kept = old[item.value]
            kept.ordinal, kept.title_en, kept.title_zh = ordinal, item.title.en, item.title.zh
        else:
            session.add(LabelClass(scheme_id=row.id, code=item.value, ordinal=ordinal, title_en=item.title.en, title_zh=item.title.zh))
    await session.flush()


async def _schemes(session: AsyncSession, disease_ids: list[int]) -> dict[int, list[LabelSchemeOut]]:
    rows = list(await session.scalars(select(LabelScheme).where(LabelScheme.disease_id.in_(disease_ids)).order_by(LabelScheme.id)))
    classes: dict[int, list[LabelClassOut]] = defaultdict(list)
    wanted = select(LabelClass).where(LabelClass.scheme_id.in_([row.id for row in rows])).order_by(LabelClass.scheme_id, LabelClass.ordinal)
    for item in await session.scalars(wanted):
        classes[item.scheme_id].append(LabelClassOut(code=item.code, title_en=item.title_en, title_zh=item.title_zh))
    found: dict[int, list[LabelSchemeOut]] = defaultdict(list)
    for row in rows:
        found[row.disease_id].append(
            LabelSchemeOut(
                code=row.code, number=row.number, title_en=row.title_en, title_zh=row.title_zh, meaning_en=row.meaning_en, meaning_zh=row.meaning_zh,
                threshold=row.threshold, active=row.active, classes=classes[row.id],
            )
        )
    return found


def _shape(row: Disease, schemes: list[LabelSchemeOut], cases: int) -> DiseaseOut:
    return DiseaseOut(
        code=row.code, prefix=row.prefix, title_en=row.title_en, title_zh=row.title_zh, schemes=schemes, cases=cases,
        deleted=row.deleted_at is not None, revision=row.revision,
    )
