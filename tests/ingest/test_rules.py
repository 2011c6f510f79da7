"""Rule sets in the product: a changed text is checked, previewed over what is there, applied, and survives a restart."""

from __future__ import annotations

import asyncio
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest, httpx, open_ingest
from sqlalchemy import select

from isocenter import diseases
from isocenter.auth import Principal, Role
from isocenter.errors import InvalidInput
from isocenter.keys import read_key_file
from isocenter.models import AuditEvent, Case, CaseLabel, CatalogRevision, Change, PolicyVersion
from isocenter.resources import open_resources
from isocenter.settings import Settings
from services.ingest.app import create_app
from services.ingest.rule_tally import Chunk, OldCase, OldReport, Rules, added, empty, tally
from services.ingest.rule_text import checked, conflicts, differences, line_of, text_of
from services.ingest.store import proposals

# A small rule set of its own: the shipped ones change with the language.
LIVER = """\
code = "liver"
prefix = "LIV"
number = 1
title = { zh = "肝癌", en = "Liver cancer" }
organ = "liver"
organ_words = []
body_parts = ["LIVER"]

[[schemes]]
code = "malignancy"
number = 1
title = { zh = "良恶性", en = "Benign or malignant" }
classes = [
  { value = "0", title = { zh = "良性", en = "benign" } },
  { value = "1", title = { zh = "恶性", en = "malignant" } },
]

[[terms]]
id = "hcc"
meaning = "malignant"
subtype = "HCC"
words = ["肝癌", "hcc"]

[[terms]]
id = "icc"
meaning = "malignant"
words = ["胆管细胞癌"]

[[terms]]
id = "hepatoblastoma"
meaning = "malignant"
words = ["肝母细胞瘤", "hepatoblastoma"]
"""
NEW_WORD = "肝右叶见泡泡样病"
CASES = 6


def changed(text: str, *, number: int = 2) -> str:
    """The text with a word that no shipped rule knows, as a malignant term."""
    raised = re.sub(r"^number = (\d+)", lambda found: f"number = {int(found[1]) + number - 1}", text, count=1, flags=re.MULTILINE)
    return raised + '\n[[terms]]\nid = "bubble"\nmeaning = "malignant"\nwords = ["泡泡样病"]\n'


async def imported(ingest: Ingest) -> None:
    """CASES cases: half with a word the rules do not know, half plainly benign, no two of these in the same words."""
    rows = []
    for n in range(CASES):
        number, name = f"10{n:05}", f"病人{chr(0x4E00 + n)}"
        write_ct(ingest.root / "images" / f"{n}.dcm", uid=f"1.2.3.{n}", patient_id=number, accession=f"CT{n:05}", name=name, seed=n)
        rows.append(imaging_row(accession=f"CT{n:05}", patient_id=number, name=name, impression=NEW_WORD + "。" if n % 2 else f"肝S{n + 2}段囊肿。"))
    table = write_table(ingest.root / "tables" / "r.csv", rows)
    view = await ingest.run(ingest.root / "images", {"path": str(table), "kind": "imaging"}, diseases=["liver"])
    assert view["state"] == "finished", view["failure"]


