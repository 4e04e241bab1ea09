"""open_labels: labels of any kind as one source."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from pyproj import CRS

from ..errors import OptionError, check_choice, list_some
from ..polygons.vector_file import is_vector
from ..scenes.bad_files import OnError
from ..scenes.dates import interval_of, moment_of
from ..scenes.raster_paths import Paths
from ..taxonomy import Crosswalk, Taxonomy
from .geo_raster import SceneUnion
from .label_stack import LabelStack, StackedLabels
from .labels import HierarchicalLabels
from .scene_source import SceneSource
from .vector_labels import Order, VectorLabels

#: Options of :func:`open_labels` that each source of several may have of its own.
_OPTIONS = (
    "level",
    "attribute",
    "attributes",
    "classes",
    "rgb",
    "all_touched",
    "order",
    "on_error",
    "buffer_m",
)

#: What numbers of an entry are to be; YAML reads ``weight: 1,5`` as text.
_KINDS: dict[str, tuple[type, ...]] = {
    "weight": (int, float),
    "priority": (int,),
    "level": (int, list, tuple),
    "buffer_m": (int, float),
}


@dataclass(frozen=True)
class LabelEntry:
    """One of several sources of labels; every key but ``path`` may be left out.

    Attributes:
        path: Files, folders or patterns.
        taxonomy: Name of the legend that it is in, where that is not the model's tree; the catalog's
            crosswalk from there is taken.
        crosswalk: Another crosswalk: its name in the catalog or the path of its YAML file.
        weight: Of its labels in the loss, >= 0; a map product is worth less than a survey.
        dates: First and last day (or one day) of the scenes that it labels, ``2021-06-01``; None for all.
        geometry: ``pixel`` draws a point as the pixel that it falls in, ``disc`` as one of ``buffer_m``.
        priority: Where sources overlap, the highest counts; those of one priority are to agree.
        options: Of :func:`open_labels`: ``level``, ``attribute``, ``attributes``, ``classes``, ``rgb``,
            ``all_touched``, ``order``, ``on_error`` and ``buffer_m``; an entry's keys like the rest.
    """

    path: str | list[str]
    taxonomy: str | None = None
    crosswalk: str | None = None
    weight: float = 1.0
    dates: str | list[str] | None = None
    geometry: Literal["pixel", "disc"] | None = None
    priority: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            value = self.options.get(name) if name in _OPTIONS else getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                what = "number" if float in kinds else "whole number"
                raise OptionError(f"Expected {name} to be a {what}, but got {value!r} (of {self.path}).")
        if not 0 <= self.weight < float("inf"):
            raise OptionError(
                f"Expected the weight of labels to be >= 0, but got {self.weight} (of {self.path})."
            )
        if self.geometry is not None:
            check_choice(f"geometry of {self.path}", self.geometry, ("pixel", "disc"))
        buffer_m = self.options.get("buffer_m", 0.0)
        if not math.isfinite(buffer_m):
            raise OptionError(f"Expected buffer_m to be finite, but got {buffer_m} (of {self.path}).")
        if (self.geometry == "disc" and buffer_m <= 0) or (self.geometry == "pixel" and buffer_m):
            raise OptionError(
                f"Expected buffer_m > 0, the radius in metres, with geometry disc alone, but got "
                f"{self.geometry} and {buffer_m} ({self.path})."
            )
        _ = self.interval  # refuses what is no date

    @classmethod
    def of(cls, given: "str | os.PathLike[str] | Mapping[str, Any] | LabelEntry") -> "LabelEntry":
        """Read an entry: a path, or a mapping with ``path``.

        Raises:
            OptionError: It has no path, or a key that there is not.
        """
        if isinstance(given, LabelEntry):
            return given
        if isinstance(given, (str, os.PathLike)):
            return cls(os.fspath(given))
        if not isinstance(given, Mapping):
            raise OptionError(f"Expected labels to be paths, or mappings with path, but got {given!r}.")
        known = {own.name for own in fields(cls) if own.name != "options"} | set(_OPTIONS)
        unknown = sorted(map(str, set(given) - known))
        if unknown or "path" not in given:
            got = f"'{unknown[0]}'" if unknown else "no path"
            raise OptionError(
                f"Expected an entry of labels with path and others of {', '.join(sorted(known))}, but "
                f"got {got}."
            )
        options = {key: value for key, value in given.items() if key in _OPTIONS}
        return cls(**{key: value for key, value in given.items() if key not in options}, options=options)

    @property
    def interval(self) -> tuple[int, int] | None:
        """Nanoseconds of the first and the end of the last day.

        Raises:
            OptionError: They are no dates, or run backwards.
        """
        if self.dates is None:
            return None
        days = list(self.dates) if isinstance(self.dates, (list, tuple)) else [self.dates]
        try:
            first, last = (interval_of(moment_of(str(day)).date()) for day in (days[0], days[-1]))
        except (ValueError, IndexError) as error:
            raise OptionError(f"Expected dates as 2021-06-01, but got {self.dates} ({self.path}).") from error
        if len(days) > 2 or last < first:
            raise OptionError(f"Expected dates as [first, last], but got {self.dates} ({self.path}).")
        return first[0], last[1]

    def open(self, tree: Taxonomy, common: Mapping[str, Any]) -> SceneSource:
        """Open the source.

        Args:
            tree: The model's tree.
            common: Options of all entries: ``crs`` and ``res``.
        """
        crosswalk: str | Crosswalk | None = self.crosswalk
        if crosswalk is None and self.taxonomy not in (None, tree.name):
            crosswalk = Crosswalk.between(str(self.taxonomy), tree)
        return open_labels(self.path, tree, crosswalk=crosswalk, **self.options, **common)


def open_labels(
    paths: Paths | Mapping[int, Paths] | Sequence[str | Mapping[str, Any] | LabelEntry],
    taxonomy: Taxonomy | str | Path,
    *,
    level: int | Sequence[int] | None = None,
    attribute: str | None = None,
    attributes: Sequence[str | None] | None = None,
    classes: Mapping[str, object] | None = None,
    rgb: bool = False,
    all_touched: bool = False,
    order: Order = "area",
    crs: CRS | str | int | None = None,
    res: float | tuple[float, float] | None = None,
    on_error: OnError = "raise",
    crosswalk: Crosswalk | str | Path | None = None,
    buffer_m: float = 0.0,
) -> SceneSource:
    """Open label rasters, label pictures, or polygons, lines and points.

    Args:
        paths: Files, folders, patterns, or a list of them. A name ending in ``.gpkg``, ``.parquet``,
            ``.geoparquet``, ``.shp``, ``.fgb``, ``.geojson`` or ``.json`` (``FILE|LAYER`` for one layer)
            is a file of polygons, and a folder is searched for such files where ``attribute`` or
            ``attributes`` is given. Or a mapping from level (1..N) to paths of rasters. Or a list in which
            some are mappings, with the keys of :class:`LabelEntry`: sources with options of their own.
        taxonomy: The tree, its name in the catalog, or the path of its YAML file.
        level: Level 1..N that the values of rasters are classes of (default: the leaves); or one per path.
            Where paths are of several levels, the finest that has a label counts at every pixel.
        attribute: Column of polygons whose values are classes of any level.
        attributes: Instead, one column per level, coarsest first; None where a level has none.
        classes: What the values of columns stand for; see :class:`VectorLabels`.
        rgb: True for rasters that are pictures in the colours of the tree.
        all_touched: True to label every pixel that a polygon touches, False those whose centre it holds.
        order: ``area`` burns large polygons first, ``file`` in the order of the file.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first raster).
        on_error: ``raise`` refuses polygons with an unknown class, ``skip`` leaves them unlabelled with a
            notice.
        crosswalk: From the legend of the labels to the tree; its name in the catalog or a YAML file.
        buffer_m: Metres that polygons, lines and points are widened by.

    Returns:
        One source for ``image & labels``. Its samples have ``label_set`` where labels may be no leaves.

    Raises:
        HieraRSError: Options contradict each other, or files cannot be used; see the classes.
    """
    tree = Taxonomy.of(taxonomy)
    common: dict[str, Any] = {"crs": crs, "res": res, "crosswalk": crosswalk}
    of_polygons: dict[str, Any] = {
        "attribute": attribute,
        "attributes": attributes,
        "classes": classes,
        "all_touched": all_touched,
        "order": order,
        "on_error": on_error,
        "buffer_m": buffer_m,
    }
    if isinstance(paths, Mapping):
        if level is not None:
            raise OptionError(f"Expected paths by level, or level, but got {list(paths)} and {level}.")
        return _by_level(list(paths.items()), tree, common | {"rgb": rgb})
    given: list[Any] = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if any(isinstance(entry, (Mapping, LabelEntry)) for entry in given):
        beside = {"level": level, "rgb": rgb, "crosswalk": crosswalk, **of_polygons}
        wrong = [name for name, value in beside.items() if value and value not in ("area", "raise")]
        if wrong:
            raise OptionError(
                f"Expected the options of labels in the entries of sources that need them, but got "
                f"{', '.join(wrong)} for all of them."
            )
        return stack_labels([LabelEntry.of(entry) for entry in given], tree, crs, res)
    if level is not None and not isinstance(level, int):
        if len(level) != len(given):
            raise OptionError(f"Expected one level, or one per path ({len(given)}), but got {list(level)}.")
        return _by_level(list(zip(level, given, strict=True)), tree, common | {"rgb": rgb})
    has_columns = attribute is not None or attributes is not None
    polygons = [path for path in given if is_vector(path) or (has_columns and os.path.isdir(path))]
    rasters = [path for path in given if path not in polygons]
    if has_columns and not polygons:
        raise OptionError(
            f"Expected polygons for attribute or attributes, but got {list_some(given)}. Leave "
            "the options out for rasters."
        )
    sources: list[SceneSource] = []
    if rasters or not polygons:
        sources.append(HierarchicalLabels(rasters, tree, level=level, rgb=rgb, **common))
    if polygons:
        sources.append(VectorLabels(polygons, tree, **of_polygons, **common))
    return reduce(SceneUnion, sources)


def stack_labels(
    entries: Sequence[LabelEntry],
    tree: Taxonomy,
    crs: CRS | str | int | None = None,
    res: float | tuple[float, float] | None = None,
) -> LabelStack:
    """Open sources of labels with options of their own, as one.

    Raises:
        HieraRSError: As of :func:`open_labels`.
    """
    common = {"crs": crs, "res": res}
    return LabelStack(
        [
            StackedLabels(
                entry.open(tree, common),
                entry.path if isinstance(entry.path, str) else ", ".join(entry.path),
                float(entry.weight),
                entry.priority,
                entry.interval,
            )
            for entry in entries
        ]
    )


def _by_level(paths: Sequence[tuple[int, Paths]], tree: Taxonomy, options: Mapping[str, Any]) -> SceneSource:
    """Open rasters of several levels, the finest first."""
    if not paths:
        raise OptionError("Expected paths of label rasters by level, but got none.")
    finest_first = sorted(paths, key=lambda item: -item[0])
    sources: list[SceneSource] = [
        HierarchicalLabels(path, tree, level=number, **options) for number, path in finest_first
    ]
    return reduce(SceneUnion, sources)
