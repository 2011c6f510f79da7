"""A made hospital links its own tables: python -m benchmarks.hospital [--studies 2000] [--seed 7].

People have twins of one birth date and surname, common names, sisters on one day; a third of the rows lacks some number; names come in simplified and
traditional characters, in pinyin, masked, mistyped; days and months are exchanged; pathology comes up to 200 days later, or a little before; some
people have two studies a day. What belongs together is known as it was made. Every rate below is a share of rows, drawn independently.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from pypinyin import lazy_pinyin

from services.ingest.link import link
from services.ingest.report_records import LinkState, ReportIdentity, ReportKind, StudyIdentity

FIRST_DAY, DAYS = dt.date(2020, 1, 1), 900
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
    "姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
GIVEN = "伟芳娜敏静丽强磊军洋艳勇杰娟涛明超秀霞平刚桂英华玉兰红建国志文斌鹏辉玲梅琳雪倩浩宇欣怡佳慧颖婷瑞凯晨阳亮峰林海波宁鑫旭飞龙春香珍莉萍燕云莲"
TRADITIONAL = dict(
    zip(
        "张刘陈杨黄赵吴孙马许韩冯邓肖蒋叶苏吕卢钟谭陆贾韦邹龙贺顾严丽军艳杰涛刚华兰红国鹏辉凯晨阳亮鑫飞莲云颖",
        "張劉陳楊黃趙吳孫馬許韓馮鄧蕭蔣葉蘇呂盧鐘譚陸賈韋鄒龍賀顧嚴麗軍艷傑濤剛華蘭紅國鵬輝凱晨陽亮鑫飛蓮雲穎",
        strict=True,
    )
)
ORGANS = {
    "liver": ("肝胆", "ABDOMEN", ("CT", "MR", "US"), "肝右叶结节。", "（肝穿刺）肝组织"),
    "lung": ("胸部", "CHEST", ("CT",), "右肺上叶结节。", "（右肺上叶）肺组织"),
    "breast": ("乳腺", "BREAST", ("MG", "MR", "US"), "左乳结节。", "（左乳）乳腺组织"),
    "pancreas": ("胰腺", "ABDOMEN", ("CT", "MR"), "胰头结节。", "（胰头）胰腺组织"),
}


@dataclass(frozen=True)
class Human:
    name: str
    sex: str
    birth: dt.date
    number: str
    outpatient: str


@dataclass
class Made:
    """A hospital's tables with what belongs together: (study, report) per kind."""

    studies: list[StudyIdentity]
    reports: list[ReportIdentity]
    wanted: dict[ReportKind, set[tuple[str, str]]]


