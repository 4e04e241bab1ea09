"""Masks: pixels of a scene that its own quality bands, or a raster beside it, say to leave out."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from glob import glob, has_magic
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.ndimage import distance_transform_edt  # type: ignore[attr-defined]

from ..errors import OptionError, RasterError, list_some, notice
from ..grid import GeoGrid, Window
from ..types import MaskRule
from .band_files import band_of_file, scene_key
from .left_out import LeftOut
from .patch import Patch, Pixels
from .products import granule_of, safe_root
from .quality import QualityBand, quality_of_name
from .raster_file import RasterFile, probe
from .raster_paths import RASTER_SUFFIXES
from .reader import Layer, LayerReader, Target
from .sensors import Sensor

#: Bands of one product's folders, from that of an image: those of other resolutions, and its quality.
_PRODUCT_FOLDERS = ("R20m", "R60m", "R10m", "../QI_DATA")
#: Metres of a projection count as they are where they are true to this share.
_NEARLY_TRUE = 0.005
#: Finds a quality band of a scene somewhere else than beside its files, as in a STAC item: a path or None.
Elsewhere = Callable[[QualityBand], str | None]


@dataclass(frozen=True, eq=False)
class MaskTable:
    """Which values of a quality band are left out; one object serves all scenes.

    Attributes:
        band: The quality band.
        classes: Of it, those that are left out.
        told: Files and values that were told to be in no table.
    """

    band: QualityBand
    classes: tuple[str, ...]
    told: set[tuple[str, int]] = field(default_factory=set)

    def decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        """Turn stored values (1, h, w) into 1 where a pixel is left out, 0 elsewhere."""
        flags = self.band.flags(data, self.classes) & valid
        values, counts = np.unique(self.band.unknown(data[0][valid]), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if (file.path, value) not in self.told:
                self.told.add((file.path, value))
                notice(
                    f"{count} pixels of {self.band.name} hold {value}, which its table does not list (in "
                    f"{file.path}): they are kept."
                )
        return Patch(flags.astype(np.int32), np.ones_like(valid))


@dataclass(frozen=True)
class MaskLayer:
    """A quality band of a scene.

    Attributes:
        layer: Its file and band.
        table: What is left out.
        dilation_m: Pixels nearer than this to one that is left out are left out, too.
    """

    layer: Layer
    table: MaskTable
    dilation_m: float

    @property
    def path(self) -> str:
        """The file that says it."""
        return self.layer.file.path

    @property
    def note(self) -> str:
        """Say what is left out."""
        around = f", and {self.dilation_m:g} m around them" if self.dilation_m else ""
        return f"pixels of {', '.join(self.table.classes)} are left out{around}"

    def covers(self, reader: LayerReader, target: Target, window: Window) -> NDArray[np.bool_]:
        """Return which pixels (h, w) of a window are left out; what lies beyond the mask is not.

        On finer pixels the nearest value of the mask counts, on coarser ones what most of its pixels say.
        """
        of_flags = reader.of_labels(self.table.decode)
        if not self.dilation_m:
            return self._flags(of_flags, target, window)
        x_m, y_m = _pixel_m(self.layer.file.grid, target)
        rows, cols = math.ceil(self.dilation_m / y_m), math.ceil(self.dilation_m / x_m)
        wider = Window(
            window.row - rows, window.col - cols, window.height + 2 * rows, window.width + 2 * cols
        )
        flags = self._flags(of_flags, target, wider)
        inner = (slice(rows, rows + window.height), slice(cols, cols + window.width))
        if not flags.any():
            return flags[inner]
        near: NDArray[np.bool_] = distance_transform_edt(~flags, sampling=(y_m, x_m)) <= self.dilation_m * (
            1 + 1e-9
        )
        return near[inner]

    def _flags(self, reader: LayerReader, target: Target, window: Window) -> NDArray[np.bool_]:
        patch = reader.read_layers([self.layer], target, window)
        flags: NDArray[np.bool_] = (patch.data[0] == 1) & patch.valid
        return flags


@lru_cache(maxsize=4096)
def _pixel_m(grid: GeoGrid, target: Target) -> tuple[float, float]:
    """Return (x, y) metres of a target's pixel in the middle of a raster: nominal ones where that is true."""
    left, bottom, right, top = grid.bounds
    to_target = Transformer.from_crs(grid.crs, target.crs, always_xy=True)
    x, y = to_target.transform((left + right) / 2, (bottom + top) / 2)
    geod, geodetic = target.crs.get_geod(), target.crs.geodetic_crs
    if geod is None or geodetic is None:
        raise RasterError(
            f"Expected a CRS on the Earth to widen a mask by metres, but got '{target.crs.name}'. Leave "
            "mask_dilation_m out."
        )
    to_lonlat = Transformer.from_crs(target.crs, geodetic, always_xy=True)
    lon, lat = to_lonlat.transform([x, x + target.res[0], x], [y, y, y + target.res[1]])
    measured = [geod.inv(lon[0], lat[0], lon[end], lat[end])[2] for end in (1, 2)]
    if target.crs.is_projected:
        nominal = [res * target.crs.axis_info[0].unit_conversion_factor for res in target.res]
        if all(abs(m / n - 1) < _NEARLY_TRUE for m, n in zip(measured, nominal, strict=True)):
            measured = nominal
    return float(measured[0]), float(measured[1])


