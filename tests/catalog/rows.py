"""A small catalog made of rows and real little objects, as ingest would leave it, for store and route tests."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.changes import note_changes
from isocenter.db import Database
from isocenter.keys import SiteKey
from isocenter.models import (
    Account,
    Case,
    CaseLabel,
    CaseStudy,
    Disease,
    Hospital,
    Import,
    Instance,
    Label,
    LabelScheme,
    Link,
    Patient,
    PatientIdentity,
    PolicyVersion,
    Report,
    ReportText,
    Resource,
    Series,
    Slide,
    Stack,
    Study,
)  # fmt: skip
from isocenter.objects import ObjectStore, StoreConfig
from isocenter.resources import Resources
from isocenter.schema import bind_key, migrate
from isocenter.settings import Settings
from services.catalog.app import create_app
from services.catalog.schemas.diseases import DiseaseDocument
from services.catalog.store.diseases import add_disease

KEY = SiteKey(b"k" * 32)
MEDIA = {"DICOM": ("application/dicom", ".dcm"), "NIFTI": ("application/gzip", ".nii.gz"), "PNG": ("image/png", ".png"), "WSI": ("image/tiff", ".tif")}


def disease_document(code: str, prefix: str) -> DiseaseDocument:
    titles = {"zh": f"{code}病", "en": f"{code} disease"}
    classes = [{"value": "0", "title": {"zh": "良性", "en": "benign"}}, {"value": "1", "title": {"zh": "恶性", "en": "malignant"}}]
    scheme = {"code": "malignancy", "title": {"zh": "良恶性", "en": "malignancy"}, "meaning": {"zh": "病理为准", "en": "by pathology"}, "classes": classes}
    return DiseaseDocument.model_validate({"code": code, "prefix": prefix, "title": titles, "organ": "liver", "schemes": [scheme]})


@dataclass(frozen=True)
class Shot:
    """One series of a case."""

    modality: str = "CT"
    format: str = "DICOM"
    thickness_mm: float | None = 1.25
    instances: int = 2
    state: str = "visible"
    sequences: tuple[str, ...] = ("",)  # one stack each
    phase: str = ""
    body_part: str = "LIVER"
    description: str = "ABDOMEN THIN"
    manufacturer: str = "ACME"
    model_name: str = "Scan 1"
    mpp: float | None = None
    bytes_each: int = 64


@dataclass(frozen=True)
class Person:
    """A case of one patient. ``label`` None = no label; ``reports`` are kinds."""

    key: str
    disease: str = "liver"
    sex: str = "F"
    age: float | None = 60.0
    label: str | None = "1"
    label_state: str = "sure"
    label_source: str = "rule"
    confidence: float = 0.9333333
    shots: Sequence[Shot] = (Shot(),)
    reports: Sequence[str] = ()
    hospital: str = "north"


@dataclass
class Site:
    """Open resources with the catalog service on them."""

    resources: Resources
    app: object = None
    accounts: dict[str, int] = field(default_factory=dict)

    def principal(self, name: str = "admin", role: Role | None = None) -> Principal:
        return Principal(self.accounts.get(name, 0), name, role or Role(name if name in set(Role) else "researcher"))

    def headers(self, name: str = "admin", role: Role | None = None) -> dict[str, str]:
        return {PRINCIPAL_HEADER: sign(self.principal(name, role), KEY)}

    def client(self, name: str = "admin", role: Role | None = None) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://site", headers=self.headers(name, role))

    async def add(self, *people: Person) -> None:
        async with self.resources.db.write() as session:
            for person in people:
                await _add_person(session, self.resources.store, person)
            keys = [person.key for person in people]
            await note_changes(session, list(await session.scalars(select(Case.id).where(Case.key.in_(keys)))))

    async def grant(self, account: str, *, disease: str = "", dataset: str = "") -> None:
        """Through the REST interface, as an administrator does it."""
        async with self.client() as admin:
            project = f"p-{account}"
            await admin.post("/api/v1/projects", json={"code": project})
            done = [await admin.put(f"/api/v1/projects/{project}/members/{account}")]
            if disease:
                done.append(await admin.put(f"/api/v1/projects/{project}/grants/diseases/{disease}"))
            if dataset:
                done.append(await admin.put(f"/api/v1/projects/{project}/grants/datasets/{dataset}"))
            assert [answer.status_code for answer in done] == [204] * len(done)


@asynccontextmanager
async def open_site(catalog_url: str, folder: Path, accounts: Sequence[str] = ("admin", "ann", "bob")):
    """A migrated catalog with two diseases, two hospitals and accounts, over a local store in ``folder``."""
    settings = Settings(data=folder, catalog_url=catalog_url)
    stores = [ObjectStore(StoreConfig((folder / name).as_uri())) for name in ("objects", "staging")]
    resources = Resources(settings, Database(catalog_url), stores[0], stores[1], KEY)
    await migrate(resources.db)
    await bind_key(resources.db, KEY)
    site = Site(resources, create_app(settings, resources))
    async with resources.db.write() as session:
        await add_disease(session, disease_document("liver", "LIV"))
        await add_disease(session, disease_document("lung", "LUN"))
        session.add_all([Hospital(code="north", title="North"), Hospital(code="south", title="South")])
        session.add_all([Account(name=name, role="researcher", password_hash="-") for name in accounts])
        await session.flush()
        hospital = (await session.scalars(select(Hospital).order_by(Hospital.id))).first()
        session.add(Import(key="imp1", hospital_id=hospital.id, account="admin", source_kind="folder", state="finished", stage="label", options={}))
        for kind in ("deid", "rules", "link", "scrub"):
            session.add(PolicyVersion(kind=kind, scope="basic", number=1, sha256=hashlib.sha256(kind.encode()).hexdigest(), body={}))
        for account in await session.scalars(select(Account)):
            site.accounts[account.name] = account.id
    try:
        yield site
    finally:
        await resources.close()


async def _add_person(session: AsyncSession, store: ObjectStore, person: Person) -> None:
    disease = (await session.scalars(select(Disease).where(Disease.code == person.disease))).one()
    scheme = (await session.scalars(select(LabelScheme).where(LabelScheme.disease_id == disease.id))).first()
    hospital = (await session.scalars(select(Hospital).where(Hospital.code == person.hospital))).one()
    run = (await session.scalars(select(Import))).first()
    policies = {row.kind: row.id for row in await session.scalars(select(PolicyVersion))}
    patient = Patient(key=KEY.hmac_hex("patient", person.key), sex=person.sex)
    session.add(patient)
    await session.flush()
    identity = PatientIdentity(hospital_id=hospital.id, number_hmac=KEY.hmac_hex("number", person.key), pseudonym_key="k", patient_id=patient.id)
    case = Case(key=person.key, patient_id=patient.id, disease_id=disease.id)
    session.add_all([identity, case])
    await session.flush()
    study = Study(
        uid=KEY.uid(f"study {person.key}"), hospital_id=hospital.id, identity_id=identity.id, import_id=run.id, shifted_date=date(2015, 5, 17),
        age_years=person.age, sex=person.sex, body_part="LIVER",
    )  # fmt: skip
    session.add(study)
    await session.flush()
    session.add(CaseStudy(case_id=case.id, study_id=study.id, import_id=run.id))
    for place, shot in enumerate(person.shots):
        await _add_series(session, store, study, shot, f"{person.key} {place}", policies["deid"])
    for place, kind in enumerate(person.reports):
        report = Report(
            key=KEY.hmac_hex("report", person.key, str(place)), hospital_id=hospital.id, kind=kind, identity_id=identity.id, import_id=run.id, language="zh"
        )
        session.add(report)
        await session.flush()
        session.add(ReportText(report_id=report.id, version=1, sections={"impression": f"{kind} text of {person.key}"}, policy_id=policies["scrub"]))
        session.add(Link(study_id=study.id, report_id=report.id, score=0.99, components={}, state="sure", source="rule", policy_id=policies["link"]))
    if person.label is not None:
        text = (await session.scalars(select(ReportText).order_by(ReportText.id.desc()))).first() if person.reports else None
        label = Label(
            fingerprint=KEY.hmac_hex("label", person.key), case_id=case.id, scheme_id=scheme.id, value=person.label, source=person.label_source,
            confidence=person.confidence, evidence=[{"section": "impression", "start": 0, "end": 4}], policy_id=policies["rules"],
            report_text_id=text.id if text else None,
        )  # fmt: skip
        session.add(label)
        await session.flush()
        session.add(CaseLabel(case_id=case.id, scheme_id=scheme.id, label_id=label.id, value=person.label, state=person.label_state))
    await session.flush()


async def _add_series(session: AsyncSession, store: ObjectStore, study: Study, shot: Shot, name: str, policy: int) -> None:
    media_type, ending = MEDIA[shot.format]
    series = Series(
        uid=KEY.uid(f"series {name}"), study_id=study.id, format=shot.format, modality=shot.modality, number=1, body_part=shot.body_part,
        description=shot.description, manufacturer=shot.manufacturer, model_name=shot.model_name, sequence=shot.sequences[0], phase=shot.phase,
        slice_thickness_mm=shot.thickness_mm, spacing_mm=[0.66145802, 0.66145802], rows=64, columns=32,
        instance_count=shot.instances * len(shot.sequences), frame_count=shot.instances, state=shot.state, thumbnail_key=f"thumbs/{name}",
        size_bytes=shot.instances * len(shot.sequences) * shot.bytes_each,
    )  # fmt: skip
    session.add(series)
    await session.flush()
    if shot.mpp is not None:
        session.add(Slide(series_id=series.id, mpp=shot.mpp, objective_power=40.0, width_px=1000, height_px=500))
    number = 0
    for ordinal, sequence in enumerate(shot.sequences):
        stack = Stack(series_id=series.id, ordinal=ordinal, sequence=sequence, phase=shot.phase, spacing_mm=1.1, instance_count=shot.instances)
        session.add(stack)
        await session.flush()
        for _ in range(shot.instances):
            number += 1
            content = content_of(name, number, shot)
            sha256 = hashlib.sha256(content).hexdigest()
            key = f"data/{series.uid}/{sha256}{ending}"
            store.put_bytes(key, content)
            session.add(
                Instance(
                    sop_uid=KEY.uid(f"sop {name} {number}"), series_id=series.id, stack_id=stack.id, number=number, object_key=key, object_sha256=sha256,
                    size_bytes=len(content), media_type=media_type, source_hmac=sha256, pixel_hash=sha256, policy_id=policy, state=shot.state,
                )
            )
    await session.flush()


def content_of(name: str, number: int, shot: Shot) -> bytes:
    """The bytes of an object: reproducible, of the size asked for (NIfTI: what gzip makes of it)."""
    seed = f"{name} {number}".encode()
    block = b"".join(hashlib.sha256(seed + bytes([index % 256])).digest() for index in range(min(shot.bytes_each // 32 + 1, 256)))
    raw = (block * (shot.bytes_each // len(block) + 1))[: shot.bytes_each]
    return gzip.compress(raw, mtime=0) if shot.format == "NIFTI" else raw


async def add_resource(site: Site, case_key: str, state: str, content: bytes = b"%PDF-1.7 little") -> str:
    """Another file of a case, held in staging or released; its SHA-256."""
    sha256 = hashlib.sha256(content).hexdigest()
    objects = site.resources.staging if state == "held" else site.resources.store
    objects.put_bytes(f"resources/{sha256}", content)
    async with site.resources.db.write() as session:
        case = (await session.scalars(select(Case).where(Case.key == case_key))).one()
        run = (await session.scalars(select(Import))).first()
        session.add(
            Resource(
                scope=case_key, sha256=sha256, case_id=case.id, import_id=run.id, title="letter", media_type="application/pdf", code="document",
                object_key=f"resources/{sha256}", size_bytes=len(content), state=state,
            )
        )
    return sha256
