"""Keys, pseudonyms, shifts and capsules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.errors import WrongKey
from isocenter.keys import SHIFT_DAYS_MAX, SiteKey, create_key_file, read_key_file

KEY = SiteKey(b"k" * 32)
OTHER = SiteKey(b"o" * 32)


@given(st.text(alphabet="0123456789.", min_size=1, max_size=64))
def test_uid_when_any_original_then_valid_and_stable(original: str) -> None:
    uid = KEY.uid(original)
    assert uid == KEY.uid(original)
    if not original.startswith("1.2.840.10008."):
        assert uid.startswith("2.25.")
        assert len(uid) <= 64
        assert not uid.split(".")[2].startswith("0")
        assert uid != OTHER.uid(original)


@given(st.text(max_size=20), st.text(max_size=20))
def test_shift_when_any_patient_then_whole_days_in_range(hospital: str, patient: str) -> None:
    days = KEY.shift_days(hospital, patient)
    assert -SHIFT_DAYS_MAX <= days <= -1
    assert days == KEY.shift_days(hospital, patient)


def test_digest_when_parts_are_cut_differently_then_different() -> None:
    assert KEY.hmac_hex("p", "ab", "c") != KEY.hmac_hex("p", "a", "bc")
    assert KEY.hmac_hex("p", "a") != KEY.hmac_hex("q", "a")


def test_capsule_when_opened_by_another_owner_purpose_or_key_then_refused() -> None:
    sealed = KEY.seal("capsule", "item:1", b"secret")
    assert KEY.open("capsule", "item:1", sealed) == b"secret"
    assert b"secret" not in sealed
    for key, purpose, owner in ((KEY, "capsule", "item:2"), (KEY, "other", "item:1"), (OTHER, "capsule", "item:1")):
        with pytest.raises(WrongKey):
            key.open(purpose, owner, sealed)


def test_key_file_when_made_then_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    key = create_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key_file(path) == key
    with pytest.raises(FileExistsError):
        create_key_file(path)
    os.chmod(path, 0o644)
    with pytest.raises(WrongKey):
        read_key_file(path)
    path.write_text("zz")
    os.chmod(path, 0o600)
    with pytest.raises(WrongKey):
        read_key_file(path)
    with pytest.raises(WrongKey):
        read_key_file(tmp_path / "none")
