"""From the maps of a scene to nested polygons in a file."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.lib as pa
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates  # type: ignore[attr-defined]

from ..errors import DataError, OptionError
from ..grid import GeoGrid
from ..grid.ground import pixel_steps_m
from ..maps import Maps, MapSource, PathMap
from ..output import check_writable_folder, refuse_existing
from ..scenes.dataset import bounded_block_cache
from ..taxonomy import Taxonomy
from ..types import Progress
from .attributes import ConfidenceSums, LevelTable
from .coverage import Coverage, build_coverage
from .regions import Regions, label_regions
from .rings import Outlines
from .scan import RowScanner
from .writer import open_writer, output_files

#: Most rows and columns of places at which the pixel's size on the ground is computed; between them it is
#: interpolated.
_NODES = (257, 65)


class GroundMetric:
    """How long a step of so many columns and rows is on the ground, anywhere in a raster.

    The squared length of a step (dx, dy) in pixels is E dx^2 + 2 F dx dy + G dy^2; E, F and G come from the
    sides of a pixel at nodes across the raster and are interpolated linearly. Within a scene a length is
    right to 1e-7; over a continent to 1e-5, and to 1e-4 along slanting edges of many degrees.

    Raises:
        RasterError: The CRS is not of the Earth.
    """

    def __init__(self, grid: GeoGrid) -> None:
        counts = [min(size, most) for size, most in zip(grid.shape, _NODES, strict=True)]
        rows, cols = (np.linspace(0, size, count + 1) for size, count in zip(grid.shape, counts, strict=True))
        self._per_pixel = np.array([[count / size] for count, size in zip(counts, grid.shape, strict=True)])
        points = np.stack(np.meshgrid(cols, rows), axis=-1).reshape(-1, 2)
        _, steps = pixel_steps_m(grid, points)
        col, row = steps[:, 0], steps[:, 1]
        products = np.stack([(col * col).sum(axis=1), (col * row).sum(axis=1), (row * row).sum(axis=1)])
        self._tables = [_fill(table.reshape(len(rows), len(cols))) for table in products]

    def perimeters_m(self, outlines: Outlines) -> NDArray[np.float64]:
        """Measure all rings of polygons (p,), those of holes too, in metres."""
        if len(outlines.col) == 0:
            return np.zeros(0)
        after = outlines.following()
        ends = np.stack([outlines.row, outlines.col]).astype(np.float64)
        dy, dx = steps = ends[:, after] - ends
        middle = (ends + steps / 2) * self._per_pixel
        e, f, g = (map_coordinates(table, middle, order=1, mode="nearest") for table in self._tables)
        lengths = np.sqrt(e * dx * dx + 2 * f * dx * dy + g * dy * dy)
        return np.add.reduceat(lengths, outlines.starts[outlines.polygon_starts[:-1]])


def _fill(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give places outside the domain of the CRS the value of the nearest place inside."""
    unknown = ~np.isfinite(table)
    if not unknown.any() or unknown.all():
        return table
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: NDArray[np.float64] = table[tuple(nearest)]
    return filled


@dataclass(frozen=True)
class VectorSummary:
    """What was written.

    Attributes:
        scene: Name of the scene.
        files: One file, or one per level.
        features: Polygons by level.
        pixels: Pixels with a class.
        area_m2: Their area on the ellipsoid.
        sieved: Regions that joined a neighbour because they were small.
    """

    scene: str
    files: tuple[Path, ...]
    features: dict[int, int]
    pixels: int
    area_m2: float
    sieved: int


