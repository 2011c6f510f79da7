"""De-identification: one file in, one verified file out, or the reason why not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from isocenter.imaging.quiet import quiet
from isocenter.keys import SiteKey
from services.ingest.deidentify import dicom, nifti, raster, slide
from services.ingest.deidentify.policy import Decision, DeidPolicy, load_policy
from services.ingest.records import ImageFacts, ImageFormat, NewUids, Outcome, Refusal, Released, Subject

__all__ = ["Decision", "DeidPolicy", "deidentify", "load_policy"]

log = logging.getLogger(__name__)

_Way = Callable[[Path, ImageFacts, Subject, NewUids, SiteKey, DeidPolicy, Path], Released | Refusal]
_WAYS: dict[ImageFormat, _Way] = {
    ImageFormat.DICOM: dicom.deidentify_dicom,
    ImageFormat.NIFTI: nifti.deidentify_nifti,
    ImageFormat.PNG: raster.deidentify_raster,
    ImageFormat.JPEG: raster.deidentify_raster,
    ImageFormat.WSI: slide.deidentify_slide,
}


def deidentify(
    path: Path, facts: ImageFacts, subject: Subject, uids: NewUids, key: SiteKey, policy: DeidPolicy, out_dir: Path
) -> Released | Refusal:
    """Writes ``out_dir/<new SOP UID>.<extension>`` (``Released.extension``), verified; the same inputs give the same bytes.

    Never raises for any content: what cannot be cleaned or proven comes back as a Refusal for review, and nothing is left in
    ``out_dir``. OSError (a full disk) is raised: it says nothing about the file.
    """
    try:
        with quiet():
            return _WAYS[facts.format](path, facts, subject, uids, key, policy, out_dir)
    except OSError:
        raise
    except Exception as error:  # the boundary to hostile input and third-party parsers: refusals cross it as values
        log.warning("deidentify failed format=%s error=%s", facts.format, type(error).__name__)
        for left in out_dir.glob(f"{uids.sop_uid}.*"):
            left.unlink(missing_ok=True)
        return Refusal(Outcome.REVIEW, "not-cleanable", "The file could be read but not rewritten without its identifying parts.")
