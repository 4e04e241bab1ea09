"""Resample arrays from the pixels of a file to those of a lattice.

Within one CRS both axes are independent, so image resampling is two products with thin sparse matrices: exact
for any pixel-size ratio and shift, the same for a pixel whatever window it is read in, and several times
faster than a warp. Everything else goes through GDAL's warper.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np
import rasterio.crs
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform
from scipy import sparse

from ..grid import GeoGrid, Window
from ..grid.lattice import AxisMap, Placement
from ..grid.reprojection import same_crs
from ..types import IGNORE_INDEX
from .dataset import to_rasterio_crs
from .patch import Patch, Pixels, Planes

#: Images are averaged from this many file pixels per lattice pixel on, below it interpolated.
AVERAGE_FROM = 2.0
#: Labels are voted on (mode) from this many on, below it the nearest counts.
MODE_FROM = 1.5
#: A pixel is valid where at least this share of the weight lies on valid pixels.
_VALID_SHARE = 0.5
#: Largest error of GDAL's approximate transformation in file pixels; 0 is not accepted by rasterio's VRT.
_WARP_TOLERANCE_PX = 0.01

Kind = Literal["image", "labels"]
Interpolation = Literal["bilinear", "cubic"]
#: Sharpness of cubic convolution, as in GDAL (Keys 1981: third-order accurate).
_CUBIC_A = -0.5


def _linear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (n, 2) of the file pixels 0 and 1 around a place 0 <= x < 1 between them."""
    return np.stack([1 - x, x], axis=1)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (n, 4) of the file pixels -1..2 around a place 0 <= x < 1 between pixels 0 and 1."""
    a = _CUBIC_A
    near, far = np.stack([x, 1 - x], axis=1), np.stack([1 + x, 2 - x], axis=1)
    inner = (a + 2) * near**3 - (a + 3) * near**2 + 1
    outer = a * far**3 - 5 * a * far**2 + 8 * a * far - 4 * a
    return np.stack([outer[:, 0], inner[:, 0], inner[:, 1], outer[:, 1]], axis=1)


@lru_cache(maxsize=256)
def image_weights(
    axis: AxisMap, start: int, count: int, span: tuple[int, int], interpolation: Interpolation
) -> sparse.csr_array:
    """Weights along one axis: the area average where pixels become much larger, an interpolation otherwise.

    Cubic convolution is sharper than linear interpolation, and may overshoot at edges. The last weights are
    kept: windows in a row share those of rows, windows below each other those of columns.

    Args:
        axis: How lattice pixels lie on file pixels.
        start: First lattice pixel.
        count: Lattice pixels.
        span: File pixels [first, stop) at hand.
        interpolation: Of pixels that do not become much larger.

    Returns:
        (count, stop - first) float32. A row of an average sums to the share of the pixel that lies on the
        file; of an interpolation to 1 where the pixel's centre lies on the file, whose outermost pixel is
        continued at its rim, to 0 elsewhere.
    """
    if axis.scale >= AVERAGE_FROM:
        return _area_weights(axis, start, count, span)
    first, weigh = (-1, _cubic) if interpolation == "cubic" else (0, _linear)
    centre = axis.scale * (np.arange(start, start + count) + 0.5) + axis.offset - 0.5
    inside = (centre >= -0.5 - 1e-6) & (centre <= axis.length - 0.5 + 1e-6)
    low = np.floor(centre).astype(np.int64)
    weights = weigh(centre - low) * inside[:, None]
    taps = np.clip(low[:, None] + first + np.arange(weights.shape[1]), 0, axis.length - 1) - span[0]
    return _matrix(weights, taps, weights != 0, span[1] - span[0])


def _area_weights(axis: AxisMap, start: int, count: int, span: tuple[int, int]) -> sparse.csr_array:
    """Share of the lattice pixel that each file pixel covers."""
    low = axis.scale * np.arange(start, start + count) + axis.offset
    most = math.ceil(axis.scale) + 1
    taps = np.floor(low).astype(np.int64)[:, None] + np.arange(most)
    overlap = np.minimum(taps + 1, (low + axis.scale)[:, None]) - np.maximum(taps, low[:, None])
    weights = np.where((taps >= 0) & (taps < axis.length), overlap, 0.0) / axis.scale
    return _matrix(weights, taps - span[0], weights > 1e-9, span[1] - span[0])


def _matrix(
    weights: NDArray[np.float64], taps: NDArray[np.int64], keep: NDArray[np.bool_], length: int
) -> sparse.csr_array:
    """Put weights (count, taps of a pixel) into rows; taps that meet at the file's rim are added."""
    ends = np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.int32)
    rows = (weights[keep].astype(np.float32), taps[keep].astype(np.int32), ends)
    matrix = sparse.csr_array(rows, shape=(len(weights), length))  # type: ignore[no-untyped-call]
    matrix.sum_duplicates()  # type: ignore[no-untyped-call]
    return matrix


