"""The two kinds of file a scene consists of, and where they lie: images and label rasters."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from ..output import atomic_path, check_writable_folder
from ..taxonomy import Taxonomy
from ..types import Progress
from .imaging import Atmosphere, acquire, strips_of
from .layout import Layout, View
from .season import Clouds, Growth, acquisition_days, cloud_shares, scene_classes
from .sensors import SENSOR_NAMES, SENSORS, SensorModel, acquisition_day
from .spec import CropSpec, PlaceSpec, SceneFiles, SceneSpec
from .surface import Surface

#: Side of the files' tiles; strips of this many rows are written at once, so each tile is compressed once.
TILE_PX = 256


_CREATION: Final = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": TILE_PX,
    "blockysize": TILE_PX,
    "compress": "deflate",
    "predictor": 2,
    "zlevel": 6,
    "interleave": "pixel",
}

#: Spawn keys of the stages' random streams; a stage's number never changes, so nor do its draws.
_SURFACE_STREAM = 1
_SENSOR_STREAM = 10
_SEASON_STREAM = 20
#: Of every date of a season; fewer than of a single image, for there are many.
_SEASON_SUBSAMPLES = 2


def stream(spec: PlaceSpec, *key: int) -> np.random.Generator:
    """The random stream of one stage of one scene; stages do not disturb each other."""
    return np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=key))


def count_strips(progress: Progress | None, views: Iterable[View]) -> Callable[[], None]:
    """Return what to call after each strip of several rasters: it tells how many are done and are to be."""
    total = sum(math.ceil(view.height / TILE_PX) for view in views)
    done = count(1)

    def step() -> None:
        number = next(done)
        if progress is not None:
            progress(number, total)

    return step


def square_view(offset_m: float, side_m: float, res_m: float) -> View:
    """A square grid ``offset_m`` right of and below the scene's upper-left corner."""
    side_px = round(side_m / res_m)
    return View(offset_m, offset_m, side_px, side_px, res_m)


def scene_paths(spec: PlaceSpec, out_dir: Path) -> SceneFiles:
    """Where a scene's files lie under an output folder: ``<name>/<name>_S2.tif`` and so on.

    Images of a season are ``<name>/season/<name>_<YYYYMMDD>_S2.tif``, their classes ``..._S2_SCL.tif``.
    """
    folder = Path(out_dir) / spec.name
    sensors = spec.sensors if isinstance(spec, SceneSpec) else ("sentinel2",)
    images = {name: folder / f"{spec.name}_{SENSORS[name].suffix}.tif" for name in sensors}
    season = tuple(
        folder / "season" / f"{spec.name}_{day:%Y%m%d}_S2{suffix}.tif"
        for day in (season_days(spec) if isinstance(spec, CropSpec) else ())
        for suffix in ("", "_SCL")
    )
    return SceneFiles(spec.name, folder / f"{spec.name}_labels.tif", images, season)


def season_days(spec: CropSpec) -> tuple[date, ...]:
    """Return the days of a scene's season, none where none is asked for."""
    return acquisition_days(spec, stream(spec, _SEASON_STREAM, spec.year)) if spec.dates else ()


@contextmanager
def _writing(
    path: Path,
    spec: PlaceSpec,
    view: View,
    bands: tuple[str, ...],
    dtype: str,
    nodata: int,
    tags: Mapping[str, str],
) -> Iterator[DatasetWriter]:
    """Open a GeoTIFF over a view that gets its name only once it is complete.

    Raises:
        OutputError: The folder cannot be written to.
    """
    profile = {
        "width": view.width,
        "height": view.height,
        "count": len(bands),
        "dtype": dtype,
        "crs": spec.crs,
        "transform": Affine(
            view.res_m, 0, spec.origin[0] + view.x_m, 0, -view.res_m, spec.origin[1] - view.y_m
        ),
        "nodata": nodata,
    }
    check_writable_folder(path.parent)
    with atomic_path(path) as unfinished, rasterio.open(unfinished, "w", **profile, **_CREATION) as dataset:
        dataset.update_tags(SYNTHETIC="YES", SCENE=spec.name, SEED=str(spec.seed), **tags)
        for number, name in enumerate(bands, start=1):
            dataset.set_band_description(number, name)
        yield dataset