class Masking:
    """A rule with what the catalog knows of a sensor: finds the mask of every scene.

    Raises:
        OptionError: No quality band of the sensor, or not the table of the rule, has a class.
    """

    def __init__(self, rule: MaskRule, sensor: Sensor) -> None:
        self.rule = rule
        self.bands: tuple[QualityBand, ...] = sensor.quality
        if rule.file is not None:
            named = quality_of_name(Path(rule.file).stem, sensor.quality)
            self.bands = sensor.quality if named is None else (named,)
        if rule.values:
            values = {name: tuple(numbers) for name, numbers in rule.values.items()}
            self.bands = (QualityBand(name="mask", values=values, all_listed=False),)
        self._sensor = sensor
        self._classes = rule.classes or tuple(rule.values)
        self._tables: dict[tuple[str, tuple[str, ...]], MaskTable] = {}
        known = tuple(dict.fromkeys(name for band in self.bands for name in band.classes))
        thresholds = {name for band in self.bands for name in band.at_least}
        for wanted in self._classes:
            name, equals, least = wanted.partition("=")
            if name not in known:
                raise OptionError(
                    f"Expected mask to name classes of {sensor.title} ({', '.join(known) or 'none'}), but "
                    f"got '{wanted}'. Correct it, or give a mask_file with mask_values."
                )
            if equals and (name not in thresholds or not _is_number(least)):
                raise OptionError(
                    f"Expected a number after = and a class with a least value ("
                    f"{', '.join(sorted(thresholds)) or 'none'}), but got mask '{wanted}'."
                )

    def of_scene(self, layers: Sequence[Layer], elsewhere: Elsewhere | None = None) -> tuple[MaskLayer, ...]:
        """Find the masks of a scene; a class is taken from the first quality band that has it and is there.

        Raises:
            RasterError: No quality band with a class is there.
        """
        first = layers[0].file
        found: dict[str, tuple[QualityBand, Layer | None]] = {}
        wanted: dict[str, list[str]] = {}
        for entry in self._classes:
            name = entry.partition("=")[0]
            for band in self.bands:
                if name not in band.classes:
                    continue
                if band.name not in found:
                    found[band.name] = (band, self._find(band, first, elsewhere))
                if found[band.name][1] is not None:
                    wanted.setdefault(band.name, []).append(entry)
                    break
            else:
                raise self._missing(entry, first.path)
        return tuple(
            MaskLayer(layer, self._table(band, tuple(wanted[name])), self.rule.dilation_m)
            for name, (band, layer) in found.items()
            if layer is not None and name in wanted
        )

    def _table(self, band: QualityBand, classes: tuple[str, ...]) -> MaskTable:
        return self._tables.setdefault((band.name, classes), MaskTable(band, classes))

    def _find(self, band: QualityBand, first: RasterFile, elsewhere: Elsewhere | None) -> Layer | None:
        if self.rule.file is not None:
            return _layer(named_beside(self.rule.file, first.path, self._sensor))
        path = elsewhere(band) if elsewhere is not None else None
        if path is None and band.name.upper() in (str(name).upper() for name in first.names):
            number = [str(name).upper() for name in first.names].index(band.name.upper())
            return Layer(first, (first.indexes[number],))
        return _layer(path or quality_beside(band, first.path, self._sensor))

    def _missing(self, entry: str, path: str) -> RasterError:
        if self.rule.file is not None:
            return RasterError(
                f"Expected a mask {self.rule.file} beside {path}, but got none. Correct mask_file, or leave "
                "mask out."
            )
        names = " or ".join(band.name for band in self.bands if entry.partition("=")[0] in band.classes)
        return RasterError(
            f"Expected a quality band {names} for mask {entry} beside {path}, but got none. Get the file "
            "that the product ships, give mask_file and mask_values, or leave mask out."
        )


