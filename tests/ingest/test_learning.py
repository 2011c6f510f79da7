"""Decisions teach a second voice: open questions are looked at again, what both know is settled, the way is explained."""

from __future__ import annotations

from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest
from sqlalchemy import select

from isocenter.auth import Principal, Role
from isocenter.models import Case, CaseLabel, Label, PolicyVersion, Review
from services.ingest.stages import precedents
from services.ingest.voice import DECISIONS_MIN

CASES = 56
DOUBTS = ("肝S{n}段结节，快进快出，肝癌不除外，建议进一步检查。", "肝S{n}段结节，水样密度，肝囊肿可能，建议随访。")  # no two of the same words
SAME = (
    "肝右叶{n}mm结节，快进快出，肝癌不除外，建议进一步检查。",
    "肝左叶{n}mm结节，快进快出，肝癌不除外，建议进一步检查。",
    "肝左叶{n}mm结节，快进快出，肝癌不除外，建议活检。",
)


async def imported(ingest: Ingest) -> dict[str, str]:
    """CASES cases whose reports are of two kinds of doubt: case key -> what a reviewer would decide."""
    rows = []
    for n in range(CASES):
        number = f"10{n:05}"
        write_ct(ingest.root / "images" / f"{n}.dcm", uid=f"1.2.3.{n}", patient_id=number, accession=f"CT{n:05}", name=f"病人{chr(0x4E00 + n)}", seed=n)
        rows.append(imaging_row(accession=f"CT{n:05}", patient_id=number, name=f"病人{chr(0x4E00 + n)}", impression=DOUBTS[n % 2].format(n=n + 5)))
    table = write_table(ingest.root / "tables" / "r.csv", rows)
    view = await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    assert view["labels"]["review"] >= CASES
    wanted = {}
    for item in (await ingest.call("GET", "/reviews", params={"kind": "label", "limit": 200}))["items"]:
        full = await ingest.call("GET", f"/reviews/{item['key']}")
        wanted[item["case_key"]] = "1" if "快进快出" in full["proposal"]["reports"][0]["sections"]["impression"] else "0"
    return wanted


async def test_decisions_when_enough_then_the_voice_settles_what_is_like_them(ingest_here: Ingest) -> None:
    wanted = await imported(ingest_here)
    assert len(wanted) == CASES
    async with ingest_here.resources.db.read() as session:
        assert not list(await session.scalars(select(PolicyVersion).where(PolicyVersion.kind == "voice")))
    review = await ingest_here.call("POST", "/reviews/next", {"kind": "label"})
    for _ in range(DECISIONS_MIN):
        body = {"value": wanted[review["case_key"]], "revision": review["revision"]}
        answer = await ingest_here.call("POST", f"/reviews/{review['key']}/decision", body)
        review = answer["next"]
    await ingest_here.settled(120)
    async with ingest_here.resources.db.read() as session:
        voice = (await session.scalars(select(PolicyVersion).where(PolicyVersion.kind == "voice"))).one()
        assert voice.scope == "liver.malignancy"
        assert voice.body["decisions"] == DECISIONS_MIN
        pointers = {key: (row.value, row.state) for row, key in await session.execute(select(CaseLabel, Case.key).join(Case, Case.id == CaseLabel.case_id))}
        labels = list(await session.scalars(select(Label).where(Label.source == "model")))
    assert sum(state == "decided" for _, state in pointers.values()) == DECISIONS_MIN
    settled = {key: value for key, (value, state) in pointers.items() if state == "sure"}
    assert len(settled) >= (CASES - DECISIONS_MIN) // 2
    assert all(wanted[key] == value for key, value in settled.items())
    assert {row.policy_id for row in labels} == {voice.id}
    assert all(row.evidence[-1]["voice"] == "liver.malignancy@1" for row in labels)
    await explained(ingest_here, next(iter(settled)), wanted)


