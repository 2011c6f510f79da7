"""Columns are found by name and content, and every row gives exactly one value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isocenter.errors import InvalidInput
from services.ingest.mapping import apply, propose
from services.ingest.records import Outcome
from services.ingest.report_records import ColumnMapping, ImageListRow, LabelRow, MappingProposal, ReportRow, RowRefusal, Table, TableKind


def table(columns: list[str], *rows: list[str]) -> Table:
    return Table("t.csv", "utf-8", tuple(columns), tuple(tuple(row) for row in rows))


IMAGING = table(
    ["检查流水号", "病人编号", "受检者", "性别", "年龄(岁)", "检查完成时间", "检查项目", "影像学表现", "影像诊断", "备用"],
    *[
        [f"CT2021{n:05d}", f"00{n + 731204}", name, "女", str(40 + n), f"2021/3/{n + 1} 10:20", "上腹部CT增强", "肝右叶见低密度灶，边界清楚。", "肝囊肿", ""]
        for n, name in enumerate(["张伟", "李娜", "王芳", "刘洋", "陈静"])
    ],
)


def test_chinese_imaging_table_of_an_unknown_hospital_is_mapped() -> None:
    proposal = propose(IMAGING)
    found = {guess.noun: guess.column for guess in proposal.guesses}
    assert proposal.kind is TableKind.IMAGING
    assert proposal.missing == ()
    assert found == {
        "accession_number": "检查流水号", "patient_id": "病人编号", "patient_name": "受检者", "sex": "性别", "age": "年龄(岁)",
        "exam_date": "检查完成时间", "exam": "检查项目", "findings": "影像学表现", "impression": "影像诊断",
    }  # fmt: skip
    assert proposal.unmapped == ("备用",)
    assert all(0 < guess.confidence <= 1 for guess in proposal.guesses)


def test_english_pathology_table_is_mapped() -> None:
    proposal = propose(
        table(
            ["Surgical No.", "Med Rec No", "PatientName", "Gender", "DOB", "Date Received", "Specimen Source", "Gross", "Micro", "Pathologic Diagnosis"],
            ["S21-00012", "M0091823", "Miller, Paul", "M", "04/05/1960", "03/25/2021", "liver", "A tan core.", "Shows liver.", "Hepatocellular carcinoma."],
        )
    )
    found = {guess.noun: guess.column for guess in proposal.guesses}
    assert proposal.kind is TableKind.PATHOLOGY
    assert found["pathology_number"] == "Surgical No."
    assert found["patient_id"] == "Med Rec No"
    assert found["birth_date"] == "DOB"
    assert found["impression"] == "Pathologic Diagnosis"
    assert proposal.date_order == "mdy"


def test_column_named_age_that_holds_national_ids_is_not_an_age() -> None:
    proposal = propose(table(["住院号", "年龄", "诊断意见"], *[[f"73120{n}", f"1101051960010123{n:02d}", "肝癌可能"] for n in range(9)]))
    assert "age" not in {guess.noun for guess in proposal.guesses}


def test_phone_column_is_not_taken_for_a_patient_number() -> None:
    proposal = propose(table(["病人号", "诊断"], *[[f"1380000{n:04d}", "肝癌可能"] for n in range(9)]), TableKind.IMAGING)
    assert "patient_id" not in {guess.noun for guess in proposal.guesses}
    assert any("key column" in sentence for sentence in proposal.missing)


def test_table_without_text_says_what_is_missing() -> None:
    proposal = propose(table(["住院号", "性别"], ["731204", "男"]), TableKind.PATHOLOGY)
    assert any("text column" in sentence for sentence in proposal.missing)


def test_mapping_to_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no column"):
        apply(IMAGING, ColumnMapping(TableKind.IMAGING, (("impression", "诊断xx"), ("patient_id", "病人编号"))))


def test_mapping_survives_its_stored_form() -> None:
    mapping = propose(IMAGING).accepted()
    again = ColumnMapping.from_body(mapping.body())
    assert again == mapping
    assert again.sha256 == mapping.sha256


def test_rows_are_normalised_and_keep_their_numbers() -> None:
    rows = apply(IMAGING, propose(IMAGING).accepted())
    first = rows[0]
    assert isinstance(first, ReportRow)
    assert (first.id, first.exam_date, first.age_years, first.sex, first.modality) == ("t.csv#1", "20210301", 40.0, "F", "CT")
    assert first.patient_id == "00731204"


def test_impossible_date_is_a_doubt_and_not_a_crash() -> None:
    rows = apply(table(["MRN", "Exam Date", "Impression"], ["M12345", "31.02.2021", "No focal lesion seen."]), ColumnMapping(
        TableKind.IMAGING, (("patient_id", "MRN"), ("exam_date", "Exam Date"), ("impression", "Impression")), "dmy"))  # fmt: skip
    assert isinstance(rows[0], ReportRow)
    assert rows[0].exam_date == ""
    assert rows[0].doubts == ("exam-date-impossible",)


def test_row_without_text_is_empty_and_without_identity_refused() -> None:
    mapping = ColumnMapping(TableKind.IMAGING, (("patient_id", "MRN"), ("impression", "Impression")))
    empty, nobody = apply(table(["MRN", "Impression"], ["M12345", " - "], ["0000000", "Normal liver."]), mapping)
    assert isinstance(empty, RowRefusal)
    assert (empty.outcome, empty.code) == (Outcome.EMPTY, "no-text")
    assert isinstance(nobody, RowRefusal)
    assert (nobody.outcome, nobody.code) == (Outcome.REFUSED, "no-identity")


def test_whole_report_column_is_cut_into_sections() -> None:
    mapping = ColumnMapping(TableKind.IMAGING, (("patient_id", "MRN"), ("text", "Report")))
    text = "CLINICAL HISTORY: breast cancer.\nFINDINGS: A 2 cm mass in the liver.\nIMPRESSION:\n1. Hepatic cyst."
    (row,) = apply(table(["MRN", "Report"], ["M12345", text]), mapping)
    assert isinstance(row, ReportRow)
    assert row.sections.history == "breast cancer."
    assert row.sections.findings == "A 2 cm mass in the liver."
    assert row.sections.impression == "1. Hepatic cyst."


@pytest.mark.parametrize(("raw", "value"), [("1", "1"), ("0.0", "0"), ("恶性", "1"), ("Benign", "0"), ("阴性", "0"), ("luminal A", "luminal a")])
def test_label_table_gives_values(raw: str, value: str) -> None:
    labels = table(["patient_id", "label"], ["LIDC-0001", raw], ["LIDC-0002", "1"], ["LIDC-0003", "0"])
    (row, *_) = apply(labels, ColumnMapping(TableKind.LABELS, (("patient_id", "patient_id"), ("label", "label"))))
    assert isinstance(row, LabelRow)
    assert row.value == value


def test_challenge_csv_is_proposed_as_labels() -> None:
    proposal = propose(table(["patient_id", "cancer"], *[[f"LIDC-{n:04d}", str(n % 2)] for n in range(20)]))
    assert (proposal.kind, proposal.missing) == (TableKind.LABELS, ())


def test_image_list_is_mapped_and_paths_outside_are_refused() -> None:
    listed = table(
        ["文件路径", "病理号", "姓名", "检查日期"],
        ["slides/B19-000036.svs", "B19-000036", "张伟", "2019-06-03"],
        ["../etc/passwd", "B19-000037", "李娜", "2019-06-03"],
        ["/abs/a.png", "B19-000038", "王芳", "2019-06-04"],
    )
    proposal = propose(listed)
    assert proposal.kind is TableKind.IMAGE_LIST
    first, second, third = apply(listed, proposal.accepted())
    assert isinstance(first, ImageListRow)
    assert (first.path, first.pathology_number) == ("slides/B19-000036.svs", "B19-000036")
    assert [getattr(row, "code", "") for row in (second, third)] == ["path-outside", "path-outside"]


CELL = st.one_of(st.text(max_size=12), st.sampled_from(["无", "-", "2021-02-31", "男", "56岁", "B19-000036", "肝癌", "1.0E+11", "0000000"]))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(*[CELL] * 10), min_size=1, max_size=6), st.sampled_from(["ymd", "mdy", "dmy"]))
def test_every_row_gives_exactly_one_value_whatever_it_holds(rows: list[tuple[str, ...]], order: str) -> None:
    odd = Table("t.csv", "utf-8", IMAGING.columns, tuple(rows))
    mapping = propose(IMAGING).accepted()
    results = apply(odd, ColumnMapping(mapping.kind, mapping.columns, order))
    assert [result.row_number for result in results] == list(range(1, len(rows) + 1))


def found(proposal: MappingProposal) -> dict[str, str]:
    return {guess.noun: guess.column for guess in proposal.guesses}


def test_pinyin_initials_are_read_as_the_chinese_names_they_stand_for() -> None:
    rows = [[f"CT{n:05d}", "张伟", "1", "56", f"73{n:04d}", f"2021030{n}", "肝右叶见低密度灶，边界清楚。", "肝囊肿可能"] for n in range(1, 7)]
    assert found(propose(table(["JCLSH", "BRXM", "BRXB", "BRNL", "ZYHM", "JCRQ", "YXBX", "YXZD"], *rows))) == {
        "accession_number": "JCLSH", "patient_name": "BRXM", "sex": "BRXB", "age": "BRNL", "patient_id": "ZYHM", "exam_date": "JCRQ",
        "findings": "YXBX", "impression": "YXZD",
    }  # fmt: skip


def test_what_a_chinese_column_is_stands_at_its_end() -> None:
    said = found(propose(table(["登记号", "检查描述", "检查诊断"], *[[f"73120{n}", "肝右叶见低密度灶，边界清楚。", "肝囊肿可能"] for n in range(6)])))
    assert (said["findings"], said["impression"]) == ("检查描述", "检查诊断")


def test_codes_named_result_are_no_conclusion_beside_report_text() -> None:
    proposal = propose(table(["检查号", "检查结果", "报告结论"], *[[f"CT{n:05d}", str(n % 3), "肝右叶占位，考虑肝细胞癌。"] for n in range(9)]))
    assert (proposal.kind, found(proposal)) == (TableKind.IMAGING, {"accession_number": "检查号", "impression": "报告结论"})


def test_number_of_eighteen_digits_that_is_no_national_id_is_a_key() -> None:
    said = found(propose(table(["病人ID", "诊断"], *[[f"88017660003964{n:04d}", "肝囊肿可能"] for n in range(6)]), TableKind.IMAGING))
    assert said["patient_id"] == "病人ID"


def test_column_named_id_needs_a_person_and_row_numbers_are_no_key() -> None:
    (guess,) = [g for g in propose(table(["ID", "诊断"], *[[f"7312{n}9", "肝囊肿可能"] for n in range(6)])).guesses if g.noun == "patient_id"]
    assert guess.confidence < 0.6
    assert propose(table(["ID", "诊断"], *[[str(n), "肝囊肿可能"] for n in range(1, 2000)])).missing != ()


def test_sex_of_zeros_and_ones_alone_is_not_told() -> None:
    mapping = ColumnMapping(TableKind.IMAGING, (("patient_id", "MRN"), ("sex", "Sex"), ("impression", "Impression")))
    columns, text = ["MRN", "Sex", "Impression"], "Normal liver."
    assert [row.sex for row in apply(table(columns, ["M11", "1", text], ["M12", "0", text]), mapping) if isinstance(row, ReportRow)] == ["", ""]
    coded = apply(table(columns, ["M11", "1", text], ["M12", "2", text], ["M13", "0", text]), mapping)
    assert [row.sex for row in coded if isinstance(row, ReportRow)] == ["M", "F", ""]


def test_text_cut_into_numbered_columns_is_read_whole() -> None:
    cut = table(
        ["住院号", "所见1", "所见2", "结论1", "结论2"],
        *[[f"73120{n}", "肝脏形态正常，未见占位。", "胆囊不大，壁不厚。", "肝脏未见异常。", "脾不大。"] for n in range(6)],
    )
    proposal = propose(cut)
    (row, *_) = apply(cut, proposal.accepted())
    assert isinstance(row, ReportRow)
    assert (row.sections.findings, row.sections.impression) == ("肝脏形态正常，未见占位。\n胆囊不大，壁不厚。", "肝脏未见异常。\n脾不大。")
    assert (proposal.further, proposal.unmapped) == ((), ())


def test_row_of_several_reports_gives_one_proposal_each_and_never_mixes_them() -> None:
    wide = table(
        ["住院号", "姓名", "CT检查日期", "CT所见", "CT诊断", "MR检查日期", "MR所见", "MR诊断", "病理号", "病理日期", "病理诊断"],
        *[
            [
                f"73120{n}",
                "张伟",
                "2021-03-04",
                "肝右叶见低密度灶。",
                "考虑肝癌",
                "2021-03-08",
                "肝右叶见异常信号。",
                "肝癌可能",
                f"B2100{n}",
                "2021-03-20",
                "肝细胞癌",
            ]
            for n in range(6)
        ],
    )
    first = propose(wide)
    parts = [first, *first.further]
    assert [part.kind.value for part in parts] == ["imaging", "imaging", "pathology"]
    assert [found(part)["impression"] for part in parts] == ["CT诊断", "MR诊断", "病理诊断"]
    assert [found(part)["exam_date"] for part in parts] == ["CT检查日期", "MR检查日期", "病理日期"]
    assert all(found(part)["patient_id"] == "住院号" for part in parts)
    rows = [apply(wide, part.accepted())[0] for part in parts]
    assert [row.modality for row in rows if isinstance(row, ReportRow)] == ["CT", "MR", ""]


def test_addendum_in_a_column_of_its_own_joins_the_conclusion() -> None:
    mapping = ColumnMapping(TableKind.PATHOLOGY, (("pathology_number", "Case"), ("impression", "Dx"), ("addendum", "Addendum")))
    (row,) = apply(table(["Case", "Dx", "Addendum"], ["S21-1", "Hepatocellular carcinoma.", "Ki-67 20 %."]), mapping)
    assert isinstance(row, ReportRow)
    assert row.sections.impression == "Hepatocellular carcinoma.\nAddendum: Ki-67 20 %."