def _write_strip(dataset: DatasetWriter, row: int, strip: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write (bands, rows, width) from ``row`` on."""
    dataset.write(strip, window=Window(0, row, strip.shape[2], strip.shape[1]))


def write_image(
    spec: PlaceSpec, surface: Surface, sensor: SensorModel, view: View, path: Path, step: Callable[[], None]
) -> None:
    """Let a sensor take its picture of a view and write it, strip by strip."""
    key = _SENSOR_STREAM + SENSOR_NAMES.index(sensor.name)
    day = acquisition_day(sensor, stream(spec, key))
    atmosphere = Atmosphere.draw(stream(spec, key, 0), view, spec.haze, spec.nodata_corner)
    tags = _image_tags(sensor, day)
    with _writing(path, spec, view, sensor.bands.names, sensor.dtype, 0, tags) as dataset:
        for row, strip in strips_of(view, TILE_PX):
            rng = stream(spec, key, 1 + row // TILE_PX)
            _write_strip(dataset, row, acquire(surface, sensor, atmosphere, strip, rng))
            step()


def _image_tags(sensor: SensorModel, day: date) -> dict[str, str]:
    return {
        "ACQUISITION_DATE": day.isoformat(),
        "TIFFTAG_DATETIME": f"{day:%Y:%m:%d} {sensor.time}",
        "TIFFTAG_IMAGEDESCRIPTION": sensor.title,
    }


def write_season(
    spec: CropSpec, surface: Surface, view: View, paths: Sequence[Path], step: Callable[[], None]
) -> None:
    """Let Sentinel-2 look at growing plants through clouds, date by date; write images and classifications.

    ``paths`` are image and classification of every date, in turn; the pixels of ``view`` are those of the
    images, those of the classifications are twice as large.
    """
    sensor = replace(SENSORS["sentinel2"], subsamples=_SEASON_SUBSAMPLES)
    coarse = View(view.x_m, view.y_m, view.width // 2, view.height // 2, 2 * view.res_m)
    of_year, days = stream(spec, _SEASON_STREAM, spec.year, 0), season_days(spec)
    growth = Growth.draw(of_year, surface.layout)
    shares = cloud_shares(of_year, len(days), spec.clouds)
    for number, (day, share) in enumerate(zip(days, shares, strict=True)):
        key = (_SEASON_STREAM, spec.year, 1 + number)
        weather = stream(spec, *key, 0)
        atmosphere = Atmosphere.draw(weather, view, spec.haze, spec.nodata_corner and weather.random() < 0.3)
        clouds, stages = Clouds.draw(weather, view, share), growth.shares(day)
        image, classes = paths[2 * number : 2 * number + 2]
        tags = _image_tags(sensor, day)
        with (
            _writing(image, spec, view, sensor.bands.names, sensor.dtype, 0, tags) as pixels,
            _writing(classes, spec, coarse, ("SCL",), "uint8", 0, tags) as labels,
        ):
            for row, strip in strips_of(view, TILE_PX):
                hidden, rng = clouds.over(strip), stream(spec, *key, 1 + row // TILE_PX)
                numbers = acquire(surface, sensor, atmosphere, strip, rng, stages, hidden)
                _write_strip(pixels, row, numbers)
                _write_strip(labels, row // 2, scene_classes(numbers, *hidden)[None])
                step()


def write_labels(
    spec: PlaceSpec, layout: Layout, view: View, taxonomy: Taxonomy, path: Path, step: Callable[[], None]
) -> None:
    """Write the class at each cell's centre, with the taxonomy's nodata value and colours."""
    level = len(taxonomy.level_names)
    colors = zip(taxonomy.class_values(level), taxonomy.colors(level), strict=True)
    tags = {"TAXONOMY": taxonomy.name, "LEVEL": taxonomy.level_names[-1]}
    with _writing(path, spec, view, ("class",), "uint8", taxonomy.nodata_value, tags) as dataset:
        dataset.write_colormap(1, {value: (*rgb, 255) for value, rgb in colors})
        for row, strip in strips_of(view, TILE_PX):
            _write_strip(dataset, row, layout.class_map(strip)[None])
            step()


def write_scene(
    spec: PlaceSpec,
    layout: Layout,
    taxonomy: Taxonomy,
    out_dir: Path,
    images: Sequence[tuple[SensorModel, View]],
    labels: View,
    progress: Progress | None = None,
) -> SceneFiles:
    """Make the images of a layout, its labels and its season, if any, and return their paths.

    Existing files are replaced.

    Args:
        spec: Place, size, seed and air.
        layout: What lies there.
        taxonomy: Tree whose finest level the layout's classes are raster values of.
        out_dir: Folder in which the scene's folder is made.
        images: Who looks, and at which pixels.
        labels: Cells of the label raster.
        progress: Called after each strip with (strips done, strips in all).

    Raises:
        OutputError: A file cannot be written.
    """
    files = scene_paths(spec, out_dir)
    surface = Surface.draw(stream(spec, _SURFACE_STREAM), layout)
    seasonal = square_view(0.0, spec.size_m, SENSORS["sentinel2"].res_m)
    of_season = [seasonal] * (len(files.season) // 2)
    step = count_strips(progress, [labels, *(view for _, view in images), *of_season])
    write_labels(spec, layout, labels, taxonomy, files.labels, step)
    for sensor, view in images:
        write_image(spec, surface, sensor, view, files.images[sensor.name], step)
    if isinstance(spec, CropSpec):
        write_season(spec, surface, seasonal, files.season, step)
    return files
