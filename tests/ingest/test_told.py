"""What reports tell outright becomes case labels beside malignancy: a class where told, no label and no question where not."""

from __future__ import annotations

from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest
from sqlalchemy import select

from isocenter.models import Case, CaseLabel, LabelScheme

COLUMNS = ("病理号", "住院号", "姓名", "性别", "年龄", "送检日期", "部位", "肉眼所见", "镜下所见", "病理诊断")
TOLD = "（肝右叶）肝细胞癌，Edmondson II-III级，pT2N0。"


async def pointers(ingest: Ingest) -> dict[str, tuple[str, str]]:
    async with ingest.resources.db.read() as session:
        rows = await session.execute(
            select(LabelScheme.code, CaseLabel.value, CaseLabel.state)
            .join(CaseLabel, CaseLabel.scheme_id == LabelScheme.id)
            .join(Case, Case.id == CaseLabel.case_id)
        )
        return {code: (value, state) for code, value, state in rows}


async def test_told_when_imaging_and_pathology_tell_then_the_case_has_a_label_of_each_scheme_and_no_further_question(ingest_here: Ingest) -> None:
    write_ct(ingest_here.root / "images" / "1.dcm", uid="1.2.3.1", patient_id="1000001", accession="CT0001", name="张伟明", seed=1)
    row = imaging_row(accession="CT0001", patient_id="1000001", name="张伟明", impression="肝右叶结节，快进快出，LR-5，考虑肝癌。")
    images = write_table(ingest_here.root / "tables" / "a.csv", [row])
    await ingest_here.run(ingest_here.root / "images", {"path": str(images), "kind": "imaging"}, diseases=["liver"])
    assert await pointers(ingest_here) == {"malignancy": ("1", "sure"), "li-rads": ("5", "sure")}
    told = ("B23-1", "1000001", "张伟明", "男", "56岁", "2023-04-20", "肝右叶", "灰白组织", "异型细胞浸润", TOLD)
    tissue = write_table(ingest_here.root / "tables" / "b.csv", [told], COLUMNS)
    await ingest_here.run(None, {"path": str(tissue), "kind": "pathology"})
    found = await pointers(ingest_here)
    assert found == {
        "malignancy": ("1", "sure"), "li-rads": ("5", "sure"), "subtype": ("HCC", "sure"), "edmondson": ("3", "sure"),
        "tnm-t": ("2", "sure"), "tnm-n": ("0", "sure"),
    }  # fmt: skip
    page = await ingest_here.call("GET", "/reviews", params={"kind": "label"})
    assert page["items"] == []
