"""A hospital measures itself: link, label and evaluate over tables, by the command line a person types."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.cli import main
from services.ingest.agreement import Scored, calibration_error, coverage_at, kappa, per_class, rates

UID = "1.2.826.0.1.3680043.10.999."
IMAGES = """study_uid,AccessionNumber,PatientID,PatientName,PatientSex,PatientAge,StudyDate,Modality,BodyPartExamined
1.2.826.0.1.3680043.10.999.1,CT0001,P100234,ZHANG^WEI,M,056Y,20210304,CT,LIVER
1.2.826.0.1.3680043.10.999.2,CT0002,P100777,LI^NA,F,061Y,20210305,CT,LIVER
1.2.826.0.1.3680043.10.999.3,,P100911,WANG^FANG,F,044Y,20210306,CT,LIVER
"""
REPORTS = """检查号,住院号,姓名,性别,年龄,检查日期,检查部位,影像所见,诊断意见
CT0001,P100234,张伟,男,56岁,2021-03-04,肝脏CT,肝右叶见占位。,肝右叶肝细胞癌。
CT0002,P100777,李娜,女,61岁,2021-03-05,肝脏CT,肝脏形态正常。,肝脏未见明显异常。
,P100911,王芳,女,44岁,2021-03-06,肝脏CT,肝左叶见占位。,肝左叶占位，不除外恶性。
,P100911,王芳,女,44岁,2021-03-06,肝脏CT,,
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "images.csv").write_text(IMAGES, "utf-8")
    (tmp_path / "reports.csv").write_bytes(REPORTS.encode("gb18030"))
    return tmp_path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_link_over_tables_writes_both_ids_and_the_score(tables: Path) -> None:
    assert main(["link", str(tables / "images.csv"), str(tables / "reports.csv"), "-o", str(tables / "links.csv")]) == 0
    found = read(tables / "links.csv")
    assert [(row["study_uid"], row["report_id"]) for row in found] == [(f"{UID}{n}", f"reports.csv#{n}") for n in (1, 2, 3)]
    assert all(float(row["score"]) > 0.97 and row["state"] == "sure" for row in found)
    assert found[0]["rule"] == "accession"
    assert "accession:agree" in found[0]["components"]


def test_label_over_tables_names_file_and_row(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(tables / "images.csv"), str(tables / "reports.csv")]) == 0
    found = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["id"], row["label"], row["state"]) for row in found] == [
        ("reports.csv#1", "1", "sure"),
        ("reports.csv#2", "0", "sure"),
        ("reports.csv#3", "review", "review"),
        ("reports.csv#4", "review", "review"),
    ]
    assert found[0]["disease"] == "liver"
    assert found[3]["reason"] == "no-text"


def test_tables_of_two_hospitals_with_the_same_numbers_are_kept_apart(tmp_path: Path) -> None:
    head = "study_uid,hospital,AccessionNumber,PatientID,StudyDate,Modality,BodyPartExamined\n"
    rows = [f"{UID}{h}.{n},{h},{h}CT{n:03},{h}P{n:05},20210304,CT,LIVER" for h in (1, 2) for n in range(8)]
    rows += [f"{UID}1.99,1,,7000001,20210304,CT,LIVER", f"{UID}2.99,2,,7000001,20210304,CT,LIVER"]
    (tmp_path / "images.csv").write_text(head + "\n".join(rows), "utf-8")
    for h in (1, 2):
        lines = [f"{h}CT{n:03},{h}P{n:05},2021-03-04,CT LIVER,Normal liver number {h} {n}." for n in range(8)]
        lines.append(f",7000001,2021-03-04,CT LIVER,Simple cyst of the liver in {h}.")
        (tmp_path / f"h{h}.csv").write_text("Accession No,MRN,Exam Date,Exam,Impression\n" + "\n".join(lines), "utf-8")
    assert main(["link", *(str(tmp_path / name) for name in ("images.csv", "h1.csv", "h2.csv")), "-o", str(tmp_path / "links.csv")]) == 0
    found = {row["study_uid"]: row["report_id"] for row in read(tmp_path / "links.csv")}
    assert (found[f"{UID}1.99"], found[f"{UID}2.99"]) == ("h1.csv#9", "h2.csv#9")


