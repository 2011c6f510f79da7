"""All SQL of the viewer: ``seen`` (what may be seen, where its bytes lie) and ``listed`` (what QIDO lists)."""

from __future__ import annotations

from services.viewer.store.listed import (
    InstanceRow,
    SeriesRow,
    StudyRow,
    first_series,
    instance_rows,
    keywords_of,
    series_rows,
    series_uids,
    study_rows,
)
from services.viewer.store.seen import (
    InstanceSeen,
    ResourceSeen,
    SeriesSeen,
    SlideSeen,
    dicom_resources,
    instances_of,
    note_download,
    note_resource,
    note_view,
    series_seen,
    slide_seen,
)

__all__ = [
    "InstanceRow", "InstanceSeen", "ResourceSeen", "SeriesRow", "SeriesSeen", "SlideSeen", "StudyRow", "dicom_resources", "first_series", "instance_rows",
    "instances_of", "keywords_of", "note_download", "note_resource", "note_view", "series_rows", "series_seen", "series_uids", "slide_seen", "study_rows",
]  # fmt: skip
