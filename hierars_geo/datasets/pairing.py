"""Pairing: which ground, which dates and which options of several sources meet."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from ..errors import OptionError, check_choice
from ..grid import Window
from ..grid.lattice import Lattice
from ..scenes.dates import ALWAYS
from ..scenes.outlines import Outlines
from ..scenes.regions import RegionMask
from .scene_source import SceneSource
from .target_grid import GridChoice

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
        check_choice("time", self.time, get_args(Time))
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
    """Intersect the first source's scenes, in their order, with the ground of all others.

    Where dates are ignored, a scene meets the union of the others' scenes and keeps its date, so that ground
    covered by two neighbouring label sheets is one piece. Otherwise every combination of dates is a piece,
    whose interval reaches from its first to its last date.

    Args:
        outlines: Of every source, in one CRS.
        region: Ground to be confined to, in that CRS.
        policy: Which dates meet.
        smallest_area: Pieces below it are dropped (in square units of the CRS).
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


#: Windows along an axis, and pixels of a window along an axis.
_WINDOWS, _SIDE_PX = 8, 16


def valid_share(
    polygon: BaseGeometry, lattice: Lattice, read_valid: Callable[[Window], NDArray[np.bool_]]
) -> float:
    """Estimate the share of a polygon's pixels that hold data.

    Returns:
        0..1, exact for ground of up to 128 x 128 pixels; of larger ground, up to 64 windows are read, evenly
        spread.
    """
    whole = lattice.window(polygon.bounds)
    region = RegionMask(polygon)
    inside = valid = 0
    for row, height in _spread(whole.row, whole.height):
        for col, width in _spread(whole.col, whole.width):
            window = Window(row, col, height, width)
            mask = region.mask(lattice, window)
            if mask is not None and not mask.any():
                continue
            there = read_valid(window)
            inside += there.size if mask is None else int(mask.sum())
            valid += int(there.sum() if mask is None else (there & mask).sum())
    return valid / inside if inside else 0.0


def _spread(start: int, length: int) -> list[tuple[int, int]]:
    """(start, length) of the windows along an axis: all of it where it is short."""
    if length <= _WINDOWS * _SIDE_PX:
        return [(start, length)]
    first = np.linspace(0, length - _SIDE_PX, _WINDOWS).astype(int)
    return [(start + int(at), _SIDE_PX) for at in first]


Option = TypeVar("Option")
#: Two label scenes cover one ground where they share this much of the smaller one.
_SAME_GROUND = 0.9


@dataclass(frozen=True)
class Pairing:
    """Options of an intersection; attributes as the arguments of :class:`SceneIntersection`.

    Attributes:
        grid: Whose pixels samples have, None for those of the finest image.
        policy: Which dates meet; None for what the dates of the sources suggest.
        stack: Whether channels are concatenated on one grid.
        min_valid: Least share of pixels with data, 0..1.
    """

    grid: GridChoice | None
    policy: TimePolicy | None
    stack: bool
    min_valid: float

    @classmethod
    def of(
        cls,
        policy: TimePolicy | None,
        grid: GridChoice | None,
        stack: bool | None,
        min_valid: float | None,
        inherited: Sequence["Pairing"],
    ) -> "Pairing":
        """Fill in what is not given from intersections that are combined further.

        Raises:
            OptionError: Two of them differ, or min_valid is out of range.
        """
        found = cls(
            _pick("grid", grid, [pairing.grid for pairing in inherited], None),
            _pick("time", policy, [pairing.policy for pairing in inherited], None),
            _pick("stack", stack, [pairing.stack for pairing in inherited], True),
            _pick("min_valid", min_valid, [pairing.min_valid for pairing in inherited], 0.0),
        )
        if not 0 <= found.min_valid <= 1:
            raise OptionError(f"Expected min_valid to be a share of 0..1, but got {found.min_valid}.")
        return found


def usual_policy(outlines: Sequence[Outlines]) -> TimePolicy:
    """Return which dates meet where nobody says it: the nearest, where several sources carry dates."""
    dated = [bool((part.intervals != ALWAYS).any()) for part in outlines]
    return TimePolicy("nearest" if sum(dated) > 1 else "ignore")


