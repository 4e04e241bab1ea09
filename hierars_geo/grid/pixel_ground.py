"""PixelGround: a connected piece of ground in whole pixels, and where chips fit into it."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from .lattice import Lattice
from .windows import Window

#: Coordinates this close to a pixel edge lie on it.
_ON_EDGE_PX = 0.01
#: An outline that does not follow pixel edges is approximated by at most this many cells along an axis.
_MOST_CELLS = 256


@dataclass(frozen=True)
class PixelGround:
    """Cells of pixels that lie in a polygon.

    Attributes:
        rows: (R + 1,) ascending row edges of the cells, in lattice pixels.
        cols: (C + 1,) ascending column edges.
        inside: (R, C) bool, which cells belong to it.
        exact: True where the cells are exactly the pixels whose centre lies in the polygon.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    inside: NDArray[np.bool_]
    exact: bool

    @classmethod
    def of_polygon(cls, polygon: BaseGeometry, lattice: Lattice) -> "PixelGround | None":
        """Find the pixels of a polygon; None where no pixel's centre lies in it.

        Args:
            polygon: One polygon in the CRS of the lattice. Where its edges all run along rows and columns,
                the result is exact; of any other outline it keeps the cells that lie wholly within.
            lattice: Pixels.
        """
        (x, y), (x_res, y_res) = lattice.origin, lattice.res
        in_px = shapely.transform(polygon, lambda xy: (xy - (x, y)) / (x_res, -y_res))
        coords = shapely.get_coordinates(in_px)
        exact = _is_rectilinear(in_px)
        edges = [_edges(coords[:, axis], exact) for axis in (1, 0)]
        if any(len(axis) < 2 for axis in edges):
            return None
        inside = _centres_within(in_px, *edges) if exact else _corners_within(in_px, *edges)
        if not exact and not inside.any():
            inside = np.ones_like(inside)
        return cls(edges[0], edges[1], inside, exact) if inside.any() else None

    @property
    def area_px(self) -> int:
        """Pixels."""
        return int((self.inside * np.outer(np.diff(self.rows), np.diff(self.cols))).sum())

    @property
    def extent(self) -> Window:
        """Smallest window around it."""
        rows, cols = np.flatnonzero(self.inside.any(axis=1)), np.flatnonzero(self.inside.any(axis=0))
        row, col = int(self.rows[rows[0]]), int(self.cols[cols[0]])
        return Window(row, col, int(self.rows[rows[-1] + 1]) - row, int(self.cols[cols[-1] + 1]) - col)

    @property
    def around(self) -> Window:
        """Window around all cells, those that are not inside as well."""
        row, col = int(self.rows[0]), int(self.cols[0])
        return Window(row, col, int(self.rows[-1]) - row, int(self.cols[-1]) - col)

    def rectangles(self) -> list[Window]:
        """Cut it into few rectangles that do not overlap, from north to south."""
        done: list[Window] = []
        growing: dict[tuple[int, int], Window] = {}
        for i, cells in enumerate(self.inside):
            row, height = int(self.rows[i]), int(self.rows[i + 1] - self.rows[i])
            runs = {(int(self.cols[a]), int(self.cols[b])) for a, b in _runs(cells)}
            done += [window for run, window in growing.items() if run not in runs]
            growing = {
                run: Window(growing[run].row, run[0], growing[run].height + height, run[1] - run[0])
                if run in growing
                else Window(row, run[0], height, run[1] - run[0])
                for run in sorted(runs)
            }
        return sorted([*done, *growing.values()])

    def positions(self, size: tuple[int, int]) -> NDArray[np.int64]:
        """Find every place of a chip that lies wholly inside.

        Whether a chip fits can only change where one of its edges crosses an edge of a cell, so the places
        are found for whole rectangles of upper-left corners at a time.

        Args:
            size: (height, width) of a chip.

        Returns:
            (P, 4) int64: first row, first column, number of rows, number of columns of upper-left corners;
            the rectangles do not overlap and together hold every place. Where no place is inside, the places
            at which the chip covers the extent (or stays within it along an axis that is long enough).
        """
        starts = [_starts(edges, side) for edges, side in zip((self.rows, self.cols), size, strict=True)]
        if all(len(axis) for axis in starts):
            fits = self._fits(starts[0][:, 0], starts[1][:, 0], size)
            at_row, at_col = np.nonzero(fits)
            if len(at_row):
                rows, cols = starts[0][at_row], starts[1][at_col]
                return np.stack([rows[:, 0], cols[:, 0], rows[:, 1], cols[:, 1]], axis=1)
        extent = self.extent
        spare = (extent.height - size[0], extent.width - size[1])
        first = (extent.row + min(spare[0], 0), extent.col + min(spare[1], 0))
        return np.array([[*first, abs(spare[0]) + 1, abs(spare[1]) + 1]], dtype=np.int64)

    def _fits(
        self, rows: NDArray[np.int64], cols: NDArray[np.int64], size: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """(len(rows), len(cols)) bool: chips with these upper-left corners meet inside cells only."""
        total = np.zeros((len(self.rows), len(self.cols)), dtype=np.int64)
        total[1:, 1:] = self.inside.cumsum(axis=0).cumsum(axis=1)
        top, bottom = _cells(self.rows, rows, size[0])
        left, right = _cells(self.cols, cols, size[1])
        met = total[bottom][:, right] - total[top][:, right] - total[bottom][:, left] + total[top][:, left]
        fits: NDArray[np.bool_] = met == np.outer(bottom - top, right - left)
        return fits


def _is_rectilinear(polygon: BaseGeometry) -> bool:
    steps = (np.abs(np.diff(shapely.get_coordinates(ring), axis=0)) for ring in shapely.get_rings(polygon))
    return all(bool((step.min(axis=1) < _ON_EDGE_PX).all()) for step in steps)


def _edges(coords: NDArray[np.float64], exact: bool) -> NDArray[np.int64]:
    """Cell edges along one axis: those of the outline in whole pixels, or evenly spaced ones."""
    if exact:
        nearest = np.round(coords)
        on_edge = np.abs(coords - nearest) < _ON_EDGE_PX
        return np.unique(
            np.concatenate([nearest[on_edge], np.floor(coords[~on_edge]), np.ceil(coords[~on_edge])])
        ).astype(np.int64)
    low, high = int(np.floor(coords.min())), int(np.ceil(coords.max()))
    step = max(1, -(-(high - low) // _MOST_CELLS))
    return np.append(np.arange(low, high, step), high).astype(np.int64)


def _centres_within(
    polygon: BaseGeometry, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.bool_]:
    shapely.prepare(polygon)
    y, x = (rows[:-1] + rows[1:]) / 2, (cols[:-1] + cols[1:]) / 2
    within: NDArray[np.bool_] = shapely.contains_xy(polygon, x[None, :], y[:, None])
    return within


def _corners_within(
    polygon: BaseGeometry, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.bool_]:
    shapely.prepare(polygon)
    within = shapely.contains_xy(polygon, cols[None, :].astype(float), rows[:, None].astype(float))
    whole: NDArray[np.bool_] = within[:-1, :-1] & within[1:, :-1] & within[:-1, 1:] & within[1:, 1:]
    return whole


def _runs(cells: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, stop) of every run of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], cells, [False]]).astype(np.int8)))
    return list(zip(change[::2].tolist(), change[1::2].tolist(), strict=True))


def _starts(edges: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """(n, 2): first and number of chip starts between which the cells that a chip meets do not change."""
    low, high = int(edges[0]), int(edges[-1]) - side + 1  # starts are low..high-1
    if high <= low:
        return np.empty((0, 2), dtype=np.int64)
    breaks = np.unique(np.concatenate([edges, edges - side + 1]))
    first = breaks[(breaks >= low) & (breaks < high)]
    return np.stack([first, np.diff(np.append(first, high))], axis=1)


def _cells(
    edges: NDArray[np.int64], starts: NDArray[np.int64], side: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and one past the last cell that chips meet along an axis."""
    return np.searchsorted(edges, starts, "right") - 1, np.searchsorted(edges, starts + side - 1, "right")
