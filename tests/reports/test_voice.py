"""The voice that learns from decisions: silent at first, the same from the same decisions, careful afterwards."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from services.ingest.label_records import CaseLabel
from services.ingest.stages.voices import KeptVoices
from services.ingest.voice import DECISIONS_MIN, Example, Said, Voice, audited, join, priority, train

WORDS = {"1": ["不规则强化", "毛刺", "侵犯血管", "快进快出", "spiculated margin"], "0": ["边界清楚", "无强化", "水样密度", "长期稳定", "well circumscribed"]}
DOUBT = CaseLabel("review", 0.0, "", "imaging-hedged")


def examples(count: int, seed: int = 1, noise: float = 0.0, rule: CaseLabel = DOUBT) -> list[Example]:
    """Texts whose words tell the class; a share of ``noise`` decided the other way."""
    drawn = random.Random(seed)
    made = []
    for n in range(count):
        value = drawn.choice("01")
        text = f"肝S{drawn.randint(1, 8)}结节{drawn.randint(5, 40)}mm，" + "，".join(drawn.sample(WORDS[value], 2))
        decided = value if drawn.random() >= noise else "10"[int(value)]
        made.append(Example(f"c{n:04}", f"imaging: {text}", rule, decided))
    return made


@pytest.fixture(scope="module")
def voice() -> Voice:
    made = train(examples(120))
    assert made is not None
    return made


def test_voice_with_too_few_decisions_or_one_class_is_silent() -> None:
    assert train([]) is None
    assert train(examples(DECISIONS_MIN - 1)) is None
    assert train([replace(example, decided="1") for example in examples(60)]) is None


def test_the_same_decisions_in_another_order_make_the_same_voice(voice: Voice) -> None:
    again = train(list(reversed(examples(120))))
    assert again == voice
    texts = [example.text for example in examples(20, seed=2)]
    assert again.say(texts) == voice.say(texts)
    assert train(examples(119)) != voice


def test_voice_says_the_class_of_texts_it_has_not_seen(voice: Voice) -> None:
    unseen = examples(100, seed=2)
    assert sum(said.value == e.decided for said, e in zip(voice.say([e.text for e in unseen]), unseen, strict=True)) >= 97
    assert voice.calibration_error <= 0.05
    assert voice.threshold <= 1


def test_confidence_of_decisions_at_random_is_low_and_nothing_is_settled() -> None:
    lost = train(examples(200, noise=0.5))
    assert lost is not None
    assert lost.threshold > 1
    said = lost.say([e.text for e in examples(50, seed=3)])
    assert sum(s.probability for s in said) / len(said) < 0.7
    assert all(join(DOUBT, s, lost).effect == "none" for s in said)


def test_agreement_raises_and_disagreement_asks(voice: Voice) -> None:
    rule = CaseLabel("1", 0.9, "HCC", "imaging", proposal="1")
    agreed = join(rule, Said("1", 0.9), voice)
    assert (agreed.case.value, agreed.effect, agreed.case.subtype) == ("1", "agrees", "HCC")
    assert agreed.case.confidence > 0.9
    against = join(rule, Said("0", 0.95), voice)
    assert (against.case.value, against.case.reason, against.case.proposal, against.effect) == ("review", "voices-disagree", "1", "disagrees")
    assert join(rule, Said("0", 0.55), voice).case.value == "1"  # a weak contradiction is none


def test_only_a_doubt_of_wording_is_settled_and_never_against_the_rules_leaning(voice: Voice) -> None:
    sure = Said("1", 0.999)
    assert join(DOUBT, sure, voice).case.value == "1"
    assert join(replace(DOUBT, proposal="0"), sure, voice).case.value == "review"
    assert join(replace(DOUBT, reason="pathology-contradicts", conflict=True), sure, voice).case.value == "review"
    assert join(replace(DOUBT, reason="link-unsure"), sure, voice).case.value == "review"
    assert join(DOUBT, Said("review", 0.999), voice).effect == "none"
    assert join(DOUBT, Said("1", voice.threshold - 0.01), voice).effect == "none"


def test_a_rule_that_reviewers_refuse_loses_confidence() -> None:
    rule = CaseLabel("1", 0.95, "", "imaging")
    taught = train([*examples(60), *(replace(e, id=f"r{n}", rule=rule, decided="0") for n, e in enumerate(examples(10, seed=5)))])
    assert taught is not None
    assert taught.found["imaging"] == (10, 0)
    # (0.95 * 20 + 0) / (20 + 10)
    assert taught.confidence(rule) == pytest.approx(19 / 30)


def test_queue_asks_the_least_sure_first_and_audits_about_the_wanted_share() -> None:
    assert priority(Said("1", 0.9), "disagrees") < priority(Said("1", 0.55), "none") < priority(Said("1", 0.95), "none")
    drawn = [audited(f"case:LIV-{n:06}:malignancy", 0.02) for n in range(20_000)]
    found = [share for share in drawn if share is not None]
    assert 300 < len(found) < 500
    assert all(0 <= share < 1 for share in found)
    assert drawn == [audited(f"case:LIV-{n:06}:malignancy", 0.02) for n in range(20_000)]


def test_kept_voice_when_neither_decisions_nor_rules_changed_then_it_is_not_trained_again(voice: Voice) -> None:
    kept = KeptVoices()
    decided = {7: {1: "0", 2: "1"}}
    assert kept.missing(decided, {7: "rules"}) == decided
    kept.keep(7, decided[7], "rules", voice)
    assert kept.missing(decided, {7: "rules"}) == {}
    assert kept.of(decided) == {7: voice}
    assert kept.missing({7: {1: "0", 2: "0"}}, {7: "rules"})
    assert kept.missing(decided, {7: "others"})
