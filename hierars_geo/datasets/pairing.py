"""Pairing: how the sources of an intersection are combined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from ..errors import OptionError
from ..scenes.dates import ALWAYS
from ..scenes.outlines import Outlines
from .overlay import Interval, Pieces, TimePolicy, gap_days
from .scene_source import SceneSource
from .target_grid import GridChoice

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
    """Return which dates meet where nobody says it: the nearest, where several sources carry dates.

    Args:
        outlines: Of every source.
    """
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


__all__ = ("Pairing", "date_notes", "no_overlap", "usual_policy")
