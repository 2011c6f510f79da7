"""A share of decided labels is read blind by somebody else; the agreement is a figure, a disagreement a question."""

from __future__ import annotations

from typing import Any

from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest
from sqlalchemy import func, select

from isocenter.auth import Principal, Role
from isocenter.models import CaseLabel, Review
from services.ingest import second
from services.ingest.voice import audited

ANNA, BEN = Principal(2, "anna", Role.REVIEWER), Principal(3, "ben", Role.REVIEWER)
CASES = 24


async def imported(ingest: Ingest) -> None:
    rows = []
    for n in range(CASES):
        number, name = f"10{n:05}", f"病人{chr(0x4E00 + n)}"
        write_ct(ingest.root / "images" / f"{n}.dcm", uid=f"1.2.3.{n}", patient_id=number, accession=f"CT{n:05}", name=name, seed=n)
        rows.append(imaging_row(accession=f"CT{n:05}", patient_id=number, name=name, impression=f"肝右叶结节，CT值{n + 30}HU，肝癌不除外，建议进一步检查。"))
    table = write_table(ingest.root / "tables" / "r.csv", rows)
    await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])


async def answer(ingest: Ingest, who: Principal, value: str) -> tuple[Any, Any]:
    """(the question this person gets, the answer's view)."""
    ingest.who = who
    review = await ingest.call("POST", "/reviews/next", {"kind": "label"})
    decided = await ingest.call("POST", f"/reviews/{review['key']}/decision", {"value": value, "revision": review["revision"]})
    if decided["next"] is not None:
        await ingest.call("POST", f"/reviews/{decided['next']['key']}/release", status=204)
    return review, decided


async def seconds(ingest: Ingest) -> int:
    async with ingest.resources.db.read() as session:
        return int(await session.scalar(select(func.count()).where(Review.subject.startswith(second.SUBJECT))) or 0)


def drawn() -> int:
    """How many of the cases the share of second readings falls on; the case keys are the same at every run."""
    return sum(audited(f"{second.SUBJECT}case:LIV-{n:06}:malignancy", second.SHARE) is not None for n in range(1, CASES + 1))


async def test_second_reading_when_only_one_person_decides_then_nobody_is_asked(ingest_here: Ingest) -> None:
    await imported(ingest_here)
    for _ in range(CASES):
        await answer(ingest_here, ANNA, "1")
    assert drawn() > 0
    assert await seconds(ingest_here) == 0


async def test_second_reading_when_two_people_decide_then_a_share_is_read_blind_by_the_other(ingest: Ingest) -> None:
    await imported(ingest)
    await answer(ingest, BEN, "1")
    firsts = [(await answer(ingest, ANNA, "1"))[0] for _ in range(CASES - 1)]
    assert len({review["case_key"] for review in firsts}) == CASES - 1
    asked = await seconds(ingest)
    assert 1 <= asked <= drawn()
    await ingest.call("POST", "/reviews/next", {"kind": "label"}, status=204)  # anna: never her own
    review, _ = await answer(ingest, BEN, "0")
    assert (review["proposal"]["reason"], review["proposal"]["value"], review["decisions"]) == ("second-reader", "", [])
    async with ingest.resources.db.read() as session:
        assert {row.value for row in await session.scalars(select(CaseLabel))} == {"1"}  # nothing is overwritten
    page = (await ingest.call("GET", "/reviews", params={"kind": "label"}))["items"]
    third = next(item for item in page if item["proposal"]["reason"] == "readers-disagree")
    assert third["case_key"] == review["case_key"]
    told = await ingest.call("GET", "/reviews/agreement", params={"disease": "liver"})
    assert (told["readers"]["count"], told["readers"]["agreed"]) == (1, 0)
    assert told["readers"]["table"] == [{"first": "1", "second": "0", "count": 1}]
    assert told["reader_against_rule"]["count"] == CASES  # every doubt leans to 1
    assert told["reader_against_rule"]["by_class"]["1"]["first"] == CASES
    await ingest.call("POST", f"/reviews/{review['key']}/undo")
    page = (await ingest.call("GET", "/reviews", params={"kind": "label"}))["items"]
    assert [item["proposal"]["reason"] for item in page] == ["second-reader"] * asked
