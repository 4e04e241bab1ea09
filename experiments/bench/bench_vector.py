"""What nested polygons cost, against the plain chain that makes one level of them.

Run: make bench-vector (or python experiments/bench/bench_vector.py [MAP.tif]), about five minutes on two
cores. The map is cdl_iowa (USDA Cropland Data Layer 2016, 8000 x 8000 pixels of 3.125 m) where ../shared/data
holds it, else a map of fields of that size, made from a fixed seed; the noisy maps are made: fields, and a
tenth of the pixels replaced by a random class. Every task runs in a process of its own, in turns, one thread
each; its time counts from after the imports, its memory is the peak resident set of the process, imports
included. The table holds medians; results are compared before it is printed. The exit status is 0 also where
a target is missed: the table says so.

The plain chain: rasterio.features.shapes, shapely, GeoDataFrame, to_file as GeoPackage: one level, polygons
that are no coverage, one column. With two dissolves: the same polygons dissolved by the class of either
level, exploded, and written as two layers. Nested: vectorize, as from the command line: both levels with all
columns, areas, perimeters and styles.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
import shapely
from affine import Affine
from geopandas.geodataframe import GeoDataFrame
from numpy.typing import NDArray

from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import vectorize

REAL = Path(__file__).parents[2] / "../shared/data/cdl_iowa/cdl_2016_train.tif"
SIZE_PX, RES_M, TURNS, SALT = 8000, 3.125, 3, 0.1
NOISY_PX = (1024, 2048, 4096)
#: Pixels of a field that is not split further, about those of cdl_iowa.
FIELD_PX = 5000
#: CDL values and their shares in cdl_iowa.
VALUES = (1, 5, 176, 121, 141, 190, 122)
SHARES = (0.52, 0.26, 0.10, 0.06, 0.03, 0.02, 0.01)
LIMIT_MB = 1500


@dataclass(frozen=True)
class Run:
    """What a process needed: seconds on the clock and of the processor, megabytes, polygons by level."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    polygons: tuple[int, ...]


def field_map(size: int, salt: float = 0.0) -> NDArray[np.uint8]:
    """(size, size) CDL values in rectangles like fields, a share of the pixels replaced by any class."""
    rng = np.random.default_rng(size)
    values = np.empty((size, size), dtype=np.uint8)
    waiting = [(0, size, 0, size)]
    while waiting:
        top, bottom, left, right = waiting.pop()
        height, width = bottom - top, right - left
        if height * width < FIELD_PX * rng.uniform(0.5, 2):
            values[top:bottom, left:right] = rng.choice(VALUES, p=SHARES)
        elif height > width:
            cut = top + round(height * rng.uniform(0.3, 0.7))
            waiting += [(top, cut, left, right), (cut, bottom, left, right)]
        else:
            cut = left + round(width * rng.uniform(0.3, 0.7))
            waiting += [(top, bottom, left, cut), (top, bottom, cut, right)]
    noisy = rng.random(values.shape) < salt
    values[noisy] = rng.choice(VALUES, np.count_nonzero(noisy)).astype(np.uint8)
    return values


def write_map(path: Path, values: NDArray[np.uint8]) -> Path:
    """Write a class map in tiles."""
    height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        dtype="uint8",
        height=height,
        width=width,
        crs="EPSG:32615",
        transform=Affine(RES_M, 0, 400_000, 0, -RES_M, 4_700_000),
        compress="deflate",
        tiled=True,
    ) as dataset:
        dataset.write(values, 1)
    return path


def trace(raster: Path) -> GeoDataFrame:
    """Make one level of polygons as most scripts do."""
    with rasterio.open(raster) as dataset:
        values, transform, crs = dataset.read(1), dataset.transform, dataset.crs
    found = list(rasterio.features.shapes(values, transform=transform))
    polygons = [shapely.geometry.shape(outline) for outline, _ in found]
    return GeoDataFrame({"value": [int(value) for _, value in found]}, geometry=polygons, crs=crs)


def plain(raster: Path, out: Path) -> tuple[int, ...]:
    """Write one level."""
    table = trace(raster)
    table.to_file(out, layer="L2", driver="GPKG")
    return (len(table),)


def dissolved(raster: Path, out: Path) -> tuple[int, ...]:
    """Write two levels, each dissolved by its class."""
    tree = Taxonomy.from_yaml("cdl")
    table = trace(raster)
    leaf = np.searchsorted(tree.class_values(2), table["value"])
    table["L2"] = table["value"]
    table["L1"] = np.array(tree.class_values(1))[tree.paths[leaf, 0]]
    counts = []
    for level in ("L1", "L2"):
        layer = table.dissolve(by=level).explode().reset_index()[[level, "geometry"]]
        assert isinstance(layer, GeoDataFrame)
        layer.to_file(out, layer=level, driver="GPKG")
        counts.append(len(layer))
    return tuple(counts)


