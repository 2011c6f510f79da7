"""A generated catalog as rows: N series, 0.15 N studies, 0.08 N patients, 0.3 N reports; seeded, the same on both back-ends."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert, select

from isocenter.changes import note_changes
from isocenter.db import Database
from isocenter.diseases import load_diseases
from isocenter.models import (
    Account,
    Base,
    Case,
    CaseLabel,
    CaseStudy,
    Dataset,
    DatasetMember,
    DatasetVersion,
    Disease,
    Grant,
    Hospital,
    Import,
    Label,
    LabelScheme,
    Link,
    Member,
    Patient,
    PatientIdentity,
    PolicyVersion,
    Project,
    Report,
    ReportText,
    Series,
    Slide,
    Stack,
    Study,
)  # fmt: skip
from services.catalog.seed import seed_diseases

STUDIES_A_BATCH = 3000
ZH = (
    "肝右叶见一结节，大小约 12 mm，增强扫描动脉期强化",
    "考虑肝癌，转移不除外", "肝囊肿", "胰头区未见异常", "双肺纹理增多，未见异常密度影", "乳腺肿块，BI-RADS 4A 类",
    "建议造影复查",
)  # fmt: skip
EN = (
    "A nodule of 12 mm in the right lobe", "No evidence of metastasis", "Findings suspicious for adenocarcinoma", "Simple cyst, benign",
    "Follow-up in 6 months",
)  # fmt: skip
KINDS = (("CT", 55), ("MR", 22), ("US", 9), ("MG", 6), ("SM", 5), ("PT", 3))


async def fill(db: Database, series: int) -> dict[str, int]:
    """How many rows of each noun were made."""
    dice = random.Random(1)
    fixed = await _fixed(db)
    studies, patients = int(series * 0.15), int(series * 0.08)
    ids = {"series": 0, "stack": 0, "report": 0, "label": 0}
    of_patient: dict[int, tuple[int, int]] = {}  # patient -> case, identity
    for start in range(1, studies + 1, STUDIES_A_BATCH):
        rows: dict[Any, list[dict[str, Any]]] = {}
        for study in range(start, min(start + STUDIES_A_BATCH, studies + 1)):
            _study(dice, rows, fixed, ids, of_patient, study, patients, series, studies)
        async with db.write() as session:
            for table in Base.metadata.sorted_tables:
                if found := rows.get(table.name):
                    await session.execute(insert(table), found)
    await _dataset(db, fixed)
    async with db.write() as session:
        await note_changes(session, ())
    return {"patients": len(of_patient), "studies": studies} | ids


async def _fixed(db: Database) -> dict[str, Any]:
    async with db.write() as session:
        await seed_diseases(session, load_diseases())
        hospitals = [Hospital(code=f"h{n}", title=f"H{n}") for n in range(8)]
        accounts = [Account(name=name, role="researcher", password_hash="-") for name in ("admin", "of-disease", "of-dataset")]
        projects = [Project(code="disease"), Project(code="dataset")]
        session.add_all([*hospitals, *accounts, *projects])
        await session.flush()
        run = Import(key="bench", hospital_id=hospitals[0].id, account="admin", source_kind="none", state="finished", stage="finish", options={})
        policy = PolicyVersion(kind="rules", scope="bench", number=1, sha256="0" * 64, body={})
        session.add_all([run, policy])
        await session.flush()
        diseases = dict((await session.execute(select(Disease.code, Disease.id))).tuples().all())
        pairs = (await session.execute(select(LabelScheme.id, LabelScheme.disease_id).order_by(LabelScheme.id.desc()))).tuples()
        schemes = {disease: scheme for scheme, disease in pairs}
        session.add_all(Member(project_id=project.id, account_id=account.id) for project, account in zip(projects, accounts[1:], strict=True))
        session.add(Grant(project_id=projects[0].id, disease_id=diseases["lung"]))
        return {
            "run": run.id, "policy": policy.id, "hospitals": [h.id for h in hospitals], "diseases": diseases, "schemes": schemes, "project": projects[1].id,
        }


def _study(
    dice: random.Random, rows: dict[Any, list[dict[str, Any]]], fixed: dict[str, Any], ids: dict[str, int], of_patient: dict[int, tuple[int, int]],
    study: int, patients: int, series: int, studies: int,
) -> None:  # fmt: skip
    def add(model: Any, **values: Any) -> None:
        rows.setdefault(model.__tablename__, []).append(values)

    patient = study if study <= patients else int(patients * dice.random() ** 2) + 1
    hospital = fixed["hospitals"][min(int(dice.expovariate(0.6)), 7)]
    code = dice.choices(("lung", "liver", "breast", "pancreas"), (50, 30, 15, 5))[0]
    if patient not in of_patient:
        disease = fixed["diseases"][code]
        of_patient[patient] = (patient, patient)
        add(Patient, id=patient, key=f"{patient:032x}", sex=dice.choices("FM", (48, 52))[0] if dice.random() > 0.05 else "")
        add(PatientIdentity, id=patient, hospital_id=hospital, number_hmac=f"{patient:032x}", pseudonym_key="k", patient_id=patient)
        add(Case, id=patient, key=f"{code[:3].upper()}-{patient:06d}", patient_id=patient, disease_id=disease)
        if dice.random() < 0.6:
            ids["label"] += 1
            scheme, value = fixed["schemes"][disease], dice.choices(("0", "1"), (70, 30))[0]
            source, state = dice.choice(("rule", "reviewer")), dice.choices(("sure", "review", "decided"), (70, 20, 10))[0]
            fingerprint = f"{ids['label']:064x}"
            add(
                Label, id=ids["label"], fingerprint=fingerprint, case_id=patient, scheme_id=scheme, value=value, source=source, confidence=0.9, evidence=[],
            )
            add(CaseLabel, case_id=patient, scheme_id=scheme, label_id=ids["label"], value=value, state=state)
    body = {"lung": "CHEST", "liver": "LIVER", "breast": "BREAST", "pancreas": "PANCREAS"}[code]
    modality = dice.choices([name for name, _ in KINDS], [share for _, share in KINDS])[0]
    age = round(dice.gauss(58, 14), 1) if dice.random() < 0.35 else None  # real CT: two thirds without
    shifted = date(2010, 1, 1) + timedelta(days=dice.randrange(5000))
    add(
        Study, id=study, uid=f"2.25.{study}", hospital_id=hospital, identity_id=of_patient[patient][1], import_id=fixed["run"], shifted_date=shifted,
        age_years=age, body_part=body if dice.random() < 0.8 else "",
    )
    add(CaseStudy, case_id=of_patient[patient][0], study_id=study, import_id=fixed["run"])
    many = series - ids["series"] if study == studies else min(max(1, int(dice.expovariate(1 / 6.2)) + 1), 60, series - ids["series"] - (studies - study))
    for _ in range(many):
        ids["series"] += 1
        number, kind = ids["series"], modality if dice.random() < 0.95 else "CT"
        maker, count = min(int(dice.expovariate(0.9)), 9), dice.randrange(1, 400)
        add(
            Series, id=number, uid=f"2.25.9{number}", study_id=study, format="WSI" if kind == "SM" else dice.choices(("DICOM", "NIFTI"), (97, 3))[0],
            modality=kind, body_part=body if dice.random() < 0.6 else "", instance_count=count, size_bytes=count * 525_000, frame_count=count,
            description=dice.choice(("axial thin 1.0", "AXIAL 5MM", "薄层", "scout", "T2 FS", "", "portal venous")),
            manufacturer=("Siemens", "GE MEDICAL SYSTEMS", "Philips")[maker] if maker < 3 else f"rare {maker}",
            model_name=f"model {int(60 * dice.random() ** 3)}",
            slice_thickness_mm=dice.choice((0.625, 1.0, 1.25, 3.0, 5.0, 8.0)) if kind in ("CT", "MR") and dice.random() < 0.9 else None,
        )
        if kind == "SM":
            add(Slide, series_id=number, mpp=dice.choice((0.25, 0.2522, 0.5)), objective_power=40.0)
        for ordinal in range(2 if dice.random() < 0.05 else 1):
            ids["stack"] += 1
            add(
                Stack, id=ids["stack"], series_id=number, ordinal=ordinal, sequence=dice.choice(("T1", "T2", "DWI", "")) if kind == "MR" else "",
                phase=dice.choice(("portal", "arterial", "delayed", "plain", "")) if kind == "CT" else "", instance_count=count,
            )
    for kind in ("imaging", "pathology"):
        for _ in range(dice.choice((1, 1, 2)) if kind == "imaging" else int(dice.random() < 0.67)):
            ids["report"] += 1
            number = ids["report"]
            words = dice.sample(ZH, 4) if dice.random() < 0.7 else dice.sample(EN, 4)
            add(Report, id=number, key=f"{number * 2654435761 % 2**64:032x}", hospital_id=hospital, kind=kind, import_id=fixed["run"], language="zh")
            text = {"findings": "。".join(words[:3]) + f" #{number % 9973}", "impression": words[3]}
            add(ReportText, report_id=number, version=1, sections=text, policy_id=fixed["policy"])
            add(
                Link, study_id=study, report_id=number, generation=0, score=1.0, components={}, state="sure", active=True, source="rule",
                policy_id=fixed["policy"],
            )


async def _dataset(db: Database, fixed: dict[str, Any]) -> None:
    """A version of 1 in 20 liver cases, granted to the third account."""
    async with db.write() as session:
        disease = fixed["diseases"]["liver"]
        dataset = Dataset(name="bench", disease_id=disease, scheme_id=fixed["schemes"][disease], created_by="admin")
        session.add(dataset)
        await session.flush()
        version = DatasetVersion(dataset_id=dataset.id, number=1, digest="0" * 64, manifest_key="-", card={}, created_by="admin")
        session.add_all([version, Grant(project_id=fixed["project"], dataset_id=dataset.id)])
        await session.flush()
        members = (
            select(Stack.id, Series.id, CaseStudy.case_id)
            .join(Series, Series.id == Stack.series_id)
            .join(CaseStudy, CaseStudy.study_id == Series.study_id)
            .join(Case, Case.id == CaseStudy.case_id)
            .where(Case.disease_id == disease, Case.id % 20 == 0)
        )
        found = (await session.execute(members)).tuples().all()
        rows = [{"version_id": version.id, "stack_id": stack, "series_id": series, "case_id": case, "label": "0"} for stack, series, case in found]
        if rows:
            await session.execute(insert(DatasetMember), rows)
