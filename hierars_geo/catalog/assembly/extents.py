"""Which rectangles of a place are cut out: one ground extent for all sources, whole pixels in each."""

import math
from dataclasses import dataclass

from pyproj import CRS

from ...errors import OptionError
from ...grid import Window, window_starts
from ...grid.lattice import Lattice
from ...grid.reprojection import same_crs
from ...types import Bounds
from .options import AssembleOptions
from .pairing import Place

#: A chip this near to a whole number of pixels holds a whole number of them.
_SLACK_PX = 1e-3


@dataclass(frozen=True)
class Extent:
    """A rectangle of ground.

    Attributes:
        name: ``place_000_r00_c01``, or the place's own name where it is left whole.
        bounds: (left, bottom, right, top) in the place's CRS.
    """

    name: str
    bounds: Bounds


def cut_extents(place: Place, options: AssembleOptions) -> list[Extent]:
    """Cover the common ground of a place with chips, or leave it whole.

    Corners lie on pixel corners of the coarsest source, so that its pixels are copied, not resampled. Chips
    do not overlap, but for the last of a row or column, which is moved inward.

    Returns:
        The rectangles, row by row; none where the common ground is smaller than a chip.

    Raises:
        OptionError: A chip is no whole number of the coarsest source's pixels.
    """
    common = place.common_bounds
    if common is None:
        return []
    coarsest = max(place.scenes.values(), key=lambda scene: scene.res_in(place.crs))
    lattice = Lattice.of_grid(coarsest.scene.grid, place.crs)
    step = coarsest.res_in(place.crs)
    if options.chip_m is not None and not same_crs(coarsest.scene.grid.crs, place.crs):
        # It is resampled anyway: to the nearest size that divides the chip.
        step = options.chip_m / max(1, round(options.chip_m / step))
    lattice = Lattice(place.crs, (step, step), lattice.origin)
    window = _inside(lattice, common)
    if window is None:
        return []
    if options.chip_m is None:
        return [Extent(place.name, lattice.bounds(window))]
    side = round(options.chip_m / step)
    if side < 1 or abs(side * step - options.chip_m) > _SLACK_PX * step:
        near = max(1, side) * step
        raise OptionError(
            f"Expected chip-m to be a multiple of {step:.6g} m, the pixels of {coarsest.source}, but got "
            f"{options.chip_m:g}. Take {near:g}."
        )
    if window.height < side or window.width < side:
        return []
    return [
        Extent(
            f"{place.name}_r{i:02d}_c{j:02d}",
            lattice.bounds(Window(window.row + row, window.col + col, side, side)),
        )
        for i, row in enumerate(window_starts(window.height, side, side))
        for j, col in enumerate(window_starts(window.width, side, side))
    ]


def _inside(lattice: Lattice, bounds: Bounds) -> Window | None:
    """Return the largest window of whole pixels within bounds."""
    left, bottom, right, top = bounds
    (x, y), (x_res, y_res) = lattice.origin, lattice.res
    slack = 1e-6
    col, col_stop = math.ceil((left - x) / x_res - slack), math.floor((right - x) / x_res + slack)
    row, row_stop = math.ceil((y - top) / y_res - slack), math.floor((y - bottom) / y_res + slack)
    return Window(row, col, row_stop - row, col_stop - col) if row_stop > row and col_stop > col else None


def chip_lattice(extent: Extent, res_m: float, crs: CRS) -> tuple[Lattice, Window]:
    """Divide an extent into whole pixels as near to a pixel size as possible.

    Returns:
        A lattice whose origin is the extent's upper-left corner, and the window of the extent.
    """
    left, bottom, right, top = extent.bounds
    width, height = max(1, round((right - left) / res_m)), max(1, round((top - bottom) / res_m))
    lattice = Lattice(crs, ((right - left) / width, (top - bottom) / height), (left, top))
    return lattice, Window(0, 0, height, width)
