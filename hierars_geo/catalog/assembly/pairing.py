"""Which scenes show the same place: by footprint, then by time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ...errors import DataError
from ...grid.reprojection import outline
from ...samplers.splits import connected
from ...types import Bounds
from .coregistration import Shift
from .sources import SOURCE_CLASSES, AssembleOptions, SourceName, SourceScene

_WEB_MERCATOR = CRS.from_epsg(3857)
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Place:
    """One ground seen by several sources.

    Attributes:
        name: ``place_000``; holds no date, which would be read as the labels' own.
        reference: Source that the others were paired with.
        scenes: Scene of every source.
        labels: Their labels.
        crs: Projected CRS in metres that chips are cut in.
        shifts: Measured shift of every other source against the reference, (x, y) in metres.
        measured: How it was measured.
        split: ``train``, ``val`` or ``test``.
    """

    name: str
    reference: SourceName
    scenes: dict[SourceName, SourceScene]
    labels: SourceScene
    crs: CRS
    shifts: dict[SourceName, tuple[float, float]] = field(default_factory=dict)
    measured: dict[SourceName, Shift] = field(default_factory=dict)
    split: str = "train"

    @property
    def common_bounds(self) -> Bounds | None:
        """(left, bottom, right, top) of the ground of all sources and labels; None where there is none."""
        grids = [scene.scene.grid for scene in (*self.scenes.values(), self.labels)]
        common = shapely.intersection_all([outline(grid, self.crs) for grid in grids])
        if common.is_empty or common.area == 0:
            return None
        left, bottom, right, top = common.bounds
        return left, bottom, right, top

    @property
    def ground(self) -> BaseGeometry:
        """Footprint of the reference scene, longitude and latitude."""
        return self.scenes[self.reference].footprint

    def gap_days(self, source: SourceName) -> float | None:
        """Days from the reference to a source; None where one of them says no time."""
        return _gap(self.scenes[self.reference].acquired, self.scenes[source].acquired)


#: A scene that is in no place, and why: ``source``, ``path`` and ``reason``.
Unpaired = dict[str, str]


def unpaired(scene: SourceScene, reason: str) -> Unpaired:
    """Say why a scene is in no place."""
    return {"source": scene.source, "path": scene.path, "reason": reason}


def pair_scenes(
    sources: Mapping[SourceName, Sequence[SourceScene]],
    labels: Sequence[SourceScene],
    options: AssembleOptions,
) -> tuple[list[Place], list[Unpaired]]:
    """Group the scenes of sources around those of the first into places, and say what is in none.

    Of the scenes that cover enough of a reference scene, the nearest in time is taken, of equals the one that
    covers most; of labels the one that covers most.

    Raises:
        DataError: No place has all sources and labels; the extents and times are named.
    """
    reference: SourceName = next(name for name in SOURCE_CLASSES if name in sources)
    places: list[Place] = []
    left_out: list[Unpaired] = []
    for scene in sources[reference]:
        chosen: dict[SourceName, SourceScene] = {reference: scene}
        reason = ""
        for name in sources:
            if name != reference:
                found, reason = _nearest(scene, sources[name], name, options)
                if found is None:
                    break
                chosen[name] = found
        covering = [
            (cover, label) for label in labels if (cover := _cover(scene, label)) >= options.min_cover
        ]
        if not reason and not covering:
            reason = "no labels cover it"
        if reason:
            left_out.append(unpaired(scene, reason))
            continue
        label = max(covering, key=lambda pair: pair[0])[1]
        crs = _metric_crs([scene, *chosen.values(), label])
        places.append(Place(f"place_{len(places):03d}", reference, chosen, label, crs))
    if not places:
        raise DataError(_nothing_in_common(sources, labels, left_out))
    used = {scene.path for place in places for scene in (*place.scenes.values(), place.labels)}
    others = [scene for group in (*sources.values(), labels) for scene in group]
    known = {entry["path"] for entry in left_out}
    left_out += [unpaired(scene, "no place needs it") for scene in others if scene.path not in used | known]
    return places, left_out


def _nearest(
    reference: SourceScene, candidates: Sequence[SourceScene], name: str, options: AssembleOptions
) -> tuple[SourceScene | None, str]:
    covering = [(s, c) for s in candidates if (c := _cover(reference, s)) >= options.min_cover and c > 0]
    if not covering:
        return None, f"no {name} scene covers {options.min_cover:.0%} of it"
    ranked = sorted(covering, key=lambda pair: (_distance(reference, pair[0]), -pair[1], pair[0].path))
    best = ranked[0][0]
    gap = _gap(reference.acquired, best.acquired)
    if options.days is not None and (gap is None or abs(gap) > options.days):
        found = "says no time" if gap is None else f"is {abs(gap):.0f} days away"
        return None, f"the nearest {name} scene {found}, not within {options.days:g}"
    return best, ""


def _distance(a: SourceScene, b: SourceScene) -> float:
    gap = _gap(a.acquired, b.acquired)
    return np.inf if gap is None else round(abs(gap), 1)


def _gap(first: datetime | None, second: datetime | None) -> float | None:
    if first is None or second is None:
        return None
    return (second - first).total_seconds() / _SECONDS_PER_DAY


def _cover(reference: SourceScene, other: SourceScene) -> float:
    """Share of a footprint that another one covers (degrees are fine for a ratio)."""
    if not shapely.intersects(reference.footprint, other.footprint):
        return 0.0
    common = shapely.intersection(reference.footprint, other.footprint)
    return float(common.area / reference.footprint.area)


def _metric_crs(scenes: Sequence[SourceScene]) -> CRS:
    """Return the first CRS that is a projection in metres and keeps sizes, else the UTM zone."""
    for scene in scenes:
        crs = scene.scene.grid.crs
        if crs.is_projected and crs.axis_info[0].unit_name == "metre" and crs != _WEB_MERCATOR:
            return crs
    middle = scenes[0].footprint.centroid
    zone = int((middle.x + 180) // 6) % 60 + 1
    return CRS.from_epsg((32600 if middle.y >= 0 else 32700) + zone)


def assign_splits(places: Sequence[Place], options: AssembleOptions) -> list[Place]:
    """Give every place to train, val or test; places that share ground go together.

    Each split with a share gets at least one group of places where there are enough; what is left goes where
    most is missing.
    """
    groups = _overlapping(places)
    order = np.random.default_rng(options.seed).permutation(len(groups))
    shares = dict(zip(("train", "val", "test"), options.fractions, strict=True))
    counts = dict.fromkeys((name for name, share in shares.items() if share > 0), 0)
    split_of: dict[int, str] = {}
    for position in order:
        empty = [name for name, count in counts.items() if count == 0]
        missing = {name: shares[name] * len(places) - count for name, count in counts.items()}
        name = empty[0] if empty else max(missing, key=lambda key: missing[key])
        counts[name] += len(groups[position])
        split_of |= dict.fromkeys(groups[position], name)
    return [replace(place, split=split_of[i]) for i, place in enumerate(places)]


def _overlapping(places: Sequence[Place]) -> list[list[int]]:
    """Gather places whose ground touches, directly or through others."""
    ground = [place.ground for place in places]
    first, second = shapely.STRtree(ground).query(ground, predicate="intersects")
    return [members.tolist() for members in connected(first, second, len(ground))]


def _nothing_in_common(
    sources: Mapping[SourceName, Sequence[SourceScene]],
    labels: Sequence[SourceScene],
    left_out: Sequence[Unpaired],
) -> str:
    said = []
    for name, scenes in (*sources.items(), ("labels", labels)):
        west, south, east, north = shapely.union_all([scene.footprint for scene in scenes]).bounds
        days = sorted({f"{scene.acquired:%Y-%m-%d}" for scene in scenes if scene.acquired})
        when = f", {days[0]} to {days[-1]}" if days else ""
        said.append(f"{name}: {west:.4f} {south:.4f} {east:.4f} {north:.4f}{when}")
    reasons = "; ".join(sorted({entry["reason"] for entry in left_out}))
    return (
        f"Expected scenes of one place in every source, but got none ({reasons}). Longitudes and latitudes: "
        f"{' | '.join(said)}. Give scenes that overlap, or relax --days and --min-cover."
    )
