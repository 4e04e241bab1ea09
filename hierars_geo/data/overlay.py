"""Overlay: the common ground of several sources, scene by scene."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import shapely
from shapely.geometry.base import BaseGeometry

from .outlines import Outlines


@dataclass
class Pieces:
    """Pieces of common ground.

    Attributes:
        polygons: Each a polygon without parts.
        intervals: (first, last) nanosecond of each.
        first: Position of the scene of the first source that each comes from.
    """

    polygons: list[BaseGeometry] = field(default_factory=list)
    intervals: list[tuple[int, int]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)

    def add(self, polygon: BaseGeometry, interval: tuple[int, int], first: int) -> None:
        """Append a piece."""
        self.polygons.append(polygon)
        self.intervals.append(interval)
        self.first.append(first)


def overlay(
    outlines: Sequence[Outlines], region: BaseGeometry | None, spatial_only: bool, smallest_area: float
) -> Pieces:
    """Intersect the first source's scenes with the ground of all others.

    With ``spatial_only`` a scene meets the union of the others' scenes and keeps its date, so that ground
    covered by two neighbouring label sheets is one piece; without it every combination of scenes with a
    common date is a piece.

    Args:
        outlines: Of every source, in one CRS.
        region: Ground to be confined to, in that CRS.
        spatial_only: Whether dates are ignored.
        smallest_area: Pieces below it are dropped (in square units of the CRS).

    Returns:
        The pieces, in the order of the first source's scenes.
    """
    pieces = Pieces()
    for i, polygon in enumerate(outlines[0].polygons):
        interval = (int(outlines[0].intervals[i, 0]), int(outlines[0].intervals[i, 1]))
        rows = [(polygon, interval)]
        for other in outlines[1:]:
            rows = [met for row in rows for met in _meet(*row, other, spatial_only)]
        for ground, when in rows:
            inside = ground if region is None else shapely.intersection(ground, region)
            for part in shapely.get_parts(inside):
                if part.geom_type == "Polygon" and part.area >= smallest_area:
                    pieces.add(part, when, i)
    return pieces


def _meet(
    polygon: BaseGeometry, interval: tuple[int, int], other: Outlines, spatial_only: bool
) -> list[tuple[BaseGeometry, tuple[int, int]]]:
    hits = other.hits(polygon.bounds, None if spatial_only else interval)
    if not len(hits):
        return []
    if spatial_only:
        return [(shapely.intersection(polygon, shapely.union_all(other.polygons[hits])), interval)]
    return [
        (
            shapely.intersection(polygon, other.polygons[hit]),
            (max(interval[0], int(other.intervals[hit, 0])), min(interval[1], int(other.intervals[hit, 1]))),
        )
        for hit in hits
    ]


__all__ = ("Pieces", "overlay")
