"""What a scene is made of: its bands in one file or several, each file described once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
from pyproj import Transformer
from pyproj.exceptions import ProjError

from ..errors import MissingFileError, OptionError, RasterError, RecipeError
from ..grid import GeoGrid
from ..types import ReadRecipe
from .bad_files import map_all
from .band_files import find_bands
from .dates import Acquisition
from .left_out import LeftOut, read_once
from .masks import Elsewhere, Masking, MaskLayer
from .products import added_offset, read_safe
from .raster_file import RasterFile, probe, settle_nodata
from .reader import Layer
from .sensors import GENERIC, BaselineOffset, Sensor, find_sensor


@dataclass(frozen=True)
class Reading:
    """A read recipe with what the catalog knows of its sensor.

    Attributes:
        sensor: The sensor, generic where the recipe names none.
        bands: Canonical names in reading order; empty for all bands of a file.
        numbers: 1-based numbers of the bands in every file, empty where names say which they are.
        nodata: Value without data of files that declare none; None for what the catalog says.
        offset: Step in how values are stored that is taken off; None for none.
        masking: Finds what masks a scene; None where nothing does.
        leave_out: Polygons of ground that counts as no data, or None.
    """

    sensor: Sensor
    bands: tuple[str, ...]
    numbers: tuple[int, ...]
    nodata: float | None
    offset: BaselineOffset | None
    masking: Masking | None = None
    leave_out: str | None = None

    @classmethod
    def of(cls, recipe: ReadRecipe) -> "Reading":
        """Look the sensor of a recipe up.

        Raises:
            OptionError: A band is none of the sensor's, the sensor has nothing to harmonize, or no such mask.
        """
        sensor = GENERIC if recipe.sensor is None else find_sensor(recipe.sensor)
        rule = sensor.baseline_offset
        if recipe.harmonize and rule is None:
            if sensor.bands:
                raise OptionError(
                    f"Expected harmonize with Sentinel-2, whose values have changed, but got {sensor.title}."
                )
            rule = find_sensor("sentinel2").baseline_offset
        bands = sensor.pick(recipe.bands or None)
        masking = None if recipe.mask is None else Masking(recipe.mask, sensor)
        offset = rule if recipe.harmonize else None
        return cls(sensor, bands, recipe.numbers, recipe.nodata, offset, masking, recipe.leave_out)

    def masks(
        self, layers: Sequence[Layer], elsewhere: Elsewhere | None = None
    ) -> tuple[MaskLayer | LeftOut, ...]:
        """Find what is left out of a scene: by its quality bands, and by polygons.

        Raises:
            RasterError: No quality band with a class is there.
            HieraRSError: The polygons cannot be read.
        """
        found: tuple[MaskLayer | LeftOut, ...] = ()
        if self.masking is not None:
            found = self.masking.of_scene(layers, elsewhere)
        if self.leave_out is not None:
            read_once(self.leave_out)  # what is wrong with it is said now
            found = (*found, LeftOut(self.leave_out, layers[0].file.grid))
        return found

    def look(self, path: str) -> RasterFile:
        """Describe a file of the sensor."""
        return probe(path, self.sensor.product_names)

    def settled(self, file: RasterFile) -> RasterFile:
        """Settle what a file's own header leaves open: nodata, and what is added to values.

        Raises:
            RasterError: The product has another processing level than the sensor.
        """
        check_level(file.processing.level, self.sensor, file.path)
        file = settle_nodata(file, self.nodata, self.sensor)
        if self.offset is None:
            return file
        add, note = added_offset(file.processing, file.date.interval, self.offset)
        file = replace(file, add=add)
        return file if note is None else file.noted(note)

    def layer(self, file: RasterFile, indexes: tuple[int, ...]) -> Layer:
        """Settle what a header leaves open, and how quantised integers become floats.

        Raises:
            RasterError: The product has another level than the sensor, or the raster of scales is missing or
                on another grid.
        """
        layer, rule = Layer(self.settled(file), indexes), self.sensor.quantization
        if rule is None or np.dtype(file.dtype).kind not in "iu":
            return layer
        scales = None if rule.scale_file is None else _scales_beside(file, rule.scale_file, self.sensor)
        return replace(layer, quantization=rule, scales=scales)


def _scales_beside(file: RasterFile, ending: str, sensor: Sensor) -> str:
    """Find the raster that says by what the integers of a file are multiplied."""
    path = Path(file.path)
    path = path.with_name(f"{path.stem}{ending}{path.suffix}")
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} with the scale of every pixel, as {sensor.title} of {file.dtype} needs it, but "
            f"it does not exist (for {file.path}). Put it there, or take the product as float32."
        )
    scales = probe(str(path))
    if scales.grid != file.grid or len(scales.indexes) != 1:
        raise RasterError(
            f"Expected one band on the grid of {file.path}, but got {len(scales.indexes)} of "
            f"{scales.grid.width} x {scales.grid.height} pixels (in {path}). Take the scales of this image."
        )
    return str(path)


def stack_layer(file: RasterFile, reading: Reading) -> tuple[tuple[str, ...], Layer]:
    """Find the bands of a raster that holds all of them.

    Raises:
        RasterError: A band is missing or ambiguous, or nothing says which band is which.
    """
    bands, indexes, note = find_bands(file, reading.sensor, reading.bands, reading.numbers)
    return bands, reading.layer(file if note is None else file.noted(note), indexes)


def band_layers(
    by_band: Mapping[str, Sequence[str]],
    reading: Reading,
    root: Path | None = None,
    stated: Mapping[str, RasterFile] | None = None,
) -> tuple[Layer, ...]:
    """Find the file of every band; of several resolutions the finest counts.

    Args:
        by_band: Files of every band, in reading order.
        reading: How they are read.
        root: Folder of the product that they are from.
        stated: Files that were described already, by path.

    Raises:
        MissingFileError: A file does not exist.
        RasterError: A file cannot be used, holds several bands, or lies elsewhere than the others.
    """
    product = None if root is None else read_safe(root)
    if product is not None:
        check_level(product.level, reading.sensor, str(product.root))
    known = stated or {}
    look = lambda path: known[path] if path in known else reading.look(path)  # noqa: E731
    candidates = map_all(partial(map_all, look), by_band.values())
    layers = []
    for band, files in zip(by_band, candidates, strict=True):
        finest = min(files, key=lambda file: file.grid.res[0] * file.grid.res[1])
        if len(finest.indexes) != 1:
            raise RasterError(
                f"Expected a band file with one band, but got {len(finest.indexes)} (in {finest.path}). "
                "Give a raster with all bands by its own path, not by its folder."
            )
        if product is not None:
            finest = replace(
                finest,
                date=Acquisition.of(product.start),
                processing=product.processing(band, finest.processing.baseline),
                nodata=tuple(product.nodata if value is None else value for value in finest.nodata),
            )
        elif root is not None:
            finest = finest.noted(f"{root.name} lacks its metadata, day and baseline are read from its name")
        layers.append(reading.layer(finest, finest.indexes))
    grid = finest_grid([layer.file.grid for layer in layers])
    for layer in layers:
        _check_same_place(layer.file.grid, grid, layer.file.path)
    return tuple(layers)


def check_level(level: str | None, sensor: Sensor, path: str) -> None:
    """Refuse a product of another processing level than the sensor's."""
    if level is not None and sensor.level is not None and level != sensor.level:
        raise RecipeError(
            f"Expected a product of level {sensor.level}, but got {level} (in {path}). "
            "Take the sensor of that level, or the one for both."
        )


