"""Small DICOM files for tests of reading and de-identification, made from files bundled in pydicom (MIT)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from image_samples import bundled
from pydicom.dataset import Dataset

from isocenter.keys import SiteKey
from services.ingest.deidentify import deidentify, load_policy
from services.ingest.deidentify.policy import DeidPolicy
from services.ingest.readers import read
from services.ingest.records import ImageFacts, NewUids, Reading, Refusal, Released, Subject

Released_ = tuple[Released | Refusal, Path]


@pytest.fixture
def key() -> SiteKey:
    return SiteKey(b"k" * 32)


@pytest.fixture(scope="session")
def policy() -> DeidPolicy:
    return load_policy()


@pytest.fixture
def subject() -> Subject:
    return Subject("ISO-000001", -100, ("张伟", "ZHANG^WEI", "MRN4711"))


@pytest.fixture
def ct() -> Dataset:
    """A CT slice (128 x 128) with a short header: CT_small.dcm without its private groups and trailing padding."""
    ds = pydicom.dcmread(bundled("CT_small.dcm"))
    ds.remove_private_tags()
    ds.pop("DataSetTrailingPadding", None)
    ds.PatientName, ds.PatientID = "ZHANG^WEI", "MRN4711"
    return ds


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Dataset], Path]:
    """Writes a dataset to a file and gives its path."""

    def save(ds: Dataset, name: str = "in.dcm") -> Path:
        path = tmp_path / name
        ds.save_as(path, enforce_file_format=False)
        return path

    return save


@pytest.fixture
def release(tmp_path: Path, key: SiteKey, policy: DeidPolicy, subject: Subject) -> Callable[[Path], Released_]:
    """Reads and de-identifies a file: (result, path of the written file)."""

    def run(path: Path, folder: str = "out", whose: Subject | None = None) -> Released_:
        reading = read(path, key)
        assert isinstance(reading, Reading), reading
        return run_with(path, reading.facts, folder, whose)

    def run_with(path: Path, facts: ImageFacts, folder: str, whose: Subject | None) -> Released_:
        out = tmp_path / folder
        out.mkdir(exist_ok=True)
        uids = NewUids(*(key.uid(uid or f"{kind}:{path.name}") for kind, uid in _uids(facts)))
        result = deidentify(path, facts, whose or subject, uids, key, policy, out)
        extension = result.extension if isinstance(result, Released) else "none"
        return result, out / f"{uids.sop_uid}.{extension}"

    return run


def _uids(facts: ImageFacts) -> list[tuple[str, str]]:
    return [("study", facts.study_uid), ("series", facts.series_uid), ("sop", facts.sop_uid)]