async def until(ingest: Ingest, key: str, *states: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        view: dict[str, Any] = await ingest.call("GET", f"/rules/liver/proposals/{key}")
        if view["state"] in states:
            return view
        assert view["state"] != "failed", view["failure"]
        await asyncio.sleep(0.05)
    raise AssertionError(f"the proposal stays {view['state']}")


async def text_in_use(ingest: Ingest) -> str:
    return str((await ingest.call("GET", "/rules/liver/text")).text)


async def test_rules_when_changed_then_previewed_applied_and_every_case_is_labelled_anew(ingest: Ingest) -> None:
    await imported(ingest)
    told = next(item for item in await ingest.call("GET", "/rules") if item["disease"] == "liver")
    assert [(v["version"], v["in_use"]) for v in told["versions"]] == [(1, True)]
    assert told["cases"] == CASES
    text = changed(await text_in_use(ingest))
    found = await ingest.call("POST", "/rules/liver/check", {"text": text})
    assert found["changes"] == [{"noun": "terms", "id": "bubble", "change": "added", "added": ["泡泡样病"], "removed": []}]
    made = await ingest.call("POST", "/rules/liver/proposals", {"text": text}, status=201)
    view = await until(ingest, made["key"], "ready")
    assert (view["done"], view["total"], view["cases"], view["reports"], view["failed"]) == (CASES, CASES, CASES, CASES, 0)
    assert view["case_moves"] == [{"old": "review", "new": "1", "count": 3}, {"old": "0", "new": "0", "count": 3}]
    assert view["told_moves"] == {}  # no report of these tells a subtype, stage or category
    assert (view["old"]["coverage"], view["new"]["coverage"]) == (0.5, 1.0)
    assert len(view["sample"]) == 3
    assert view["sample"][0]["sentences"][0]["text"] == "泡泡样病"
    assert next(rule for rule in view["rules"] if rule["rule"] == "liver.bubble")["reports"] == 3
    async with ingest.resources.db.read() as session:
        assert {row.value for row in await session.scalars(select(CaseLabel))} == {"0", "review"}  # a preview changes nothing
        before = (await session.scalars(select(CatalogRevision.number))).one()
    await ingest.call("POST", f"/rules/liver/proposals/{made['key']}/apply")
    view = await until(ingest, made["key"], "applied")
    assert (view["done"], view["applied_by"]) == (CASES, "manager")
    async with ingest.resources.db.read() as session:
        assert sorted((row.value, row.state) for row in await session.scalars(select(CaseLabel))) == [("0", "sure")] * 3 + [("1", "sure")] * 3
        assert set(await session.scalars(select(Change.case_id).where(Change.revision > before))) == set(await session.scalars(select(Case.id)))
        verbs = [row.verb for row in await session.scalars(select(AuditEvent).where(AuditEvent.subject == "rules:liver").order_by(AuditEvent.id))]
        versions = select(PolicyVersion).where(PolicyVersion.kind == "rules", PolicyVersion.scope == "liver").order_by(PolicyVersion.number)
        version = list(await session.scalars(versions))[1]
    assert verbs == ["rules-proposed", "rules-taken-into-use", "rules-applied"]
    assert version.body["text"] == text
    assert (await ingest.call("GET", "/rules/liver/text", params={"version": 2})).text == text
    assert (await ingest.call("GET", "/imports"))["items"][0]["labels"]["review"] == 0
    await ingest.call("POST", f"/rules/liver/proposals/{made['key']}/apply", status=409)


async def test_rules_when_a_case_was_decided_then_the_decision_stays_and_measures_both_versions(ingest_here: Ingest) -> None:
    await imported(ingest_here)
    review = await ingest_here.call("POST", "/reviews/next", {"kind": "label"})
    await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "0", "revision": review["revision"]})
    made = await ingest_here.call("POST", "/rules/liver/proposals", {"text": changed(await text_in_use(ingest_here))}, status=201)
    view = await until(ingest_here, made["key"], "ready")
    assert view["decided"] == 1
    assert (view["old"]["right"], view["old"]["wrong"], view["old"]["review"]) == (0, 0, 1)
    assert (view["new"]["right"], view["new"]["wrong"], view["new"]["accuracy"]) == (0, 1, 0.0)
    rule = next(rule for rule in view["rules"] if rule["rule"] == "liver.bubble")
    assert (rule["decided"], rule["right"]) == (1, 0)
    await ingest_here.call("POST", f"/rules/liver/proposals/{made['key']}/apply")
    await until(ingest_here, made["key"], "applied")
    async with ingest_here.resources.db.read() as session:
        states = sorted((row.value, row.state) for row in await session.scalars(select(CaseLabel)))
    # the two others are of the words that were decided: rules that are sure of the contrary ask there as well
    assert states == [("0", "decided"), ("0", "sure"), ("0", "sure"), ("0", "sure"), ("review", "review"), ("review", "review")]
    asked = await ingest_here.call("GET", "/reviews", params={"kind": "label"})
    assert sorted(item["proposal"]["reason"] for item in asked["items"]) == ["contradicts-decision", "decided-otherwise", "decided-otherwise"]


async def test_rules_when_the_service_restarts_then_preview_and_relabelling_go_on(tmp_path: Path) -> None:
    async for ingest in open_ingest("", tmp_path):
        await imported(ingest)
        await ingest.app.state.rehearsal.stop()
        made = await ingest.call("POST", "/rules/liver/proposals", {"text": changed(await text_in_use(ingest))}, status=201)
        async with ingest.resources.db.write() as session:
            row = await proposals.claim(session, 120)  # a process that takes it and is killed: the lease stays behind
            assert row is not None
            row.lease_until = row.created_at
    async for ingest in reopened(tmp_path):
        view = await until(ingest, made["key"], "ready")
        assert view["cases"] == CASES
        await ingest.app.state.rehearsal.stop()
        await ingest.call("POST", f"/rules/liver/proposals/{made['key']}/apply")
    async for ingest in reopened(tmp_path):
        assert (await until(ingest, made["key"], "applied"))["done"] == CASES


