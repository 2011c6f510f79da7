"""Measure the report rooms on the development data: python -m benchmarks.reports [folder] [--processes 2].

Map, merge, link, label and scrub run over ../shared/data/reports/synthetic_dev (four hospitals) and are compared with its
gold; negation with negex_dev.csv; labels also with the phrase banks of tests/reports, which no rule was written from.
Prints figures only, never a text or name.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from isocenter.diseases import load_diseases
from services.ingest import normalise
from services.ingest.cases import aggregate_case
from services.ingest.context import negated
from services.ingest.deidentify.text import scrub
from services.ingest.label import label_report
from services.ingest.label_records import ReportLabel, SpokenReport
from services.ingest.link import link
from services.ingest.mapping import apply, propose
from services.ingest.merge import merge
from services.ingest.readers.tables import read_table
from services.ingest.report_records import MergedReport, ReportIdentity, ReportKind, ReportRow, Sections, StudyIdentity
from services.ingest.ruleset import rule_set
from services.ingest.scope import diseases_of
from services.ingest.told import told_report

HERE = Path(__file__).resolve().parent
TABLES = {"A": "csv", "B": "csv", "C": "xlsx", "D": "csv"}
Pair = tuple[str, str]


def rates(found: set[Pair], wanted: set[Pair]) -> str:
    hits = len(found & wanted)
    precision, recall = hits / max(1, len(found)), hits / max(1, len(wanted))
    return f"P {precision:.4f}  R {recall:.4f}  F1 {2 * precision * recall / max(1e-9, precision + recall):.4f}  ({len(found)} of {len(wanted)})"


def classes(pairs: Sequence[Pair]) -> str:
    """(gold, said) pairs: F1 per class, macro-F1, flips among the accepted, coverage."""
    scores = {}
    for value in ("0", "1", "review"):
        hits = sum(gold == said == value for gold, said in pairs)
        scores[value] = 2 * hits / max(1, sum(gold == value for gold, _ in pairs) + sum(said == value for _, said in pairs))
    accepted = [(gold, said) for gold, said in pairs if said != "review"]
    flips = sum({gold, said} == {"0", "1"} for gold, said in accepted) / max(1, len(accepted))
    hasty = sum(gold == "review" for gold, _ in accepted) / max(1, len(accepted))
    each = "  ".join(f"{value} {score:.3f}" for value, score in scores.items())
    coverage = len(accepted) / max(1, len(pairs))
    return f"macro-F1 {sum(scores.values()) / 3:.4f} ({each})  flips {flips:.4f}  doubtful accepted {hasty:.4f}  coverage {coverage:.3f}  n={len(pairs)}"


@dataclass
class Hospital:
    """One hospital's way through the rooms; CPU seconds per step."""

    code: str
    rows: int = 0
    rows_of: dict[str, ReportRow] = field(default_factory=dict)
    reports: Sequence[MergedReport] = ()
    labels: dict[str, tuple[str, ReportLabel]] = field(default_factory=dict)  # report -> (disease, label)
    links: dict[Pair, tuple[str, str]] = field(default_factory=dict)  # (study, report) -> (kind, state)
    seconds: dict[str, float] = field(default_factory=dict)
    scrubbed: dict[str, str] = field(default_factory=dict)

    def timed(self, step: str, started: float) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - started


def run(folder: Path, code: str, studies: Sequence[StudyIdentity]) -> Hospital:
    diseases = load_diseases()
    rules = {disease.code: rule_set(disease) for disease in diseases}
    hospital = Hospital(code)
    rows = []
    for kind in ("imaging", "pathology"):
        started = time.process_time()
        table = read_table(folder / f"{code}_{kind}.{TABLES[code]}")
        rows += apply(table, propose(table).accepted())
        hospital.timed("read and map", started)
    hospital.rows = len(rows)
    started = time.process_time()
    hospital.reports = merge(rows).reports
    hospital.timed("merge", started)
    started = time.process_time()
    for proposal in link(studies, [ReportIdentity.of(report) for report in hospital.reports]):
        hospital.links[proposal.study, proposal.report] = (proposal.kind.value, proposal.state.value)
    hospital.timed("link", started)
    for row in rows:
        if not isinstance(row, ReportRow):
            continue
        hospital.rows_of[row.id] = row
        started = time.process_time()
        spoken = diseases_of(row.sections, diseases, row.body_part) or ("",)
        if spoken[0]:
            hospital.labels[row.id] = (spoken[0], label_report(rules[spoken[0]], row.sections, row.kind, row.body_part))
        hospital.timed("label", started)
        started = time.process_time()
        known = tuple(v for v in (row.patient_name, row.patient_id, row.outpatient_number, row.accession_number, row.pathology_number) if v)
        hospital.scrubbed[row.id] = "\n".join(scrub(text, known, -100).text for text in row.sections.as_dict().values())
        hospital.timed("scrub", started)
    return hospital


