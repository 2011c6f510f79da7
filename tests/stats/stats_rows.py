"""A few patients whose numbers are counted by hand (see ``fill``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.models import (
    Account,
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    Grant,
    Hospital,
    Import,
    Label,
    LabelClass,
    LabelScheme,
    Member,
    Patient,
    PatientIdentity,
    Project,
    Review,
    Series,
    Study,
    now,
)
from isocenter.resources import Resources


@dataclass
class Numbers:
    """The filled catalog."""

    resources: Resources
    accounts: dict[str, int] = field(default_factory=dict)

    def headers(self, name: str, role: Role) -> dict[str, str]:
        return {PRINCIPAL_HEADER: sign(Principal(self.accounts.get(name, 999), name, role), self.resources.key)}


async def fill(resources: Resources) -> Numbers:
    """Three patients. P1 (F) has one study (age 65) with CT of 10 images, 100 bytes and MR of 20, 200, in *both* diseases; P2 (M) has in liver two
    studies (61, unknown) with CT 10/100 each; P3 (M) has a lung case without any image. A deleted case, a held and a deleted series count for nobody.
    """
    numbers = Numbers(resources)
    async with resources.db.write() as session:
        liver, lung = Disease(code="liver", prefix="LIV", definition={}), Disease(code="lung", prefix="LUN", definition={})
        hospital = Hospital(code="H1")
        session.add_all([liver, lung, hospital])
        for name, role in (("lin", Role.RESEARCHER), ("nobody", Role.READER), ("rev", Role.REVIEWER), ("dm", Role.DATA_MANAGER), ("ops", Role.OPERATOR)):
            session.add(Account(name=name, role=role.value, password_hash=""))
        await session.flush()
        numbers.accounts = {row.name: row.id for row in (await session.scalars(select(Account))).all()}
        project, record = Project(code="p"), Import(key="i1", hospital_id=hospital.id, account="dm", source_kind="folder", created_at=now())
        session.add_all([project, record])
        await session.flush()
        session.add_all([Member(project_id=project.id, account_id=numbers.accounts["lin"]), Grant(project_id=project.id, disease_id=lung.id)])
        make = _Maker(session, hospital.id, record.id)
        schemes = [await make.scheme(disease, code) for disease in (liver, lung) for code in ("malignancy", "second")]
        p1, p2, p3, p4 = [await make.patient(f"P{n}", sex) for n, sex in ((1, "F"), (2, "M"), (3, "M"), (4, "F"))]
        shared = await make.study("1", p1, 65.0)
        await make.series("1.1", shared, "CT", 10, 100, slice_thickness_mm=1.25)
        await make.series("1.2", shared, "MR", 20, 200, sequence="T1")
        await make.series("1.3", shared, "CT", 99, 999, state="held")
        await make.series("1.4", shared, "CT", 99, 999, deleted_at=now())
        in_liver = await make.case("LIV-1", p1, liver, [shared])
        in_lung = await make.case("LUN-1", p1, lung, [shared])
        second = [await make.study("2", p2, 61.0), await make.study("3", p2, None)]
        for study in second:
            await make.series(f"{study.uid}.1", study, "CT", 10, 100, slice_thickness_mm=5.0)
        other = await make.case("LIV-2", p2, liver, second)
        await make.case("LUN-3", p3, lung, [])
        await make.case("LIV-9", p4, liver, [], deleted_at=now())
        await make.label(in_liver, schemes[0], "1", "sure")
        await make.label(in_liver, schemes[1], "9", "sure")  # another scheme: not counted as the label
        await make.label(other, schemes[0], "0", "review")
        await make.label(in_lung, schemes[2], "0", "decided")
        for number, state in enumerate(("open", "open", "decided")):
            session.add(Review(key=f"r{number}", kind="label", subject=f"s{number}", question_sha="", proposal={}, choices=[], state=state))
    return numbers


@dataclass
class _Maker:
    session: AsyncSession
    hospital_id: int
    import_id: int

    async def scheme(self, disease: Disease, code: str) -> LabelScheme:
        scheme = LabelScheme(disease_id=disease.id, code=code)
        self.session.add(scheme)
        await self.session.flush()
        self.session.add(LabelClass(scheme_id=scheme.id, code="1", ordinal=1))
        return scheme

    async def patient(self, key: str, sex: str) -> tuple[Patient, PatientIdentity]:
        patient = Patient(key=key, sex=sex)
        self.session.add(patient)
        await self.session.flush()
        identity = PatientIdentity(hospital_id=self.hospital_id, number_hmac=key, pseudonym_key="k", patient_id=patient.id)
        self.session.add(identity)
        await self.session.flush()
        return patient, identity

    async def study(self, uid: str, patient: tuple[Patient, PatientIdentity], age: float | None) -> Study:
        study = Study(uid=uid, hospital_id=self.hospital_id, identity_id=patient[1].id, import_id=self.import_id, age_years=age)
        self.session.add(study)
        await self.session.flush()
        return study

    async def series(self, uid: str, study: Study, modality: str, instances: int, size: int, **more: Any) -> None:
        self.session.add(Series(uid=uid, study_id=study.id, format="DICOM", modality=modality, instance_count=instances, size_bytes=size, **more))
        await self.session.flush()

    async def case(self, key: str, patient: tuple[Patient, PatientIdentity], disease: Disease, studies: list[Study], **more: Any) -> Case:
        case = Case(key=key, patient_id=patient[0].id, disease_id=disease.id, **more)
        self.session.add(case)
        await self.session.flush()
        self.session.add_all([CaseStudy(case_id=case.id, study_id=study.id, import_id=self.import_id) for study in studies])
        return case

    async def label(self, case: Case, scheme: LabelScheme, value: str, state: str) -> None:
        label = Label(fingerprint=f"{case.key}{scheme.id}", case_id=case.id, scheme_id=scheme.id, value=value, source="rule", confidence=1.0, evidence=[])
        self.session.add(label)
        await self.session.flush()
        self.session.add(CaseLabel(case_id=case.id, scheme_id=scheme.id, label_id=label.id, value=value, state=state))