class Clerk:
    """Writes down what is true with the errors of people and programs."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def one_in(self, share: float) -> bool:
        return self.draw.random() < share

    def name(self, name: str, *, dicom: bool = False) -> str:
        if dicom and self.one_in(0.5):
            return self.pinyin(name)
        if self.one_in(0.03):
            return name[0] + "*" * (len(name) - 1)
        if self.one_in(0.15):
            return "".join(TRADITIONAL.get(c, c) for c in name)
        if self.one_in(0.04):
            return name[:-1] + self.draw.choice(GIVEN)
        if self.one_in(0.05):
            return self.pinyin(name)
        return " ".join(name) if self.one_in(0.05) else name

    def pinyin(self, name: str) -> str:
        surname, *given = lazy_pinyin(name)
        return self.draw.choice(
            (f"{surname}^{''.join(given)}".upper(), f"{surname.title()} {''.join(given).title()}", f"{''.join(given).title()} {surname.title()}")
        )

    def day(self, day: dt.date, share: float = 0.02) -> str:
        if self.one_in(share) and day.day <= 12:
            return f"{day.year}{day.day:02d}{day.month:02d}"
        if self.one_in(share):
            return f"{day + dt.timedelta(days=self.draw.choice((-10, -1, 1, 10))):%Y%m%d}"
        return f"{day:%Y%m%d}"

    def number(self, number: str, missing: float, wrong: float = 0.02) -> str:
        if self.one_in(missing):
            return self.draw.choice(("", "无", "0000000", "-"))
        if self.one_in(wrong):
            n = self.draw.randrange(1, len(number) - 1)
            return (
                number[:n] + number[n + 1] + number[n] + number[n + 2 :] if self.one_in(0.5) else number[:n] + self.draw.choice("0123456789") + number[n + 1 :]
            )
        return number

    def sex(self, sex: str) -> str:
        return "" if self.one_in(0.03) else {"M": "F", "F": "M"}[sex] if self.one_in(0.01) else sex

    def age(self, birth: dt.date, day: dt.date) -> float | None:
        return None if self.one_in(0.1) else float((day - birth).days // 365 + (self.draw.choice((-1, 1)) if self.one_in(0.04) else 0))

    def birth(self, birth: dt.date) -> str:
        return "" if self.one_in(0.5) else self.day(birth)


def people(count: int, clerk: Clerk) -> list[Human]:
    """Every twelfth is the twin of the one before: the surname, sex and birth date are the same, and the number is the next."""
    draw, made = clerk.draw, list[Human]()
    for n in range(count):
        given = "".join(draw.choice(GIVEN) for _ in range(draw.choice((1, 2, 2))))
        name, sex = draw.choice(SURNAMES) + given, draw.choice("MF")
        birth = dt.date(1935, 1, 1) + dt.timedelta(days=draw.randrange(23_000))
        if n % 12 == 11:
            name, sex, birth = made[-1].name[0] + given, made[-1].sex, made[-1].birth
        made.append(Human(name, sex, birth, f"{1_400_000 + n * 3}", f"M{70_000_000 + draw.randrange(9_999_999)}"))
    return made


def hospital(studies: int, seed: int) -> Made:
    """``studies`` image studies of about two thirds as many people, a report for nine of ten, pathology for a third of the people."""
    clerk = Clerk(seed)
    draw, made = clerk.draw, Made([], [], {ReportKind.IMAGING: set(), ReportKind.PATHOLOGY: set()})
    queue = [human for human in people(studies, clerk) for _ in range(draw.choice((1, 1, 2)))]
    days: dict[str, dt.date] = {}
    organs: dict[str, str] = {}
    of_person: dict[tuple[str, str], list[tuple[str, dt.date]]] = {}
    humans: dict[str, Human] = {}
    for n, human in enumerate(queue[:studies]):
        before = days.get(human.number)
        organ = organs[human.number] if before and draw.random() < 0.7 else draw.choice(list(ORGANS))
        # the second study is of the same day, or follows up to a year later
        day = (
            FIRST_DAY + dt.timedelta(days=draw.randrange(DAYS))
            if before is None
            else before + dt.timedelta(days=0 if draw.random() < 0.4 else draw.randrange(1, 365))
        )
        days[human.number], organs[human.number], humans[human.number] = day, organ, human
        key = f"study{n}"
        _examined(made, clerk, key, human, organ, day, n)
        of_person.setdefault((human.number, organ), []).append((key, day))
    for n, ((number, organ), examined) in enumerate(sorted(of_person.items())):
        if draw.random() < 0.4:
            _biopsied(made, clerk, f"path{n}", humans[number], organ, examined)
    draw.shuffle(made.reports)
    return made


def _examined(made: Made, clerk: Clerk, key: str, human: Human, organ: str, day: dt.date, n: int) -> None:
    part, dicom_part, modalities, says, _ = ORGANS[organ]
    modality, accession = clerk.draw.choice(modalities), f"RF{day:%y%m%d}{n:05d}"
    made.studies.append(
        StudyIdentity(
            key=key,
            accession_number=clerk.number(accession, 0.3),
            patient_id=clerk.number(human.number, 0.2),
            patient_name="" if clerk.one_in(0.04) else clerk.name(human.name, dicom=True),
            sex=clerk.sex(human.sex),
            age_years=clerk.age(human.birth, day),
            birth_date=clerk.birth(human.birth),
            study_date=f"{day:%Y%m%d}",
            modality=modality,
            body_part="" if clerk.one_in(0.1) else dicom_part,
            descriptions=(f"{modality} {part}",) if clerk.one_in(0.5) else (),
        )
    )
    if clerk.one_in(0.9):
        report = f"report{n}"
        made.wanted[ReportKind.IMAGING].add((key, report))
        made.reports.append(
            ReportIdentity(
                key=report,
                kind=ReportKind.IMAGING,
                accession_number=clerk.number(accession, 0.3),
                patient_id=clerk.number(human.number, 0.25),
                outpatient_number=clerk.number(human.outpatient, 0.5),
                patient_name=clerk.name(human.name),
                sex=clerk.sex(human.sex),
                age_years=clerk.age(human.birth, day),
                birth_date=clerk.birth(human.birth),
                date=clerk.day(day + dt.timedelta(days=0 if clerk.one_in(0.8) else clerk.draw.randrange(1, 4))),
                modality=modality,
                about=f"{part}\n{says}",
            )
        )


def _biopsied(made: Made, clerk: Clerk, key: str, human: Human, organ: str, examined: list[tuple[str, dt.date]]) -> None:
    """A specimen 1 to 60 days after the first study, a fifth up to 200 days after, a twentieth up to 20 days before."""
    draw, first = clerk.draw, examined[0][1]
    after = draw.randrange(1, 60) if draw.random() < 0.75 else draw.randrange(60, 200) if draw.random() < 0.8 else -draw.randrange(1, 20)
    day = first + dt.timedelta(days=after)
    made.wanted[ReportKind.PATHOLOGY] |= {(study, key) for study, seen in examined if -30 <= (day - seen).days <= 240}
    made.reports.append(
        ReportIdentity(
            key=key,
            kind=ReportKind.PATHOLOGY,
            pathology_number=f"B{day:%y}-{draw.randrange(10**6):06d}",
            patient_id=clerk.number(human.number, 0.15),
            patient_name=clerk.name(human.name),
            sex=clerk.sex(human.sex),
            age_years=clerk.age(human.birth, day),
            birth_date=clerk.birth(human.birth),
            date=clerk.day(day, 0.01),
            about=ORGANS[organ][4],
        )
    )


def figures(made: Made) -> Iterable[str]:
    begun = time.process_time()
    found = link(made.studies, made.reports)
    seconds = time.process_time() - begun
    for kind, wanted in made.wanted.items():
        sure = {(said.study, said.report) for said in found if said.kind is kind and said.state is LinkState.SURE}
        shown = {(said.study, said.report) for said in found if said.kind is kind} - sure
        hits = len(sure & wanted)
        precision, recall = hits / len(sure), hits / len(wanted)
        f1 = 2 * hits / (len(sure) + len(wanted))
        yield f"{kind.value:9}  P {precision:.4f}  R {recall:.4f}  F1 {f1:.4f}  ({len(sure)} said, {len(wanted)} true)"
        yield f"           {len(shown)} wait for a person, {len(shown & wanted)} of them true"
    yield f"{len(made.studies)} studies, {len(made.reports)} reports, {seconds:.1f} s CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    for line in figures(hospital(asked.studies, asked.seed)):
        print(line)


if __name__ == "__main__":
    main()
