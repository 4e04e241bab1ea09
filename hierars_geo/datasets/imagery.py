"""Images: any raster, and those of the sensors that the catalog knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pyproj import CRS

from ..scenes.bad_files import BadFile, OnError
from ..scenes.band_files import numbered
from ..scenes.raster_file import grouped_notes
from ..scenes.raster_paths import Paths, find_rasters
from ..scenes.resampling import Interpolation, Kind
from ..scenes.scene_layers import Reading
from ..scenes.scene_list import find_scenes
from ..scenes.sensors import GENERIC, Sensor, find_sensor
from ..types import MaskRule, NodataRule, ReadRecipe
from .geo_raster import GeoRaster


class SceneRaster(GeoRaster):
    """Any image. Bands are what the descriptions of the first file say, else band_1, band_2, ...

    A sample holds the values as stored (no scale, no offset) as float32, 0 where there is no data: where a
    mask, alpha band or NaN says so in any band, and where all bands hold their nodata value. Images are read
    as :class:`hierars_geo.scenes.Scene` reads them.

    Args:
        paths: Files, folders, patterns, or a list of them.
        bands: Names of the bands to read, in that order, in any spelling (``B2`` is ``B02``); or a mapping of
            names to the 1-based numbers of the bands in every file. Default: the sensor's.
        crs: CRS of queries and samples (default: that of the first file).
        res: Pixel size in units of the CRS (default: that of the first file; of several resolutions the
            finest).
        nodata: Value without data in files that declare none, NaN for none; default: what the catalog states
            for the sensor.
        transforms: Applied to every sample.
        max_open_files: Handles kept open per process.
        resampling: ``bilinear`` or ``cubic``, where pixels are read on a finer or shifted grid.
        harmonize: Have Sentinel-2 images of processing baseline 04.00 and later read as those of earlier
            ones: 1000 less, not below 0. What has no data keeps having none.
        on_error: ``raise`` one error that names all files that cannot be used, or ``skip`` them with a
            notice.
        sensor: Another sensor than the class's: its name in the catalog or the path of a YAML file.
        nodata_rule: ``all``: a pixel is empty where all bands hold the nodata value; ``any``: where one does.
        standardize: Read every band by median and spread of the valid pixels of its scene.
        mask: Classes of the sensor's quality bands that are left out (``["cloud", "shadow"]``), or a rule.
        leave_out: File of polygons, in any CRS, of ground that counts as no data.

    Attributes:
        sensor: What is known of the sensor.
        recipe: How the images are read.
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
        bands: Sequence[str] | Mapping[str, int] | None = None,
        crs: CRS | str | int | None = None,
        res: float | tuple[float, float] | None = None,
        nodata: float | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        max_open_files: int = 64,
        resampling: Interpolation = "bilinear",
        harmonize: bool = False,
        on_error: OnError = "raise",
        sensor: str | Path | None = None,
        nodata_rule: NodataRule = "all",
        standardize: bool = False,
        mask: MaskRule | Sequence[str] | None = None,
        leave_out: str | Path | None = None,
    ) -> None:
        name = self.sensor_name if sensor is None else str(sensor)
        self.sensor: Sensor = find_sensor(name)
        wanted, numbers = numbered(bands)
        rule = mask if mask is None or isinstance(mask, MaskRule) else MaskRule(tuple(mask))
        recipe = ReadRecipe(
            wanted or (),
            name,
            nodata,
            nodata_rule,
            harmonize,
            resampling,
            numbers,
            mask=rule,
            standardize=standardize,
            leave_out=None if leave_out is None else str(leave_out),
        )
        Reading.of(recipe)  # what the sensor lacks is said before files are looked for
        files, named = find_rasters(paths)
        scenes, found, skipped = find_scenes(files, named, recipe, on_error)
        self.skipped: tuple[BadFile, ...] = tuple(skipped)
        self.recipe = replace(recipe, bands=found)
        self.rgb_bands = self.sensor.rgb
        super().__init__(scenes, found, crs, res, transforms, max_open_files, resampling)
        self._reader.rule = nodata_rule

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed about the files, the same words once."""
        return grouped_notes(layer.file for scene in self.scenes for layer in scene.layers)


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


class AlphaEarth(SceneRaster):
    """Yearly embeddings of AlphaEarth Foundations: 64 bands, dequantised while they are read."""

    sensor_name = "alphaearth"


class Tessera(SceneRaster):
    """Yearly embeddings of Tessera: 128 bands of float32, or of int8 with their scales in a raster beside."""

    sensor_name = "tessera"


#: The class of every sensor.
IMAGE_CLASSES: dict[str, type[SceneRaster]] = {
    found.sensor_name: found
    for found in list(globals().values())
    if isinstance(found, type) and issubclass(found, SceneRaster)
}
