"""What may be there twice, contested sequences, links by hand: asked, decided, taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest
from pydicom.uid import MRImageStorage
from sqlalchemy import select

from isocenter.models import AuditEvent, Case, CaseLabel, Link, Report, Series, Stack, Study
from services.ingest.app import sweep

MALIGNANT = "肝右叶肝细胞癌。"


async def only(ingest: Ingest, kind: str) -> dict[str, Any]:
    items = (await ingest.call("GET", "/reviews", params={"kind": kind}))["items"]
    assert len(items) == 1, [item["proposal"] for item in items]
    view: dict[str, Any] = await ingest.call("GET", f"/reviews/{items[0]['key']}")
    return view


async def decide(ingest: Ingest, review: dict[str, Any], value: str) -> None:
    await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": value, "revision": review["revision"]})
    await ingest.settled()


async def test_studies_when_another_hospital_brings_the_same_pixels_then_a_person_says_which_goes(ingest: Ingest) -> None:
    for number in range(1, 5):
        write_ct(ingest.root / "a" / f"{number}.dcm", uid="1.2.3", number=number, seed=5)
        write_ct(ingest.root / "b" / f"{number}.dcm", uid="1.9.9", number=number, seed=5, patient_id="77", name="李^四", accession="X9")
    await ingest.run(ingest.root / "a", diseases=["liver"], hospital="H1")
    await ingest.run(ingest.root / "b", diseases=["liver"], hospital="H2")
    review = await only(ingest, "duplicate")
    assert (review["proposal"]["shared"], review["proposal"]["pictures"], review["proposal"]["same_hospital"]) == (4, [4, 4], False)
    assert [study["hospital"] for study in review["proposal"]["both"]] == ["H1", "H2"]
    assert len(review["proposal"]["both"][1]["images"]) == 1
    await decide(ingest, review, "same")

    async def alive() -> tuple[int, int, int]:
        async with ingest.resources.db.read() as session:
            counts = [len(list(await session.scalars(select(model.id).where(model.deleted_at.is_(None))))) for model in (Study, Series, Case)]
        return counts[0], counts[1], counts[2]

    assert await alive() == (1, 1, 1)
    await ingest.call("POST", f"/reviews/{review['key']}/undo")
    assert await alive() == (2, 2, 2)
    await decide(ingest, await only(ingest, "duplicate"), "different")
    assert await alive() == (2, 2, 2)
    await ingest.run(ingest.root / "b", diseases=["liver"], hospital="H2")  # the same again asks nothing again
    assert (await ingest.call("GET", "/reviews", params={"kind": "duplicate"}))["items"] == []


async def test_studies_when_only_a_few_pictures_are_the_same_then_nothing_is_asked(ingest_here: Ingest) -> None:
    for number in range(1, 7):
        write_ct(ingest_here.root / "a" / f"{number}.dcm", uid="1.2.3", number=number, seed=5)
        write_ct(ingest_here.root / "a" / f"b{number}.dcm", uid="1.2.4", number=number, seed=5 if number == 1 else 6)
    await ingest_here.run(ingest_here.root / "a", diseases=["liver"])
    assert (await ingest_here.call("GET", "/reviews", params={"kind": "duplicate"}))["items"] == []


async def test_reports_when_two_texts_stand_under_one_number_then_the_chosen_one_labels_the_case(ingest: Ingest) -> None:
    write_ct(ingest.root / "images" / "a.dcm", uid="1.2.3")
    other = "双肺纹理清晰，心影不大，纵隔未见肿大淋巴结，胸腔未见积液，与前片比较变化不明显，请结合临床。肝囊肿。"
    rows = [imaging_row(impression=MALIGNANT), imaging_row(impression=other)]
    table = write_table(ingest.root / "tables" / "r.csv", rows)
    await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    review = await only(ingest, "duplicate")
    shown = review["proposal"]["reports"]
    assert ["impression" in report["sections"] for report in shown] == [True, True]
    benign = next(report["key"] for report in shown if "囊肿" in report["sections"]["impression"])
    malignant = next(report["key"] for report in shown if report["key"] != benign)
    await decide(ingest, review, malignant)
    async with ingest.resources.db.read() as session:
        rows_by_key = {row.key: row for row in await session.scalars(select(Report))}
        assert rows_by_key[benign].deleted_at is not None
        assert rows_by_key[malignant].supersedes_id == rows_by_key[benign].id
    await ingest.call("POST", f"/reviews/{review['key']}/undo")
    await ingest.settled()
    async with ingest.resources.db.read() as session:
        assert all(row.deleted_at is None and row.supersedes_id is None for row in await session.scalars(select(Report)))


def write_mr(path: Path, description: str) -> None:
    """A gradient echo with a short echo time: the physics of a T1."""
    write_ct(path, uid="1.2.3")
    ds = pydicom.dcmread(path)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MRImageStorage
    ds.Modality, ds.SeriesDescription, ds.ScanningSequence, ds.SequenceVariant = "MR", description, "GR", "SP"
    ds.EchoTime, ds.RepetitionTime, ds.FlipAngle = 2.4, 180.0, 70.0
    ds.save_as(path)


async def test_sequence_when_words_and_physics_differ_then_a_person_says_and_may_take_it_back(ingest: Ingest) -> None:
    write_mr(ingest.root / "images" / "a.dcm", "T2 TSE TRA")
    await ingest.run(ingest.root / "images", diseases=["liver"])
    review = await only(ingest, "sequence")
    assert (review["proposal"]["value"], review["proposal"]["reason"]) == ("T2", "physics-says-t1")
    assert review["proposal"]["images"][0]["series_uid"] == review["proposal"]["series_uid"]

    async def now_says() -> tuple[str, str, str, str]:
        async with ingest.resources.db.read() as session:
            stack, series = (await session.scalars(select(Stack))).one(), (await session.scalars(select(Series))).one()
        return series.sequence, stack.sequence, stack.sequence_source, stack.doubt

    assert await now_says() == ("T2", "T2", "description", "physics-says-t1")
    await decide(ingest, review, "T1")
    assert await now_says() == ("T1", "T1", "reviewer", "")
    await ingest.call("POST", f"/reviews/{review['key']}/undo")
    assert await now_says() == ("T2", "T2", "description", "physics-says-t1")


async def test_sequence_when_words_and_physics_agree_then_nothing_is_asked(ingest_here: Ingest) -> None:
    write_mr(ingest_here.root / "images" / "a.dcm", "T1 FLASH TRA")
    await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    assert (await ingest_here.call("GET", "/reviews", params={"kind": "sequence"}))["items"] == []


async def test_link_when_taken_off_by_hand_then_the_label_goes_and_comes_back_with_it(ingest: Ingest) -> None:
    write_ct(ingest.root / "images" / "a.dcm", uid="1.2.3")
    table = write_table(ingest.root / "tables" / "r.csv", [imaging_row(impression=MALIGNANT)])
    await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    async with ingest.resources.db.read() as session:
        uid, report = (await session.scalars(select(Study.uid))).one(), (await session.scalars(select(Report.key))).one()
    made = await ingest.call("POST", "/links", {"study_uid": uid, "report_key": report, "linked": False})
    assert (made["generation"], made["state"], made["active"]) == (1, "rejected", False)
    await ingest.settled()
    async with ingest.resources.db.read() as session:
        assert list(await session.scalars(select(CaseLabel))) == []
        assert [(row.generation, row.active) for row in await session.scalars(select(Link).order_by(Link.generation))] == [(0, False), (1, False)]
    view = (await ingest.call("GET", "/imports"))["items"][0]
    assert view["links"] == {"linked": 0, "review": 0, "unlinked": 2}
    await ingest.run(None, {"path": str(table), "kind": "imaging"})  # the linker does not undo what a person did
    async with ingest.resources.db.read() as session:
        assert list(await session.scalars(select(CaseLabel))) == []
    await ingest.call("POST", "/links", {"study_uid": uid, "report_key": report, "linked": False}, status=409)
    made = await ingest.call("POST", "/links", {"study_uid": uid, "report_key": report, "linked": True})
    assert (made["generation"], made["state"]) == (2, "accepted")
    await ingest.settled()
    async with ingest.resources.db.read() as session:
        assert [(row.value, row.state) for row in await session.scalars(select(CaseLabel))] == [("1", "sure")]
        verbs = [row.verb for row in await session.scalars(select(AuditEvent).where(AuditEvent.subject == f"report:{report}"))]
    assert verbs == ["unlinked", "linked"]
    await ingest.call("POST", "/links", {"study_uid": uid, "report_key": report, "linked": True}, status=409)
    await ingest.call("POST", "/links", {"study_uid": "2.25.1", "report_key": report, "linked": True}, status=404)
    await ingest.call("POST", "/links", {"study_uid": uid, "report_key": "none", "linked": True}, status=404)


async def test_link_when_the_study_has_another_imaging_report_then_a_second_is_refused(ingest_here: Ingest) -> None:
    for n in (1, 2):
        write_ct(ingest_here.root / "images" / f"{n}.dcm", uid=f"1.2.{n}", patient_id=f"100000{n}", accession=f"CT{n}", name=f"张{n}", seed=n)
    rows = [imaging_row(accession=f"CT{n}", patient_id=f"100000{n}", name=f"张{n}", impression=MALIGNANT) for n in (1, 2)]
    table = write_table(ingest_here.root / "tables" / "r.csv", rows)
    await ingest_here.run(ingest_here.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    async with ingest_here.resources.db.read() as session:
        links = list((await session.execute(select(Study.uid, Report.key).join(Link, Link.study_id == Study.id).join(Report))).tuples())
    (first, _), (_, other) = links
    problem = await ingest_here.call("POST", "/links", {"study_uid": first, "report_key": other, "linked": True}, status=409)
    assert "has its imaging report already" in problem["detail"]


async def test_undo_when_taken_back_then_the_question_comes_next_and_the_order_stays(ingest_here: Ingest) -> None:
    rows = []
    for n in range(4):
        write_ct(ingest_here.root / "images" / f"{n}.dcm", uid=f"1.2.{n}", patient_id=f"100000{n}", accession=f"CT{n}", name=f"张{n}", seed=n)
        rows.append(imaging_row(accession=f"CT{n}", patient_id=f"100000{n}", name=f"张{n}", impression=f"肝右叶结节，CT值{n + 30}HU，性质待定，肝癌不除外。"))
    table = write_table(ingest_here.root / "tables" / "r.csv", rows)
    await ingest_here.run(ingest_here.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    order = [item["key"] for item in (await ingest_here.call("GET", "/reviews", params={"kind": "label"}))["items"]]
    first = await ingest_here.call("POST", "/reviews/next", {"kind": "label"})
    second = (await ingest_here.call("POST", f"/reviews/{first['key']}/decision", {"value": "1", "revision": first["revision"]}))["next"]
    third = (await ingest_here.call("POST", f"/reviews/{second['key']}/decision", {"value": "1", "revision": second["revision"]}))["next"]
    back = await ingest_here.call("POST", f"/reviews/{second['key']}/undo")
    assert back["lease_account"] == "manager"
    assert (await ingest_here.call("POST", "/reviews/next", {"kind": "label"}))["key"] == second["key"]
    again = await ingest_here.call("POST", f"/reviews/{second['key']}/decision", {"value": "0", "revision": back["revision"]})
    assert again["next"]["key"] == third["key"]
    assert [first["key"], second["key"], third["key"]] == order[:3]


async def test_provided_label_when_its_import_is_withdrawn_then_it_counts_no_more(ingest: Ingest) -> None:
    write_ct(ingest.root / "images" / "a.dcm", uid="1.2.3")
    await ingest.run(ingest.root / "images", diseases=["liver"])
    labels = write_table(ingest.root / "tables" / "l.csv", [("1000001", "1")], ("patient_id", "label"), "utf-8")
    views = [await ingest.run(ingest.root / "images", {"path": str(labels), "kind": "labels"}, diseases=["liver"]) for _ in range(2)]

    async def pointers() -> list[tuple[str, str]]:
        async with ingest.resources.db.read() as session:
            return [(row.value, row.state) for row in await session.scalars(select(CaseLabel))]

    assert await pointers() == [("1", "sure")]
    await ingest.call("POST", f"/imports/{views[0]['key']}/withdraw")
    await ingest.settled()
    assert await pointers() == [("1", "sure")]  # the second import says so too
    await ingest.call("POST", f"/imports/{views[1]['key']}/withdraw")
    await ingest.settled()
    assert await pointers() == []


async def test_pixels_when_a_refusal_is_taken_back_then_they_wait_again_until_the_bytes_are_gone(ingest_here: Ingest) -> None:
    path = write_ct(ingest_here.root / "images" / "a.dcm", uid="1.2.3")
    ds = pydicom.dcmread(path)
    ds.BurnedInAnnotation = "YES"
    ds.save_as(path)
    await ingest_here.run(ingest_here.root / "images", diseases=["liver"])
    review = await only(ingest_here, "pixels")
    assert [choice["final"] for choice in review["choices"]] == [False, False]
    await decide(ingest_here, review, "refuse")
    back = await ingest_here.call("POST", f"/reviews/{review['key']}/undo")
    async with ingest_here.resources.db.read() as session:
        series = (await session.scalars(select(Series))).one()
        assert (series.state, series.deleted_at) == ("held", None)
    await decide(ingest_here, back, "refuse")
    await sweep(ingest_here.resources)
    problem = await ingest_here.call("POST", f"/reviews/{review['key']}/undo", status=409)
    assert "deleted by now" in problem["detail"]
