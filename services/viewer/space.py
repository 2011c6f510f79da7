"""A DICOM series in the patient: spacing in mm, whether its slices make a volume, and the unit of its values.

Arithmetic over the DICOM JSON of the series' metadata object.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from isocenter.imaging.geometry import Slice, is_regular, slice_spacing_mm

Header = dict[str, Any]


def geometry(headers: Sequence[Header], modality: str) -> dict[str, Any]:
    """``spacing_mm`` is between rows, between columns, between slices (None where nothing says it); ``unit`` that of values after the rescale."""
    first = headers[0] if headers else {}
    slices = [place for header in headers for place in _places(header)]
    spacing = [float(value) for value in _values(_measures(first), "00280030")[:2]]
    between = slice_spacing_mm(slices)
    orientation = slices[0].orientation if slices else None
    return {
        "rows": _number(first, "00280010"),
        "columns": _number(first, "00280011"),
        "frames": len(slices),
        "spacing_mm": [*spacing, between] if len(spacing) == 2 else None,
        "orientation": list(orientation) if orientation else None,
        "regular": is_regular(slices),
        **value_unit(first, modality),
    }


def value_unit(header: Header, modality: str) -> dict[str, Any]:
    """``unit``: HU, SUVbw g/ml ... or '' when nobody says; ``suv_bw_factor`` turns values in Bq/ml into SUVbw where the header holds all of it."""
    told = str(_first(header, "00281054") or "")
    if modality == "CT" and told in ("", "HU", "US"):
        # PS3.3 C.8.2.1.1.2: an original CT image is in Hounsfield units unless it says another type.
        localizer = "LOCALIZER" in [str(value) for value in _values(header, "00080008")]
        return {"unit": "" if localizer and told != "HU" else "HU"}
    if modality == "PT":
        units, kind = str(_first(header, "00541001") or ""), str(_first(header, "00541006") or "BW")
        if units == "GML":
            return {"unit": f"SUV{kind.lower()} g/ml"}
        if units == "BQML":
            factor = suv_bw_factor(header)
            return {"unit": "Bq/ml"} | ({} if factor is None else {"suv_bw_factor": factor})
        return {"unit": units}
    return {"unit": "" if told == "US" else told}


def suv_bw_factor(header: Header) -> float | None:
    """g/Bq: SUVbw = value in Bq/ml x factor. Body weight over the dose decayed to the series' time (DecayCorrection START; QIBA's SUV calculation).

    None when weight, dose, half-life or one of the times is not there, or values are corrected to another time.
    """
    [*items] = _values(header, "00540016")
    dose = items[0] if items else {}
    decay = str(_first(header, "00541102") or "")
    weight_kg, total_bq, half_life_s = _first(header, "00101030"), _first(dose, "00181074"), _first(dose, "00181075")
    if not weight_kg or not total_bq or not half_life_s or decay not in ("START", "ADMIN"):
        return None
    seconds = 0.0
    if decay == "START":
        given, scanned = _seconds(str(_first(dose, "00181072") or "")), _seconds(str(_first(header, "00080031") or ""))
        if given is None or scanned is None:
            return None
        seconds = (scanned - given) % 86_400  # over midnight
    return float(float(weight_kg) * 1000 / (float(total_bq) * 2 ** (-seconds / float(half_life_s))))


def _seconds(text: str) -> float | None:
    """Seconds of the day of a DICOM TM value; None for anything else."""
    digits, _, fraction = text.strip().partition(".")
    try:
        moment = datetime.strptime(digits, "%H%M%S")
    except ValueError:
        return None
    return moment.hour * 3600 + moment.minute * 60 + moment.second + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)


def _places(header: Header) -> list[Slice]:
    """Where each frame of an instance lies: its functional groups, else the top level."""
    shared = (_values(header, "52009229") or [{}])[0]
    groups = _values(header, "52009230") or [{}]
    number = _number(header, "00200013")
    found = []
    for group in groups:
        place = _item(group, shared, "00209113", "00200032") or _values(header, "00200032")
        turn = _item(group, shared, "00209116", "00200037") or _values(header, "00200037")
        position = (float(place[0]), float(place[1]), float(place[2])) if len(place) == 3 else None
        found.append(Slice(position, tuple(float(value) for value in turn) if len(turn) == 6 else None, number))
    return found


def _measures(header: Header) -> Header:
    shared, first = (_values(header, "52009229") or [{}])[0], (_values(header, "52009230") or [{}])[0]
    for group in (first, shared):
        for item in _values(group, "00289110")[:1]:
            return dict(item)
    return header


def _item(group: Header, shared: Header, sequence: str, tag: str) -> list[Any]:
    for of in (group, shared):
        for item in _values(of, sequence)[:1]:
            if _values(item, tag):
                return _values(item, tag)
    return []


def _values(header: Header, tag: str) -> list[Any]:
    found: list[Any] = header.get(tag, {}).get("Value", [])
    return found


def _first(header: Header, tag: str) -> Any:
    return next(iter(_values(header, tag)), None)


def _number(header: Header, tag: str) -> int | None:
    value = _first(header, tag)
    return None if value is None else int(value)