def through(rows: Sequence[ReportRow]) -> int:
    """One share of the rows through merge, scrub and label with every told scheme; the number of rows."""
    diseases = load_diseases()
    rules = {disease.code: rule_set(disease) for disease in diseases}
    definitions = {disease.code: disease for disease in diseases}
    merge(rows)
    for row in rows:
        known = tuple(v for v in (row.patient_name, row.patient_id, row.outpatient_number, row.accession_number, row.pathology_number) if v)
        for text in row.sections.as_dict().values():
            scrub(text, known, -100)
        code = next(iter(diseases_of(row.sections, diseases, row.body_part)), "")
        if not code:
            continue
        said = label_report(rules[code], row.sections, row.kind, row.body_part)
        for scheme in definitions[code].schemes:
            if scheme.told:
                told_report(rules[code], scheme, row.sections, row.kind, row.body_part, said=said)
    return len(rows)


def print_throughput(folder: Path, processes: int) -> None:
    """Wall time of all rows through merge, scrub, label and told schemes in ``processes`` at once; started and fed before the clock starts."""
    shares: list[list[ReportRow]] = [[] for _ in range(processes)]
    for code in TABLES:
        rows: list[ReportRow] = []
        for kind in ("imaging", "pathology"):
            table = read_table(folder / f"{code}_{kind}.{TABLES[code]}")
            rows += [row for row in apply(table, propose(table).accepted()) if isinstance(row, ReportRow)]
        for n in range(processes):  # a share is a stretch of every hospital, so that the shares cost the same
            shares[n] += rows[len(rows) * n // processes : len(rows) * (n + 1) // processes]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(through, [share[:20] for share in shares]))  # the processes are there and their rules loaded, sentences are not
        started = time.perf_counter()
        rows_done = sum(pool.map(through, shares))
        seconds = time.perf_counter() - started
    print(f"{rows_done} reports through merge, scrub, label and told schemes in {processes} processes: {seconds:.2f} s, {rows_done / seconds:.0f}/s")


def studies_of(path: Path) -> dict[str, list[StudyIdentity]]:
    found: dict[str, list[StudyIdentity]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for r in csv.DictReader(file):
            study = StudyIdentity(
                r["study_uid"], r["AccessionNumber"], r["PatientID"], r["PatientName"], normalise.sex(r["PatientSex"]),
                normalise.age_years(r["PatientAge"]), r["PatientBirthDate"], r["StudyDate"], r["Modality"], r["BodyPartExamined"],
            )  # fmt: skip
            found.setdefault(r["hospital"], []).append(study)
    return found


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def print_links(hospitals: Iterable[Hospital], gold: Path, root: dict[str, str]) -> None:
    wanted: dict[str, set[Pair]] = {"imaging": set(), "pathology": set()}
    for row in read(gold / "gold_links.csv"):
        ids = {"imaging": [row["imaging_id"]], "pathology": re.split(r"[;|\s]+", row["pathology_ids"])}
        for kind, found in ids.items():
            wanted[kind].update((row["study_uid"], root[i]) for i in found if i)
    for kind, truth in wanted.items():
        links = [(s, root[r], state) for h in hospitals for (s, r), (of, state) in h.links.items() if of == kind]
        print(f"link {kind:9}  {rates({(s, r) for s, r, state in links if state == 'sure'}, truth)}  in review {sum(state == 'review' for *_, state in links)}")


def print_labels(hospitals: Sequence[Hospital], gold: dict[str, dict[str, str]], links: Sequence[dict[str, str]]) -> None:
    for kind in ("imaging", "pathology"):
        pairs = []
        diseases = 0
        for h in hospitals:
            for row in h.rows_of.values():
                truth = gold[row.id]
                if truth["kind"] != kind:
                    continue
                disease, label = h.labels.get(row.id, ("", None))
                diseases += disease == truth["disease"]
                pairs.append((truth["label01"] or "review", label.value if label else "review"))
        print(f"label {kind:9} {classes(pairs)}  disease right {diseases / max(1, len(pairs)):.4f}")
    pairs = []
    for h in hospitals:
        spoken = {r.id: SpokenReport(r.id, r.row.kind, h.labels[r.id][1], r.row.exam_date) for r in h.reports if r.id in h.labels}
        by_study: dict[str, list[SpokenReport]] = {}
        for (study, report), (kind, state) in h.links.items():
            if kind == "pathology" and state == "sure" and report in spoken:
                by_study.setdefault(study, []).append(spoken[report])
        pairs += [(row["label01"], aggregate_case(by_study[row["study_uid"]]).value) for row in links if row["label01"] and row["study_uid"] in by_study]
    print(f"study by its linked pathology  {classes(pairs)}")


def print_told(hospitals: Sequence[Hospital], gold: dict[str, dict[str, str]]) -> None:
    """Told schemes against gold; the letters of pT1b are left off, as the classes have none. Edmondson grades count as grades in gold."""
    diseases = {disease.code: disease for disease in load_diseases()}
    columns = {"tnm-t": "pT", "tnm-n": "pN", "grade": "grade", "edmondson": "grade", "subtype": "subtype"}
    found: dict[str, set[Pair]] = {column: set() for column in columns.values()}
    wanted: dict[str, set[Pair]] = {column: set() for column in columns.values()}
    for row in (row for h in hospitals for row in h.rows_of.values() if row.kind is ReportKind.PATHOLOGY):
        definition = diseases.get(gold[row.id]["disease"])
        for scheme in definition.schemes if definition else ():
            column = columns.get(scheme.told, "")
            said = told_report(rule_set(definition), scheme, row.sections, row.kind, row.body_part) if definition and column else None
            if said is not None:
                found[column].add((row.id, said.value))
        for column in wanted:
            value = gold[row.id][column].replace(" ", "-")
            if value:
                wanted[column].add((row.id, re.sub(r"(?<=^[0-4])(?:mi|[a-d])$", "", value) if column == "pT" else value))
    for column, truth in wanted.items():
        print(f"told {column:8} {rates(found[column], truth)}")


def print_scrub(hospitals: Sequence[Hospital], gold: Path) -> None:
    left = total = 0
    texts = {i: text for h in hospitals for i, text in h.scrubbed.items()}
    for row in read(gold / "phi.csv"):
        if row["id"] in texts:
            total += 1
            left += row["text"] in texts[row["id"]]
    print(f"scrub recall {1 - left / max(1, total):.4f} ({total - left} of {total})")


def print_negation(path: Path) -> None:
    said = []
    for row in read(path):
        match = re.search(r"\s+".join(map(re.escape, row["concept"].split())), row["sentence"], re.IGNORECASE)
        said.append((row["negation"] == "Negated", bool(match) and negated(row["sentence"], match.span() if match else (0, 0))))
    hits = sum(a and b for a, b in said)
    print(f"negation F1 {2 * hits / (sum(a for a, _ in said) + sum(b for _, b in said)):.4f} (n={len(said)})")


def print_banks() -> None:
    rules = {disease.code: rule_set(disease) for disease in load_diseases()}
    for path in sorted((HERE.parent / "tests" / "reports").glob("phrase_bank*.tsv")):
        pairs = []
        for line in path.read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                kind, disease, expected, text = line.split("\t")
                pairs.append((expected, label_report(rules[disease], Sections(impression=text), ReportKind(kind)).value))
        print(f"{path.stem:14} {classes(pairs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE.parent.parent / "shared" / "data" / "reports")
    parser.add_argument("--processes", type=int, default=0, help="only the throughput, in this many processes at once")
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    if chosen.processes:
        print_throughput(folder / "synthetic_dev", chosen.processes)
        return
    gold_folder = folder / "synthetic_dev_gold"
    gold = {row["id"]: row for row in read(gold_folder / "gold_reports.csv")}
    root = {i: row["dup_of"] or i for i, row in gold.items()}
    studies = studies_of(folder / "synthetic_dev" / "images.csv")
    hospitals = [run(folder / "synthetic_dev", code, studies.get(code, [])) for code in TABLES]
    rows = sum(h.rows for h in hospitals)
    print(f"rows {rows}, reports after merging {sum(len(h.reports) for h in hospitals)}, gold {len(set(root.values()))}")
    print_links(hospitals, gold_folder, root)
    print_labels(hospitals, gold, read(gold_folder / "gold_links.csv"))
    print_told(hospitals, gold)
    print_scrub(hospitals, gold_folder)
    print_negation(folder / "negex_dev.csv")
    print_banks()
    seconds = {step: sum(h.seconds.get(step, 0.0) for h in hospitals) for step in ("read and map", "merge", "link", "label", "scrub")}
    print("CPU seconds  " + "  ".join(f"{step} {value:.2f}" for step, value in seconds.items()))
    print(f"reports/s through merge, scrub and label, a CPU second of one core: {rows / (seconds['merge'] + seconds['scrub'] + seconds['label']):.0f}")


if __name__ == "__main__":
    main()