async def explained(ingest: Ingest, case_key: str, wanted: dict[str, str]) -> None:
    told = await ingest.call("GET", f"/cases/{case_key}/labels/explain", params={"scheme": "malignancy"})
    assert (told["value"], told["state"], told["label"]["source"]) == (wanted[case_key], "sure", "model")
    assert told["label"]["policy"]["version"] == "liver.malignancy@1"
    assert [voice["source"] for voice in told["voices"]] == ["rule", "model"]
    assert told["voices"][0]["value"] == "review"
    assert told["voices"][1]["said"][0]["effect"] == "settles"
    report = told["reports"][0]
    assert report["rows"][0]["table"] == "imaging#1"
    assert report["links"][0]["components"]["fields"]["accession"]["agreement"] == "agree"
    assert report["links"][0]["policy"]["kind"] == "link"
    assert report["label"]["policy"]["kind"] == "rules"
    assert any(item["text"] in item["sentence"] and item["rule"] for item in report["sentences"])


async def test_explain_when_a_reviewer_decided_then_the_decision_ends_the_chain(ingest: Ingest) -> None:
    write_ct(ingest.root / "images" / "a.dcm", uid="1.2.3.1")
    table = write_table(ingest.root / "tables" / "r.csv", [imaging_row(impression=DOUBTS[0].format(n=9))])
    await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    review = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": "1", "revision": review["revision"]})
    told = await ingest.call("GET", f"/cases/{review['case_key']}/labels/explain")
    assert (told["value"], told["state"], told["label"]["source"], told["label"]["decided_by"]) == ("1", "decided", "reviewer", "manager")
    assert [(d["account"], d["value"], d["undone"]) for d in told["decisions"]] == [("manager", "1", False)]
    sentence = next(item for item in told["reports"][0]["sentences"] if item["meaning"] == "malignant")
    assert "不除外" in sentence["sentence"]
    await ingest.call("GET", "/cases/LIV-999999/labels/explain", status=404)
    ingest.who = Principal(9, "reader", Role.READER)  # in no project: sees no case
    await ingest.call("GET", f"/cases/{review['case_key']}/labels/explain", status=404)


async def test_one_decision_when_others_are_of_the_same_words_then_they_follow_it_and_come_back_when_it_is_undone(ingest_here: Ingest) -> None:
    rows = []
    for n in range(6):
        name = f"病人{chr(0x4E00 + n)}"
        write_ct(ingest_here.root / "images" / f"{n}.dcm", uid=f"1.2.3.{n}", patient_id=f"10{n:05}", accession=f"CT{n:05}", name=name, seed=n)
        text = SAME[min(n, 2) if n < 3 else n % 2].format(n=n + 11)
        rows.append(imaging_row(accession=f"CT{n:05}", patient_id=f"10{n:05}", name=name, impression=text))
    table = write_table(ingest_here.root / "tables" / "r.csv", rows)
    await ingest_here.run(ingest_here.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    review = await ingest_here.call("POST", "/reviews/next", {"kind": "label"})
    text = (await ingest_here.call("GET", f"/reviews/{review['key']}"))["proposal"]["reports"][0]["sections"]["impression"]
    assert "建议进一步检查" in text  # five wait for these words, one for the others
    answer = await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "1", "revision": review["revision"]})
    await ingest_here.settled(60)

    async def states() -> list[str]:
        async with ingest_here.resources.db.read() as session:
            return sorted(f"{value} {state}" for value, state in (await session.execute(select(CaseLabel.value, CaseLabel.state))).tuples())

    followed = await states()
    assert followed[0] == "1 decided"
    # what is on the decider's screen is left alone until it is answered
    assert followed.count("1 sure") >= 3
    assert followed.count("review review") >= 1
    async with ingest_here.resources.db.read() as session:
        key = (await session.scalars(select(Case.key).join(CaseLabel, CaseLabel.case_id == Case.id).where(CaseLabel.state == "sure").limit(1))).one()
    told = await ingest_here.call("GET", f"/cases/{key}/labels/explain", params={"scheme": "malignancy"})
    assert (told["value"], told["label"]["source"], told["label"]["reason"]) == ("1", "model", "decided-like")
    said = told["label"]["said"][0]
    assert (said["voice"], said["effect"], said["decisions"]) == ("decided-like", "settles", [review["key"]])
    revision = (await ingest_here.call("GET", f"/reviews/{review['key']}"))["revision"]
    await ingest_here.call("POST", f"/reviews/{review['key']}/undo", {"revision": revision})
    await ingest_here.settled(60)
    assert set(await states()) == {"review review"}
    assert answer is not None
    async with ingest_here.resources.db.read() as session:  # and each of them is asked again
        asked = await session.scalars(select(Review.case_id).where(Review.kind == "label", Review.state == "open"))
        assert len(set(asked)) == 6


