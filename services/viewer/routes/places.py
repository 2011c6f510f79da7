"""The addresses of DICOMweb and who may see what is there."""

from __future__ import annotations

from isocenter.errors import NotFound
from services.viewer.access import NOTHING, Seen
from services.viewer.raw import Asked
from services.viewer.viewing import Viewing

ROOT = "/dicom-web"
STUDY = f"{ROOT}/studies/{{study}}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"


async def see(viewing: Viewing, asked: Asked) -> Seen:
    """The DICOM series of the address; NotFound for others."""
    seen = await viewing.access.see(asked.principal, asked.path("series"), study_uid=asked.path("study"))
    if seen.series.format != "DICOM":
        raise NotFound("This series is not DICOM; see /api/v1/series for its pictures, slices or tiles.")
    return seen


async def see_study(viewing: Viewing, asked: Asked) -> list[Seen]:
    """The DICOM series of a study that this account may see, in order; NotFound when there is none."""
    uids = await viewing.series_of_study(asked.principal, asked.path("study"))
    if not uids:
        raise NotFound(NOTHING)
    return [await viewing.access.see(asked.principal, uid, study_uid=asked.path("study")) for uid in uids]
