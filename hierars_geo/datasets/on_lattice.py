"""OnLattice: CRS, resolution and bounds of a data set that lies on a lattice, as TorchGeo asks for them."""

import abc
from typing import Any

from pyproj import CRS

from ..grid.lattice import Lattice


class OnLattice(abc.ABC):
    """What sources and their intersections share.

    TorchGeo keeps CRS and resolution in the index and prints when they are set; here they follow from the
    lattice, and setting one moves the data set to another lattice.

    Attributes:
        lattice: Pixels that queries are snapped to.
        index: TorchGeo's index.
    """

    lattice: Lattice
    index: Any

    @abc.abstractmethod
    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to the own one in a CRS."""

    @abc.abstractmethod
    def _move_to(self, lattice: Lattice) -> None:
        """Take a lattice and build the index on it."""

    @property
    def crs(self) -> CRS:
        """Coordinate reference system of queries and samples."""
        return self.lattice.crs

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs != self.lattice.crs:
            self._move_to(self.lattice_in(new_crs))

    @property
    def res(self) -> tuple[float, float]:
        """(x, y) pixel size in units of the CRS."""
        return self.lattice.res

    @res.setter
    def res(self, new_res: float | tuple[float, float]) -> None:
        self._move_to(self.lattice.at_res(as_pair(new_res)))

    @property
    def bounds(self) -> tuple[slice, slice, slice]:
        """x, y and t of everything in the index, as slices whose step is the resolution."""
        return self._bounds

    def _index_changed(self) -> None:
        """Find the bounds of a new index once: TorchGeo's own property searches for them at every query."""
        left, bottom, right, top = (float(edge) for edge in self.index.total_bounds)
        times = self.index.index
        self._bounds = (
            slice(left, right, self.lattice.res[0]),
            slice(bottom, top, self.lattice.res[1]),
            slice(times.left.min(), times.right.max(), 1),
        )


def as_pair(res: float | tuple[float, float]) -> tuple[float, float]:
    """Return a resolution as (x, y)."""
    return (float(res), float(res)) if isinstance(res, (int, float)) else (float(res[0]), float(res[1]))


__all__ = ("OnLattice", "as_pair")
