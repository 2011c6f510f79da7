"""What a worker does with one unit: fetch its objects, convert, store the files, and note the outcome as an object of its own.

The note makes an export resumable: a unit that has one is not run again. Nothing is visible before the export's manifest is.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from isocenter.errors import InvalidInput, NotFound
from isocenter.objects import ObjectStore, sha256_of
from services.catalog.exports import nifti
from services.catalog.exports.augment import augmented
from services.catalog.exports.masks import Mask, mask_of
from services.catalog.exports.patches import patches_of
from services.catalog.exports.pictures import pictures_of, resized
from services.catalog.exports.units import Done, Made, Unit
from services.catalog.exports.workplace import Workplace, note_key

VOLUMES = frozenset({"nifti", "monai", "nnunet", "bids"})
PICTURES = frozenset({"png", "jpeg", "coco", "imagefolder"})
JPEG_QUALITY = 95
PNG_LEVEL = 4
TRAINING = ("train", "")  # parts that augmentation may touch; "" = a version without a split


def convert(workplace: Workplace, unit: Unit) -> Done:
    """Run one unit. NotFound names the series whose object is missing; StorageFull and OSError go up; what cannot be converted is refused."""
    store = ObjectStore(workplace.store)
    workplace.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="export-", dir=workplace.scratch) as place:
        work = _Work(workplace, store, unit, Path(place))
        made = tuple(work.run())
        done = Done(unit.ordinal, made, tuple(work.refused))
    store.put_bytes(note_key(workplace.folder, unit.ordinal), json.dumps(done.document()).encode())
    return done


class _Work:
    def __init__(self, workplace: Workplace, store: ObjectStore, unit: Unit, place: Path) -> None:
        self.workplace, self.spec, self.store, self.unit, self.place = workplace, workplace.spec, store, unit, place
        self.format = str(unit.image["format"])
        self.refused: list[tuple[int | None, str]] = []
        self.copies = workplace.spec.copies if workplace.spec.augment and unit.split in TRAINING else 0

    def run(self) -> Iterator[Made]:
        kind = self.spec.format
        if kind == "s5cmd":
            yield self._copy_lines()
            return
        if kind == "bids" and self.unit.image["modality"] != "MR":
            self.refused.append((None, "not-mr"))
            return
        if kind == "patches" and self.format != "WSI":
            self.refused.append((None, "not-a-slide"))
            return
        if (kind in VOLUMES or (kind == "medmnist" and self.spec.dimensions == 3)) and self.format not in ("DICOM", "NIFTI"):
            self.refused.append((None, "not-a-volume"))
            return
        for stack, paths in self._stacks():
            try:
                if kind in VOLUMES:
                    yield from self._volume(stack, paths)
                elif kind == "medmnist":
                    yield from self._tensor(stack, paths)
                elif kind == "patches":
                    yield from self._patches(paths[0])
                else:
                    yield from self._pictures(stack, paths)
            except InvalidInput as error:
                self.refused.append((stack, str(error.extra.get("code", "unreadable"))))
            except (ValueError, KeyError, AttributeError, TypeError, EOFError, nibabel.filebasedimages.ImageFileError):
                self.refused.append((stack, "unreadable"))
            for path in paths:
                path.unlink(missing_ok=True)

    def _stacks(self) -> Iterator[tuple[int, list[Path]]]:
        found: dict[int, list[Any]] = defaultdict(list)
        for source in self.unit.sources:
            found[source.stack].append(source)
        for stack, sources in sorted(found.items()):
            paths = []
            for number, source in enumerate(sources):
                path = self.place / f"{stack}-{number:06d}{_ending(source.key)}"
                self._fetch(source.key, path)
                paths.append(path)
            yield stack, paths

    def _fetch(self, key: str, path: Path) -> None:
        try:
            self.store.download(key, path)
        except NotFound:
            raise NotFound(f"The store lacks an object of the series {self.unit.image['series_uid']}; restore it from a backup, then export again.") from None

    def _name(self, stack: int, slice_: int | None = None, copy: int = 0) -> str:
        several = len({source.stack for source in self.unit.sources}) > 1
        name = self.unit.name + (f"_s{stack}" if several else "") + ("" if slice_ is None else f"_{slice_:04d}")
        return f"{name}_aug{copy}" if copy else name

    def _keep(self, name: str, ending: str, path: Path, **facts: Any) -> Made:
        sha256, size = sha256_of(path), path.stat().st_size
        self.store.put_file(f"{self.workplace.folder}/files/{sha256}", path)
        path.unlink()
        return Made(name, ending, sha256, size, {name: value for name, value in facts.items() if value is not None})

    def _copy_lines(self) -> Made:
        out = self.place / "lines.txt"
        root = self.workplace.store.url.rstrip("/")
        out.write_text("".join(f'cp "{root}/{source.key}" "{source.path}"\n' for source in self.unit.sources))
        return self._keep(self.unit.name, "txt", out)

    def _volume(self, stack: int, paths: list[Path]) -> Iterator[Made]:
        out = self.place / "volume.nii.gz"
        name = self._name(stack)
        if self.format == "NIFTI":
            volume, facts = None, self._as_gz(paths[0], out)
        else:
            volume = nifti.volume_of(paths)
            nifti.write_volume(volume, out)
            facts = {"shape": list(volume.shape), "echo_time_ms": _echo_time(paths[0])}
        mask = self._mask(volume) if volume is not None and self.spec.format == "nnunet" else None
        copies = list(self._volume_copies(name, out, stack)) if self.copies else []
        facts |= {"mask": self._keep_mask(name, volume, mask), "classes": mask.names} if mask and volume else {}
        yield self._keep(name, "nii.gz", out, stack=stack, **facts)
        yield from copies

    def _as_gz(self, source: Path, out: Path) -> dict[str, Any]:
        """A stored NIfTI as it is; one that is not packed gets packed."""
        image: Any = nibabel.load(source)
        if source.name.endswith(".gz"):
            source.rename(out)
        else:
            with source.open("rb") as file, out.open("wb") as packed:
                write = nifti.gzipped(packed)
                while piece := file.read(1 << 20):
                    write(piece)
                write(b"", end=True)
        return {"shape": [int(length) for length in image.shape]}

    def _volume_copies(self, name: str, path: Path, stack: int) -> Iterator[Made]:
        assert self.spec.augment is not None
        image: Any = nibabel.load(path)
        values = np.asarray(image.dataobj)
        if values.ndim != 3:
            self.refused.append((stack, "augmentation-needs-three-dimensions"))
            return
        values = values.T  # (k, j, i)
        for copy in range(1, self.copies + 1):
            changed = augmented(values, self.spec.augment, self.spec.seed, name, copy)
            out = self.place / f"copy-{copy}.nii.gz"
            nifti.write_slices(values.shape[::-1], image.affine, changed.dtype, iter(changed), out)
            yield self._keep(self._name(stack, None, copy), "nii.gz", out, stack=stack, augmented=copy, shape=list(values.shape[::-1]))

    def _mask(self, volume: nifti.Volume) -> Mask | None:
        paths = []
        for number, key in enumerate(self.unit.masks):
            path = self.place / f"mask-{number}.dcm"
            self._fetch(key, path)
            paths.append(path)
        found = mask_of(volume, str(self.unit.image["series_uid"]), paths, self.workplace.key.uid) if paths else None
        return found

    def _keep_mask(self, name: str, volume: nifti.Volume, mask: Mask) -> dict[str, Any]:
        out = self.place / "mask.nii.gz"
        nifti.write_slices(volume.shape, volume.affine, np.dtype("u1"), iter(mask.labels), out)
        made = self._keep(name, "nii.gz", out)
        return {"sha256": made.sha256, "size_bytes": made.size_bytes}

    def _pictures(self, stack: int, paths: list[Path]) -> Iterator[Made]:
        mask = None
        if self.spec.format == "coco" and self.unit.masks and self.format == "DICOM":
            try:
                mask = self._mask(nifti.volume_of(paths))
            except nifti.NotAVolume:
                mask = None
        for picture in pictures_of(self.format, paths, self.spec.slices == "all", self.spec.window_hu):
            shown = picture.slice if self.spec.slices == "all" else None
            regions = _regions(mask, picture.slice) if mask else None
            yield self._picture(self._name(stack, shown), picture.pixels, stack=stack, slice=picture.slice, regions=regions)
            for copy in range(1, self.copies + 1):
                assert self.spec.augment is not None
                changed = augmented(picture.pixels, self.spec.augment, self.spec.seed, self._name(stack, picture.slice), copy)
                yield self._picture(self._name(stack, shown, copy), changed, stack=stack, slice=picture.slice, augmented=copy)

    def _picture(self, name: str, pixels: NDArray[np.uint8], **facts: Any) -> Made:
        ending = "jpg" if self.spec.format == "jpeg" else "png"
        out = self.place / f"picture.{ending}"
        image = Image.fromarray(pixels)
        if ending == "jpg":
            image.save(out, quality=JPEG_QUALITY, subsampling=0)
        else:
            image.save(out, compress_level=PNG_LEVEL)
        return self._keep(name, ending, out, width=image.width, height=image.height, **facts)

    def _patches(self, path: Path) -> Iterator[Made]:
        spec, mpp = self.spec, self.unit.image["mpp"]
        for patch in patches_of(path, spec.mpp, mpp, spec.size_px, spec.most, spec.tissue):
            name = f"{self.unit.name}_x{patch.x_px}_y{patch.y_px}"
            facts = {"x_px": patch.x_px, "y_px": patch.y_px, "tissue": round(patch.tissue, 4), "mpp": spec.mpp or mpp}
            yield self._picture(name, patch.pixels, stack=0, **facts)
            for copy in range(1, self.copies + 1):
                assert spec.augment is not None
                yield self._picture(f"{name}_aug{copy}", augmented(patch.pixels, spec.augment, spec.seed, name, copy), stack=0, augmented=copy, **facts)

    def _tensor(self, stack: int, paths: list[Path]) -> Iterator[Made]:
        """MedMNIST: (size, size), (size, size, 3) or (size, size, size) uint8, raw."""
        size = self.spec.size_px
        if self.spec.dimensions == 2:
            values = resized(next(pictures_of(self.format, paths, False, self.spec.window_hu)).pixels, size)
        else:
            if self.format == "DICOM":
                nifti.volume_of(paths)  # refuses what is no volume
            planes = [resized(picture.pixels, size) for picture in pictures_of(self.format, paths, True, self.spec.window_hu)]
            if len(planes) < 2:
                raise nifti.NotAVolume("one-slice")
            at = np.linspace(0, len(planes) - 1, size)
            low = np.floor(at).astype(int)
            share = (at - low)[:, None, None]
            stacked = np.stack(planes).astype(np.float32)
            if stacked.ndim != 3:
                raise nifti.NotAVolume("colour")
            values = np.asarray(stacked[low] * (1 - share) + stacked[np.minimum(low + 1, len(planes) - 1)] * share + 0.5, np.uint8)
        out = self.place / "tensor.raw"
        out.write_bytes(np.ascontiguousarray(values).tobytes())
        yield self._keep(self._name(stack), "raw", out, stack=stack, shape=list(values.shape))


def _regions(mask: Mask, place: int) -> list[dict[str, Any]]:
    """Each segment of a slice as COCO wants it: bounding box [x, y, width, height], area, uncompressed run lengths down the columns."""
    found = []
    for value, name in mask.names.items():
        region = mask.labels[place] == value
        if not region.any():
            continue
        rows, columns = np.nonzero(region)
        flat = np.concatenate(([0], region.T.reshape(-1).astype(np.int8), [0]))
        changes = np.flatnonzero(np.diff(flat))
        ends = np.concatenate(([0], changes, [region.size] if changes[-1] != region.size else []))
        box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        found.append({"name": name, "bbox": box, "area": int(region.sum()), "counts": [int(length) for length in np.diff(ends)]})
    return found


def _echo_time(path: Path) -> float | None:
    import pydicom

    value = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["EchoTime"]).get("EchoTime")
    return float(value) if value else None


def _ending(key: str) -> str:
    _, dot, ending = key.rsplit("/", 1)[-1].partition(".")
    return dot + ending
