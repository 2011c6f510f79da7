"""Person linkage at size: python -m benchmarks.linkage [--people 100000] [--errors 0.1] [--no-number].

Made people (seed 1), no real ones: two tables of n, 80 % overlap, one-to-one truth. Name, sex, birth date and event date of the second table
are each wrong independently at the rate; the number is wrong at the rate too, then 60 % missing and 40 % one digit off. Truth and proposals are
compared as the linker gives them, sure ones only. Prints one run: seconds, peak memory, P, R, F1.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from dataclasses import replace
from datetime import date, timedelta

from services.ingest.agreement import rates
from services.ingest.link import link
from services.ingest.report_records import LinkState, ReportIdentity, ReportKind, StudyIdentity

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白"
    "孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严欧莫孔向常"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀霞平刚桂英华玉兰红建国文辉力健世广志义兴良海山仁波宁贵福生龙元全胜学祥才发武新利清飞彬富顺信子玲雪荣爱妹香"
    "月莺媛瑞凡佳嘉琼勤珍贞莉欣雅慧巧美婷倩婉娴瑾颖露瑶怡婵雁蓓"
)
FIRST = date(1930, 1, 1)


def person(drawn: random.Random, n: int) -> StudyIdentity:
    surname = SURNAMES[min(int(drawn.expovariate(0.05)), len(SURNAMES) - 1)]
    name = surname + "".join(drawn.choice(GIVEN) for _ in range(drawn.choice((1, 2, 2, 2))))
    born, seen = FIRST + timedelta(drawn.randrange(28_000)), date(2018, 1, 1) + timedelta(drawn.randrange(1_800))
    number = f"{drawn.randrange(10**7, 10**8)}"
    sex, day = drawn.choice("MF"), f"{seen:%Y%m%d}"
    return StudyIdentity(str(n), patient_id=number, patient_name=name, sex=sex, birth_date=f"{born:%Y%m%d}", study_date=day, modality="CT")


def worsened(drawn: random.Random, who: StudyIdentity, errors: float) -> StudyIdentity:
    def wrong() -> bool:
        return drawn.random() < errors

    def moved(text: str, days: int) -> str:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:])) + timedelta(drawn.choice((-1, 1)) * drawn.randrange(1, days))
        return f"{day:%Y%m%d}"

    if wrong():
        at = drawn.randrange(len(who.patient_id))
        digit = who.patient_id[:at] + str((int(who.patient_id[at]) + drawn.randrange(1, 10)) % 10) + who.patient_id[at + 1 :]
        who = replace(who, patient_id="" if drawn.random() < 0.6 else digit)
    if wrong():
        at = drawn.randrange(1, len(who.patient_name))
        who = replace(who, patient_name=who.patient_name[:at] + drawn.choice(GIVEN) + who.patient_name[at + 1 :])
    if wrong():
        who = replace(who, sex="F" if who.sex == "M" else "M")
    if wrong():
        who = replace(who, birth_date=drawn.choice((moved(who.birth_date, 40), who.birth_date[:4] + "0101")))
    if wrong():
        who = replace(who, study_date=moved(who.study_date, 5))
    return who


def report(who: StudyIdentity) -> ReportIdentity:
    return ReportIdentity(
        key=f"r{who.key}",
        kind=ReportKind.IMAGING,
        patient_id=who.patient_id,
        patient_name=who.patient_name,
        sex=who.sex,
        birth_date=who.birth_date,
        date=who.study_date,
        modality="CT",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--errors", type=float, default=0.1)
    parser.add_argument("--no-number", action="store_true")
    asked = parser.parse_args()
    drawn = random.Random(1)
    studies = [person(drawn, n) for n in range(asked.people)]
    same = int(asked.people * 0.8)
    others = [worsened(drawn, who, asked.errors) for who in studies[:same]] + [person(drawn, asked.people + n) for n in range(asked.people - same)]
    if asked.no_number:
        studies, others = ([replace(who, patient_id="") for who in people] for people in (studies, others))
    reports = [report(who) for who in others]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    started, cpu = time.perf_counter(), time.process_time()
    found = link(studies, reports)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    score = rates({(said.study, said.report) for said in found if said.state is LinkState.SURE}, {(str(n), f"r{n}") for n in range(same)})
    waiting = sum(said.state is LinkState.REVIEW for said in found)
    what = f"{asked.people} x {asked.people}, errors {asked.errors:.0%}" + (", no number" if asked.no_number else "")
    print(f"{what}: P {score.precision:.4f}  R {score.recall:.4f}  F1 {score.f1:.4f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"in review {waiting}; {seconds:.1f} s wall, {cpu:.1f} s CPU, one process; peak {peak} MiB ({before} before)")


if __name__ == "__main__":
    main()