def test_evaluate_of_labels_prints_classes_coverage_and_the_worst(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "said.csv").write_text("id,label,confidence,state\na#1,1,0.9,sure\na#2,0,0.95,sure\na#3,review,0.8,review\na#9,1,0.9,sure\n", "utf-8")
    (tmp_path / "gold.csv").write_text("id,label01\na#1,1\na#2,1\na#3,review\na#4,0\na#5,\n", "utf-8")
    assert main(["evaluate", str(tmp_path / "said.csv"), str(tmp_path / "gold.csv")]) == 0
    told = capsys.readouterr().out
    # by hand: 4 judged rows, #4 without an answer; class 1: 1 of 1 said right, 1 of 2 found; accepted 2 with 1 flip
    assert "4 rows with gold, 1 of them without a prediction (counted as review), 1 predictions without gold" in told
    assert "1       1.0000     0.5000  0.6667  2     1" in told
    assert "accepted without a person 2 (50.0%): 1 flipped (50.00%), 0 doubtful (0.00%)" in told
    assert "a#2    1     0       0.9500" in told


def test_evaluate_of_links_counts_a_repeat_as_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "said.csv").write_text("study_uid,report_id,score,state,kind,rows\n1,a#1,1,sure,imaging,a#1;a#7\n2,a#3,0.98,sure,imaging,a#3\n", "utf-8")
    (tmp_path / "gold.csv").write_text("study_uid,imaging_id,pathology_ids\n1,a#7,\n2,a#2,p#1;p#2\n", "utf-8")
    assert main(["evaluate", str(tmp_path / "said.csv"), str(tmp_path / "gold.csv")]) == 0
    told = capsys.readouterr().out
    assert "imaging    0.5000     0.5000  0.5000  2     2" in told
    assert "pathology  0.0000     0.0000  0.0000  2     0" in told


def test_a_table_without_text_or_key_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv").write_text("color,shape\nred,round\nblue,square\n", "utf-8")
    assert main(["label", str(tmp_path / "x.csv")]) == 1
    assert "The table x.csv lacks" in capsys.readouterr().err


def test_scores_agree_with_a_calculation_by_hand() -> None:
    answers = [Scored("a", "1", "1", 0.9), Scored("b", "0", "1", 0.8), Scored("c", "0", "0", 0.7), Scored("d", "review", "review", 0.8)]
    assert per_class(answers)["1"].precision == 0.5
    assert rates({("s", "r"), ("s", "q")}, {("s", "r")}).f1 == pytest.approx(2 / 3)
    # surest first: a right; b wrong; c right -> at 0 % only a of 4; at 34 % all three
    assert coverage_at(answers, 0.0) == (0.25, 0.9)
    assert coverage_at(answers, 0.34) == (0.75, 0.7)
    # bins .7, .8 (two) and .9: |.7-1|/4 + 2|.8-.5|/4 + |.9-1|/4
    assert calibration_error(answers) == pytest.approx(0.25)
    # Cohen 1960: observed 3/4, chance (2*3 + 2*1)/16 = 1/2
    assert kappa([("1", "1"), ("1", "1"), ("0", "1"), ("0", "0")]) == pytest.approx(0.5)
    assert kappa([("1", "1")]) is None


@pytest.mark.shared
def test_four_hospitals_at_once_reach_the_figures_of_each_alone(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_data / "reports"
    assert main(["link", *map(str, sorted((folder / "synthetic_dev").iterdir())), "-o", str(tmp_path / "links.csv")]) == 0
    gold = folder / "synthetic_dev_gold"
    assert main(["evaluate", str(tmp_path / "links.csv"), str(gold / "gold_links.csv"), str(gold / "gold_reports.csv")]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("imaging ", "pathology "))]
    precision, f1 = ({line[0]: float(line[n]) for line in told} for n in (1, 3))
    assert min(precision.values()) >= 0.99
    assert f1["imaging"] >= 0.985
    assert f1["pathology"] >= 0.975
