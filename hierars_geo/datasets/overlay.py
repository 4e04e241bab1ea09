"""Overlay: the common ground of several sources, scene by scene, and which dates meet there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import shapely
from shapely.geometry.base import BaseGeometry

from ..errors import OptionError
from ..scenes.dates import ALWAYS
from ..scenes.outlines import Outlines

Interval = tuple[int, int]
#: What is read of every source: its scenes of an interval, or all of them (None).
Dates = tuple[Interval | None, ...]
Time = Literal["ignore", "within", "nearest"]
#: Nanoseconds.
_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class TimePolicy:
    """Which dates of other sources a scene of the first one is combined with.

    A source without dates fits any date.

    Attributes:
        time: ``ignore``: any; ``within``: each date at most ``days`` away, one combination for each;
            ``nearest``: the one date that is nearest (the earlier of two), and on ground that it does not
            cover, the next.
        days: Most days between the two; 0 is the same day. None, no limit, only with ``nearest``.
    """

    time: Time = "ignore"
    days: float | None = None

    def __post_init__(self) -> None:
        if self.time not in get_args(Time):
            raise OptionError(
                f"Expected time to be one of {', '.join(get_args(Time))}, but got '{self.time}'."
            )
        if self.time == "ignore" and self.days is not None:
            raise OptionError(
                f"Expected days to come with time within or nearest, but got days={self.days} without."
            )
        if (self.time == "within" and self.days is None) or (self.days is not None and self.days < 0):
            raise OptionError(f"Expected days >= 0 with time {self.time}, but got {self.days}.")

    def allows(self, gap_days: int) -> bool:
        """Tell whether a gap is small enough."""
        return self.days is None or gap_days <= self.days

    def __str__(self) -> str:
        if self.time == "ignore":
            return "any dates"
        limit = "" if self.days is None else f" within {self.days:g} days"
        return f"dates{limit}" if self.time == "within" else f"nearest dates{limit}"


@dataclass
class Pieces:
    """Pieces of common ground.

    Attributes:
        polygons: Each a polygon without parts.
        intervals: (first, last) nanosecond of each; different combinations of dates have different ones.
        first: Position of the scene of the first source that each comes from.
        dates: What is read of every source.
    """

    polygons: list[BaseGeometry] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    dates: list[Dates] = field(default_factory=list)


def overlay(
    outlines: Sequence[Outlines], region: BaseGeometry | None, policy: TimePolicy, smallest_area: float
) -> Pieces:
    """Intersect the first source's scenes with the ground of all others.

    Where dates are ignored, a scene meets the union of the others' scenes and keeps its date, so that ground
    covered by two neighbouring label sheets is one piece. Otherwise every combination of dates is a piece,
    whose interval reaches from its first to its last date.

    Args:
        outlines: Of every source, in one CRS.
        region: Ground to be confined to, in that CRS.
        policy: Which dates meet.
        smallest_area: Pieces below it are dropped (in square units of the CRS).

    Returns:
        The pieces, in the order of the first source's scenes.
    """
    pieces = Pieces()
    taken: dict[Interval, list[Dates]] = {}
    for i, polygon in enumerate(outlines[0].polygons):
        own = (int(outlines[0].intervals[i, 0]), int(outlines[0].intervals[i, 1]))
        rows: list[tuple[BaseGeometry, Dates]] = [(polygon, (own,))]
        for other in outlines[1:]:
            rows = [
                (part, (*dates, met))
                for ground, dates in rows
                for part, met in _meet(ground, own, other, policy)
            ]
        for ground, dates in rows:
            inside = ground if region is None else shapely.intersection(ground, region)
            for part in shapely.get_parts(inside):
                if part.geom_type == "Polygon" and part.area >= smallest_area:
                    pieces.polygons.append(part)
                    pieces.intervals.append(own if policy.time == "ignore" else _span(dates, taken))
                    pieces.first.append(i)
                    pieces.dates.append(dates)
    return pieces


def _meet(
    polygon: BaseGeometry, own: Interval, other: Outlines, policy: TimePolicy
) -> Iterator[tuple[BaseGeometry, Interval | None]]:
    """Yield the ground shared with another source, and the date of its scenes there (None for any)."""
    hits = other.hits(polygon.bounds, None)
    if not len(hits):
        return
    if policy.time == "ignore":
        yield shapely.intersection(polygon, shapely.union_all(other.polygons[hits])), None
        return
    by_date: dict[Interval, list[int]] = {}
    for hit in hits.tolist():
        by_date.setdefault((int(other.intervals[hit, 0]), int(other.intervals[hit, 1])), []).append(hit)
    left = polygon
    for date in sorted(by_date, key=lambda date: (gap_days(own, date), date)):
        if left.is_empty or not policy.allows(gap_days(own, date)):
            return
        ground = shapely.union_all(other.polygons[by_date[date]])
        yield shapely.intersection(left, ground), date
        if policy.time == "nearest":
            left = shapely.difference(left, ground)


def gap_days(a: Interval, b: Interval) -> int:
    """Count the days between two dates, 0 where they share one; a source without dates fits any."""
    return max(0, b[0] // _DAY - a[1] // _DAY, a[0] // _DAY - b[1] // _DAY)


def _span(dates: Dates, taken: dict[Interval, list[Dates]]) -> Interval:
    """First to last date; combinations that share both are told apart by nanoseconds at the end."""
    dated = [date for date in dates if date is not None and date != ALWAYS]
    span = (min(d[0] for d in dated), max(d[1] for d in dated)) if dated else ALWAYS
    known = taken.setdefault(span, [])
    if dates not in known:
        known.append(dates)
    return span[0], span[1] - known.index(dates)


__all__ = ("Dates", "Interval", "Pieces", "Time", "TimePolicy", "gap_days", "overlay")
