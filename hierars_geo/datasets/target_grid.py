"""The grid of an intersection: it does not depend on the order of its sources, nor their ground on it."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from ..errors import OptionError
from ..grid import Window
from ..grid.lattice import SAME_PX, Lattice
from ..grid.reprojection import same_crs
from .coverage import centre_gsd_m
from .scene_source import SceneSource, as_pair

#: A source, its name, or (CRS, pixel size).
GridChoice: TypeAlias = SceneSource | str | tuple[CRS | str | int, float | tuple[float, float]]


def in_order(sources: Sequence[SceneSource]) -> tuple[SceneSource, ...]:
    """Sort images from the finest pixels on the ground to the coarsest; equal ones by name and first file."""
    if len(sources) < 2:  # also where pixels have no size on the ground: chips without a place
        return tuple(sources)
    return tuple(
        sorted(sources, key=lambda source: (_pixel_m(source), source.name, source.index["filepath"].min()))
    )


def _pixel_m(source: SceneSource) -> float:
    """Ground size of a pixel at the centre of a source, to a thousandth: rounding must not decide."""
    return float(f"{centre_gsd_m(source):.3g}")


def names_of(sources: Sequence[SceneSource]) -> tuple[str, ...]:
    """Return a name for each source; of several with one name, the second is NAME_2 and so on."""
    names: list[str] = []
    for source in sources:
        same = sum(other.name == source.name for other in sources[: len(names)])
        names.append(source.name if not same else f"{source.name}_{same + 1}")
    return tuple(names)


def band_names(sources: Sequence[SceneSource], names: Sequence[str]) -> tuple[str, ...]:
    """Name the channels of stacked sources, so that no two are alike: ``gaofen2:red``, ``sentinel2:B04``.

    The bands of a source that stands alone keep their names.
    """
    if len(sources) == 1:
        return tuple(sources[0].bands)
    return tuple(
        f"{name}:{band}" for source, name in zip(sources, names, strict=True) for band in source.bands
    )


def choose(
    grid: GridChoice | None, sources: Sequence[SceneSource], names: Sequence[str]
) -> tuple[int, Lattice]:
    """Find the source that leads and the lattice: as asked for, None for those of the finest source.

    Returns:
        The position of the source whose scenes and dates lead (the named one, else the finest), and the
        lattice. One given as CRS and pixel size has its corners on whole multiples of the pixel size, so that
        all data sets on it fit together.

    Raises:
        OptionError: No such source, no such CRS, or a pixel size that is not positive.
    """
    if grid is None:
        return 0, sources[0].lattice
    if isinstance(grid, SceneSource):
        for i, source in enumerate(sources):
            if source is grid:
                return i, source.lattice
        raise OptionError(
            f"Expected grid to be one of the images ({', '.join(names)}), but got another source."
        )
    if isinstance(grid, str):
        if grid not in names:
            raise OptionError(
                f"Expected grid to be one of {', '.join(names)} or (CRS, pixel size), but got '{grid}'."
            )
        return names.index(grid), sources[names.index(grid)].lattice
    try:
        crs = CRS.from_user_input(grid[0])
    except CRSError as error:
        raise OptionError(f"Expected grid to name a CRS that PROJ knows, but got {grid[0]}.") from error
    return 0, Lattice(crs, as_pair(grid[1]), (0.0, 0.0))


def own_lattice(source: SceneSource, crs: CRS) -> Lattice:
    """Return the lattice of a source in a CRS: its own one, or the nearest to it."""
    return source.lattice if same_crs(source.crs, crs) else source.lattice_in(crs)


#: Corners that several lattices share are looked for this many pixels of the first one ahead.
_FARTHEST_PX = 256


class SharedGround:
    """Cuts one piece of ground out of several lattices, at the pixel size of each.

    Windows begin at the nearest corner that all lattices share, so that every source is read as it is; with
    pixels of 4 m and 10 m that is one corner in 20 m. Lattices without a shared corner, and sizes that are no
    whole number of a source's pixels, are served by stretching that source's pixels to divide the ground
    evenly (by less than half a pixel over the whole window).
    """

    def __init__(self, lattice: Lattice, others: Sequence[Lattice]) -> None:
        self.others = tuple(others)
        self.row_step, self.first_row = _shared_corners(
            lattice.res[1],
            [((lattice.origin[1] - other.origin[1]), other.res[1]) for other in others],
            downwards=True,
        )
        self.col_step, self.first_col = _shared_corners(
            lattice.res[0],
            [((lattice.origin[0] - other.origin[0]), other.res[0]) for other in others],
            downwards=False,
        )

    def snap(self, window: Window) -> Window:
        """Move a window to the nearest corner that all lattices share."""
        row = round((window.row - self.first_row) / self.row_step) * self.row_step + self.first_row
        col = round((window.col - self.first_col) / self.col_step) * self.col_step + self.first_col
        return Window(row, col, window.height, window.width)

    def cut(self, lattice: Lattice, window: Window) -> list[tuple[Lattice, Window]]:
        """Return the lattice and window of every source under a window of a lattice."""
        bounds = lattice.bounds(window)
        return [other.fitted(bounds) for other in self.others]


def _shared_corners(res: float, others: Sequence[tuple[float, float]], downwards: bool) -> tuple[int, int]:
    """Return (step, first) of the pixel edges along an axis that lie on edges of the others, where they do.

    Args:
        res: Pixel size.
        others: (distance from their origin to ours, pixel size) of each.
        downwards: True where edges count against the coordinate.
    """
    edges = np.arange(2 * _FARTHEST_PX) * res * (-1 if downwards else 1)
    shared = np.ones(len(edges), dtype=np.bool_)
    for offset, size in others:
        at = (edges + offset) / size
        both = shared & (np.abs(at - np.round(at)) < SAME_PX)
        shared = both if both.sum() > 1 else shared  # a lattice that shares no corner is stretched instead
    found = np.flatnonzero(shared)
    return (int(found[1] - found[0]), int(found[0])) if len(found) > 1 else (1, 0)
