"""All rows of an import become unique reports; every row has exactly one outcome."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.merge import merge
from services.ingest.records import Outcome
from services.ingest.report_records import ReportKind, ReportRow, RowRefusal, Sections

FINDINGS = "肝右后叶见一类圆形低密度灶，约3.2×2.8cm，动脉期明显强化，门脉期廓清。脾脏不大。"
BASE = ReportRow(
    "a.csv", 1, ReportKind.IMAGING, Sections(findings=FINDINGS, impression="肝右后叶占位，考虑肝细胞癌。"),
    accession_number="CT1", patient_id="731204", patient_name="张伟", exam_date="20210305",
)  # fmt: skip


def again(number: int, **changes: object) -> ReportRow:
    return replace(BASE, row_number=number, **changes)  # type: ignore[arg-type]


def outcomes(*rows: ReportRow | RowRefusal) -> list[tuple[str, str, str]]:
    return [(o.outcome.value, o.code, o.report) for o in merge(rows).outcomes]


def test_exact_repeat_collapses_with_a_pointer() -> None:
    assert outcomes(BASE, again(2)) == [("accepted", "", "a.csv#1"), ("duplicate", "repeated", "a.csv#1")]


def test_lightly_edited_repeat_collapses_into_the_fuller_text() -> None:
    edited = again(2, sections=Sections(findings=FINDINGS + "（补发）", impression="肝右后叶占位，考虑肝细胞癌。"))
    merged = merge([BASE, edited])
    assert len(merged.reports) == 1
    assert [o.outcome for o in merged.outcomes] == [Outcome.DUPLICATE, Outcome.ACCEPTED]
    assert merged.reports[0].rows == ("a.csv#1", "a.csv#2")


def test_edit_that_turns_the_conclusion_is_no_repeat() -> None:
    turned = again(2, sections=Sections(findings=FINDINGS, impression="肝右后叶占位，肝细胞癌不除外。"))
    assert len(merge([BASE, turned]).reports) == 2


def test_other_patient_with_the_same_text_is_no_repeat() -> None:
    other = again(2, accession_number="CT2", patient_id="999", patient_name="李娜")
    assert len(merge([BASE, other]).reports) == 2


def test_corrected_report_supersedes_and_the_history_is_kept() -> None:
    corrected = again(2, sections=Sections(impression="更正报告：肝右后叶血管瘤。"))
    merged = merge([BASE, corrected])
    (report,) = merged.reports
    assert report.row.sections.impression == "更正报告：肝右后叶血管瘤。"
    assert report.row.sections.findings == FINDINGS
    assert report.supersedes == ("a.csv#1",)
    assert [o.code for o in merged.outcomes] == ["superseded", "supersedes"]


def test_addendum_is_added_to_the_report() -> None:
    added = again(2, sections=Sections(impression="Addendum: MRI shows washout."))
    (report,) = merge([BASE, added]).reports
    assert report.row.sections.impression == "肝右后叶占位，考虑肝细胞癌。\nAddendum: MRI shows washout."


def test_rows_that_complete_each_other_become_one_report() -> None:
    first = again(1, sections=Sections(findings=FINDINGS))
    second = again(2, sections=Sections(impression="肝细胞癌。"))
    (report,) = merge([first, second]).reports
    assert (report.row.sections.findings, report.row.sections.impression) == (FINDINGS, "肝细胞癌。")


def test_refused_row_keeps_its_outcome() -> None:
    refusal = RowRefusal("a.csv", 2, Outcome.EMPTY, "no-text", "The row has no report text.")
    assert outcomes(BASE, refusal)[1] == ("empty", "no-text", "")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["CT1", "CT2", ""]), st.sampled_from(["731204", "5", ""]), st.sampled_from(["张伟", "李娜", ""]),
            st.sampled_from([FINDINGS, FINDINGS + "。", "更正：肝囊肿", "补充报告：见上", ""]), st.sampled_from(["肝癌", "肝囊肿", ""]), st.booleans(),
        ),
        max_size=9,
    )
)  # fmt: skip
def test_every_row_has_one_outcome_and_every_report_its_rows(cells: list[tuple[str, str, str, str, str, bool]]) -> None:
    rows = [
        RowRefusal("a.csv", n, Outcome.EMPTY, "no-text", "The row has no report text.")
        if refused
        else again(n, accession_number=a, patient_id=p, patient_name=name, sections=Sections(findings=f, impression=i))
        for n, (a, p, name, f, i, refused) in enumerate(cells, 1)
    ]
    merged = merge(rows)
    assert [o.row for o in merged.outcomes] == [row.id for row in rows]
    spoken = [row for report in merged.reports for row in report.rows]
    assert sorted(spoken) == sorted(row.id for row in rows if isinstance(row, ReportRow))
    leading = {report.id for report in merged.reports}
    assert {o.report for o in merged.outcomes if o.report} == leading
    assert all(o.outcome is Outcome.ACCEPTED for o in merged.outcomes if o.row in leading)
