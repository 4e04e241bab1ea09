"""Queries: TorchGeo's slices of space and time, made definite."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from torchgeo.datasets.utils import GeoSlice

from ..errors import DataError
from ..grid import Window
from ..types import Bounds
from .lattice import Lattice


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
    x, y, t = (
        slice(
            *(
                theirs if ours is None else ours
                for ours, theirs in zip(_parts(part), _parts(full), strict=True)
            )
        )
        for part, full in zip((*given, *[slice(None)] * (3 - len(given))), whole, strict=True)
    )
    if not (x.stop > x.start and y.stop > y.start):
        raise QueryError(
            f"Expected a query with an area, but got x {x.start}..{x.stop}, y {y.start}..{y.stop}."
        )
    lattice = lattice.at_res((float(x.step), float(y.step)))
    window = lattice.window((float(x.start), float(y.start), float(x.stop), float(y.stop)))
    return Query(lattice, window, (nanoseconds(t.start), nanoseconds(t.stop)))


def _parts(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


def nanoseconds(moment: datetime | pd.Timestamp) -> int:
    """Turn a moment into nanoseconds since 1970."""
    return int(pd.Timestamp(moment).as_unit("ns").value)


__all__ = ("Query", "QueryError", "nanoseconds", "resolve")