async def test_decisions_when_they_contradict_each_other_then_what_followed_the_first_is_asked_until_one_is_undone(ingest: Ingest) -> None:
    rows = []
    for n in range(4):
        write_ct(ingest.root / "images" / f"{n}.dcm", uid=f"1.2.3.{n}", patient_id=f"10{n:05}", accession=f"CT{n:05}", name=f"病人{n}", seed=n)
        rows.append(imaging_row(accession=f"CT{n:05}", patient_id=f"10{n:05}", name=f"病人{n}", impression=SAME[0].format(n=n + 11)))
    table = write_table(ingest.root / "tables" / "r.csv", rows)
    await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])

    async def states() -> list[str]:
        async with ingest.resources.db.read() as session:
            told = await session.execute(select(CaseLabel.value, CaseLabel.state))
            return sorted(f"{value} {state}" for value, state in told.tuples())

    async def asked() -> int:
        async with ingest.resources.db.read() as session:
            return len(set(await session.scalars(select(Review.case_id).where(Review.kind == "label", Review.state == "open"))))

    ingest.who = Principal(3, "ben", Role.REVIEWER)
    on_screen = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    ingest.who = Principal(2, "anna", Role.REVIEWER)
    first = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    answer = await ingest.call("POST", f"/reviews/{first['key']}/decision", {"value": "1", "revision": first["revision"]})
    if answer["next"]:
        await ingest.call("POST", f"/reviews/{answer['next']['key']}/release", status=204)
    await ingest.settled(60)
    followed = await states()
    assert followed[0] == "1 decided"
    assert "review review" in followed  # ben has it on the screen
    assert "1 sure" in followed
    ingest.who = Principal(3, "ben", Role.REVIEWER)
    await ingest.call("POST", f"/reviews/{on_screen['key']}/decision", {"value": "0", "revision": on_screen["revision"]})
    await ingest.settled(60)
    assert (await states(), await asked()) == (["0 decided", "1 decided", "review review", "review review"], 2)
    await ingest.call("POST", f"/reviews/{on_screen['key']}/undo")
    await ingest.settled(60)
    assert (await states()).count("1 sure") == 2
    assert await asked() == 1
    # a sure label that is asked about again and answered otherwise: what followed the same decision is asked about
    async with ingest.resources.db.read() as session:
        key = (await session.scalars(select(Case.key).join(CaseLabel, CaseLabel.case_id == Case.id).where(CaseLabel.state == "sure").limit(1))).one()
    again = await ingest.call("POST", f"/cases/{key}/labels/reopen", {"scheme": "malignancy"})
    await ingest.call("POST", f"/reviews/{again['key']}/decision", {"value": "0", "revision": again["revision"]})
    await ingest.settled(60)
    assert "1 sure" not in await states()


async def test_same_words_when_asked_of_either_catalog_then_the_waiting_are_counted(ingest: Ingest) -> None:
    rows = []
    for n in range(3):
        write_ct(ingest.root / "images" / f"{n}.dcm", uid=f"1.2.3.{n}", patient_id=f"10{n:05}", accession=f"CT{n:05}", name=f"病人{n}", seed=n)
        rows.append(imaging_row(accession=f"CT{n:05}", patient_id=f"10{n:05}", name=f"病人{n}", impression=SAME[0].format(n=n + 11)))
    table = write_table(ingest.root / "tables" / "r.csv", rows)
    await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    async with ingest.resources.db.read() as session:
        asked = list(await session.scalars(select(Review).where(Review.kind == "label")))
        words = {str(row.proposal["wording"]) for row in asked}
        assert await precedents.waiting(session, words, exclude=()) == dict.fromkeys(words, 3)
        assert await precedents.waiting(session, {"w1:other"}, exclude=()) == {}
