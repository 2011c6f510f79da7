"""Every released DICOM file of the development data: frames and metadata as pydicom reads the stored object, rendered by the same rules."""

from __future__ import annotations

import copy
import io
import warnings
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from ingest_service import open_ingest
from PIL import Image
from sqlalchemy import select

from isocenter.auth import PRINCIPAL_HEADER, Principal, Role, sign
from isocenter.imaging.decode import PixelsUnreadable, decode
from isocenter.imaging.window import to_uint8
from isocenter.models import Instance, Series, Slide, Study
from services.viewer.app import create_app

# The import of all files takes most of the time, so this runs where the other long tests do.
pytestmark = [pytest.mark.shared, pytest.mark.soak, pytest.mark.timeout(900)]


def _expected(ds: pydicom.Dataset, number: int) -> np.ndarray | None:
    """pydicom's own decoding of a frame; ours where only another decoder reads it; None where nothing does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(pydicom.pixels.pixel_array(ds, index=number))
        except Exception:
            try:
                return np.asarray(decode(ds, number))
            except PixelsUnreadable:
                return None


def _received(ds: pydicom.Dataset, body: bytes, expected: np.ndarray) -> np.ndarray:
    """What a client makes of a frame: native ones by the header (planes apart, overlays in unused bits), decoded ones as they come."""
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        return np.frombuffer(body, expected.dtype).reshape(expected.shape) if len(body) == expected.nbytes else np.zeros(0)
    one = copy.deepcopy(ds)
    one.PixelData, one.NumberOfFrames = body, 1
    return np.asarray(pydicom.pixels.pixel_array(one))


async def test_released_files_when_viewed_then_equal_to_pydicoms_decoding(tmp_path: Path, shared_data: Path) -> None:
    async for service in open_ingest("", tmp_path, executor="processes:2", batch_files=64, import_roots=str(shared_data)):
        source = {"kind": "folder", "path": str(shared_data / "images")}
        order = {"hospital": "H1", "source": source, "tables": [], "diseases": "auto"}
        view = await service.wait((await service.call("POST", "/imports", order, status=201))["key"], 400)
        assert view["state"] == "finished"
        resources = service.resources
        headers = {PRINCIPAL_HEADER: sign(Principal(1, "rev", Role.REVIEWER), resources.key, lifetime_seconds=3600)}
        async with resources.db.read() as session:
            rows = (await session.execute(
                select(Study.uid, Series.uid, Instance).join(Series, Series.id == Instance.series_id).join(Study, Study.id == Series.study_id)
                .where(Series.format == "DICOM", Instance.generation == 0, Instance.deleted_at.is_(None))
            )).all()  # fmt: skip
            indexed = (await session.scalars(select(Slide.tile_index_key))).all()
        assert any(indexed)
        wrong: list[str] = []
        metadata: dict[str, dict[str, object]] = {}
        compared = 0
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(resources.settings, resources)), base_url="http://localhost") as client:
            for study, series, instance in rows:
                if series not in metadata:
                    described = await client.get(f"/dicom-web/studies/{study}/series/{series}/metadata", headers=headers)
                    assert described.status_code == 200, described.text
                    told = described.json()
                    metadata[series] = {one["00080018"]["Value"][0]: one for one in told}
                ds = pydicom.dcmread(io.BytesIO(resources.store.get_bytes(instance.object_key)), force=True)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    header = ds.to_json_dict(bulk_data_threshold=1 << 30, suppress_invalid_tags=True)
                mine = metadata[series][instance.sop_uid]
                assert isinstance(mine, dict)
                if any(mine[tag] != header.get(tag) for tag in mine if tag != "00083002" and "BulkDataURI" not in mine[tag]):
                    wrong.append(f"metadata {series}")
                if "PixelData" not in ds:
                    continue
                place = f"/dicom-web/studies/{study}/series/{series}/instances/{instance.sop_uid}/frames"
                for number in sorted({1, (instance.frames + 1) // 2, instance.frames}):
                    expected = _expected(ds, number - 1)
                    answer = await client.get(f"{place}/{number}", headers={**headers, "Accept": "application/octet-stream"})
                    drawn = await client.get(f"{place}/{number}/rendered", headers={**headers, "Accept": "image/png"})
                    if expected is None:
                        assert drawn.status_code == 406
                        continue
                    compared += 1
                    if answer.status_code != 200 or drawn.status_code != 200:
                        wrong.append(f"frame {number} of {instance.frames}, {ds.file_meta.TransferSyntaxUID}: {answer.text[:200]!r} {drawn.status_code}")
                        continue
                    if not np.array_equal(_received(ds, answer.content, expected), expected):
                        wrong.append(f"frame {number} {ds.file_meta.TransferSyntaxUID} {ds.get('PhotometricInterpretation')} {ds.get('BitsAllocated')}")
                    shown = np.asarray(Image.open(io.BytesIO(drawn.content)), int)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        wanted = to_uint8(expected, ds, None, number - 1)
                    if shown.shape != wanted.shape or np.abs(shown - wanted).max() > 1:
                        wrong.append(f"rendered {number} {ds.file_meta.TransferSyntaxUID} {ds.get('PhotometricInterpretation')}")
        assert compared > 200
        assert wrong == []