def named_beside(pattern: str, path: str, sensor: Sensor) -> str | None:
    """Return the file that a pattern names for a scene, None where it is not there.

    Args:
        pattern: Path from the folder of the scene, with ``{name}`` for the scene's and ``*`` for anything.
        path: The scene's first file.
        sensor: Tells band files, whose scene has the name that they share, from stacks.

    Raises:
        RasterError: Several fit.
    """
    shared = _before_band(path, sensor)
    name = Path(path).stem if shared is None else shared.rstrip("_-. ")
    target = os.path.join(os.path.dirname(path), pattern.replace("{name}", name))
    if not has_magic(target):
        return os.path.normpath(target) if os.path.isfile(target) else None
    found = sorted(glob(target))
    if len(found) > 1:
        raise RasterError(
            f"Expected one mask {target}, but got {list_some(found, 3)}. Make mask_file more precise."
        )
    return os.path.normpath(found[0]) if found else None


def _before_band(path: str, sensor: Sensor) -> str | None:
    """Return what precedes the band in the name of a band file, None for a file of all bands."""
    name = Path(path.split("?", maxsplit=1)[0])
    if not sensor.file_per_band or sensor.canonical(band_of_file(name)) not in sensor.known_bands:
        return None
    key = scene_key(path)
    return "" if key == str(name.parent) else os.path.basename(key)


def quality_beside(band: QualityBand, path: str, sensor: Sensor) -> str | None:
    """Find the file of a quality band beside an image: its name, or that of its scene, and the band's.

    Of ``T50_20200501.tif`` it is ``T50_20200501_SCL.tif``, of ``T50_20200501_B04.tif`` the same, of
    ``B04.tif`` it is ``SCL.tif``; inside of a product it may lie in the folder of another resolution.
    """
    if "://" in path or path.startswith("/vsi"):
        return None
    root = safe_root(path)
    if root is not None and granule_of(path, root) is not None:
        folder = Path(path).parent
        above = folder.parent if folder.name[:1] == "R" else folder
        folders = [folder, *(above / name for name in _PRODUCT_FOLDERS)]
        stems = [_before_band(path, sensor) or "", ""]
    else:
        folders = [Path(path).parent]
        shared = _before_band(path, sensor)
        stems = [f"{Path(path).stem}{mark}" for mark in "_-."] if shared is None else [shared]
    for where in folders:
        names = _listing(str(where))
        for stem in stems:
            for size in ("", "_10m", "_20m", "_60m"):
                for suffix in RASTER_SUFFIXES:
                    hit = names.get(f"{stem}{band.name}{size}{suffix}".lower())
                    if hit is not None:
                        return os.path.normpath(where / hit)
    return None


def _listing(folder: str) -> dict[str, str]:
    """Return the names of the files of a folder by small letters; of one that changed anew."""
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:  # a product without that folder
        return {}
    return _listed(folder, changed)


@lru_cache(maxsize=64)
def _listed(folder: str, changed: int) -> dict[str, str]:
    return {name.lower(): name for name in sorted(os.listdir(folder))}


def without_masks(paths: Iterable[str], sensor: Sensor, rule: MaskRule | None) -> list[str]:
    """Leave out files that belong to others: quality bands, scales, and what the rule's pattern names."""
    plain = [path for path in paths if quality_of_name(Path(path.split("?")[0]).stem, sensor.quality) is None]
    if sensor.quantization is not None and (ending := sensor.quantization.scale_file) is not None:
        plain = [path for path in plain if not Path(path).stem.endswith(ending)]
    if rule is None or rule.file is None:
        return plain
    own = {named_beside(rule.file, path, sensor) for path in plain}
    return [path for path in plain if os.path.normpath(path) not in own]


def _layer(path: str | None) -> Layer | None:
    if path is None:
        return None
    file = probe(path)
    return Layer(file, file.indexes[:1])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def covered(
    masks: Sequence[MaskLayer | LeftOut], reader: LayerReader, target: Target, window: Window
) -> NDArray[np.bool_]:
    """Return which pixels (h, w) of a window any of at least one mask leaves out."""
    found: NDArray[np.bool_] = np.logical_or.reduce([mask.covers(reader, target, window) for mask in masks])
    return found