def vectorize(
    source: MapSource,
    out: str | Path,
    taxonomy: Taxonomy | str | Path | None = None,
    levels: Iterable[int] | None = None,
    min_area_m2: float = 0.0,
    simplify_m: float = 0.0,
    smooth: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> VectorSummary:
    """Turn the maps of a scene into polygons, one layer per level.

    Each polygon lies inside exactly one of the level above. A polygon is a region of one class under one
    parent that hangs together by pixel edges. Neighbours share their vertices, within a level and across
    levels: no gap, no overlap. Areas are on the ellipsoid.

    Args:
        source: Maps of one scene: a folder that predict wrote to, or a class raster.
        out: ``.gpkg`` with layers L1, L2, ... and their QGIS styles; or ``.parquet`` (GeoParquet 1.1),
            ``.fgb`` (FlatGeobuf) or ``.geojson`` (RFC 7946), one file per level: ``<stem>_L1.parquet`` ...
        taxonomy: The class tree, its name in the catalog, or a YAML file; default what comes with the maps.
        levels: Levels to write, from 1; default all down to the finest that there is a map of.
        min_area_m2: Regions of the finest level that are smaller join a neighbour; 0 keeps all.
        simplify_m: Tolerance of the simplification of borders, in metres on the ground; 0 keeps all vertices.
        smooth: Round the corners of pixels off; borders stay shared, the outer border stays. Not together
            with ``simplify_m``.
        overwrite: Replace files that exist.
        progress: Called with (rows read and written, in all).

    Raises:
        OptionError: An option is out of range, the format is unknown, or nothing says which taxonomy it is.
        MissingFileError: The source does not exist or holds no maps.
        RasterError: A raster is unreadable, no class raster, or not on the Earth.
        TaxonomyError: A value is not in the taxonomy.
        DataError: Several scenes, levels that contradict each other, no pixel with a class.
        OutputError: A file exists, or cannot be written.
    """
    target = Path(out)
    _check_options(target, min_area_m2, simplify_m, smooth)
    scene = Maps.open(source, taxonomy).scene
    tree = scene.taxonomy
    with bounded_block_cache(), scene.open() as maps:
        grid, paths = maps.grid, maps.decoder.paths
        chosen = _choose_levels(levels, paths.shape[1], tree)
        outputs = tuple(dict.fromkeys(output_files(target, chosen).values()))
        check_writable_folder(target.parent)
        refuse_existing(outputs, overwrite, scene.files)
        report = _report_rows(progress, grid.height, len(chosen))
        regions, region_of_run, confidence = _scan(maps, report)
    if regions.count == 0:
        raise DataError(
            f"Expected {scene.name} to hold pixels with a class, but all are nodata. "
            "Check the map and its taxonomy."
        )
    coverage, ended_in = build_coverage(regions, paths, grid, min_area_m2, simplify_m, smooth)
    region_of_run = ended_in[region_of_run]
    metric = GroundMetric(grid)
    features: dict[int, int] = {}
    with open_writer(target, chosen, tree, grid) as write:
        for number, level in enumerate(chosen, start=1):
            nested = coverage.levels[level - 1]
            known = confidence.of_regions(level, nested.region[region_of_run], len(nested.path))
            below = coverage.levels[level] if level < len(coverage.levels) else None
            table = LevelTable(nested, below, paths, tree, coverage.area_m2, known)
            write(level, _rows(coverage, table, level, metric))
            features[level] = nested.count
            report(grid.height, number)
    return VectorSummary(
        scene=scene.name,
        files=outputs,
        features=features,
        pixels=int(coverage.regions.pixels.sum()),
        area_m2=float(coverage.area_m2.sum()),
        sieved=regions.count - coverage.regions.count,
    )


def _rows(
    coverage: Coverage, table: LevelTable, level: int, metric: GroundMetric
) -> Iterator[pa.RecordBatch]:
    """Make the rows of a level, some at a time."""
    for first, outlines in coverage.outlines(level):
        polygons = outlines.polygons(coverage.grid.transform)
        yield table.rows(first, polygons, metric.perimeters_m(outlines))


def _scan(maps: PathMap, report: Progress) -> tuple[Regions, NDArray[np.int32], ConfidenceSums]:
    """Read the maps once: regions, the region of each run, and sums of confidence over runs."""
    scanner = RowScanner(maps.grid.width, maps.decoder.nodata)
    confidence = ConfidenceSums(maps.confidence_levels)
    for window, path in maps.strips():
        shares = {level: maps.read_confidence(level, window) for level in maps.confidence_levels}
        confidence.add(shares, scanner.feed(path))
        report(window.row_stop, 0)
    return *label_regions(scanner.finish()), confidence


def _report_rows(progress: Progress | None, height: int, levels: int) -> Progress:
    """Count a written level like the rows of the raster."""

    def report(rows: int, written: int) -> None:
        if progress is not None:
            progress(rows + written * height, (1 + levels) * height)

    return report


def _check_options(out: Path, min_area_m2: float, simplify_m: float, smooth: bool) -> None:
    output_files(out, (1,))
    for name, value in (("min_area_m2", min_area_m2), ("simplify_m", simplify_m)):
        if not (math.isfinite(value) and value >= 0):
            raise OptionError(f"Expected {name} to be 0 or more, but got {value}.")
    if smooth and simplify_m > 0:
        raise OptionError(
            f"Expected borders to be smoothed or simplified, but got both (simplify_m {simplify_m:g}). "
            "Choose one: smoothing follows the pixels, simplification leaves them."
        )


def _choose_levels(levels: Iterable[int] | None, finest: int, taxonomy: Taxonomy) -> tuple[int, ...]:
    chosen = tuple(range(1, finest + 1)) if levels is None else tuple(sorted(set(levels)))
    if not chosen or chosen[0] < 1 or chosen[-1] > finest:
        raise OptionError(
            f"Expected levels to be within 1..{finest}, as L{finest} is the finest map of {taxonomy.name} "
            f"there is, but got {list(chosen)}."
        )
    return chosen
