"""NIfTI by our own writer against dcm2niix: the same values at the same places in the world; and what is refused, by reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from catalog.export_site import AXIAL, slices

from services.catalog.exports.nifti import NotAVolume, volume_of, write_volume

DCM2NIIX = Path(sys.executable).with_name("dcm2niix")
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.96592583, 0.25881905, 0.0, -0.25, 0.9330127, 0.25881905)


def written(folder: Path, files: list[bytes]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number, content in enumerate(files):
        paths.append(folder / f"{number:03d}.dcm")
        paths[-1].write_bytes(content)
    return paths


def at_the_same_places(ours, theirs):
    """The values of ``theirs`` where the voxels of ``ours`` lie in the world; asserts that these are voxels of both."""
    voxels = np.indices(ours.shape).reshape(3, -1)
    places = ours.affine @ np.vstack([voxels, np.ones(voxels.shape[1])])
    there = (np.linalg.inv(theirs.affine) @ places)[:3]
    assert np.abs(there - np.rint(there)).max() < 0.01, "the grids differ by more than a hundredth of a voxel"
    return np.asarray(theirs.dataobj)[tuple(np.rint(there).astype(int))].reshape(ours.shape)


@pytest.mark.parametrize(
    ("orientation", "modality", "slope", "intercept"),
    [(AXIAL, "CT", 1, -1024), (SAGITTAL, "MR", 1, 0), (CORONAL, "MR", 1, 0), (OBLIQUE, "CT", 0.5, -1024)],
)
def test_volume_when_written_then_dcm2niix_has_the_same_values_at_the_same_places(tmp_path, orientation, modality, slope, intercept):
    paths = written(tmp_path / "in", slices("a", 7, modality=modality, orientation=orientation, slope=slope, intercept=intercept))
    volume = volume_of(paths[::-1])  # whatever the order of the files
    write_volume(volume, tmp_path / "ours.nii.gz")
    (tmp_path / "theirs").mkdir()
    done = subprocess.run([DCM2NIIX, "-z", "n", "-b", "n", "-f", "theirs", "-o", tmp_path / "theirs", tmp_path / "in"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs = nibabel.load(tmp_path / "ours.nii.gz"), nibabel.load(tmp_path / "theirs" / "theirs.nii")
    assert sorted(ours.shape) == sorted(theirs.shape)
    assert np.array_equal(np.asarray(ours.dataobj), at_the_same_places(ours, theirs))
    assert ours.get_data_dtype() == (np.float32 if slope == 0.5 else np.int16)


def test_volume_when_written_twice_then_is_the_same_bytes(tmp_path):
    paths = written(tmp_path / "in", slices("a", 4))
    for name in ("one", "two"):
        write_volume(volume_of(paths), tmp_path / f"{name}.nii.gz")
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


def heights(*z: float) -> list[tuple[float, float, float]]:
    return [(0.0, 0.0, height) for height in z]


@pytest.mark.parametrize(("files", "reason"), [
    (slices("a", 4, places=heights(0, 2.5, 5, 12.5)), "irregular-spacing"),
    (slices("a", 4, places=heights(0, 2.5, 2.5, 5)), "several-slices-at-one-place"),
    (slices("a", 4, places=[(0, index * 0.6, index * 2.5) for index in range(4)]), "gantry-tilt"),
    (slices("a", 3) + slices("b", 3, orientation=SAGITTAL), "mixed-orientation"),
    (slices("a", 3) + slices("b", 3, rows=30, places=heights(20, 22.5, 25)), "mixed-sizes"),
    (slices("a", 3) + slices("b", 3, spacing=(1.2, 1.2), places=heights(20, 22.5, 25)), "mixed-pixel-spacing"),
])  # fmt: skip
def test_stack_when_it_is_no_regular_volume_then_is_refused_with_the_reason(tmp_path, files, reason):
    with pytest.raises(NotAVolume) as refused:
        volume_of(written(tmp_path / "in", files))
    assert refused.value.code == reason


def test_stack_without_geometry_is_refused(tmp_path):
    import pydicom

    paths = written(tmp_path / "in", slices("a", 3))
    header = pydicom.dcmread(paths[1])
    del header.ImagePositionPatient
    header.save_as(paths[1])
    with pytest.raises(NotAVolume, match="no-geometry"):
        volume_of(paths)


def test_enhanced_object_when_its_frames_are_regular_then_is_one_volume(tmp_path):
    import highdicom  # makes a multi-frame object with per-frame positions
    import pydicom
    from highdicom.content import PixelMeasuresSequence, PlaneOrientationSequence

    plain = [pydicom.dcmread(path) for path in written(tmp_path / "in", slices("a", 4))]
    mask = np.stack([np.full((20, 24), index + 1, np.uint8) for index in range(4)])
    segment = highdicom.seg.SegmentDescription(
        1, "x", highdicom.sr.CodedConcept("85756007", "SCT", "Tissue"), highdicom.sr.CodedConcept("85756007", "SCT", "Tissue"), "MANUAL"
    )
    seg = highdicom.seg.Segmentation(
        source_images=plain, pixel_array=(mask > 0).astype(np.uint8), segmentation_type="FRACTIONAL", segment_descriptions=[segment],
        series_instance_uid="1.2.3", series_number=1, sop_instance_uid="1.2.4", instance_number=1, manufacturer="x", manufacturer_model_name="x",
        software_versions="1", device_serial_number="1", max_fractional_value=1,
        pixel_measures=PixelMeasuresSequence(plain[0].PixelSpacing, 2.5), plane_orientation=PlaneOrientationSequence("PATIENT", list(AXIAL)),
    )  # fmt: skip
    seg.save_as(tmp_path / "multi.dcm")
    volume = volume_of([tmp_path / "multi.dcm"])
    assert volume.shape == (24, 20, 4)
    assert np.allclose(volume.affine, volume_of(written(tmp_path / "in", slices("a", 4))).affine)
