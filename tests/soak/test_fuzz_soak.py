"""make soak: thousands of damaged files of every kind through reading and de-identification; none raises, none leaks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ingest_samples import write_ct

from isocenter.keys import SiteKey
from services.ingest.deidentify import deidentify, load_policy
from services.ingest.readers import read
from services.ingest.records import NewUids, Reading, Refusal, Released, Subject

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
ROUNDS = 4000
KEY = SiteKey(b"s" * 32)
NAME = "欧阳测试"


def test_damaged_files_when_read_and_released_then_a_value_and_never_a_name(tmp_path: Path) -> None:
    chance = random.Random(5)
    policy = load_policy()
    good = write_ct(tmp_path / "good.dcm", uid="1.2.3", name=NAME, patient_id="77009911").read_bytes()
    released = 0
    for number in range(ROUNDS):
        data = bytearray(good)
        for _ in range(chance.randint(1, 12)):
            place = chance.randrange(len(data))
            act = chance.randrange(3)
            if act == 0:
                data[place] = chance.randrange(256)
            elif act == 1:
                del data[place : place + chance.randint(1, 8)]
            else:
                data[place:place] = chance.randbytes(chance.randint(1, 8))
        path = tmp_path / "case.dcm"
        path.write_bytes(bytes(data))
        result = read(path, KEY)
        if not isinstance(result, Reading):
            continue
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        subject = Subject("pseudonym", -100, (NAME, "77009911"))
        outcome = deidentify(path, result.facts, subject, NewUids("2.25.1", "2.25.2", f"2.25.{number + 3}"), KEY, policy, out)
        assert isinstance(outcome, Released | Refusal)
        for written in out.iterdir():
            raw = written.read_bytes()
            assert NAME.encode() not in raw
            assert NAME.encode("gb18030") not in raw
            assert b"77009911" not in raw
            written.unlink()
            released += 1
    assert released > ROUNDS / 20
