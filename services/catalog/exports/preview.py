"""An augmentation recipe shown on one picture of the version: the original, then its copies, side by side, as an export would make them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from isocenter.errors import InvalidInput
from isocenter.objects import ObjectStore
from services.catalog.exports.augment import augmented
from services.catalog.exports.pictures import pictures_of
from services.catalog.exports.recipes import Recipe
from services.catalog.exports.units import Unit
from services.catalog.exports.workplace import Workplace

HEIGHT_PX = 320
GAP_PX = 4


def preview(workplace: Workplace, unit: Unit, recipe: Recipe, seed: int, copies: int) -> bytes:
    """PNG. The middle slice of the first stack; a recipe of a volume moves all slices alike."""
    store = ObjectStore(workplace.store)
    workplace.scratch.mkdir(parents=True, exist_ok=True)
    sources = [source for source in unit.sources if source.stack == unit.sources[0].stack]
    chosen = [sources[len(sources) // 2]]
    with tempfile.TemporaryDirectory(prefix="preview-", dir=workplace.scratch) as place:
        _, dot, ending = chosen[0].key.rsplit("/", 1)[-1].partition(".")
        path = Path(place) / f"source{dot}{ending}"
        store.download(chosen[0].key, path)
        try:
            original = next(pictures_of(str(unit.image["format"]), [path], False, None)).pixels
        except (InvalidInput, ValueError, KeyError, AttributeError, TypeError, EOFError) as error:
            raise InvalidInput("This series has no picture that can be shown.", field="series_uid") from error
    shown = [original, *(augmented(original, recipe, seed, unit.name, copy) for copy in range(1, copies + 1))]
    tiles = []
    for pixels in shown:
        picture = Image.fromarray(pixels).convert("RGB")
        tiles.append(picture.resize((max(1, round(picture.width * HEIGHT_PX / picture.height)), HEIGHT_PX)))
    sheet = Image.new("RGB", (sum(tile.width for tile in tiles) + GAP_PX * (len(tiles) - 1), HEIGHT_PX), (255, 255, 255))
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, 0))
        left += tile.width + GAP_PX
    out = io.BytesIO()
    Image.fromarray(np.asarray(sheet)).save(out, "PNG")
    return out.getvalue()