def separable(
    patch: Patch, rows: sparse.csr_array, cols: sparse.csr_array, out: Planes | None = None
) -> Patch:
    """Apply the weights of both axes to the valid pixels.

    Args:
        patch: (C, H, W) float32 image.
        rows: (h, H) weights.
        cols: (w, W) weights.
        out: Where the channels go, (h, w) float32 each; the patch then holds none.

    Returns:
        (C, h, w) float32; weights of invalid pixels are given to the valid ones, and a pixel is valid where
        at least half of its weight was on valid pixels.
    """
    done = np.empty((len(patch.data) if out is None else 0, rows.shape[0], cols.shape[0]), dtype=np.float32)
    planes = done if out is None else out
    if patch.valid.all():
        _apply(patch.data, rows, cols, planes)
        sums = [axis @ np.ones(axis.shape[1], dtype=np.float32) for axis in (rows, cols)]
        if all(np.abs(along - 1).max() <= 4e-7 for along in sums):  # the window lies on the file
            return Patch(done, np.ones(done.shape[1:], dtype=np.bool_))
        share = np.outer(*sums)
    else:
        weight = patch.valid.astype(np.float32)
        share = np.empty(done.shape[1:], dtype=np.float32)
        _apply(weight[None], rows, cols, [share])
        _apply(np.where(patch.valid, patch.data, np.float32(0)), rows, cols, planes)
    valid: NDArray[np.bool_] = share >= _VALID_SHARE - 1e-5
    if bool((np.abs(share - 1)[valid] > 1e-6).any()):
        divisor = np.where(valid, share, np.float32(1))
        for plane in planes:
            plane /= divisor
    return Patch(done, valid)


def _apply(data: Pixels, rows: sparse.csr_array, cols: sparse.csr_array, planes: Iterable[Pixels]) -> None:
    """Columns first, channel by channel: what lies between stays in the processor's cache."""
    for channel, plane in zip(data, planes, strict=True):
        by_col = cols @ np.ascontiguousarray(channel.T)
        plane[:] = rows @ np.ascontiguousarray(by_col.T)


def _nearest_taps(axis: AxisMap, start: int, count: int) -> NDArray[np.int64]:
    """File pixel that the centre of each lattice pixel lies in; outside 0..length-1 beyond the file."""
    centre = axis.scale * (np.arange(start, start + count) + 0.5) + axis.offset
    taps: NDArray[np.int64] = np.floor(centre + 1e-9).astype(np.int64)
    return taps


def nearest(patch: Patch, placement: Placement, window: Window, first: tuple[int, int]) -> Patch:
    """Nearest neighbour: the file pixel that each lattice pixel's centre lies in."""
    rows = _nearest_taps(placement.rows, window.row, window.height)
    cols = _nearest_taps(placement.cols, window.col, window.width)
    inside = np.outer(
        (rows >= 0) & (rows < placement.rows.length), (cols >= 0) & (cols < placement.cols.length)
    )
    height, width = patch.valid.shape
    at = np.ix_(np.clip(rows - first[0], 0, height - 1), np.clip(cols - first[1], 0, width - 1))
    return Patch(patch.data[:, at[0], at[1]], patch.valid[at] & inside)


def warp(
    patch: Patch,
    source: tuple[Affine, rasterio.crs.CRS],
    target: tuple[Affine, rasterio.crs.CRS],
    shape: tuple[int, int],
    kind: Kind,
    coarsening: float,
    interpolation: Interpolation = "bilinear",
) -> Patch:
    """Reproject a patch with GDAL; what lies beyond it is not valid.

    Args:
        patch: (C, H, W) pixels around the target window.
        source: Transform and CRS of the patch.
        target: Transform and CRS of the result.
        shape: (height, width) of the result.
        kind: Images are float32, labels int32 leaf indices.
        coarsening: File pixels per target pixel, about.
        interpolation: Of images that are not coarsened.
    """
    nodata: float = math.nan if kind == "image" else IGNORE_INDEX
    done = np.full((len(patch.data), *shape), nodata, dtype=patch.data.dtype)
    reproject(
        patch.filled(nodata),
        done,
        src_transform=source[0],
        src_crs=source[1],
        src_nodata=nodata,
        dst_transform=target[0],
        dst_crs=target[1],
        dst_nodata=nodata,
        resampling=warp_method(kind, coarsening, interpolation),
        tolerance=_WARP_TOLERANCE_PX,
    )
    missing = np.isnan(done) if kind == "image" else np.equal(done, IGNORE_INDEX)
    return Patch(done, np.asarray(~missing.any(axis=0)))


def warp_method(kind: Kind, coarsening: float, interpolation: Interpolation = "bilinear") -> Resampling:
    """Choose GDAL's method: the interpolation or average for images, nearest or mode for labels."""
    if kind == "image":
        return Resampling.average if coarsening >= AVERAGE_FROM else Resampling[interpolation]
    return Resampling.mode if coarsening >= MODE_FROM else Resampling.nearest


def source_window(grid: GeoGrid, target: GeoGrid) -> tuple[Window | None, float]:
    """File pixels around a target, and how many of them fall on a target pixel along an axis."""
    outline = shapely.segmentize(shapely.Polygon(target.corners), max(target.res) * max(target.shape) / 16)
    x, y = shapely.get_coordinates(outline).T
    if not same_crs(grid.crs, target.crs):
        moved = transform(to_rasterio_crs(target.crs), to_rasterio_crs(grid.crs), x, y)
        x, y = np.asarray(moved[0]), np.asarray(moved[1])
        if not (np.isfinite(x).all() and np.isfinite(y).all()):  # beyond what the file's CRS can express
            return None, 1.0
    cols, rows = ~grid.transform @ (x, y)
    ground = shapely.Polygon(np.stack([cols, rows], axis=1)).area
    coarsening = math.sqrt(ground / (target.height * target.width))
    margin = math.ceil(coarsening) + 2
    row, col = math.floor(rows.min()) - margin, math.floor(cols.min()) - margin
    height, width = math.ceil(rows.max()) + margin - row, math.ceil(cols.max()) + margin - col
    return Window(row, col, height, width).intersection(Window(0, 0, *grid.shape)), coarsening
