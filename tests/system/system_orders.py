"""Import orders of the sample hospitals, as a data manager would give them."""

from __future__ import annotations

from typing import Any

from fixtures.running import Platform

KINDS = {"imaging": "imaging", "pathology": "pathology", "image_list": "image_list", "labels": "labels"}


def order_of(platform: Platform, hospital: str) -> dict[str, Any]:
    """Images of a sample hospital with all its tables; kinds that a file name does not say are found from the columns."""
    folder = platform.import_root / hospital.lower()
    tables = [
        {"kind": next((name for word, name in KINDS.items() if word in path.name), None), "path": str(path)} for path in sorted((folder / "tables").iterdir())
    ]
    return {"hospital": hospital, "source": {"kind": "folder", "path": str(folder / "images")}, "tables": tables, "diseases": "auto"}