async def reopened(tmp_path: Path) -> Any:
    settings = Settings(data=tmp_path / "data", executor="inline:")
    resources = open_resources(settings, read_key_file(tmp_path / "data" / "site.key"))
    app = create_app(settings, resources)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest") as client:
        yield Ingest(resources, client, tmp_path / "drop", app)
    await resources.close()


async def test_apply_when_the_rules_changed_since_the_preview_then_it_is_refused(ingest_here: Ingest) -> None:
    text = await text_in_use(ingest_here)
    first = await ingest_here.call("POST", "/rules/liver/proposals", {"text": changed(text)}, status=201)
    other = await ingest_here.call("POST", "/rules/liver/proposals", {"text": changed(text, number=3)}, status=201)
    same = await ingest_here.call("POST", "/rules/liver/proposals", {"text": text}, status=201)
    for key in (first["key"], other["key"], same["key"]):
        await until(ingest_here, key, "ready")
    problem = await ingest_here.call("POST", f"/rules/liver/proposals/{same['key']}/apply", status=409)
    assert "nothing to apply" in problem["detail"]
    await ingest_here.call("POST", f"/rules/liver/proposals/{first['key']}/apply")
    await until(ingest_here, first["key"], "applied")
    assert (await ingest_here.call("GET", f"/rules/liver/proposals/{other['key']}"))["outdated"]
    await ingest_here.call("POST", f"/rules/liver/proposals/{other['key']}/apply", status=409)
    await ingest_here.call("DELETE", f"/rules/liver/proposals/{other['key']}", status=204)
    await ingest_here.call("DELETE", f"/rules/liver/proposals/{first['key']}", status=409)


async def test_rules_when_a_reviewer_asks_then_they_are_not_shown(ingest_here: Ingest) -> None:
    ingest_here.who = Principal(5, "reviewer", Role.REVIEWER)
    await ingest_here.call("GET", "/rules", status=403)
    await ingest_here.call("POST", "/rules/liver/proposals", {"text": "x"}, status=403)


async def test_wanted_error_when_set_then_the_threshold_follows_decisions_and_is_shown(ingest_here: Ingest) -> None:
    await imported(ingest_here)
    view = await ingest_here.call("PUT", "/rules/liver/schemes/malignancy/wanted-error", {"wanted_error": 0.01})
    assert (view["wanted_error"], view["counts_from"], view["found"]["basis"]) == (0.01, 0.9, "assumed")
    await ingest_here.call("PUT", "/rules/liver/schemes/malignancy/wanted-error", {"wanted_error": 0.9}, status=422)
    await ingest_here.call("PUT", "/rules/liver/schemes/grade-of-nothing/wanted-error", {"wanted_error": 0.01}, status=422)
    await ingest_here.call("PUT", "/rules/liver/schemes/li-rads/wanted-error", {"wanted_error": 0.01}, status=422)  # told outright
    assert [scheme["code"] for scheme in (await ingest_here.call("GET", "/rules/liver"))["schemes"]] == ["malignancy"]
    # All three sure labels turn out wrong: 1 in 100 cannot hold, so nothing goes without a person any more.
    async with ingest_here.resources.db.read() as session:
        keys = list(await session.scalars(select(Case.key).join(CaseLabel).where(CaseLabel.state == "sure")))
    for key in keys:
        review = await ingest_here.call("POST", f"/cases/{key}/labels/reopen", {"scheme": "malignancy"})
        await ingest_here.call("POST", f"/reviews/{review['key']}/decision", {"value": "1", "revision": review["revision"]})
    scheme = (await ingest_here.call("GET", "/rules/liver"))["schemes"][0]
    assert (scheme["found"]["decided"], scheme["found"]["wrong"], scheme["found"]["basis"]) == (3, 0, "raised")
    assert scheme["counts_from"] > 1
    cleared = await ingest_here.call("PUT", "/rules/liver/schemes/malignancy/wanted-error", {"wanted_error": None})
    assert (cleared["counts_from"], cleared["found"]) == (0.9, None)


