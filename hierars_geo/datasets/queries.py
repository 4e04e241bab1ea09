"""Queries: TorchGeo's slices of space and time, made definite."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import pandas as pd
from torchgeo.datasets.utils import GeoSlice

from ..errors import DataError
from ..grid import Window
from ..grid.lattice import Lattice
from ..types import Bounds


class QueryError(DataError, IndexError):
    """A query lies outside the data; an IndexError, as TorchGeo's samplers and unions expect it."""


@dataclass(frozen=True)
class Query:
    """Where and when to read.

    Attributes:
        lattice: Pixels to read on.
        window: Window of the lattice.
        interval: (first, last) nanosecond.
    """

    lattice: Lattice
    window: Window
    interval: tuple[int, int]

    @property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) of the window."""
        return self.lattice.bounds(self.window)


def resolve(query: GeoSlice, whole: tuple[slice, slice, slice], lattice: Lattice) -> Query:
    """Fill in what a query leaves open and snap it to the lattice.

    Args:
        query: ``[xmin:xmax:xres, ymin:ymax:yres, tmin:tmax]``, each part optional.
        whole: x, y and t of the whole data set.
        lattice: Lattice of the data set; another resolution in the query keeps its origin.

    Raises:
        QueryError: The query has no area.
    """
    given = query if isinstance(query, tuple) else (query,)
    x = _filled(given[0], whole[0])
    y = _filled(given[1], whole[1]) if len(given) > 1 else whole[1]
    t = _filled(given[2], whole[2]) if len(given) > 2 else whole[2]
    if not (x.stop > x.start and y.stop > y.start):
        raise QueryError(
            f"Expected a query with an area, but got x {x.start}..{x.stop}, y {y.start}..{y.stop}."
        )
    lattice = lattice.at_res((float(x.step), float(y.step)))
    window = lattice.window((float(x.start), float(y.start), float(x.stop), float(y.stop)))
    return Query(lattice, window, (nanoseconds(t.start), nanoseconds(t.stop)))


def _filled(part: slice, whole: slice) -> slice:
    return slice(
        whole.start if part.start is None else part.start,
        whole.stop if part.stop is None else part.stop,
        whole.step if part.step is None else part.step,
    )


@lru_cache(maxsize=1024)
def nanoseconds(moment: datetime | pd.Timestamp) -> int:
    """Turn a moment into nanoseconds since 1970."""
    return int(pd.Timestamp(moment).as_unit("ns").value)


__all__ = ("Query", "QueryError", "nanoseconds", "resolve")
