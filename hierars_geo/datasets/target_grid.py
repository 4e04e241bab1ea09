"""The grid of an intersection, chosen so that it does not depend on the order of its sources."""

from collections.abc import Sequence
from typing import TypeAlias

from pyproj import CRS
from pyproj.exceptions import CRSError

from ..errors import OptionError
from ..grid import Window
from ..grid.lattice import Lattice
from ..grid.reprojection import same_crs
from .on_lattice import as_pair
from .scene_source import SceneSource

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
    x, y, _ = source.bounds
    centre = ((x.start + x.stop) / 2, (y.start + y.stop) / 2)
    at = source.lattice.window((*centre, centre[0] + source.res[0], centre[1] + source.res[1]))
    return float(f"{source.lattice.crop(Window(at.row, at.col, 1, 1)).gsd_m():.3g}")


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
    """Find the source that leads, and the lattice.

    Args:
        grid: What was asked for; None for the finest source.
        sources: Images in order.
        names: Their names.

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


__all__ = ("GridChoice", "band_names", "choose", "in_order", "names_of", "own_lattice")
