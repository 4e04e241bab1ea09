"""What a training leaves of its splits in the folder of its run: ground, histograms, statistics."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import shapely
from geopandas.geodataframe import GeoDataFrame
from shapely.geometry.base import BaseGeometry

from ..datasets.intersection import SceneIntersection
from ..datasets.statistics import DataStatistics
from ..errors import list_some
from ..grid.longitudes import polygonal
from ..grid.reprojection import move
from ..output import atomic_path, check_writable_folder, write_csv, write_json
from ..polygons.vector_file import forget_times
from ..taxonomy import Taxonomy

_LOG = logging.getLogger(__name__)


def write_split_ground(folder: str | Path, parts: Mapping[str, SceneIntersection]) -> Path:
    """Write the ground of every split as ``splits.gpkg``.

    The file is what ``splits.file`` of another training takes, and ``evaluate --by splits.gpkg --id split``.

    Raises:
        OutputError: The folder cannot be written.
    """
    target = check_writable_folder(folder) / "splits.gpkg"
    crs = next(iter(parts.values())).crs
    ground = [polygonal(move(_ground(part), part.crs, crs)) for part in parts.values()]
    frame = GeoDataFrame({"split": list(parts)}, geometry=ground, crs=crs)
    with atomic_path(target) as path:
        frame.to_file(path, layer="splits", driver="GPKG")
        forget_times(path)
    return target


def _ground(part: SceneIntersection) -> BaseGeometry:
    """Where a split has scenes and labels."""
    scenes = shapely.union_all(list(part.index.geometry))
    return scenes if part.region is None else shapely.intersection(scenes, part.region)


def write_split_report(
    folder: str | Path, statistics: Mapping[str, DataStatistics], taxonomy: Taxonomy
) -> None:
    """Write ``class_histograms.csv``, ``class_histograms.json`` and ``statistics.json``, and log a summary.

    Raises:
        OutputError: The folder cannot be written.
    """
    target = check_writable_folder(folder)
    rows = _rows(statistics, taxonomy)
    write_csv(target / "class_histograms.csv", rows)
    windows = {
        name: {"windows_read": found.windows, "windows_in_all": found.windows_in_all}
        for name, found in statistics.items()
    }
    write_json(target / "class_histograms.json", {"splits": windows, "classes": rows})
    bands = {name: found.bands.to_dict() for name, found in statistics.items() if found.bands is not None}
    write_json(target / "statistics.json", bands)
    if any(
        sum(found.classes[0]) for found in statistics.values()
    ):  # a training on nothing is refused in a line
        _log_summary(statistics, taxonomy)


def _log_summary(statistics: Mapping[str, DataStatistics], taxonomy: Taxonomy) -> None:
    names = taxonomy.class_names(taxonomy.num_levels)
    for split, found in statistics.items():
        leaves = found.classes[-1]
        missing = [name for name, count in zip(names, leaves, strict=True) if not count]
        without = f", without {list_some(missing)}" if missing else ""
        present = len(leaves) - len(missing)
        labelled = sum(found.classes[0])
        _LOG.info(
            "%s: %d labelled pixels, %d of %d classes%s", split, labelled, present, len(leaves), without
        )


def _rows(statistics: Mapping[str, DataStatistics], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """One row per level and class: pixels and share of every split."""
    rows = []
    for level, level_name in enumerate(taxonomy.level_names, start=1):
        names, values = taxonomy.class_names(level), taxonomy.class_values(level)
        for index, (name, value) in enumerate(zip(names, values, strict=True)):
            row: dict[str, Any] = {"level": level_name, "value": value, "class": name}
            for split, found in statistics.items():
                counts = found.classes[level - 1]
                row[f"{split}_px"] = counts[index]
                row[f"{split}_share"] = round(counts[index] / max(1, sum(counts)), 6)
            rows.append(row)
    return rows
