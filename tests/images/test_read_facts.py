"""What is kept of an image: patient, geometry, sequence, phase, text suspicion; character sets."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from isocenter.keys import SiteKey
from services.ingest.readers import read
from services.ingest.readers.anatomy import body_part
from services.ingest.readers.charset import decode_text, encodings_of
from services.ingest.readers.dicom_facts import b_value, mr_evidence
from services.ingest.readers.header import Header
from services.ingest.readers.identity import age_years, as_date
from services.ingest.readers.sequence import MrEvidence, ct_phase, mr_sequence
from services.ingest.records import Reading

Save = Callable[..., Path]


@pytest.mark.parametrize(
    ("stated", "born", "seen", "years"),
    [
        ("045Y", "", "", 45),
        ("006M", "", "", 0.5),
        ("010D", "", "", 0.03),
        ("052W", "", "", 1.0),
        ("", "19600615", "20200614", 59),
        ("", "19600615", "20200615", 60),
        ("", "", "20200101", None),
        ("999Y", "", "", None),
        ("", "20210101", "20200101", None),
        ("45", "", "", 45),
        ("", "19600231", "20200101", None),
    ],
)
def test_age_when_stated_or_from_dates_then_years(stated: str, born: str, seen: str, years: float | None) -> None:
    assert age_years(stated, born, seen) == years


@pytest.mark.parametrize(
    ("text", "day"), [("20200310", "20200310"), ("2020.03.10", "20200310"), ("20200231", ""), ("2020", ""), ("20200310101010", "20200310")]
)
def test_date_when_read_then_a_day_of_the_calendar_or_nothing(text: str, day: str) -> None:
    assert as_date(text) == day


@pytest.mark.parametrize(
    ("declared", "text", "codec"),
    [
        ("GB18030", "王^小东", "gb18030"),
        ("ISO_IR 192", "王^小东", "utf-8"),
        ("ISO_IR 100", "张伟", "gb18030"),
        ("", "张伟 增强", "gb18030"),
        ("", "张伟", "utf-8"),
        ("ISO_IR 192", "张伟", "gb18030"),
        ("GB18030", "上腹部增强", "utf-8"),
        ("ISO_IR 100", "Buc^Jérôme", "latin-1"),
        ("ISO_IR 144", "Люкceмбypг", "iso8859_5"),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎", "iso2022_jp"),
        ("\\ISO 2022 IR 149", "Hong^Gildong", "ascii"),
        ("GBK", "胰腺", "gbk"),
    ],
)
def test_text_when_declared_rightly_or_wrongly_then_as_written(declared: str, text: str, codec: str) -> None:
    assert decode_text(text.encode(codec), encodings_of(declared), person_name=True) == text


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("chrX1.dcm", "Wang^XiaoDong=王^小東"),
        ("chrX2.dcm", "Wang^XiaoDong=王^小东"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrFren.dcm", "Buc^Jérôme"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_charset_file_when_read_then_the_name_is_right(name: str, patient: str, shared_data: Path, key: SiteKey) -> None:
    result = read(shared_data / "images" / "charset" / name, key)
    assert isinstance(result, Reading)
    assert result.identified.patient_name.rstrip("=") == patient


@pytest.mark.parametrize(
    ("stated", "texts", "part", "source"),
    [
        ("ABDOMEN", (), "ABDOMEN", "header"),
        ("", ("上腹部增强", "胰腺三期"), "ABDOMEN", "description"),
        ("", ("胰腺三期增强",), "PANCREAS", "description"),
        ("", ("CT_LIVER_3PHASE",), "LIVER", "description"),
        ("腹部", (), "ABDOMEN", "header"),
        ("", ("Routine",), "", ""),
        ("", ("deliver",), "", ""),
    ],
)
def test_body_part_when_stated_or_described_then_found(stated: str, texts: tuple[str, ...], part: str, source: str) -> None:
    assert body_part(stated, texts) == (part, source)


def mr(*texts: str, **known: object) -> MrEvidence:
    return MrEvidence(descriptions=texts, **known)  # type: ignore[arg-type]


SE = ("SE",)


@pytest.mark.parametrize(
    ("evidence", "label", "source", "sure"),
    [
        (mr("T2W_TSE ax", scanning_sequence=SE, tr_ms=4000.0, te_ms=100.0), "T2", "both", True),
        (mr("T1加权 横断位", scanning_sequence=SE, tr_ms=500.0, te_ms=12.0), "T1", "both", True),
        (mr("t1_vibe 增强 门脉期", scanning_sequence=("GR",), te_ms=1.2, contrast_agent="Gadovist"), "T1+C", "both", True),
        (mr("LAVA portal", scanning_sequence=("GR",), te_ms=1.2), "T1+C", "both", True),
        (mr("弥散 b=800", b_value=800.0), "DWI", "both", True),
        (mr("DWI_ADC", image_type=("DERIVED", "PRIMARY", "DIFFUSION", "ADC")), "ADC", "both", True),
        (mr("", image_type=("ORIGINAL", "PRIMARY", "DIFFUSION")), "DWI", "physics", True),
        (mr("T2 FLAIR tra", scanning_sequence=("SE", "IR"), tr_ms=9000.0, te_ms=120.0, ti_ms=2500.0), "FLAIR", "both", True),
        (mr("STIR cor", scanning_sequence=("SE", "IR"), te_ms=60.0, ti_ms=160.0), "STIR", "both", True),
        (mr("脂肪抑制质子 矢状位", scanning_sequence=SE, tr_ms=2500.0, te_ms=30.0), "PD", "both", True),
        (mr("T2 ax", scanning_sequence=SE, tr_ms=500.0, te_ms=10.0), "T2", "description", False),
        (mr("", scanning_sequence=SE, tr_ms=500.0, te_ms=10.0), "T1", "physics", False),
        (mr("Serie 1"), "", "", False),
        (mr("pd+t2 tse", scanning_sequence=SE, tr_ms=4000.0, te_ms=11.0), "PD", "both", True),
        (mr("pd+t2 tse", scanning_sequence=SE, tr_ms=4000.0, te_ms=92.0), "T2", "both", True),
        (mr("3-plane loc", scanning_sequence=("GR",), te_ms=1.7), "LOCALIZER", "both", True),
    ],
)
def test_mr_sequence_when_two_votes_are_cast_then_label_source_and_doubt(evidence: MrEvidence, label: str, source: str, sure: bool) -> None:
    found = mr_sequence(evidence)
    assert (found.label, found.source, found.doubt == "") == (label, source, sure)


GOLD_NAMES = {"LOC": "LOCALIZER", "BOLD/EPI": "BOLD", "SE-EPI": "EPI", "ASL/perf": "ASL", "fieldmap": "FIELDMAP", "DWI-trace": "TRACEW", "DWI-derived": "DWI"}


@pytest.mark.shared
def test_mr_gold_series_when_recognised_then_at_least_nine_in_ten_agree_and_few_sure_ones_are_wrong(
    shared_data: Path, record_property: Callable[[str, object], None]
) -> None:
    with (shared_data / "images" / "mr_sequence_gold_dev.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    agree = sure_wrong = 0
    for row in rows:
        b_values = [float(part) for part in row["bvalue"].split("\\") if part.strip()]

        def first(name: str, row: dict[str, str] = row) -> float | None:
            return float(row[name].split("\\")[0]) if row[name] else None

        found = mr_sequence(
            mr(
                *(text for text in (row["series_description"], row["protocol_name"]) if text),
                image_type=tuple(row["image_type"].split("\\")),
                scanning_sequence=tuple(row["scanning_sequence"].split("\\")),
                sequence_name=row["sequence_name"],
                tr_ms=first("tr"),
                te_ms=first("te"),
                ti_ms=first("ti"),
                b_value=max(b_values, default=None),
                contrast_agent=row["contrast"],
            )
        )
        right = found.label == GOLD_NAMES.get(row["label"], row["label"])
        agree += right
        sure_wrong += not right and not found.doubt
    record_property("agreement", f"{agree}/{len(rows)}")
    assert agree / len(rows) >= 0.9
    assert sure_wrong / len(rows) <= 0.05


@pytest.mark.parametrize(
    ("texts", "agent", "phase", "sure"),
    [
        (("上腹部平扫",), "", "plain", True),
        (("上腹部增强",), "碘海醇", "enhanced", True),
        (("门脉期",), "", "enhanced", True),
        (("CTA 主动脉",), "Iohexol", "angiography", True),
        (("Head w/o contrast",), "", "plain", True),
        (("Abdomen plain",), "Iohexol", "plain", False),
        (("Abdomen",), "Iohexol", "enhanced", False),
        (("Abdomen",), "", "", False),
        (("Chest non-contrast",), "", "plain", True),
        (("ARTERIAL PHASE",), "Ultravist", "enhanced", True),
        (("Abdomen",), "NONE", "plain", False),
    ],
)
def test_ct_phase_when_text_and_agent_are_weighed_then_phase_and_doubt(texts: tuple[str, ...], agent: str, phase: str, sure: bool) -> None:
    found = ct_phase(texts, agent, ())
    assert (found.label, found.doubt == "") == (phase, sure)


def test_enhanced_object_when_values_are_in_functional_groups_then_found() -> None:
    diffusion, echo, timing = Dataset(), Dataset(), Dataset()
    diffusion.DiffusionBValue, echo.EffectiveEchoTime, timing.RepetitionTime = 800.0, 70.0, 5000.0
    shared, low, high = Dataset(), Dataset(), Dataset()
    shared.MREchoSequence, shared.MRTimingAndRelatedParametersSequence = Sequence([echo]), Sequence([timing])
    zero = Dataset()
    zero.DiffusionBValue = 0.0
    low.MRDiffusionSequence, high.MRDiffusionSequence = Sequence([zero]), Sequence([diffusion])
    ds = Dataset()
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence([low, high])
    evidence = mr_evidence(Header(ds), ())
    assert (evidence.b_value, evidence.te_ms, evidence.tr_ms) == (800.0, 70.0, 5000.0)


def test_b_value_when_private_of_ge_then_modulo_a_billion() -> None:
    ds = Dataset()
    ds.add_new(0x00431039, "IS", ["1000000800", "8", "0", "0"])
    assert b_value(Header(ds)) == 800.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned-in-annotation"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "screen-capture"),
        ({"Modality": "US"}, "ultrasound"),
        ({"Modality": "XA"}, "fluoroscopy"),
        ({"Modality": "OT"}, "other-capture"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "label-or-screen"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.6", "Modality": "SM"}, ""),
        ({}, ""),
    ],
)
def test_pixels_when_they_may_hold_text_then_the_reason_is_kept(change: dict[str, object], reason: str, ct: Dataset, saved: Save, key: SiteKey) -> None:
    for keyword, value in change.items():
        setattr(ct, keyword, value)
    result = read(saved(ct), key)
    assert isinstance(result, Reading)
    assert result.facts.pixels_may_hold_text == reason


def test_identified_values_when_nested_then_collected_and_repr_says_nothing(ct: Dataset, saved: Save, key: SiteKey) -> None:
    step = Dataset()
    step.ScheduledPerformingPhysicianName = "Inner^Doctor"
    ct.RequestAttributesSequence = Sequence([step])
    ct.ReferringPhysicianName, ct.AccessionNumber, ct.OtherPatientIDs = "Outer^Doctor", "A-77", ["P2", "P3"]
    result = read(saved(ct), key)
    assert isinstance(result, Reading)
    assert {"Inner^Doctor", "Outer^Doctor", "P2", "P3"} <= set(result.identified.other_names)
    assert result.identified.accession_number == "A-77"
    assert "Doctor" not in repr(result)
    assert "ZHANG" not in repr(result)


def test_odd_numbers_when_read_then_none_and_no_exception(ct: Dataset, saved: Save, key: SiteKey) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag in (0x00180050, 0x00280030, 0x00201041):
            ct.pop(tag, None)
    result = read(saved(ct), key)
    assert isinstance(result, Reading)
    assert (result.facts.slice_thickness_mm, result.facts.spacing_mm) == (None, None)


def test_odd_values_when_read_and_released_then_no_log_line_and_no_warning_quotes_them(
    ct: Dataset,
    saved: Save,
    release: Callable[..., object],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    ct.PatientAge = ct.StudyDate = ct.SliceThickness = None
    data = saved(ct).read_bytes()
    path = saved(ct)
    path.write_bytes(data.replace(b"MRN4711 ", b"MRN4711\xff").replace(b"CT1 abdomen", b"Zqhidden\xe4\xff\xfe"))
    caplog.clear()
    recwarn.clear()
    release(path)
    shown = caplog.text + "".join(capfd.readouterr()) + " ".join(str(w.message) for w in recwarn)
    assert shown == ""


def test_text_when_declared_gb18030_and_also_valid_utf8_then_the_declaration_wins() -> None:
    from services.ingest.readers.charset import decode_text

    # 平扫 in GB18030 is C6 BD C9 A8, which is well-formed UTF-8 for ƽɨ
    assert decode_text("平扫".encode("gb18030"), ("gb18030",)) == "平扫"
    assert decode_text("平扫".encode(), ("gb18030",)) == "平扫"
