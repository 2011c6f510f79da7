"""Geometry and units of a series, by hand calculation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from services.viewer.space import geometry, suv_bw_factor, value_unit

if TYPE_CHECKING:
    from conftest import Viewer


def _json(**tags: Any) -> dict[str, Any]:
    return {name.removeprefix("t"): {"vr": "DS", "Value": value if isinstance(value, list) else [value]} for name, value in tags.items()}


async def test_geometry_when_ct_then_spacing_in_mm_and_hounsfield_units(viewer: Viewer) -> None:
    told = (await viewer.get("/api/v1/series/1.1/geometry")).json()
    assert told == {"rows": 48, "columns": 40, "frames": 3, "spacing_mm": [0.7, 0.7, 2.5], "orientation": [1, 0, 0, 0, 1, 0], "regular": True, "unit": "HU"}
    volume = (await viewer.get("/api/v1/series/1.4/geometry")).json()
    assert (volume["spacing_mm"], volume["unit"]) == ([1, 2, 3], "")
    planes = (await viewer.get("/api/v1/series/1.4/slices")).json()["planes"]
    assert {plane: (planes[plane]["left"], planes[plane]["top"]) for plane in planes} == {"axial": ("R", "A"), "coronal": ("R", "H"), "sagittal": ("A", "H")}
    assert (await viewer.get("/api/v1/series/1.5/geometry")).status_code == 422
    assert (await viewer.get("/api/v1/series/9/geometry")).status_code == 404


def test_geometry_when_multi_frame_then_from_its_functional_groups() -> None:
    frames = [{"00209113": {"Value": [_json(t00200032=[0, 0, 3.0 * n])]}} for n in range(4)]
    shared = {"00209116": {"Value": [_json(t00200037=[1, 0, 0, 0, 1, 0])]}, "00289110": {"Value": [_json(t00280030=[0.5, 0.6])]}}
    header = _json(t00280010=8, t00280011=9) | {"52009229": {"Value": [shared]}, "52009230": {"Value": frames}}
    told = geometry([header], "MR")
    assert (told["spacing_mm"], told["frames"], told["regular"], told["unit"]) == ([0.5, 0.6, 3.0], 4, True, "")
    assert geometry([], "MR")["spacing_mm"] is None


@pytest.mark.parametrize(("modality", "header", "unit"), [
    ("CT", {}, "HU"), ("CT", _json(t00281054="HU"), "HU"), ("CT", _json(t00080008=["ORIGINAL", "PRIMARY", "LOCALIZER"]), ""),
    ("CT", _json(t00281054="MGML"), "MGML"), ("PT", _json(t00541001="GML"), "SUVbw g/ml"), ("PT", _json(t00541001="GML", t00541006="LBM"), "SUVlbm g/ml"),
    ("PT", _json(t00541001="BQML"), "Bq/ml"), ("PT", _json(t00541001="CNTS"), "CNTS"), ("MR", {}, ""), ("MR", _json(t00281054="US"), ""),
])  # fmt: skip
def test_unit_when_told_then_it(modality: str, header: dict[str, Any], unit: str) -> None:
    assert value_unit(header, modality) == {"unit": unit}


def test_suv_when_all_is_known_then_weight_over_the_decayed_dose() -> None:
    # 70 kg, 370 MBq of F-18 (half-life 6586.2 s) given one half-life before the scan: 70,000 g / 185e6 Bq.
    dose = _json(t00181074=370e6, t00181075=6586.2, t00181072="235900.00")
    header = _json(t00101030=70, t00541102="START", t00080031="014846.2", t00541001="BQML") | {"00540016": {"Value": [dose]}}
    assert suv_bw_factor(header) == pytest.approx(70_000 / 185e6, rel=1e-9)
    assert value_unit(header, "PT")["suv_bw_factor"] == pytest.approx(70_000 / 185e6)
    for lost in ("00101030", "00540016", "00541102", "00080031"):
        assert suv_bw_factor({tag: value for tag, value in header.items() if tag != lost}) is None
