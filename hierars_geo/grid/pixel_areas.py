"""PixelAreas: how much ground each pixel of a raster covers, on the ellipsoid, in any CRS of the Earth."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError
from .geogrid import GeoGrid
from .ground import pixel_steps_m
from .windows import Window

#: Relative error that interpolation between computed pixels may have.
TOLERANCE = 1e-5
#: Pixels computed along an axis: at first, and at most (where a projection is torn, no number is enough).
_FIRST_NODES, _MOST_NODES = 9, 257
#: Relative spread of the pixels of a block that are counted instead of weighed, and its longest side.
_BLOCK_SPREAD, _LARGEST_BLOCK = 4e-5, 1 << 20
#: Pixels interpolated by splines, so that straight lines do between them.
_MOST_DENSE = 1 << 21
#: Larger pixels are averaged over four points inside (Gauss-Legendre), smaller ones taken at their centre.
_LARGE_M = 20_000.0
_GAUSS = 0.5 / np.sqrt(3)
#: Step that the scale is measured over: a projection's inverse may be a millimetre off, the Earth is round.
_STEP_M = 1_000.0

Float = NDArray[np.float64]


class PixelAreas:
    """Areas of the pixels of a grid as they are drawn in its CRS, right to 1e-5 of each.

    In longitude and latitude the area between two parallels has a closed form. In all other CRSs pixels are
    computed on a lattice that is refined until splines foretell those in between to :data:`TOLERANCE`.

    Args:
        grid: Any CRS on the Earth, rotated and south-up grids included. Pixels that lie nowhere on the Earth
            get the area of the nearest that does.

    Raises:
        RasterError: No pixel lies on the Earth.
    """

    def __init__(self, grid: GeoGrid) -> None:
        self.grid = grid
        straight = grid.transform.b == 0 and grid.transform.d == 0
        if straight and grid.crs.is_geographic and not grid.crs.is_derived:
            self._rows: Float = np.arange(grid.height, dtype=np.float64) + 0.5
            self._cols: Float = np.array([grid.width / 2])
            self._nodes = _between_parallels(grid)[:, None]
        else:
            self._rows, self._cols, self._nodes = _lattice(grid)
        self._block_rows = _steady(self._rows, self._nodes)
        self._block_cols = _steady(self._cols, self._nodes.T)

    @property
    def vary_along_rows(self) -> bool:
        """Whether pixels of one row differ."""
        return len(self._cols) > 1

    def read(self, window: Window) -> Float:
        """Return square metres of the pixels of a window inside the grid.

        Returns:
            (h, w), or (h, 1) where the pixels of a row are alike (:attr:`vary_along_rows`).
        """
        row, above = _between(self._rows, np.arange(window.row, window.row_stop, dtype=np.float64) + 0.5)
        base = self._nodes[row]
        if len(self._rows) > 1:
            base = base + (self._nodes[row + 1] - base) * above[:, None]
        if not self.vary_along_rows:
            return base
        col, beside = _between(self._cols, np.arange(window.col, window.col_stop, dtype=np.float64) + 0.5)
        slope = np.diff(base, axis=1)
        # nodes next to each other hold neighbouring columns: a repeat is faster than a lookup
        lengths = np.bincount(col, minlength=slope.shape[1])
        areas: Float = np.repeat(slope, lengths, axis=1)
        areas *= beside
        areas += np.repeat(base[:, :-1], lengths, axis=1)
        return areas

    def sum_by(self, code: NDArray[np.integer], window: Window, count: int) -> Float:
        """Add up the areas of the pixels that share a code.

        Args:
            code: (h, w) whole numbers 0..count-1.
            window: Where the pixels lie.
            count: Number of codes.

        Returns:
            (count,) square metres.
        """
        total: Float = self._sums(code, window, count, self._block_rows)[1].sum(axis=0)
        return total

    def sum_by_row(
        self, code: NDArray[np.integer], window: Window, count: int, first: int = 0
    ) -> tuple[NDArray[np.int64], Float]:
        """Count the pixels that share row and code, and add up their areas.

        Args:
            code: (h, w) whole numbers, ``count`` of them from ``first`` on.
            window: Where the pixels lie.
            count: Number of codes.
            first: The lowest code.

        Returns:
            (h, count) pixels and (h, count) square metres.
        """
        return self._sums(code, window, count, 1, first)

    def _sums(
        self, code: NDArray[np.integer], window: Window, count: int, block_rows: int, first: int = 0
    ) -> tuple[NDArray[np.int64], Float]:
        """(R, count) pixels and areas of every ``block_rows`` rows.

        Pixels of a block differ by less than :data:`_BLOCK_SPREAD`: counting them is faster than weighing
        each. Where blocks would be too small each is weighed.
        """
        row = np.arange(window.height) // block_rows
        shape = int(row[-1]) + 1, -(-window.width // self._block_cols), count
        offset, size = (row * count - first)[:, None], shape[0] * count
        if math.prod(shape) > code.size:
            flat = (code + offset).ravel()
            weights = np.broadcast_to(self.read(window), code.shape).ravel()
            pixels, areas = np.bincount(flat, minlength=size), np.bincount(flat, weights, minlength=size)
            return pixels.reshape(-1, count), areas.astype(np.float64).reshape(-1, count)
        counts = np.empty(shape, dtype=np.int64)
        for block in range(shape[1]):  # one addition and one count per pixel
            part = code[:, block * self._block_cols : (block + 1) * self._block_cols]
            found = np.bincount((part + offset).ravel(), minlength=size)
            counts[:, block] = found.reshape(shape[0], count)
        rows = window.row + _centres(block_rows, window.height)
        cols = window.col + _centres(self._block_cols, window.width)
        return counts.sum(axis=1), (counts * self._at(rows, cols)[:, :, None]).sum(axis=1)

    def _at(self, rows: Float, cols: Float) -> Float:
        """Areas (r, c) at places counted in rows and columns from the upper left corner."""
        row, above = _between(self._rows, rows)
        found = self._nodes[row]
        if len(self._rows) > 1:
            found = found + (self._nodes[row + 1] - found) * above[:, None]
        if not self.vary_along_rows:
            return np.broadcast_to(found, (len(rows), len(cols)))
        col, beside = _between(self._cols, cols)
        areas: Float = found[:, col] + (found[:, col + 1] - found[:, col]) * beside
        return areas


def _centres(size: int, length: int) -> Float:
    """Middles of the blocks that an axis is cut into, the last of which may be shorter."""
    starts = np.arange(0, length, size)
    return (starts + np.minimum(starts + size, length)) / 2


def _steady(nodes: Float, areas: Float) -> int:
    """Pixels along the first axis that differ by less than the spread of a block."""
    if len(nodes) == 1:
        return _LARGEST_BLOCK
    slope = np.abs(np.diff(areas, axis=0)).max() / areas.min() / (nodes[1] - nodes[0])
    return max(1, int(min(_BLOCK_SPREAD / max(slope, 1e-300), _LARGEST_BLOCK)))


def _between(nodes: Float, places: Float) -> tuple[NDArray[np.intp], Float]:
    """Interval between evenly spaced nodes that each place lies in, and how far along, 0..1."""
    if len(nodes) == 1:
        return np.zeros(len(places), dtype=np.intp), np.zeros(len(places))
    at = (places - nodes[0]) / (nodes[1] - nodes[0])
    interval = np.clip(np.floor(at).astype(np.intp), 0, len(nodes) - 2)
    return interval, at - interval


def _between_parallels(grid: GeoGrid) -> Float:
    """(height,) area of a pixel of every row of a geographic grid (Snyder 1987, eq. 3-12)."""
    geod = grid.crs.get_geod()
    if geod is None:
        raise _nowhere(grid)
    t, to_radians = grid.transform, grid.crs.axis_info[0].unit_conversion_factor
    latitude = (t.f + t.e * np.arange(grid.height + 1)) * to_radians
    sine = np.sin(np.clip(latitude, -np.pi / 2, np.pi / 2))
    e = np.sqrt(geod.es)
    q = sine if e == 0 else (1 - geod.es) / 2 * (sine / (1 - geod.es * sine**2) + np.arctanh(e * sine) / e)
    areas: Float = geod.a**2 * abs(t.a) * to_radians * np.abs(np.diff(q))
    if not areas.any():
        raise _nowhere(grid)
    return areas


def _lattice(grid: GeoGrid) -> tuple[Float, Float, Float]:
    """Rows (R,), columns (C,) and areas (R, C) close enough for straight lines between them."""
    measure = _measure_at(grid)
    rows, cols = (np.linspace(0.5, length - 0.5, min(length, _FIRST_NODES)) for length in grid.shape)
    areas = _filled(measure(rows, cols), grid)
    if (np.ptp(areas, axis=1) <= TOLERANCE * areas.max(axis=1)).all():
        cols, areas = cols[len(cols) // 2 :][:1], areas.mean(axis=1, keepdims=True)
    while True:
        finer = _halved(rows), _halved(cols)
        computed = measure(*finer)
        foretold = _spline(rows, cols, areas, *finer)
        rows, cols, areas = *finer, _filled(computed, grid)
        if _off(computed, foretold) <= TOLERANCE / 2:
            break
        if max(areas.shape) >= _MOST_NODES:
            return rows, cols, areas
    while areas.size < _MOST_DENSE:
        finer = _halved(rows), _halved(cols)
        dense = _spline(rows, cols, areas, *finer)
        if (
            max(_off(dense[1::2], _middles(dense[::2])), _off(dense.T[1::2], _middles(dense.T[::2])))
            <= TOLERANCE
        ):
            break
        rows, cols, areas = *finer, dense
    return rows, cols, areas


def _halved(nodes: Float) -> Float:
    """Nodes and the middles between them."""
    return np.linspace(nodes[0], nodes[-1], 2 * len(nodes) - 1)


def _middles(values: Float) -> Float:
    """Means of neighbours along the first axis."""
    means: Float = (values[:-1] + values[1:]) / 2
    return means


def _spline(rows: Float, cols: Float, areas: Float, finer_rows: Float, finer_cols: Float) -> Float:
    """Interpolate along either axis."""
    from scipy.interpolate import CubicSpline  # takes as long to import as all else of this room

    for axis, nodes, finer in ((0, rows, finer_rows), (1, cols, finer_cols)):
        if len(nodes) > 1:
            spline = CubicSpline(nodes, areas, axis=axis)  # type: ignore[no-untyped-call]
            areas = np.asarray(spline(finer), dtype=np.float64)
    return areas


def _off(found: Float, expected: Float) -> float:
    """Largest relative distance, of what is finite."""
    off = np.abs(found / expected - 1)
    return float(np.max(off, where=np.isfinite(off), initial=0))


def _measure_at(grid: GeoGrid) -> Callable[[Float, Float], Float]:
    """Return a function of rows (R,) and columns (C,) of pixel centres: areas (R, C), NaN off the Earth."""
    along = [np.linspace(0.5, length - 0.5, 9) for length in grid.shape]
    points = np.stack(np.meshgrid(along[1], along[0]), axis=-1).reshape(-1, 2)
    lengths_m = np.linalg.norm(pixel_steps_m(grid, points)[1], axis=2)
    if not np.isfinite(lengths_m).any():
        raise _nowhere(grid)
    longest_m = np.nanmax(lengths_m, axis=0)
    step_px = (float(_STEP_M / longest_m[0]), float(_STEP_M / longest_m[1]))
    sides = (-_GAUSS, _GAUSS) if longest_m.max() > _LARGE_M else (0.0,)

    def measure(rows: Float, cols: Float) -> Float:
        points = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)
        total = np.zeros(len(points))
        for offset in ((dc, dr) for dc in sides for dr in sides):
            _, steps = pixel_steps_m(grid, points + offset, step_px)
            total += np.linalg.norm(np.cross(steps[:, 0], steps[:, 1]), axis=1)
        return (total / len(sides) ** 2).reshape(len(rows), len(cols))

    return measure


def _filled(areas: Float, grid: GeoGrid) -> Float:
    """Give pixels that lie nowhere the area of the nearest in their row, else of the nearest row."""
    finite = np.isfinite(areas)
    if not finite.any():
        raise _nowhere(grid)
    positions = np.arange(areas.shape[1])
    filled = areas.copy()
    for row in np.flatnonzero(finite.any(axis=1) & ~finite.all(axis=1)):
        filled[row] = np.interp(positions, positions[finite[row]], areas[row, finite[row]])
    usable = np.flatnonzero(finite.any(axis=1))
    nearest = usable[np.abs(np.arange(len(areas))[:, None] - usable).argmin(axis=1)]
    nearest_areas: Float = filled[nearest]
    return nearest_areas


def _nowhere(grid: GeoGrid) -> RasterError:
    return RasterError(
        f"Expected a raster on the Earth, but got bounds {grid.bounds} in '{grid.crs.name}'. Check its CRS."
    )
