"""Pairing: how the sources of an intersection are combined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from shapely.geometry.base import BaseGeometry

from ..errors import OptionError
from .overlay import TimePolicy
from .scene_source import SceneSource
from .target_grid import GridChoice

Option = TypeVar("Option")


@dataclass(frozen=True)
class Pairing:
    """Options of an intersection; attributes as the arguments of :class:`SceneIntersection`.

    Attributes:
        grid: Whose pixels samples have, None for those of the finest image.
        policy: Which dates meet.
        stack: Whether channels are concatenated on one grid.
        min_valid: Least share of pixels with data, 0..1.
    """

    grid: GridChoice | None
    policy: TimePolicy
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
            _pick("time", policy, [pairing.policy for pairing in inherited], TimePolicy()),
            _pick("stack", stack, [pairing.stack for pairing in inherited], True),
            _pick("min_valid", min_valid, [pairing.min_valid for pairing in inherited], 0.0),
        )
        if not 0 <= found.min_valid <= 1:
            raise OptionError(f"Expected min_valid to be a share of 0..1, but got {found.min_valid}.")
        return found


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


__all__ = ("Pairing", "no_overlap")
