"""Scene: what was photographed, read by windows; the one reader of images."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError
from ..grid import GeoGrid, Window, same_grid
from ..output import gdal_env
from ..types import MaskRule, NodataRule, ReadRecipe
from .band_files import band_of_file, list_rasters, match_band_files, numbered, safe_images
from .dataset import HandlePool, opening_env
from .dates import Acquisition
from .left_out import LeftOut
from .masks import Elsewhere, MaskLayer, covered
from .patch import Patch
from .products import is_safe, safe_root
from .radiometry import median_and_spread
from .raster_file import RasterFile, grouped, grouped_notes
from .raster_paths import gdal_name
from .reader import Layer, LayerReader, Target
from .resampling import Interpolation
from .scene_layers import Reading, band_layers, finest_grid, stack_layer, standardized
from .stac import Asset, ItemAssets, band_assets, is_stac, quality_asset, read_item_assets, stacked_asset

#: One path or address, or several: one file per band.
ScenePaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

#: Windows along each side of a file that say how a scene is standardised.
_STANDARD_WINDOWS = 8
#: Files that a thread keeps open: a row of windows passes a few dozen tiles, systems allow about 1000 files.
_MOST_OPEN_FILES = 128


class Scene:
    """One image: which files, which bands, what is no data, which day, on which grid.

    Made by :meth:`open`. Several threads may read at once: each has its own file handles, and so has a forked
    process. ``close`` (or the ``with`` statement) closes them all.

    Args:
        layers: Its files; its channels are those of its layers, one after the other.
        bands: Names of its channels.
        name: Stem of the file, or name of the folder; None for that of the first file.
        rule: When a numeric nodata value makes a pixel empty.
        resampling: How bands on another grid are interpolated.

    Attributes:
        acquired: When it was taken, None where nothing says it.
        masks: What is left out of it.
        region: What the scene is cut to, as text; None for all of it.
        days: Of a season, those of its images, ascending; else empty.

    Examples:
        .. code-block:: python

            with Scene.open("S2A_MSIL2A_....SAFE", sensor="sentinel2", bands=["B04", "B03", "B02"]) as scene:
                image, valid = scene.read(Window(0, 0, 512, 512))
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        bands: Sequence[str] = (),
        name: str | None = None,
        rule: NodataRule = "all",
        resampling: Interpolation = "bilinear",
    ) -> None:
        self.layers = tuple(layers)
        self.bands = tuple(bands)
        self.name = name or Path(self.files[0]).stem
        self.rule: NodataRule = rule
        self.resampling: Interpolation = resampling
        self.acquired: datetime | None = self.layers[0].file.date.moment
        self.masks: tuple[MaskLayer | LeftOut, ...] = ()
        self.region: str | None = None
        self.days: tuple[date, ...] = ()
        self._closed = False

    @classmethod
    def open(
        cls,
        paths: ScenePaths,
        sensor: str | None = None,
        bands: Sequence[str] | Mapping[str, int] | None = None,
        nodata: float | None = None,
        nodata_rule: NodataRule = "all",
        harmonize: bool = False,
        resampling: Interpolation = "bilinear",
        mask: MaskRule | Sequence[str] | None = None,
    ) -> "Scene":
        """Open an image.

        Args:
            paths: One raster with all bands; or a folder with one raster per band (``B02.tif``,
                ``scene_B8A.tif``; other files in it are ignored), such as a Sentinel-2 product ``.SAFE``; or
                a list of such rasters; or a STAC item (``.json``) with one asset, or one per band;
                ``items.json#ID`` of an item collection. Rasters and items may be addresses (``https://...``,
                ``s3://...``).
            sensor: Entry of the sensor catalog, or a YAML file; None for what files say of themselves.
            bands: Wanted bands in reading order, in any spelling; or a mapping of names to the 1-based
                numbers of the bands in the file. None for the sensor's, without one for all.
            nodata: Value without data of files that declare none; NaN for none. None for the catalog's.
            nodata_rule: ``all``: a pixel is empty where all bands hold the value; ``any``: where one does.
            harmonize: Whether the offset of Sentinel-2 baselines from 04.00 on is taken off.
            resampling: ``bilinear`` or ``cubic``, of bands on another grid than the finest.
            mask: Classes of the sensor's quality bands to leave out (``["cloud", "shadow"]``), or a rule.

        Returns:
            The scene. Rasters of several resolutions, grids or CRSs are read on the finest grid among the
            wanted bands (the first of equals).

        Raises:
            MissingFileError: No such file or folder, or a folder without rasters.
            RasterError: A raster cannot be read or has no place, or a wanted band is missing or ambiguous.
            OptionError: The sensor has no such band, or nothing to harmonize.
        """
        names, numbers = numbered(bands)
        rule = mask if mask is None or isinstance(mask, MaskRule) else MaskRule(tuple(mask))
        how = names or (), sensor, nodata, nodata_rule, harmonize, resampling, numbers
        return cls.from_recipe(paths, ReadRecipe(*how, mask=rule))

    @classmethod
    def from_recipe(cls, paths: ScenePaths, recipe: ReadRecipe) -> "Scene":
        """Open an image as a recipe says, see :meth:`open`."""
        with opening_env():
            scene = _described(paths, Reading.of(recipe))
        scene.rule, scene.resampling = recipe.nodata_rule, cast(Interpolation, recipe.resampling)
        if recipe.standardize:
            scene.standardize()
        _ = scene._reader  # made here, for threads that read at once would each make one
        return scene

    @property
    def path(self) -> str:
        """The file, or the first of several; scenes of a data set are sorted by it."""
        return self.layers[0].file.path

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        return tuple(Path(layer.file.path) for layer in self.layers)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read, their scales, and those that tell what is left out of them."""
        scales = (Path(layer.scales) for layer in self.layers if layer.scales is not None)
        return (*self.paths, *scales, *(Path(mask.path) for mask in self.masks))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Names of its files as people know them, without what GDAL is told besides (``vrt://FILE?...``)."""
        return tuple(layer.file.path.removeprefix("vrt://").split("?")[0] for layer in self.layers)

    @cached_property
    def grid(self) -> GeoGrid:
        """Where the pixels lie: those of the finest of its files, the first of equals."""
        return finest_grid([layer.file.grid for layer in self.layers])

    @property
    def dtype(self) -> str:
        """Data type as stored, for example ``"uint16"``; ``"float32"`` where it is dequantised."""
        kinds = ("float32" if layer.quantization else layer.file.dtype for layer in self.layers)
        return str(np.result_type(*kinds))

    @property
    def interval(self) -> tuple[int, int]:
        """(first, last) nanosecond of its date."""
        return self.layers[0].file.date.interval

    @property
    def baselines(self) -> frozenset[str | None]:
        """Processing baselines of what is read; None for one nobody knows."""
        return frozenset(layer.file.processing.baseline for layer in self.layers)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a careful reader should know, such as a band order that was taken as given."""
        return (*grouped_notes(layer.file for layer in self.layers), *self._resampling_notes())

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the catalog says where files are silent, and what is left out: fit for a record."""
        said: dict[str, list[str]] = {}
        for layer in self.layers:
            if (value := layer.file.assumed_nodata) is not None:
                note = f"no nodata value is declared, {value:g} counts, as the catalog says"
                said.setdefault(note, []).append(layer.file.path)
        for mask in self.masks:
            said.setdefault(mask.note, []).append(mask.path)
        return grouped(said)

    def _resampling_notes(self) -> tuple[str, ...]:
        if len({layer.file.grid for layer in self.layers}) == 1 or len(self.layers) != len(self.bands):
            return ()
        grids = [layer.file.grid for layer in self.layers]
        finest = self.bands[grids.index(self.grid)]
        onto = f"the grid of {finest}, {self.grid.gsd_m():.4g} m"
        return tuple(
            f"{band}, {own.gsd_m():.4g} m, is resampled to {onto}."
            for band, own in zip(self.bands, grids, strict=True)
            if not same_grid(own, self.grid)
        )

    @cached_property
    def _reader(self) -> LayerReader:
        reader = LayerReader(HandlePool(_MOST_OPEN_FILES), "image", rule=self.rule)
        reader.interpolation = self.resampling
        return reader

    def read(self, where: Window | GeoGrid) -> Patch:
        """Read a window of the scene's own pixels, or the pixels of any grid; either may reach beyond it.

        Args:
            where: Rows and columns of :attr:`grid`, or another grid.

        Returns:
            Image (C, h, w) float32 with values as stored (0 where not valid) and validity (h, w) bool: False
            beyond the scene, where a mask, alpha band or NaN says so in any band, and where nodata values
            do by the rule.

        Raises:
            RasterError: A file is damaged there; file and window are named.
        """
        self._check_open()
        target = self.grid if isinstance(where, Window) else where
        window = where if isinstance(where, Window) else Window(0, 0, *where.shape)
        with gdal_env():
            patch = self._read(target, window)
        return Patch(patch.filled(0), patch.valid, self.files)

    def _read(self, target: GeoGrid, window: Window) -> Patch:
        return self.read_by(self._reader, target, window)

    def read_by(self, reader: LayerReader, target: Target, window: Window) -> Patch:
        """Read a window of any grid through a reader, and leave out what is masked."""
        patch = reader.read_layers(self.layers, target, window)
        if self.masks and patch.valid.any():
            patch.valid &= ~covered(self.masks, reader, target, window)
        return patch

    def values(self, per_side: int = 3, from_overview: bool = True) -> tuple[NDArray[np.float32], ...]:
        """Read values that hold data from places spread evenly over the files, whatever the scene is cut to.

        Args:
            per_side: Windows of 32 px along each side of a file.
            from_overview: Whether overviews serve in place of windows: one read, but averages have less
                spread than pixels.

        Returns:
            (n,) per channel; n is 0 where no data were met.

        Raises:
            RasterError: A file is damaged.
        """
        self._check_open()
        with gdal_env():
            return self.values_by(self._reader, per_side, from_overview)

    def values_by(
        self, reader: LayerReader, per_side: int, from_overview: bool
    ) -> tuple[NDArray[np.float32], ...]:
        """Read values through a reader, see :meth:`values`; what is masked is left out."""
        masked = partial(covered, self.masks, reader) if self.masks else None
        return tuple(
            channel
            for layer in self.layers
            for channel in reader.values(layer, per_side, from_overview, masked)
        )

    def valid(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Tell which pixels its files hold data of, reduced to fewer (h, w); its masks are not asked.

        Raises:
            RasterError: A file is damaged.
        """
        self._check_open()
        with gdal_env():
            found = [self._reader.valid(layer, shape) for layer in self.layers]
        return np.asarray(np.logical_and.reduce(found))

    def standardize(self) -> None:
        """Read every band by the median and spread of its valid pixels from now on.

        Both are taken from at most 64 windows of 32 px, spread evenly over its files: the same numbers
        whoever asks, and whatever the scene is cut to.

        Raises:
            RasterError: A file is damaged.
        """
        found = [median_and_spread(values) for values in self.values(_STANDARD_WINDOWS, False)]
        self.layers = standardized(self.layers, found)

    def _check_open(self) -> None:
        if self._closed:
            raise RasterError(f"Expected a scene that is open, but {self.name} is closed. Open it again.")

    def onto(self, grid: GeoGrid) -> None:
        """Read on the pixels of another grid from now on."""
        _ = self.notes  # of its own pixels
        self.grid = grid

    @property
    def extent(self) -> Window:
        """All that can be read, in rows and columns of ``grid``: more than it where a scene is cut."""
        return Window(0, 0, *self.grid.shape)

    def wanted(self, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels (h, w) of a window are asked for; None for all, as of a whole scene."""
        return None

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        self._closed = True
        if "_reader" in self.__dict__:
            self._reader.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _described(paths: ScenePaths, reading: Reading) -> Scene:
    if not isinstance(paths, str | os.PathLike):
        files = [Path(os.fspath(item)) for item in paths]
        if not files:
            raise RasterError("Expected at least one raster, but got an empty list. Name the band files.")
        return _of_band_files(files, files[0].parent.resolve().name, "the given list", reading)
    name = os.fspath(paths)
    if is_stac(name):
        return _of_item(name, reading)
    folder = Path(name)
    if not folder.is_dir():
        path = gdal_name(name)
        lone = (reading.sensor.canonical(band_of_file(folder)),)
        if path == name and reading.sensor.file_per_band and reading.bands == lone:
            return _of_band_files([folder], folder.stem, name, reading)
        bands, layer = stack_layer(reading.look(path), reading)
        return _masked(Scene([layer], bands, Path(path).stem), reading)
    title = folder.resolve().name
    if is_safe(folder):
        return _of_band_files(safe_images(folder), title.removesuffix(".SAFE"), name, reading)
    return _of_band_files(list_rasters(folder), title, str(folder), reading)


def _of_band_files(files: Sequence[Path], name: str, origin: str, reading: Reading) -> Scene:
    by_band = match_band_files(files, reading.bands, reading.sensor, origin)
    layers = band_layers(by_band, reading, safe_root(next(iter(by_band.values()))[0]))
    return _masked(Scene(layers, tuple(by_band), name), reading)


def _of_item(address: str, reading: Reading) -> Scene:
    """Open what a STAC item describes: one raster with all bands, or one asset per band."""
    item = read_item_assets(address, reading.sensor)
    stacked = stacked_asset(item, reading.bands)
    if stacked is not None:
        asset, places = stacked
        file = _of_asset(reading, item, asset)
        if places is not None and max(places) <= max(file.indexes):
            bands, layer = reading.bands, reading.layer(file, places)
        else:
            bands, layer = stack_layer(file, reading)
        layers: tuple[Layer, ...] = (layer,)
    else:
        assets = band_assets(item, reading.bands)
        described = {
            asset.path: _of_asset(reading, item, asset) for found in assets.values() for asset in found
        }
        by_band = {band: [asset.path for asset in found] for band, found in assets.items()}
        bands, layers = tuple(by_band), band_layers(by_band, reading, None, described)
    return _masked(Scene(layers, bands, item.name), reading, lambda band: quality_asset(item, band))


def _masked(scene: Scene, reading: Reading, elsewhere: Elsewhere | None = None) -> Scene:
    scene.masks = reading.masks(scene.layers, elsewhere)
    return scene


def _of_asset(reading: Reading, item: ItemAssets, asset: Asset) -> RasterFile:
    """Describe a file, and let its item tell what the header leaves open."""
    file = reading.look(asset.path)
    told = asset.nodata if len(asset.nodata) == len(file.nodata) else (None,) * len(file.nodata)
    return replace(
        file,
        nodata=tuple(
            ours if ours is not None else theirs for ours, theirs in zip(file.nodata, told, strict=True)
        ),
        date=Acquisition.of(item.acquired) if item.acquired and file.date.moment is None else file.date,
        processing=replace(file.processing, baseline=item.baseline or file.processing.baseline),
    )
