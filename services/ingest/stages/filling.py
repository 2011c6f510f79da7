"""Fill what studies lack from other studies and reports of the same patient; written beside the case with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isocenter.db import upsert_ignore
from isocenter.models import FilledValue, Report, Study
from services.ingest.assign import body_part_term
from services.ingest.fill import fill
from services.ingest.identity import ReportCapsule, StudyCapsule
from services.ingest.report_records import FilledValue as Filled
from services.ingest.report_records import MergedReport, ReportIdentity
from services.ingest.store import clinical, imports

AGE_CAP_YEARS = 90


def filled(own: Sequence[int], studies: Mapping[int, StudyCapsule], reports: Mapping[int, ReportCapsule], linked: Mapping[int, Sequence[int]]) -> list[Filled]:
    """Values for the studies of this import, patient by patient; keys are row ids as text."""
    wanted = {studies[study].number for study in own if study in studies}
    of_patient: dict[str, list[int]] = {}
    for study, capsule in sorted(studies.items()):
        if capsule.number in wanted:
            of_patient.setdefault(capsule.number, []).append(study)
    found: list[Filled] = []
    for number, members in sorted(of_patient.items()):
        told = {report for study in members for report in linked.get(study, ())}
        told |= {report for report, capsule in reports.items() if capsule.number == number}
        values = fill(
            [replace(studies[study].identity, key=str(study)) for study in members],
            [ReportIdentity.of(MergedReport(str(report), reports[report].row, ())) for report in sorted(told) if report in reports],
            {str(study): [str(report) for report in linked.get(study, ())] for study in members},
        )
        found.extend(value for value in values if int(value.study) in own)
    return found


async def write_filled(session: AsyncSession, values: Sequence[Filled]) -> None:
    """One row a case, name and source; the source named by UID or report key, never by a patient's value."""
    if not values:
        return
    cases = await clinical.cases_of_studies(session, [int(value.study) for value in values])
    uids = dict(await imports.chunked(session, select(Study.id, Study.uid), Study.id, _ids(values, "study")))
    keys = dict(await imports.chunked(session, select(Report.id, Report.key), Report.id, _ids(values, "report")))
    rows: dict[tuple[int, str, str], dict[str, Any]] = {}
    for value in values:
        kind, _, number = value.source.partition(":")
        named = (uids if kind == "study" else keys).get(int(number or 0), "")
        text = value.value
        if value.name == "age_years" and text.isdigit():
            text = str(min(int(text), AGE_CAP_YEARS))
        elif value.name == "body_part":
            text = body_part_term(text)
        if not text:
            continue
        for case in cases.get(int(value.study), ()):
            row = {"case_id": case, "series_key": 0, "name": value.name[:32], "value": text[:255], "source": f"{kind}:{named}"[:64]}
            rows[case, row["name"], row["source"]] = row  # type: ignore[index]
    await upsert_ignore(session, FilledValue.__table__, [rows[place] for place in sorted(rows)])


def _ids(values: Sequence[Filled], kind: str) -> list[int]:
    return [int(value.source.partition(":")[2]) for value in values if value.source.startswith(f"{kind}:") and value.source.partition(":")[2].isdigit()]