def date_notes(pieces: Pieces, images: Outlines, labels: Outlines, files: Sequence[str]) -> list[str]:
    """Say where labels of another date train an image, and which label files are never read.

    Args:
        pieces: Of images and labels.
        images: Where and when the leading images lie.
        labels: Where and when the labels lie.
        files: Of the labels, in the same order; empty where it says nothing to name them.
    """
    notes = []
    gaps: dict[int, int] = {}
    read: set[Interval | None] = set()
    for first, dates in zip(pieces.first, pieces.dates, strict=True):
        own = (int(images.intervals[first, 0]), int(images.intervals[first, 1]))
        read.add(dates[-1])
        if dates[-1] is not None:
            gaps[first] = max(gaps.get(first, 0), gap_days(own, dates[-1]))
    apart = [gap for gap in gaps.values() if gap]
    if apart:
        notes.append(
            f"{len(apart)} of {len(gaps)} images meet labels of another date, up to {max(apart)} days away. "
            "Give pairing days to limit them, or time ignore where dates do not matter."
        )
    if not files:
        return notes
    if None in read:
        twice = _covered_twice(labels)
        if twice is not None:
            notes.append(
                f"Labels cover the same ground more than once, and the first file counts: {files[twice[0]]} "
                f"before {files[twice[1]]}. Write dates into their names or tags to have them meet images."
            )
        return notes
    unread = [
        file for file, when in zip(files, labels.intervals.tolist(), strict=True) if tuple(when) not in read
    ]
    if unread:
        notes.append(
            f"{len(unread)} of {len(files)} label files are never read, no image has their date nearest: "
            f"{unread[0]}{', ...' if len(unread) > 1 else ''}."
        )
    return notes


def _covered_twice(labels: Outlines) -> tuple[int, int] | None:
    """Find two scenes of which one lies almost wholly on the other."""
    tree = shapely.STRtree(list(labels.polygons))
    first, second = tree.query(labels.polygons, predicate="intersects")
    first, second = first[first < second], second[first < second]
    shared = shapely.area(shapely.intersection(labels.polygons[first], labels.polygons[second]))
    smaller = np.minimum(shapely.area(labels.polygons[first]), shapely.area(labels.polygons[second]))
    found = np.flatnonzero(shared > _SAME_GROUND * smaller)
    return (int(first[found[0]]), int(second[found[0]])) if len(found) else None


def _pick(name: str, given: Option | None, inherited: Sequence[Option], default: Option) -> Option:
    if given is not None:
        return given
    others = [option for option in inherited if option != default]
    if any(option != others[0] for option in others):
        raise OptionError(
            f"Expected intersections with one {name}, but got {' and '.join(str(o) for o in others)}. "
            f"Give {name} anew."
        )
    return others[0] if others else default


def no_overlap(sources: Sequence[SceneSource], region: BaseGeometry | None, policy: TimePolicy) -> str:
    """Say extent, CRS and dates of sources that have no common ground."""
    found = []
    for source in sources:
        x, y, t = source.bounds
        dates = "" if t.start.year < 1700 else f", {t.start:%Y-%m-%d}..{t.stop:%Y-%m-%d}"
        extent = f"x {x.start:.10g}..{x.stop:.10g}, y {y.start:.10g}..{y.stop:.10g}"
        files = sorted(set(source.index["filepath"]))
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        name = f"{type(source).__name__} ({files[0]}{more})"
        found.append(f"{name} {extent} in {source.crs.to_string()[:60]}{dates}")
    if region is not None:
        found.append(f"the region {tuple(float(f'{edge:.10g}') for edge in region.bounds)}")
    wanted = "common ground" if policy.time == "ignore" else f"common ground and {policy}"
    remedy = (
        "Check the files and their CRS."
        if policy.time == "ignore"
        else "Check the files, or allow more days."
    )
    return f"Expected sources with {wanted}, but got {'; '.join(found)}. {remedy}"
