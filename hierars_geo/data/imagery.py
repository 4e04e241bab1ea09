"""Images: any raster, GaoFen-2, Sentinel-2 and Google Earth."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from .geo_raster import GeoRaster
from .patch import Patch, Pixels
from .raster_file import RasterFile
from .raster_paths import Paths, find_rasters
from .resampling import Kind
from .scenes import Scene, find_scenes
from .sensors import GAOFEN2, GENERIC, GOOGLE_EARTH, SENTINEL2, Sensor


class SceneRaster(GeoRaster):
    """Any image. Bands are what the descriptions of the first file say, else band_1, band_2, ...

    A sample holds the values as stored (no scale, no offset) as float32, 0 where a band holds no data by
    nodata value, NaN, mask or alpha band.

    Args:
        paths: Files, folders, patterns, or a list of them.
        bands: Names of the bands to read, in that order, in any spelling (``B2`` is ``B02``); default: the
            sensor's.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first file; of several resolutions the
            finest).
        nodata: Value without data in files that declare none.
        transforms: Applied to every sample.
        max_open_files: Handles kept open per process.

    Raises:
        MissingFileError: Something named does not exist.
        RasterError: Files cannot be read, have no CRS or lack bands; all of them are named.
        OptionError: A band is none of the sensor's.
    """

    sensor: ClassVar[Sensor] = GENERIC
    kind: Kind = "image"

    def __init__(
        self,
        paths: Paths,
        bands: Sequence[str] | None = None,
        crs: CRS | str | int | None = None,
        res: float | tuple[float, float] | None = None,
        nodata: float | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        max_open_files: int = 64,
    ) -> None:
        files, named = find_rasters(paths)
        wanted = self.sensor.pick(None if bands is None else tuple(bands))
        scenes, found = find_scenes(files, named, self.sensor, wanted)
        if nodata is not None:
            scenes = [_with_nodata(scene, nodata) for scene in scenes]
        self.rgb_bands = self.sensor.rgb
        super().__init__(scenes, found, crs, res, transforms, max_open_files)

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        if file.dtype == "float64":  # float32 cannot hold all of it, least of all some nodata values
            with np.errstate(over="ignore"):
                data = data.astype(np.float32)
            valid &= np.isfinite(data).all(axis=0)
        return Patch(data.astype(np.float32, copy=False), valid)


class GaoFen2(SceneRaster):
    """GaoFen-2 multispectral images, 4 m: blue, green, red, nir."""

    sensor = GAOFEN2


class Sentinel2(SceneRaster):
    """Sentinel-2 images, stacked or one file per band (``B02.tif``, ``..._B2.tif``, ``..._B8A_20m.jp2``).

    Band files of one folder whose names agree up to the band are one scene, read on the grid of its finest
    band.
    """

    sensor = SENTINEL2


class GoogleEarth(SceneRaster):
    """Google Earth images: red, green, blue."""

    sensor = GOOGLE_EARTH


#: The class of every sensor.
IMAGE_CLASSES: dict[str, type[SceneRaster]] = {
    cls.sensor.name: cls for cls in (GaoFen2, GoogleEarth, SceneRaster, Sentinel2)
}


def _with_nodata(scene: Scene, value: float) -> Scene:
    """Give a nodata value to the bands that declare none."""
    layers = []
    for layer in scene.layers:
        nodata = tuple(float(value) if declared is None else declared for declared in layer.file.nodata)
        layers.append(dataclasses.replace(layer, file=dataclasses.replace(layer.file, nodata=nodata)))
    return Scene(tuple(layers))


__all__ = ("IMAGE_CLASSES", "GaoFen2", "GoogleEarth", "SceneRaster", "Sentinel2")
