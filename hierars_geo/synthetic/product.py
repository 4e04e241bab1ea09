"""The two kinds of file a scene consists of, and where they lie: images and label rasters."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from ..errors import OutputError
from ..taxonomy import Taxonomy
from .imaging import Atmosphere, Progress, acquire, strips_of
from .layout import Layout, View
from .sensors import SENSOR_NAMES, SENSORS, SensorModel, acquisition_day
from .spec import PlaceSpec, SceneFiles, SceneSpec
from .surface import Surface

#: Side of the files' tiles; strips of this many rows are written at once, so each tile is compressed once.
TILE_PX = 256


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """What a GeoTIFF says about itself.

    Attributes:
        width: Columns.
        height: Rows.
        dtype: NumPy name of the pixel type.
        crs: CRS as an authority code.
        origin: (x, y) of the upper-left corner, CRS units.
        res_m: Pixel size.
        bands: Band descriptions, in order.
        nodata: Declared nodata value.
        tags: Dataset metadata.
        palette: Colour of each raster value, for labels.
    """

    width: int
    height: int
    dtype: str
    crs: str
    origin: tuple[float, float]
    res_m: float
    bands: tuple[str, ...]
    nodata: int
    tags: Mapping[str, str]
    palette: Mapping[int, tuple[int, int, int]] | None = None

    def profile(self) -> dict[str, object]:
        """Creation options for rasterio."""
        return {
            "driver": "GTiff",
            "width": self.width,
            "height": self.height,
            "count": len(self.bands),
            "dtype": self.dtype,
            "crs": self.crs,
            "transform": Affine(self.res_m, 0, self.origin[0], 0, -self.res_m, self.origin[1]),
            "nodata": self.nodata,
            "tiled": True,
            "blockxsize": TILE_PX,
            "blockysize": TILE_PX,
            "compress": "deflate",
            "predictor": 2,
            "zlevel": 6,
            "interleave": "pixel",
        }


class StripWriter:
    """Takes an image from top to bottom."""

    def __init__(self, dataset: DatasetWriter) -> None:
        self._dataset = dataset

    def write(self, row: int, strip: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Write (bands, rows, width) from ``row`` on."""
        self._dataset.write(strip, window=Window(0, row, strip.shape[2], strip.shape[1]))


@contextmanager
def writing(path: Path, header: ImageHeader) -> Iterator[StripWriter]:
    """Open a GeoTIFF beside ``path`` and give it its name only once it is complete.

    Raises:
        OutputError: The folder cannot be written to.
    """
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with rasterio.open(unfinished, "w", **header.profile()) as dataset:
            _describe(dataset, header)
            yield StripWriter(dataset)
        os.replace(unfinished, path)
    except (OSError, RasterioError) as error:
        raise _unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _describe(dataset: DatasetWriter, header: ImageHeader) -> None:
    dataset.update_tags(**header.tags)
    for i, name in enumerate(header.bands, start=1):
        dataset.set_band_description(i, name)
    if header.palette is not None:
        dataset.write_colormap(1, {value: (*rgb, 255) for value, rgb in header.palette.items()})


def _unwritable(path: Path, error: Exception) -> OutputError:
    return OutputError(
        f"Expected {path} to be writable, but got: {error}. Choose a writable folder with free space."
    )


#: Spawn keys of the stages' random streams; a stage's number never changes, so nor do its draws.
SURFACE_STREAM = 1
_SENSOR_STREAM = 10


def stream(spec: PlaceSpec, *key: int) -> np.random.Generator:
    """The random stream of one stage of one scene; stages do not disturb each other."""
    return np.random.default_rng(np.random.SeedSequence(spec.seed, spawn_key=key))


