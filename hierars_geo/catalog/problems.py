"""Problem: one thing that is wrong with a file of a catalog, and checks of a file by itself."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError

from ..errors import RasterError, list_some
from ..grid import Window
from ..output import gdal_env, sha256_of
from ..scenes.dataset import open_dataset, read_bands, unreadable
from ..scenes.nodata import split_alpha
from .headers import Header

#: Rows read at once: of a very wide raster still less than 100 MB.
_STRIP_BYTES = 32 * 2**20


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is wrong.

    Attributes:
        file: The file, or the item where there is none.
        kind: What was compared: missing, unreadable, crs, grid, outline, bbox, bands, dtype, values,
            checksum, size, time, duplicate, hole.
        message: What was expected and what was found.
    """

    file: str
    kind: str
    message: str


def _strips(header: Header) -> Iterator[NDArray[np.generic]]:
    """Read a file strip by strip: (C, h, W), data bands first."""
    height, width = header.shape
    size = sum(np.dtype(band.dtype).itemsize for band in header.bands)
    with gdal_env(), open_dataset(str(header.path)) as dataset:
        data = split_alpha(dataset)[0]
        bands = (*data, *(index for index in dataset.indexes if index not in data))
        tile = max(dataset.block_shapes[0][0], 1)
        rows = max(tile, _STRIP_BYTES // max(1, width * size) // tile * tile)
        for window in Window(0, 0, height, width).tiles(rows):
            try:
                strip = read_bands(dataset, bands, window)
            except RasterioIOError as error:
                raise unreadable(str(header.path), window, error) from error
            yield strip


def damage(header: Header) -> list[Problem]:
    """Read every pixel of a file and keep none: say where it is truncated or damaged."""
    try:
        deque(_strips(header), maxlen=0)
    except RasterError as error:
        return [Problem(str(header.path), "unreadable", str(error))]
    return []


def unknown_values(header: Header, known: Iterable[int], where: str) -> list[Problem]:
    """List label values that are no class, each with its number of pixels."""
    counts: dict[int, int] = defaultdict(int)
    try:
        for strip in _strips(header):
            for value, count in zip(*np.unique(strip[0], return_counts=True), strict=True):
                counts[int(value)] += int(count)
    except RasterError as error:
        return [Problem(str(header.path), "unreadable", str(error))]
    allowed = set(known)
    if header.bands[0].nodata is not None:
        allowed.add(int(header.bands[0].nodata))
    wrong = {value: count for value, count in sorted(counts.items()) if value not in allowed}
    if not wrong:
        return []
    found = list_some([f"{value} ({count} px)" for value, count in wrong.items()], 10)
    return [Problem(str(header.path), "values", f"expected values of {where}, but got {found}")]


def twins(paths: Sequence[Path]) -> list[Problem]:
    """Find files of the same content: only files of equal length are read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    by_content: dict[str, list[Path]] = defaultdict(list)
    for candidates in by_size.values():
        for path in candidates if len(candidates) > 1 else []:
            by_content[sha256_of(path)].append(path)
    return [
        Problem(str(path), "duplicate", f"expected other content than {same[0]}, but got the same bytes")
        for same in by_content.values()
        for path in same[1:]
    ]
