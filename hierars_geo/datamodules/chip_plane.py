"""Images and labels that do not say where they lie: labels take their image's place, chips lie on a plane.

GDAL's names ``vrt://FILE?a_srs=...&a_gt=...`` give a file a place without touching it or writing another.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from affine import Affine
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..scenes.bad_files import map_all
from ..scenes.dataset import open_dataset
from ..scenes.handles import opening_env
from ..scenes.notices import notice
from .layouts import ScenePair

#: An engineering CRS: metres, but of no place on the Earth.
_PLANE = 'LOCAL_CS["chips without a place on the ground",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'


@dataclass(frozen=True)
class _Frame:
    """Where an image and its label say they lie."""

    shape: tuple[int, int]
    srs: str | None
    transform: Affine
    label_placed: bool


def place_pairs(pairs: Sequence[ScenePair], gsd_m: float) -> tuple[list[ScenePair], bool]:
    """Give every image and label a place.

    A label without a CRS takes that of its image. Images without one are chips: they are laid on a plane, in
    rows and columns, with at least a chip's side between any two, so that no window shows two of them. Their
    coordinates tell them apart and mean nothing else.

    Args:
        pairs: All pairs of a data set; the place of a chip depends on all of them, in their order.
        gsd_m: Pixel size of chips in metres.

    Returns:
        The pairs, and whether they are chips.

    Raises:
        RasterError: A file cannot be read, a label has another size than its image, or only some of the
            images have a CRS; all such files are named.
    """
    with opening_env():
        frames = map_all(_frame, pairs)
    loose = [frame.srs is None for frame in frames]
    if any(loose) and not all(loose):
        raise RasterError(
            f"Expected all images with a CRS or none, but {sum(loose)} of {len(pairs)} have none (first: "
            f"{pairs[loose.index(True)].image}). Assign it, or move them away."
        )
    if not any(loose):
        return [_placed_label(pair, frame) for pair, frame in zip(pairs, frames, strict=True)], False
    notice(
        f"{pairs[0].image} and {len(pairs) - 1} more have no CRS: they are read as chips of {gsd_m:g} m "
        "pixels without a place on the ground."
    )
    step_m = 2 * gsd_m * max(max(frame.shape) for frame in frames)
    columns = math.ceil(math.sqrt(len(pairs)))
    placed = []
    for i, pair in enumerate(pairs):
        row, column = divmod(i, columns)
        transform = Affine(gsd_m, 0, column * step_m, 0, -gsd_m, -row * step_m)
        image, label = (_at(path, _PLANE, transform) for path in (pair.image, pair.label))
        placed.append(replace(pair, image=image, label=label))
    return placed, True


def _frame(pair: ScenePair) -> _Frame:
    with open_dataset(pair.image) as image, open_dataset(pair.label) as label:
        placed = _srs(image) is not None and _srs(label) is not None  # then each has pixels of its own
        if not placed and image.shape != label.shape:
            raise RasterError(
                f"Expected a label of its image's size {image.shape}, but "
                f"got {label.shape} (in {pair.label}). "
                "Take the label of this image, uncut and not resampled."
            )
        return _Frame(image.shape, _srs(image), image.transform, placed)


def _srs(dataset: DatasetReader) -> str | None:
    if not dataset.crs or dataset.transform == Affine.identity():
        return None
    code = dataset.crs.to_epsg()
    return f"EPSG:{code}" if code else str(dataset.crs.to_wkt())


def _placed_label(pair: ScenePair, frame: _Frame) -> ScenePair:
    if frame.label_placed or frame.srs is None:
        return pair
    return replace(pair, label=_at(pair.label, frame.srs, frame.transform))


def _at(path: str, srs: str, transform: Affine) -> str:
    numbers = ",".join(repr(float(number)) for number in transform.to_gdal())
    return f"vrt://{os.path.abspath(path)}?a_srs={srs}&a_gt={numbers}"


__all__ = ("place_pairs",)