@dataclass(eq=False)
class Meter:
    """Counts strips.

    Attributes:
        progress: Whom to tell, if anyone.
        total: Strips to do.
        done: Strips done.
    """

    progress: Progress | None
    total: int
    done: int = 0

    @classmethod
    def over(cls, progress: Progress | None, views: Iterable[View]) -> "Meter":
        """Count the strips of several rasters."""
        return cls(progress, sum(math.ceil(view.height / TILE_PX) for view in views))

    def step(self) -> None:
        """One strip more is done."""
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def square_view(offset_m: float, side_m: float, res_m: float) -> View:
    """A square grid ``offset_m`` right of and below the scene's upper-left corner."""
    count = round(side_m / res_m)
    return View(offset_m, offset_m, count, count, res_m)


def scene_paths(spec: PlaceSpec, out_dir: Path) -> SceneFiles:
    """Where a scene's files lie under an output folder: ``<name>/<name>_S2.tif`` and so on."""
    folder = Path(out_dir) / spec.name
    sensors = spec.sensors if isinstance(spec, SceneSpec) else ("sentinel2",)
    images = {name: folder / f"{spec.name}_{SENSORS[name].suffix}.tif" for name in sensors}
    return SceneFiles(spec.name, folder / f"{spec.name}_labels.tif", images)


def _header(
    spec: PlaceSpec,
    view: View,
    bands: tuple[str, ...],
    dtype: str,
    nodata: int,
    tags: Mapping[str, str],
    palette: Mapping[int, tuple[int, int, int]] | None = None,
) -> ImageHeader:
    return ImageHeader(
        width=view.width,
        height=view.height,
        dtype=dtype,
        crs=spec.crs,
        origin=(spec.origin[0] + view.x_m, spec.origin[1] - view.y_m),
        res_m=view.res_m,
        bands=bands,
        nodata=nodata,
        tags={"SYNTHETIC": "YES", "SCENE": spec.name, "SEED": str(spec.seed), **tags},
        palette=palette,
    )


def write_image(
    spec: PlaceSpec, surface: Surface, sensor: SensorModel, view: View, path: Path, meter: Meter
) -> None:
    """Let a sensor take its picture of a view and write it, strip by strip.

    Args:
        spec: Place and air.
        surface: The ground.
        sensor: Who looks.
        view: Its pixels.
        path: File to write.
        meter: Told of every strip.
    """
    key = _SENSOR_STREAM + SENSOR_NAMES.index(sensor.name)
    day = acquisition_day(sensor, stream(spec, key))
    atmosphere = Atmosphere.draw(stream(spec, key, 0), view, spec.haze, spec.nodata_corner)
    tags = {
        "ACQUISITION_DATE": day.isoformat(),
        "TIFFTAG_DATETIME": f"{day:%Y:%m:%d} {sensor.time}",
        "TIFFTAG_IMAGEDESCRIPTION": sensor.title,
    }
    with writing(path, _header(spec, view, sensor.bands.names, sensor.dtype, 0, tags)) as writer:
        for row, strip in strips_of(view, TILE_PX):
            writer.write(
                row, acquire(surface, sensor, atmosphere, strip, stream(spec, key, 1 + row // TILE_PX))
            )
            meter.step()


def write_labels(
    spec: PlaceSpec, layout: Layout, view: View, taxonomy: Taxonomy, path: Path, meter: Meter
) -> None:
    """Write the class at each cell's centre, with the taxonomy's nodata value and colours.

    Args:
        spec: Place.
        layout: The shapes and their classes.
        view: Cells of the label raster.
        taxonomy: Tree whose finest level the classes are raster values of.
        path: File to write.
        meter: Told of every strip.
    """
    level = len(taxonomy.level_names)
    palette = dict(zip(taxonomy.class_values(level), taxonomy.colors(level), strict=True))
    tags = {"TAXONOMY": taxonomy.name, "LEVEL": taxonomy.level_names[-1]}
    with writing(
        path, _header(spec, view, ("class",), "uint8", taxonomy.nodata_value, tags, palette)
    ) as writer:
        for row, strip in strips_of(view, TILE_PX):
            writer.write(row, layout.class_map(strip)[None])
            meter.step()


__all__ = ("SURFACE_STREAM", "Meter", "scene_paths", "square_view", "stream", "write_image", "write_labels")