def finest_grid(grids: Sequence[GeoGrid]) -> GeoGrid:
    """Return the grid of the smallest pixels on the ground, the first of equals (within 0.1 %)."""
    best = grids[0]
    for grid in grids[1:]:
        if grid is best or grid == best:
            continue
        if grid.crs == best.crs:
            smaller = grid.res[0] * grid.res[1] < 0.998 * best.res[0] * best.res[1]
        else:
            smaller = grid.gsd_m() < 0.999 * best.gsd_m()
        best = grid if smaller else best
    return best


def _check_same_place(own: GeoGrid, grid: GeoGrid, path: str) -> None:
    """Refuse a band file that shows another place: every pixel of the image would be without data."""
    if own == grid:
        return
    try:
        to_grid = Transformer.from_crs(own.crs, grid.crs, always_xy=True)
        left, bottom, right, top = to_grid.transform_bounds(*own.bounds, errcheck=True)
    except ProjError as error:
        raise RasterError(f"Expected {path} to lie where the other bands do, but {error}.") from error
    west, south, east, north = grid.bounds
    if left >= east or right <= west or bottom >= north or top <= south:
        raise RasterError(
            f"Expected the bands of one place, but got bounds {own.bounds} in {own.crs.name} (in {path}), "
            f"outside {grid.bounds} in {grid.crs.name}. Take the band files of one scene."
        )


def standardized(layers: Sequence[Layer], standard: Sequence[tuple[float, float]]) -> tuple[Layer, ...]:
    """Return the layers of a scene with median and spread of each of their channels."""
    stops = list(accumulate(len(layer.indexes) for layer in layers))
    return tuple(
        replace(layer, standard=tuple(standard[stop - len(layer.indexes) : stop]))
        for layer, stop in zip(layers, stops, strict=True)
    )
