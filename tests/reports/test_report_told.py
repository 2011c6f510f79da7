"""Schemes beyond malignancy label only what a report tells: letters and numbers in context, or nothing."""

from __future__ import annotations

from functools import lru_cache

import pytest

from isocenter.diseases import DiseaseDefinition, load_diseases, parse_disease
from isocenter.errors import InvalidInput
from services.ingest.label_records import CaseLabel, ReportLabel, SpokenReport
from services.ingest.report_records import ReportKind, Sections
from services.ingest.ruleset import rule_set
from services.ingest.told import told_case, told_report


@lru_cache(maxsize=1)
def diseases() -> dict[str, DiseaseDefinition]:
    return {disease.code: disease for disease in load_diseases()}


def told(disease: str, scheme: str, text: str, kind: str = "pathology", section: str = "impression") -> str:
    definition = diseases()[disease]
    said = told_report(rule_set(definition), definition.scheme(scheme), Sections(**{section: text}), ReportKind(kind))
    return said.value if said else ""


@pytest.mark.parametrize(
    ("scheme", "text", "value"),
    [
        ("tnm-t", "Adenocarcinoma, pT2a N1 M0", "2"),
        ("tnm-n", "Adenocarcinoma, pT2a N1 M0", "1"),
        ("tnm-m", "Adenocarcinoma, pT2a N1 M0", "0"),
        ("tnm-t", "右肺上叶浸润性腺癌，pT1bN0M0，IA2期", "1"),
        ("tnm-n", "右肺上叶浸润性腺癌，pT1bN0M0，IA2期", "0"),
        ("tnm-t", "ypT0 ypN0", "0"),
        ("tnm-n", "ypT1c(m) N2a(sn)", "2"),
        ("tnm-t", "pTis", "is"),
        ("tnm-n", "pT4, pNX", "x"),
        ("tnm-m", "鳞癌 cT3N2M1b", "1"),
        ("tnm-t", "squamous cell carcinoma", ""),
        ("grade", "中-低分化腺癌", "3"),
        ("grade", "高分化鳞状细胞癌", "1"),
        ("grade", "Moderately to poorly differentiated adenocarcinoma", "3"),
        ("grade", "well-differentiated adenocarcinoma", "1"),
        ("grade", "Adenocarcinoma, poorly differentiated", "3"),
        ("grade", "腺癌伴神经内分泌分化", ""),
        ("subtype", "浸润性腺癌，腺泡型", "ADC"),
        ("subtype", "小细胞癌", "SCLC"),
        ("subtype", "可疑腺癌", ""),
    ],
)
def test_lung_pathology_tells_stage_grade_and_subtype(scheme: str, text: str, value: str) -> None:
    assert told("lung", scheme, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("左乳结节，BI-RADS 4A类", "4A"),
        ("右乳BI-RADS 2类，左乳BI-RADS：4C类", "4C"),
        ("BI-RADS Ⅲ类", "3"),
        ("BI-RADS IVb类，建议穿刺", "4B"),
        ("US-BI-RADS:5", "5"),
        ("ACR BI-RADS category 0", "0"),
        ("BI-RADS 1, negative", "1"),
        ("左乳低回声结节，边界清", ""),
        ("", ""),
    ],
)
def test_bi_rads_is_the_highest_told_and_never_guessed(text: str, value: str) -> None:
    assert told("breast", "bi-rads", text, "imaging") == value


@pytest.mark.parametrize(
    ("disease", "scheme", "text", "kind", "value"),
    [
        ("breast", "grade", "Invasive carcinoma NST, Nottingham grade 3 (3+3+2)", "pathology", "3"),
        ("breast", "grade", "浸润性导管癌，II级，ER(+)", "pathology", "2"),
        ("breast", "grade", "IDC, grade 1", "pathology", "1"),
        ("breast", "grade", "导管原位癌，核Ⅲ级", "pathology", ""),
        ("pancreas", "grade", "Ⅲ级腺癌，侵犯十二指肠", "pathology", "3"),
        ("pancreas", "grade", "导管腺癌（Ⅱ级）", "pathology", "2"),
        ("liver", "grade", "肝细胞癌，中分化", "pathology", "2"),
        ("liver", "grade", "肝细胞癌，Edmondson-Steiner Ⅲ级", "pathology", ""),
        ("liver", "edmondson", "肝细胞癌，Edmondson-Steiner Ⅲ级", "pathology", "3"),
        ("breast", "subtype", "乳腺浸润性癌，非特殊类型", "pathology", "IDC"),
        ("breast", "subtype", "浸润性癌伴广泛导管原位癌成分", "pathology", ""),
        ("breast", "subtype", "导管原位癌", "pathology", "DCIS"),
        ("breast", "grade", "HER2(2+)，Ki-67 20%", "pathology", ""),
        ("breast", "grade", "Fibroadenoma", "pathology", ""),
        ("pancreas", "grade", "神经内分泌瘤，G2", "pathology", "2"),
        ("liver", "edmondson", "肝细胞癌，Edmondson II-III级", "pathology", "3"),
        ("liver", "edmondson", "HCC, Edmondson-Steiner grade 2", "pathology", "2"),
        ("liver", "edmondson", "慢性肝炎G2S3", "pathology", ""),
        ("liver", "li-rads", "S7结节，LR-5；S2结节LR-3", "imaging", "5"),
        ("liver", "tnm-t", "T2WI呈高信号，T1加权低信号", "imaging", ""),
        ("liver", "tnm-t", "T2 hyperintense lesion, not seen on T1", "imaging", ""),
        ("lung", "lung-rads", "Lung-RADS 4A", "imaging", "4A"),
    ],
)
def test_told_classes_of_the_other_diseases(disease: str, scheme: str, text: str, kind: str, value: str) -> None:
    assert told(disease, scheme, text, kind) == value


