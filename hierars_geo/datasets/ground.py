"""Ground: what a data set covers, piece by piece, as samplers and statistics walk over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import GeoDataset

from ..errors import DataError
from ..grid.lattice import Lattice
from ..grid.pixel_ground import PixelGround
from ..types import Bounds

#: A region: polygons, or (left, bottom, right, top) boxes, in the CRS of the data set.
Regions = BaseGeometry | Sequence[Bounds]


@dataclass(frozen=True)
class GroundPart:
    """A connected piece of ground with one date.

    Attributes:
        polygon: Its outline in the CRS of the data set.
        pixels: Its pixels.
        time: First and last moment, as TorchGeo's queries take it.
    """

    polygon: BaseGeometry
    pixels: PixelGround
    time: slice


def lattice_of(dataset: GeoDataset) -> Lattice:
    """Return the lattice of a data set; of one that is not ours, the one at its upper-left corner."""
    lattice = getattr(dataset, "lattice", None)
    if isinstance(lattice, Lattice):
        return lattice
    x, y, _ = dataset.bounds
    return Lattice(dataset.crs, dataset.res, (float(x.start), float(y.stop)))


def find_ground(dataset: GeoDataset, lattice: Lattice, regions: Regions | None = None) -> list[GroundPart]:
    """Find what a data set covers.

    Scenes of one date that touch or overlap make one piece, so that no ground is met twice and chips may lie
    across scenes. Dates are kept apart.

    Args:
        dataset: Any GeoDataset.
        lattice: Its pixels.
        regions: Ground to be confined to.

    Returns:
        The pieces, sorted by date, from north to south.

    Raises:
        DataError: Nothing is left.
    """
    region = None if regions is None else as_geometry(regions)
    pixel_area = lattice.res[0] * lattice.res[1]
    parts = []
    for interval, rows in _by_date(dataset):
        ground = shapely.union_all(rows, grid_size=min(lattice.res) * 1e-3)
        if region is not None:
            ground = shapely.intersection(ground, region)
        for polygon in shapely.get_parts(ground):
            if polygon.geom_type != "Polygon" or polygon.area < pixel_area / 2:
                continue
            pixels = PixelGround.of_polygon(polygon, lattice)
            if pixels is not None:
                parts.append(GroundPart(polygon, pixels, slice(interval.left, interval.right)))
    if not parts:
        raise DataError(
            f"Expected ground to sample from, but got none of {type(dataset).__name__} in the region "
            f"{None if region is None else region.bounds}. Check the regions and the size of split blocks."
        )
    return sorted(parts, key=lambda part: (part.time.start, part.pixels.extent))


def as_geometry(regions: Regions) -> BaseGeometry:
    """Return polygons of a region given either way."""
    if isinstance(regions, BaseGeometry):
        return regions
    return shapely.union_all([shapely.box(*bounds) for bounds in regions])


def _by_date(dataset: GeoDataset) -> list[tuple[pd.Interval, list[BaseGeometry]]]:
    groups: dict[pd.Interval, list[BaseGeometry]] = {}
    for interval, polygon in zip(dataset.index.index, dataset.index.geometry, strict=True):
        groups.setdefault(interval, []).append(polygon)
    return list(groups.items())


__all__ = ("GroundPart", "Regions", "as_geometry", "find_ground", "lattice_of")