def nested(raster: Path, out: Path) -> tuple[int, ...]:
    """Write two nested levels."""
    return tuple(vectorize(raster, out, taxonomy="cdl").features.values())


TASKS: dict[str, Callable[[Path, Path], tuple[int, ...]]] = {
    "plain": plain,
    "dissolved": dissolved,
    "nested": nested,
}


def work(task: str, raster: Path, out: Path) -> None:
    """Do one task in this process and print what it took as JSON."""
    wall, cpu = time.perf_counter(), time.process_time()
    polygons = TASKS[task](raster, out)
    took = (time.perf_counter() - wall, time.process_time() - cpu)
    sys.stdout.write(json.dumps([*took, polygons]))


def measure(task: str, raster: Path, folder: Path) -> Run:
    """Do one task in a process of its own."""
    out = folder / f"{task}.gpkg"
    out.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--task", task, str(raster), str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{task} of {raster.name} ended with status {process.returncode}")
    wall, cpu, polygons = json.loads(printed)
    return Run(wall, cpu, usage.ru_maxrss / 1024, tuple(polygons))


def median_of(runs: list[Run]) -> Run:
    """Take the median of times and memory."""
    return Run(
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.cpu_s for run in runs),
        statistics.median(run.peak_mb for run in runs),
        runs[0].polygons,
    )


def compare(raster: Path, tasks: tuple[str, ...], turns: int, folder: Path) -> dict[str, Run]:
    """Measure tasks in turns."""
    runs: dict[str, list[Run]] = {task: [] for task in tasks}
    for _ in range(turns):
        for task in tasks:
            runs[task].append(measure(task, raster, folder))
    return {task: median_of(of_task) for task, of_task in runs.items()}


def verdict(value: float, limit: float) -> str:
    """Say whether a target is met."""
    return "met" if value <= limit else "SHORT OF TARGET"


def report_map(name: str, runs: dict[str, Run]) -> None:
    """Print the runs of one map."""
    for task, run in runs.items():
        ratio = run.wall_s / runs["plain"].wall_s
        counts = " + ".join(str(count) for count in run.polygons)
        print(
            f"| {name} | {task} | {counts} | {run.wall_s:.1f} | {run.cpu_s:.1f} | {ratio:.2f} "
            f"| {run.peak_mb:.0f} |"
        )


def report_targets(real: dict[str, Run], noisy: list[Run]) -> None:
    """Print what was asked for."""
    first = real["nested"].wall_s / real["plain"].wall_s
    second = real["nested"].wall_s / real["dissolved"].wall_s
    print("\n| asked for | measured | |\n|---|---|---|")
    print(f"| nested at most 2.5 x the plain chain of one level | {first:.2f} x | {verdict(first, 2.5)} |")
    print(f"| nested faster than the chain with two dissolves | {second:.2f} x | {verdict(second, 1)} |")
    for name, run in (("the map", real["nested"]), (f"the noisy map of {NOISY_PX[-1]} px", noisy[-1])):
        print(f"| {name} in under {LIMIT_MB} MB | {run.peak_mb:.0f} MB | {verdict(run.peak_mb, LIMIT_MB)} |")
    per_polygon = [1e6 * run.wall_s / sum(run.polygons) for run in noisy]
    growth = per_polygon[-1] / per_polygon[0]
    listed = ", ".join(
        f"{value:.1f} us ({sum(run.polygons)})" for value, run in zip(per_polygon, noisy, strict=True)
    )
    print(f"| time per polygon stays (at most 1.3 x from the smallest map to the largest) | {listed} "
          f"| {verdict(growth, 1.3)} |")  # fmt: skip


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(description="Benchmark of the vectors")
    parser.add_argument("--task", choices=TASKS, help="do one task in this process (used by the script)")
    parser.add_argument("files", type=Path, nargs="*", help="a class map of the cdl tree")
    args = parser.parse_args()
    if args.task:
        work(args.task, *args.files)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = args.files[0] if args.files else REAL
        raster = given if given.exists() else write_map(folder / "fields.tif", field_map(SIZE_PX))
        real = compare(raster, ("plain", "dissolved", "nested"), TURNS, folder)
        if real["plain"].polygons[0] != real["nested"].polygons[1]:
            raise SystemExit(f"polygons differ: {real['plain'].polygons}, {real['nested'].polygons}")
        noisy = []
        tables = []
        for size in NOISY_PX:
            raster_of_size = write_map(folder / "noisy.tif", field_map(size, SALT))
            tables.append(compare(raster_of_size, ("plain", "nested"), 1 if size > 2048 else TURNS, folder))
            noisy.append(tables[-1]["nested"])
    print("| map | task | polygons | s | CPU s | x plain | peak MB |\n|---|---|---|---|---|---|---|")
    report_map(raster.stem, real)
    for size, table in zip(NOISY_PX, tables, strict=True):
        report_map(f"noisy {size} px", table)
    report_targets(real, noisy)


if __name__ == "__main__":
    main()