def test_what_is_told_of_another_time_or_in_doubt_is_no_label() -> None:
    assert told("breast", "bi-rads", "左乳BI-RADS 4A", "imaging", "history") == ""
    assert told("lung", "tnm-t", "既往肺癌病史（pT2N0M0）") == ""
    assert told("lung", "tnm-t", "possible pT2") == ""


def test_subtype_and_grade_are_told_by_tissue_only() -> None:
    assert told("liver", "subtype", "肝细胞癌", "pathology") == "HCC"
    assert told("liver", "subtype", "肝细胞癌，LR-5", "imaging") == ""
    assert told("lung", "grade", "低分化腺癌", "imaging") == ""


def test_findings_tell_when_the_conclusion_does_not_and_another_organ_tells_nothing() -> None:
    assert told("breast", "bi-rads", "右乳见结节，BI-RADS 3类", "imaging", "findings") == "3"
    definition = diseases()["breast"]
    sections = Sections(exam="胸部CT", impression="Lung-RADS 2, pT1N0")
    assert told_report(rule_set(definition), definition.scheme("tnm-t"), Sections(specimen="胃窦", impression="pT1N0"), ReportKind.PATHOLOGY) is None
    assert told_report(rule_set(definition), definition.scheme("bi-rads"), sections, ReportKind.IMAGING) is None


def test_evidence_is_where_the_class_stands() -> None:
    definition = diseases()["breast"]
    text = "左乳 ＢＩ－ＲＡＤＳ ４Ａ 类"
    said = told_report(rule_set(definition), definition.scheme("bi-rads"), Sections(impression=text), ReportKind.IMAGING)
    assert said is not None
    assert (said.value, said.rule_set) == ("4A", f"breast.bi-rads@{definition.number}")
    assert text[said.evidence[0].start : said.evidence[0].end] == said.evidence[0].text
    assert "４Ａ" in said.evidence[0].text


def spoken(name: str, kind: str, value: str, date: str, link_state: str = "sure") -> SpokenReport:
    return SpokenReport(name, ReportKind(kind), ReportLabel("tnm-t", value, 0.97, "", "told", (), "lung.tnm-t@1", ""), date, link_state)


def test_case_takes_pathology_before_imaging_then_the_newest() -> None:
    said = told_case([spoken("a", "imaging", "4", "20210401"), spoken("b", "pathology", "1", "20210101"), spoken("c", "pathology", "2", "20210301")])
    assert isinstance(said, CaseLabel)
    assert (said.value, said.report, said.confidence) == ("2", "c", 0.97)


def test_case_without_a_telling_report_or_a_sure_link_has_no_label() -> None:
    assert told_case([]) is None
    assert told_case([spoken("a", "imaging", "4", "20210401", "review")]) is None


def test_every_disease_begins_with_malignancy_and_its_told_rules_exist() -> None:
    for disease in diseases().values():
        assert (disease.schemes[0].code, disease.schemes[0].told) == ("malignancy", "")
        assert {"subtype", "tnm-t", "tnm-n", "tnm-m"} <= {scheme.code for scheme in disease.schemes}


def test_disease_whose_first_scheme_is_told_or_of_an_unknown_rule_is_refused() -> None:
    minimal = """
code = "thyroid"
prefix = "THY"
number = 1
title = {{ zh = "a", en = "a" }}
organ = "thyroid"
body_parts = []
terms = []
[[schemes]]
code = "x"
number = 1
told = "{}"
title = {{ zh = "a", en = "a" }}
classes = [{{ value = "1", title = {{ zh = "a", en = "a" }} }}, {{ value = "2", title = {{ zh = "a", en = "a" }} }}]
"""
    for rule in ("tnm-t", "horoscope"):
        with pytest.raises(InvalidInput, match="told"):
            parse_disease(minimal.format(rule).encode(), "thyroid.toml")