@pytest.mark.parametrize(
    ("old", "new", "field", "line"),
    [
        ('meaning = "malignant"', 'meaning = "evil"', "terms[0].meaning", 20),
        ('id = "icc"', 'id = "hcc"', "terms[1].id", 25),
        ('prefix = "LIV"', 'prefix = "HEP"', "prefix", 2),
        ('value = "1"', 'value = "2"', "schemes", None),
        ("number = 1\n", 'number = "one"\n', "number", 3),
        ('subtype = "HCC"', 'subtype = "HCC"\nweight = 3', "terms[0].weight", 22),
        ('words = ["肝母细胞瘤", "hepatoblastoma"]', 'words = "肝母细胞瘤"', "terms[2].words", 32),
        ('words = ["肝母细胞瘤", "hepatoblastoma"]', 'words = ["  "]', "terms[2].words", 32),
        ("organ_words = []", "organ_words = [", "text", None),
    ],
)
def test_rules_text_when_wrong_then_line_and_field_are_named(old: str, new: str, field: str, line: int | None) -> None:
    current = tomllib.loads(LIVER)
    raised = changed(LIVER).replace(old, new, 1) if "number" not in old else LIVER.replace(old, new, 1)
    with pytest.raises(InvalidInput) as caught:
        checked(raised, current)
    assert caught.value.field == field
    if line is not None:
        assert caught.value.extra["line"] == line


def test_rules_text_when_the_number_is_not_raised_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="line 3, number: raise it to 2 or more"):
        checked(changed(LIVER, number=1), tomllib.loads(LIVER))


def test_rules_text_when_a_pattern_repeats_a_repeat_then_it_is_refused() -> None:
    text = changed(LIVER) + '\n[[categories]]\nid = "x"\npattern = "(a+)+b"\ngrades = { A = "benign" }\n'
    with pytest.raises(InvalidInput, match="a repeat within a repeat"):
        checked(text, tomllib.loads(LIVER))


@pytest.mark.parametrize("name", ["breast", "liver", "lung", "pancreas"])
def test_rules_text_when_written_and_read_then_it_is_the_same_document(name: str) -> None:
    document = tomllib.loads(Path(diseases.__file__).with_name(f"{name}.toml").read_text("utf-8"))
    odd = document | {"title": {"zh": '引"号\\ \x7f\t', "en": "ends\n"}}
    assert tomllib.loads(text_of(document)) == document
    assert tomllib.loads(text_of(odd)) == odd


def test_rules_text_when_two_terms_claim_a_word_then_the_conflict_is_told() -> None:
    document = tomllib.loads(LIVER + '\n[[terms]]\nid = "odd"\nmeaning = "benign"\nwords = ["肝癌"]\n')
    assert conflicts(document)[0] == {"word": "肝癌", "rules": ["hcc", "odd"], "meanings": ["malignant", "benign"], "general": False}
    assert differences(tomllib.loads(LIVER), document)[0]["change"] == "added"
    assert line_of(LIVER, ("terms", 0, "words")) == 22


def test_tallies_when_added_in_parts_then_counts_add_up() -> None:
    a, b = empty(), empty()
    a["case_moves"], b["case_moves"] = {"0>1": 2}, {"0>1": 1, "1>0": 4}
    a["sure"]["new"], b["sure"]["new"] = 3, 4
    total = added(a, b)
    assert total["case_moves"] == {"0>1": 3, "1>0": 4}
    assert total["sure"] == {"old": 0, "new": 7}


def test_preview_when_a_category_is_read_otherwise_then_it_shows_the_moves_of_the_told_scheme() -> None:
    document = tomllib.loads((Path(diseases.__file__).parent / "liver.toml").read_text("utf-8"))
    reports = (OldReport("r1", "imaging", "20240101", {"exam": "上腹部MRI增强", "impression": "肝右叶结节，LR-5，考虑肝癌。"}, "1"),)
    cases = (
        OldCase("LIV-000001", reports, "1", True, "", "", {"li-rads": "5"}),
        OldCase("LIV-000002", reports, "1", True, "", "", {}),
        OldCase("LIV-000003", (), "none", False, "", "", {"li-rads": "3"}),
    )
    made = tally(Rules(document, "malignancy", 0.9), [Chunk(cases)])[0]
    assert made["told_moves"] == {"li-rads": {"5>5": 1, "none>5": 1, "3>none": 1}}
    assert added(made, made)["told_moves"]["li-rads"] == {"5>5": 2, "none>5": 2, "3>none": 2}
