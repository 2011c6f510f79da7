"""The way of an import in one process: outcomes, identities, links, labels, reviews, follow-up work."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pydicom
from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest
from mirax_samples import write_mirax
from sqlalchemy import select

from isocenter.auth import Principal, Role
from isocenter.models import AuditEvent, Case, CaseLabel, FilledValue, Instance, Patient, Report, ReportText, Resource, Series, Slide, Study

MALIGNANT = "肝右叶肝细胞癌。"
BENIGN = "肝右叶囊肿。"


def slices(ingest: Ingest, uid: str, count: int = 3, **header: Any) -> None:
    for number in range(1, count + 1):
        write_ct(ingest.root / "images" / f"{uid}-{number}.dcm", uid=uid, number=number, seed=hash(uid) % 97, **header)


async def test_import_when_a_report_matches_by_number_then_the_case_is_labelled_and_nothing_identifies(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    table = write_table(ingest.root / "tables" / "reports.csv", [imaging_row(impression="肝右叶肝细胞癌，张伟明家属已告知，电话13912345678。")])
    view = await ingest.run(ingest.root / "images", {"path": str(table)})
    assert view["state"] == "finished", view["failure"]
    assert view["counts"]["files"]["accepted"] == 3
    assert view["counts"]["rows"]["accepted"] == 1
    assert view["sums_ok"]
    assert view["links"]["linked"] == 4
    async with ingest.resources.db.read() as session:
        case = (await session.scalars(select(Case))).one()
        assert case.key == "LIV-000001"
        label = (await session.scalars(select(CaseLabel))).one()
        assert (label.value, label.state) == ("1", "sure")
        text = (await session.scalars(select(ReportText))).one()
        assert "张伟明" not in str(text.sections)
        assert "13912345678" not in str(text.sections)
        series = (await session.scalars(select(Series))).one()
        assert (series.instance_count, series.state) == (3, "visible")
        assert series.metadata_key
        assert series.thumbnail_key
        study = (await session.scalars(select(Study))).one()
        report = (await session.scalars(select(Report))).one()
        assert study.shifted_date == report.shifted_date
        assert study.shifted_date is not None
        assert study.shifted_date.isoformat() != "2023-04-05"
        instances = list(await session.scalars(select(Instance).order_by(Instance.number)))
    assert [instance.number for instance in instances] == [1, 2, 3]
    path = ingest.resources.store.path(instances[0].object_key)
    assert path is not None
    released = pydicom.dcmread(path)
    assert released.PatientIdentityRemoved == "YES"
    assert "张" not in str(released.PatientName)
    assert released.StudyInstanceUID == study.uid


async def test_import_when_repeated_then_everything_is_a_duplicate(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    table = write_table(ingest.root / "tables" / "reports.csv", [imaging_row()])
    await ingest.run(ingest.root / "images", {"path": str(table)})
    view = await ingest.run(ingest.root / "images", {"path": str(table)})
    assert view["counts"]["files"] | {} == {**dict.fromkeys(view["counts"]["files"], 0), "duplicate": 3}
    assert view["counts"]["rows"]["duplicate"] == 1
    async with ingest.resources.db.read() as session:
        assert len(list(await session.scalars(select(Instance)))) == 3
        assert len(list(await session.scalars(select(ReportText)))) == 1


async def test_import_when_the_second_disease_comes_with_a_duplicate_then_its_case_is_made(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3")
    await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    await ingest_here.run(ingest_here.root / "images", diseases=["pancreas"])
    async with ingest_here.resources.db.read() as session:
        assert sorted(await session.scalars(select(Case.key))) == ["LIV-000001", "PAN-000001"]
        assert len(list(await session.scalars(select(Patient)))) == 1


async def test_import_when_the_report_comes_next_month_then_it_still_links(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    first = await ingest.run(ingest.root / "images", diseases=["liver"])
    assert first["links"]["unlinked"] == 3
    table = write_table(ingest.root / "tables" / "reports.csv", [imaging_row(impression=MALIGNANT)])
    second = await ingest.run(None, {"path": str(table)})
    assert second["links"]["linked"] == 1
    async with ingest.resources.db.read() as session:
        label = (await session.scalars(select(CaseLabel))).one()
        assert (label.value, label.state) == ("1", "sure")
        study = (await session.scalars(select(Study))).one()
        report = (await session.scalars(select(Report))).one()
        assert report.shifted_date == study.shifted_date
        assert report.identity_id == study.identity_id


async def test_patients_when_they_have_no_number_then_each_study_is_a_patient_of_its_own(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3", patient_id="", accession="", name="")
    slices(ingest_here, "1.2.4", patient_id="", accession="", name="")
    await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    async with ingest_here.resources.db.read() as session:
        assert len(list(await session.scalars(select(Patient)))) == 2


async def test_patients_when_two_have_one_name_then_a_report_without_number_is_given_to_nobody(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3", patient_id="", accession="", name="王芳", date="20230405")
    slices(ingest_here, "1.2.4", patient_id="", accession="", name="王芳", date="20230406")
    table = write_table(ingest_here.root / "tables" / "r.csv", [imaging_row(accession="", patient_id="", name="王芳", date="2023-04-06")])
    await ingest_here.run(ingest_here.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    async with ingest_here.resources.db.read() as session:
        assert len(list(await session.scalars(select(Patient)))) == 2
        sure = [row for row in await session.scalars(select(CaseLabel)) if row.state == "sure"]
    assert len(sure) <= 1
    async with ingest_here.resources.db.read() as session:
        cases = {study.id: study.identity_id for study in await session.scalars(select(Study))}
    assert len(set(cases.values())) == 2


async def test_review_when_decided_and_undone_then_the_label_goes_back(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    table = write_table(ingest.root / "tables" / "reports.csv", [imaging_row(impression="肝右叶结节，性质待定，肝癌不除外，建议进一步检查。")])
    view = await ingest.run(ingest.root / "images", {"path": str(table)})
    assert view["labels"]["review"] == 4
    review = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    assert review["proposal"]["reports"][0]["sections"]["impression"]
    decided = await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": "1", "revision": review["revision"]})
    async with ingest.resources.db.read() as session:
        label = (await session.scalars(select(CaseLabel))).one()
        assert (label.value, label.state) == ("1", "decided")
    await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": "0", "revision": decided["review"]["revision"]}, status=409)
    await ingest.call("POST", f"/reviews/{review['key']}/undo")
    async with ingest.resources.db.read() as session:
        label = (await session.scalars(select(CaseLabel))).one()
        assert (label.value, label.state) == ("review", "review")
        verbs = list(await session.scalars(select(AuditEvent.verb)))
    assert "decided" in verbs
    assert "decision-undone" in verbs


async def test_decision_when_a_later_report_contradicts_then_it_stays_and_a_new_question_is_asked(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    first = write_table(ingest.root / "tables" / "a.csv", [imaging_row(impression="肝右叶结节，性质待定，肝癌不除外，建议进一步检查。")])
    await ingest.run(ingest.root / "images", {"path": str(first)})
    review = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": "0", "revision": review["revision"]})
    columns = ("病理号", "住院号", "姓名", "性别", "年龄", "送检日期", "部位", "肉眼所见", "镜下所见", "病理诊断")
    row = ("B23-1", "1000001", "张伟明", "男", "56岁", "2023-04-20", "肝右叶", "灰白组织", "异型细胞浸润", "（肝右叶）肝细胞癌，中分化。")
    second = write_table(ingest.root / "tables" / "b.csv", [row], columns)
    await ingest.run(None, {"path": str(second), "kind": "pathology"})
    async with ingest.resources.db.read() as session:
        label = (await session.scalars(select(CaseLabel))).one()
        assert (label.value, label.state) == ("0", "decided")
    page = await ingest.call("GET", "/reviews", params={"kind": "label"})
    assert [item["proposal"]["reason"] for item in page["items"]] == ["contradicts-decision"]


async def test_reviews_when_two_people_ask_then_they_never_get_the_same(ingest: Ingest) -> None:
    for n in range(2):
        slices(ingest, f"1.2.{n + 3}", patient_id=f"100000{n}", accession=f"CT{n}")
    hedge = "肝右叶结节，性质待定，肝癌不除外，建议进一步检查。"
    table = write_table(ingest.root / "tables" / "r.csv", [imaging_row(f"CT{n}", f"100000{n}", impression=hedge) for n in range(2)])
    await ingest.run(ingest.root / "images", {"path": str(table)})
    mine = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    ingest.who = Principal(2, "other", Role.REVIEWER)
    theirs = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    assert mine["key"] != theirs["key"]
    await ingest.call("POST", "/reviews/next", {"kind": "label"})  # their own again
    await ingest.call("POST", f"/reviews/{mine['key']}/decision", {"value": "1", "revision": mine["revision"]}, status=409)


async def test_identity_when_somebody_without_the_permission_asks_then_nothing_is_shown(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3")
    table = write_table(ingest_here.root / "tables" / "r.csv", [imaging_row(impression="肝右叶结节，肝癌不除外。")])
    view = await ingest_here.run(ingest_here.root / "images", {"path": str(table)})
    review = await ingest_here.call("POST", "/reviews/next", {"kind": "label"})
    shown = await ingest_here.call("GET", f"/reviews/{review['key']}/identity")
    assert {"张伟明"} <= {row["patient_name"] for row in shown}
    ingest_here.who = Principal(2, "reviewer", Role.REVIEWER)
    await ingest_here.call("GET", f"/reviews/{review['key']}/identity", status=403)
    ingest_here.who = Principal(3, "manager2", Role.DATA_MANAGER)
    await ingest_here.call("GET", f"/imports/{view['key']}/items", params={"identity": True}, status=403)
    async with ingest_here.resources.db.read() as session:
        assert (await session.scalar(select(AuditEvent.id).where(AuditEvent.verb == "identity-shown"))) is not None


async def test_items_when_a_file_waits_for_identifiers_then_a_reviewer_can_take_it_in(ingest: Ingest) -> None:
    path = write_ct(ingest.root / "images" / "a.dcm", uid="1.2.3")
    ds = pydicom.dcmread(path)
    del ds.StudyInstanceUID, ds.SeriesInstanceUID
    ds.save_as(path)
    view = await ingest.run(ingest.root / "images", diseases=["liver"])
    assert view["counts"]["files"]["review"] == 1
    review = (await ingest.call("GET", "/reviews", params={"kind": "identifiers"}))["items"][0]
    shown = await ingest.call("GET", f"/reviews/{review['key']}/preview")
    assert shown.headers["cache-control"] == "no-store"
    assert shown.content[:2] == b"\xff\xd8"
    await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": "accept", "revision": review["revision"]})
    await ingest.settled()
    (item,) = await ingest.items(view["key"])
    assert (item["outcome"], item["reason"]) == ("accepted", "")
    async with ingest.resources.db.read() as session:
        assert (await session.scalars(select(Case.key))).one() == "LIV-000001"
        assert (await session.scalars(select(Series.instance_count))).one() == 1


async def test_pixels_when_they_may_hold_text_then_they_wait_for_a_look(ingest_here: Ingest) -> None:
    path = write_ct(ingest_here.root / "images" / "a.dcm", uid="1.2.3")
    ds = pydicom.dcmread(path)
    ds.BurnedInAnnotation = "YES"
    ds.save_as(path)
    view = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert view["held"] == 1
    async with ingest_here.resources.db.read() as session:
        assert (await session.scalars(select(Series.state))).one() == "held"
    review = (await ingest_here.call("GET", "/reviews", params={"kind": "pixels"}))["items"][0]
    await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "accept", "revision": review["revision"]})
    async with ingest_here.resources.db.read() as session:
        assert (await session.scalars(select(Series.state))).one() == "visible"
        assert (await session.scalars(select(Instance.state))).one() == "visible"


async def test_slide_when_it_is_a_file_and_a_folder_then_one_converted_image_and_its_parts_are_told(ingest_here: Ingest, tmp_path: Path) -> None:
    """In place, and out of an archive, where the parts travel through the staging store."""
    root = ingest_here.root / "slides"
    write_mirax(root / "a.mrxs")
    other = write_mirax(tmp_path / "b.mrxs")
    (tmp_path / "b" / "Data0000.dat").write_bytes((tmp_path / "b" / "Data0000.dat").read_bytes() + b"another slide")
    with zipfile.ZipFile(root / "z.zip", "w") as archive:
        for path in (other, *sorted((tmp_path / "b").iterdir())):
            archive.write(path, path.relative_to(tmp_path))
    view = await ingest_here.run(root, diseases=["liver"])
    found = {item["path"]: (item["outcome"], item["reason"]) for item in await ingest_here.items(view["key"], identity=True)}
    parts = ("index_or_archive", "slide-folder")
    assert view["sums_ok"]
    assert {path: told for path, told in found.items() if told == parts} == {
        f"{folder}/{name}": parts for folder in ("a", "z.zip/b") for name in ("Data0000.dat", "Index.dat", "Slidedat.ini")
    }
    assert (found["a.mrxs"], found["z.zip/b.mrxs"]) == (("accepted", ""), ("accepted", ""))
    async with ingest_here.resources.db.read() as session:
        stored = list(await session.scalars(select(Instance)))
        assert [(one.media_type, one.rows, one.columns) for one in stored] == [("image/tiff", 400, 800)] * 2
        slides = list(await session.scalars(select(Slide)))
        assert [(slide.mpp, slide.objective_power, bool(slide.tile_index_key)) for slide in slides] == [(0.25, 20.0, True)] * 2
    assert not list((ingest_here.resources.settings.scratch).glob("slide-*"))


async def test_provided_labels_when_a_table_brings_them_then_they_count_before_the_rules(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    labels = write_table(ingest.root / "tables" / "labels.csv", [("1000001", "1")], ("patient_id", "label"), "utf-8")
    await ingest.run(ingest.root / "images", {"path": str(labels), "kind": "labels"}, diseases=["liver"])
    async with ingest.resources.db.read() as session:
        label = (await session.scalars(select(CaseLabel))).one()
    assert (label.value, label.state) == ("1", "sure")


async def test_provided_labels_when_the_report_says_the_contrary_then_a_person_decides(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    table = write_table(ingest.root / "tables" / "r.csv", [imaging_row(impression=BENIGN)])
    labels = write_table(ingest.root / "tables" / "labels.csv", [("1000001", "1")], ("patient_id", "label"), "utf-8")
    await ingest.run(ingest.root / "images", {"path": str(table)}, {"path": str(labels), "kind": "labels"}, diseases=["liver"])
    page = await ingest.call("GET", "/reviews", params={"kind": "label"})
    assert [item["proposal"]["reason"] for item in page["items"]] == ["provided-contradicts"]


async def test_image_list_when_it_names_a_volume_then_the_volume_joins_the_patients_study(ingest_here: Ingest) -> None:
    import nibabel
    import numpy as np

    slices(ingest_here, "1.2.3")
    volume = ingest_here.root / "images" / "v.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.random.default_rng(1).integers(0, 100, (8, 8, 4), dtype=np.int16), np.eye(4)), volume)
    listed = write_table(
        ingest_here.root / "tables" / "list.csv", [("v.nii.gz", "1000001", "2023-04-05", "CT")], ("path", "patient_id", "exam_date", "modality"), "utf-8"
    )
    view = await ingest_here.run(ingest_here.root / "images", {"path": str(listed), "kind": "image_list"}, diseases=["liver"])
    assert view["counts"]["files"]["accepted"] == 4
    async with ingest_here.resources.db.read() as session:
        assert len(list(await session.scalars(select(Study)))) == 1
        assert sorted(await session.scalars(select(Series.format))) == ["DICOM", "NIFTI"]


async def test_withdraw_when_done_then_a_reimport_ends_as_deleted_before(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    view = await ingest.run(ingest.root / "images", diseases=["liver"])
    await ingest.call("POST", f"/imports/{view['key']}/withdraw")
    async with ingest.resources.db.read() as session:
        assert (await session.scalars(select(Case.deleted_at))).one() is not None
    again = await ingest.run(ingest.root / "images", diseases=["liver"])
    assert {item["reason"] for item in await ingest.items(again["key"])} == {"deleted-before"}


async def test_age_when_a_study_lacks_it_then_it_is_filled_from_the_patients_other_study_with_its_source(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3", count=1)
    path = write_ct(ingest_here.root / "images" / "second.dcm", uid="1.2.4", accession="CT2", date="20230505")
    ds = pydicom.dcmread(path)
    del ds.PatientAge
    ds.PatientSex = ""
    ds.save_as(path)
    await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    async with ingest_here.resources.db.read() as session:
        values = {(row.name, row.value): row.source for row in await session.scalars(select(FilledValue))}
        source = (await session.scalars(select(Study.uid).where(Study.age_years.is_not(None)))).one()
    assert values == {("sex", "M"): f"study:{source}"[:64], ("age_years", "56"): f"study:{source}"[:64]}


async def test_resources_when_imported_again_then_duplicates_and_nobody_is_asked_twice(ingest_here: Ingest) -> None:
    (ingest_here.root / "images").mkdir()
    (ingest_here.root / "images" / "note.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n")
    first = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert first["counts"]["files"]["other_resource"] == 1
    second = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert second["counts"]["files"]["duplicate"] == 1
    page = await ingest_here.call("GET", "/reviews", params={"kind": "resource"})
    assert len(page["items"]) == 1
    review = page["items"][0]
    shown = await ingest_here.call("GET", f"/reviews/{review['key']}/file")
    assert shown.content.startswith(b"%PDF")
    assert shown.headers["cache-control"] == "no-store"
    await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "accept", "revision": review["revision"]})
    async with ingest_here.resources.db.read() as session:
        resource = (await session.scalars(select(Resource))).one()
    assert resource.state == "visible"
    assert ingest_here.resources.store.get_bytes(resource.object_key).startswith(b"%PDF")


async def test_withdraw_when_questions_are_open_then_nobody_is_asked_any_more(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3")
    table = write_table(ingest_here.root / "tables" / "r.csv", [imaging_row(impression="肝右叶结节，肝癌不除外。")])
    view = await ingest_here.run(ingest_here.root / "images", {"path": str(table)})
    assert (await ingest_here.call("GET", "/reviews/counts"))["open"] == 1
    await ingest_here.call("POST", f"/imports/{view['key']}/withdraw")
    assert (await ingest_here.call("GET", "/reviews/counts"))["open"] == 0
    await ingest_here.call("POST", "/reviews/next", {}, status=204)


async def test_follow_up_when_its_file_is_gone_then_it_ends_with_a_reason_and_no_endless_work(ingest_here: Ingest) -> None:
    path = write_ct(ingest_here.root / "images" / "a.dcm", uid="1.2.3")
    ds = pydicom.dcmread(path)
    del ds.StudyInstanceUID, ds.SeriesInstanceUID
    ds.save_as(path)
    view = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    path.unlink()
    review = (await ingest_here.call("GET", "/reviews", params={"kind": "identifiers"}))["items"][0]
    await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "accept", "revision": review["revision"]})
    await ingest_here.settled()
    (item,) = await ingest_here.items(view["key"])
    assert (item["outcome"], item["reason"]) == ("refused", "source-gone")


async def test_import_when_another_hospital_brings_the_same_images_then_nothing_of_the_first_is_touched(ingest: Ingest) -> None:
    """Found by a newcomer: the second hospital's tables re-dated the first one's reports and made phantom cases."""
    slices(ingest, "1.2.3")
    table = write_table(ingest.root / "tables" / "r.csv", [imaging_row(impression=MALIGNANT)])
    await ingest.run(ingest.root / "images", {"path": str(table)}, hospital="H1")

    async def seen() -> tuple[Any, ...]:
        async with ingest.resources.db.read() as session:
            return (
                sorted((await session.execute(select(Case.key, Case.deleted_at).where(Case.deleted_at.is_(None)))).all()),
                [r.shifted_date for r in await session.scalars(select(Report).where(Report.deleted_at.is_(None)).order_by(Report.id))][:1],
                sorted(await session.scalars(select(Series.uid))),
                [(row.value, row.state) for row in await session.scalars(select(CaseLabel))],
            )

    before = await seen()
    again = await ingest.run(ingest.root / "images", {"path": str(table)}, hospital="H2")
    assert again["counts"]["files"]["duplicate"] == 3
    assert await seen() == before
    await ingest.call("POST", f"/imports/{again['key']}/withdraw")
    await ingest.settled()
    assert await seen() == before


async def test_withdraw_when_the_import_brought_the_report_then_its_label_goes(ingest: Ingest) -> None:
    slices(ingest, "1.2.3")
    await ingest.run(ingest.root / "images", diseases=["liver"])
    table = write_table(ingest.root / "tables" / "r.csv", [imaging_row(impression=MALIGNANT)])
    view = await ingest.run(None, {"path": str(table)})
    async with ingest.resources.db.read() as session:
        assert (await session.scalars(select(CaseLabel.value))).one() == "1"
    await ingest.call("POST", f"/imports/{view['key']}/withdraw")
    await ingest.settled()
    async with ingest.resources.db.read() as session:
        assert (await session.scalars(select(CaseLabel.value))).first() is None
        assert (await session.scalars(select(Report.deleted_at))).one() is not None
        assert (await session.scalars(select(Case.deleted_at))).one() is None


async def test_refusal_when_the_same_file_comes_again_then_nobody_is_asked_again(ingest_here: Ingest) -> None:
    path = write_ct(ingest_here.root / "images" / "a.dcm", uid="1.2.3")
    ds = pydicom.dcmread(path)
    del ds.StudyInstanceUID, ds.SeriesInstanceUID
    ds.save_as(path)
    await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    waits = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert [item["reason"] for item in await ingest_here.items(waits["key"])] == ["waits-already"]
    (review,) = (await ingest_here.call("GET", "/reviews", params={"kind": "identifiers"}))["items"]
    await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "refuse", "revision": review["revision"]})
    again = await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert [item["reason"] for item in await ingest_here.items(again["key"])] == ["refused-before"]
    assert (await ingest_here.call("GET", "/reviews/counts"))["open"] == 0


async def test_provided_labels_when_two_imports_differ_then_a_person_decides(ingest_here: Ingest) -> None:
    slices(ingest_here, "1.2.3")
    for value in ("1", "0"):
        labels = write_table(ingest_here.root / "tables" / f"labels{value}.csv", [("1000001", value)], ("patient_id", "label"), "utf-8")
        await ingest_here.run(ingest_here.root / "images", {"path": str(labels), "kind": "labels"}, diseases=["liver"])
    page = await ingest_here.call("GET", "/reviews", params={"kind": "label"})
    assert [item["proposal"]["reason"] for item in page["items"]] == ["provided-contradict"]


async def test_table_when_its_rows_hold_several_reports_then_each_is_imported_with_an_outcome_of_its_own(ingest_here: Ingest) -> None:
    columns = ("住院号", "姓名", "CT检查日期", "CT所见", "CT诊断", "病理号", "病理日期", "病理诊断")
    rows = [(f"100010{n}", "张伟", "2021-03-04", "肝右叶见低密度灶。", "考虑肝癌", f"B2100{n}", "2021-03-20", "肝细胞癌" if n < 3 else "") for n in range(4)]
    table = {"path": str(write_table(ingest_here.root / "tables" / "wide.csv", rows, columns))}
    preview = await ingest_here.call("POST", "/imports/preview", {"hospital": "H1", "tables": [table]})
    assert preview[0]["notes"] == ["several-reports-a-row"]
    confirmed = {**table, "mapping": {noun: guess["column"] for noun, guess in preview[0]["mapping"].items()}}
    done = await ingest_here.run(None, confirmed)
    items = await ingest_here.items(done["key"])
    assert sorted((item["outcome"], item["reason"]) for item in items) == [("accepted", "")] * 7 + [("empty", "no-text")]
    async with ingest_here.resources.db.read() as session:
        assert sorted(await session.scalars(select(Report.kind))) == ["imaging"] * 4 + ["pathology"] * 3
