"""Images: any raster, and those of the sensors that the catalog knows."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from ..errors import OptionError
from ..scenes.bad_files import BadFile, OnError
from ..scenes.harmonize import harmonize as read_as_old_baselines
from ..scenes.patch import Patch, Pixels
from ..scenes.raster_file import RasterFile
from ..scenes.raster_paths import Paths, find_rasters
from ..scenes.resampling import Interpolation, Kind
from ..scenes.scene_index import Scene, find_scenes
from ..scenes.sensors import GENERIC, Sensor, find_sensor
from .geo_raster import GeoRaster


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
        resampling: ``bilinear`` or ``cubic``, where pixels are read on a finer or shifted grid.
        harmonize: Have Sentinel-2 images of processing baseline 04.00 and later read as those of earlier
            ones: 1000 less, not below 0. What has no data keeps having none.
        on_error: ``raise`` one error that names all files that cannot be used, or ``skip`` them with a
            notice.
        sensor: Another sensor than the class's: its name in the catalog or the path of a YAML file.

    Attributes:
        sensor: What is known of the sensor.
        skipped: Files that cannot be used and why; empty unless they were to be skipped.

    Raises:
        MissingFileError: Something named does not exist.
        RasterError: Files cannot be read, have no CRS, a date that is none, another data type than most or
            lack bands; all of them are named.
        OptionError: A band is none of the sensor's, or the sensor has nothing to harmonize.
    """

    sensor_name: ClassVar[str] = GENERIC.name
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
        resampling: Interpolation = "bilinear",
        harmonize: bool = False,
        on_error: OnError = "raise",
        sensor: str | Path | None = None,
    ) -> None:
        self.sensor: Sensor = find_sensor(self.sensor_name if sensor is None else str(sensor))
        rule = self.sensor.baseline_offset
        if harmonize and rule is None:
            raise OptionError(
                f"Expected harmonize with Sentinel-2, whose values have changed, but got {self.sensor.title}."
            )
        wanted = self.sensor.pick(None if bands is None else tuple(bands))
        files, named = find_rasters(paths)
        found = find_scenes(files, named, self.sensor, wanted, on_error)
        self.skipped: tuple[BadFile, ...] = found.skipped
        scenes: Sequence[Scene] = found.scenes
        if nodata is not None:
            scenes = [_with_nodata(scene, nodata) for scene in scenes]
        if harmonize and rule is not None:
            scenes = read_as_old_baselines(scenes, rule)
        self.rgb_bands = self.sensor.rgb
        super().__init__(scenes, found.bands, crs, res, transforms, max_open_files, resampling)

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        if file.dtype == "float64":  # float32 cannot hold all of it, least of all some nodata values
            with np.errstate(over="ignore"):
                data = data.astype(np.float32)
            valid &= np.isfinite(data).all(axis=0)
        values = data.astype(np.float32, copy=False)
        if file.add:
            values = np.maximum(values + np.float32(file.add), 0)
        return Patch(values, valid)


class GaoFen2(SceneRaster):
    """GaoFen-2 multispectral images, 4 m: blue, green, red, nir.

    The day is that of the product's name: ``GF2_PMS1_E118.4_N31.2_20150703_L1A0000898840-MSS1.tif``.
    """

    sensor_name = "gaofen2"


class Sentinel2(SceneRaster):
    """Sentinel-2 images of either level: products, stacks, or one file per band.

    Of a folder ``*.SAFE`` the finest file of each band counts, and its metadata give day, nodata and
    baseline. Other band files (``B02.tif``, ``..._B2.tif``, ``..._B8A_20m.jp2``) of one folder whose names
    agree up to the band are one scene. A scene is read on the grid of its finest band.
    """

    sensor_name = "sentinel2"


class Sentinel2L1C(Sentinel2):
    """Sentinel-2 images of level 1C, reflectance at the top of the atmosphere; others are refused."""

    sensor_name = "sentinel2_l1c"


class Sentinel2L2A(Sentinel2):
    """Sentinel-2 images of level 2A, reflectance of the surface; others are refused."""

    sensor_name = "sentinel2_l2a"


class GoogleEarth(SceneRaster):
    """Google Earth images, in Web Mercator, degrees or UTM: red, green, blue."""

    sensor_name = "google_earth"


class Landsat5(SceneRaster):
    """Landsat 5 TM images: stacks, or one file per band."""

    sensor_name = "landsat5"


class Landsat7(SceneRaster):
    """Landsat 7 ETM+ images: stacks, or one file per band."""

    sensor_name = "landsat7"


class Landsat8(SceneRaster):
    """Landsat 8 OLI images: stacks, or one file per band."""

    sensor_name = "landsat8"


class Landsat9(SceneRaster):
    """Landsat 9 OLI-2 images: stacks, or one file per band."""

    sensor_name = "landsat9"


class NAIP(SceneRaster):
    """Aerial photographs of NAIP: red, green, blue, and nir in most years."""

    sensor_name = "naip"


class RGBPicture(SceneRaster):
    """Pictures in red, green and blue, of whatever camera."""

    sensor_name = "rgb"


class Sentinel1(SceneRaster):
    """Sentinel-1 GRD images: VV and VH as stored, decibel or linear."""

    sensor_name = "sentinel1"


#: The class of every sensor.
IMAGE_CLASSES: dict[str, type[SceneRaster]] = {
    cls.sensor_name: cls
    for cls in (
        GaoFen2,
        GoogleEarth,
        Landsat5,
        Landsat7,
        Landsat8,
        Landsat9,
        NAIP,
        RGBPicture,
        SceneRaster,
        Sentinel1,
        Sentinel2,
        Sentinel2L1C,
        Sentinel2L2A,
    )
}


def _with_nodata(scene: Scene, value: float) -> Scene:
    """Give a nodata value to the bands that declare none."""

    def declare(file: RasterFile) -> RasterFile:
        nodata = tuple(float(value) if declared is None else declared for declared in file.nodata)
        return dataclasses.replace(file, nodata=nodata)

    return scene.with_files(declare)


__all__ = (
    "IMAGE_CLASSES",
    "NAIP",
    "GaoFen2",
    "GoogleEarth",
    "Landsat5",
    "Landsat7",
    "Landsat8",
    "Landsat9",
    "RGBPicture",
    "SceneRaster",
    "Sentinel1",
    "Sentinel2",
    "Sentinel2L1C",
    "Sentinel2L2A",
)
