"""Identifying values leave the text, dates move in their own form, and medicine stays."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.deidentify.text import scrub, scrub_policy


@pytest.mark.parametrize(
    ("known", "text", "expected"),
    [
        ("张卫国", "患者张 卫 国诉腹痛", "患者[姓名]诉腹痛"),
        ("张卫国", "張衛國，男", "[姓名]，男"),
        ("张卫国", "Seen: Zhang Weiguo today", "Seen: [NAME] today"),
        ("ZHANG^WEIGUO=张^卫国", "姓名张卫国", "姓名[姓名]"),
        ("Miller^Paul", "Mass in Paul Miller, discussed with MILLER, PAUL.", "Mass in [NAME], discussed with [NAME]."),
        ("00731204", "住院号731204，CT", "住院号[编号]，CT"),
        ("CT2021030500012", "检查号 CT2021030500012 胸部", "检查号 [编号] 胸部"),
        ("Brown^Anna", "brown tissue, 2 cm", "brown tissue, 2 cm"),
        ("731204", "Ki-67 7312045", "Ki-67 [NUMBER]"),
    ],
)
def test_known_value_goes_in_every_written_form(known: str, text: str, expected: str) -> None:
    assert scrub(text, (known,)).text == expected


@pytest.mark.parametrize(
    ("text", "gone", "kind"),
    [
        ("身份证号11010519491231002X。", "11010519491231002X", "id"),
        ("联系电话13812345678", "13812345678", "phone"),
        ("电话：0571-88886666转801", "0571-88886666", "phone"),
        ("called at (600) 555-7476", "(600) 555-7476", "phone"),
        ("call 600-555-7476 x12", "600-555-7476", "phone"),
        ("mail a.b@example.org now", "a.b@example.org", "email"),
        ("MRN: M9285021", "M9285021", "number"),
        ("病理号B19-000036，", "B19-000036", "number"),
        ("SSN 957-60-8379.", "957-60-8379", "id"),
        ("报告医师：谢强", "谢强", "name"),
        ("申请医生欧阳娜，电话", "欧阳娜", "name"),
        ("与王主任沟通", "王", "name"),
        ("Results called to Dr. George Jones.", "George Jones", "name"),
        ("Electronically signed by: Anna Lee, MD", "Anna Lee", "name"),
        ("住址：朝阳区建国路88号3单元。", "朝阳区建国路88号3单元", "address"),
        ("Lives at 583 Oak Street, Springfield", "583 Oak Street", "address"),
        ("北京协和医院病理科", "北京协和医院", "hospital"),
        ("outside films from Springfield General Hospital", "Springfield General Hospital", "hospital"),
    ],
)
def test_value_that_looks_identifying_goes(text: str, gone: str, kind: str) -> None:
    made = scrub(text)
    assert gone not in made.text
    assert made.counts.get(kind)


@pytest.mark.parametrize(
    "text",
    [
        "右肺门区及支气管旁见软组织影，肝门区胆道扩张",
        "结节大小3.2×2.1×1.8cm，Ki-67（20%+），淋巴结0/12",
        "建议上级医院会诊，必要时穿刺活检",
        "本例由两位病理医师共同阅片",
        "MR PANCREAS: 4.1 x 7.0 cm mass, pT1bN0M0 (AJCC 8th)",
        "Segment 6, grade 2 of 4, 0/14 lymph nodes",
        "白色组织一块，高分化，金属夹影",
        "Lung-RADS 4A; LI-RADS v2018; BI-RADS 4C",
        "1.2 cm, 3/12/200",
    ],
)
def test_medicine_stays(text: str) -> None:
    assert scrub(text, (), 0).text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-03-05", "2021-02-03"),
        ("2021/3/5 14:01", "2021/2/3 14:01"),
        ("2021年3月5日", "2021年2月3日"),
        ("20210305", "20210203"),
        ("03/05/2021", "02/03/2021"),
        ("25/03/2021", "23/02/2021"),
        ("05.03.2021", "03.02.2021"),
        ("5 Mar 2021", "3 Feb 2021"),
        ("March 5, 2021", "February 3, 2021"),
        ("2021年3月", "2021年2月"),
        ("２０２１－０３－０５", "2021-02-03"),
        ("3月5日复查", "[日期]复查"),
        ("31.02.2021", "[DATE]"),
    ],
)
def test_date_moves_and_keeps_its_form(text: str, expected: str) -> None:
    assert scrub(text, (), -30).text == expected


@pytest.mark.parametrize(("text", "expected"), [("男，92岁", "男，90岁"), ("95-year-old", "90-year-old"), ("89岁", "89岁"), ("98 mm", "98 mm")])
def test_age_over_89_is_capped(text: str, expected: str) -> None:
    assert scrub(text).text == expected


@given(st.dates(dt.date(1930, 1, 1), dt.date(2090, 1, 1)), st.integers(-3650, -1))
def test_any_iso_date_moves_by_the_shift(day: dt.date, shift: int) -> None:
    moved = scrub(f"与{day.isoformat()}片比较", (), shift).text
    assert moved == f"与{(day + dt.timedelta(days=shift)).isoformat()}片比较"


@given(st.text(max_size=80), st.lists(st.text(max_size=8), max_size=3))
def test_any_text_and_known_values_never_fail(text: str, known: list[str]) -> None:
    made = scrub(text, known, -100)
    assert bool(made.text) or not text or not re.sub(r"\s", "", text)


@pytest.mark.parametrize(
    "piece", ["肝", "浙江省杭州市西湖区", "Aa ", "A", "1", "2021-03-05 ", "未见", "no ", "医生", "a.", "1月", "Hospital of and ", "- ", "("]
)
def test_odd_long_text_costs_no_more_than_plain_text(piece: str) -> None:
    assert scrub(piece * (20_000 // len(piece)), ("张伟", "731204"), -30).text


def test_policy_has_a_version() -> None:
    assert scrub_policy().number == 1
    assert len(scrub_policy().sha256) == 64
