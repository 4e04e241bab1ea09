"""Choose the extents of chips, and write each: one image per source at its own resolution, and its labels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS

from ...errors import OptionError
from ...grid import Window, window_starts
from ...grid.lattice import Lattice
from ...grid.reprojection import same_crs
from ...maps.styles.table import palette
from ...output import as_output_error
from ...scenes.dataset import HandlePool, tiff_profile, to_rasterio_window
from ...taxonomy import Taxonomy
from ...taxonomy.dataset_records import read_record
from ...types import Bounds
from .pairing import Place
from .sources import AssembleOptions, LabelScheme, SceneWindows, SourceName, SourceScene

#: A chip this near to a whole number of pixels holds a whole number of them.
_SLACK_PX = 1e-3


@dataclass(frozen=True)
class Extent:
    """A rectangle of ground.

    Attributes:
        name: ``place_000_r00_c01``, or the place's own name where it is left whole.
        bounds: (left, bottom, right, top) in the place's CRS.
    """

    name: str
    bounds: Bounds


def cut_extents(place: Place, options: AssembleOptions) -> list[Extent]:
    """Cover the common ground of a place with chips, row by row; none where it is smaller than a chip.

    Corners lie on pixel corners of the coarsest source, so that its pixels are copied, not resampled. Chips
    do not overlap, but for the last of a row or column, which is moved inward.

    Raises:
        OptionError: A chip is no whole number of the coarsest source's pixels.
    """
    common = place.common_bounds
    if common is None:
        return []
    coarsest = max(place.scenes.values(), key=lambda scene: scene.res_in(place.crs))
    lattice = Lattice.of_grid(coarsest.scene.grid, place.crs)
    step = coarsest.res_in(place.crs)
    if options.chip_m is not None and not same_crs(coarsest.scene.grid.crs, place.crs):
        # It is resampled anyway: to the nearest size that divides the chip.
        step = options.chip_m / max(1, round(options.chip_m / step))
    lattice = Lattice(place.crs, (step, step), lattice.origin)
    window = _inside(lattice, common)
    if window is None:
        return []
    if options.chip_m is None:
        return [Extent(place.name, lattice.bounds(window))]
    side = round(options.chip_m / step)
    if side < 1 or abs(side * step - options.chip_m) > _SLACK_PX * step:
        near = max(1, side) * step
        raise OptionError(
            f"Expected chip-m to be a multiple of {step:.6g} m, the pixels of {coarsest.source}, but got "
            f"{options.chip_m:g}. Take {near:g}."
        )
    if window.height < side or window.width < side:
        return []
    return [
        Extent(
            f"{place.name}_r{i:02d}_c{j:02d}",
            lattice.bounds(Window(window.row + row, window.col + col, side, side)),
        )
        for i, row in enumerate(window_starts(window.height, side, side))
        for j, col in enumerate(window_starts(window.width, side, side))
    ]


def _inside(lattice: Lattice, bounds: Bounds) -> Window | None:
    """Return the largest window of whole pixels within bounds."""
    left, bottom, right, top = bounds
    (x, y), (x_res, y_res) = lattice.origin, lattice.res
    slack = 1e-6
    col, col_stop = math.ceil((left - x) / x_res - slack), math.floor((right - x) / x_res + slack)
    row, row_stop = math.ceil((y - top) / y_res - slack), math.floor((y - bottom) / y_res + slack)
    return Window(row, col, row_stop - row, col_stop - col) if row_stop > row and col_stop > col else None


def chip_lattice(extent: Extent, res_m: float, crs: CRS) -> tuple[Lattice, Window]:
    """Divide an extent from its upper-left corner into whole pixels as near to a pixel size as possible."""
    left, bottom, right, top = extent.bounds
    width, height = max(1, round((right - left) / res_m)), max(1, round((top - bottom) / res_m))
    lattice = Lattice(crs, ((right - left) / width, (top - bottom) / height), (left, top))
    return lattice, Window(0, 0, height, width)


#: Rows of pixels that are read and written at once, a multiple of the tiles' side.
_STRIP_PX = 512
_TILE_PX = 256


@dataclass(frozen=True, eq=False)
class Chip:
    """A finished extent.

    Attributes:
        extent: Its ground.
        place: Its place.
        images: File of every source, below the data set's folder.
        labels: File of its labels.
        valid: Share of valid pixels per source, and of labelled ones as ``labels``.
        counts: Pixels of every leaf of the tree.
        pixel_m2: Area of a label pixel.
    """

    extent: Extent
    place: Place
    images: dict[SourceName, Path]
    labels: Path
    valid: dict[str, float]
    counts: NDArray[np.int64]
    pixel_m2: float


class ChipWriter:
    """Writes the extents of one place, its labels by a table as of :func:`label_values`."""

    def __init__(self, place: Place, taxonomy: Taxonomy, values: NDArray[np.int32], pool: HandlePool) -> None:
        self._place = place
        self._taxonomy = taxonomy
        self._readers = {name: SceneWindows(scene, pool) for name, scene in place.scenes.items()}
        self._labels = SceneWindows(place.labels, pool, values)

    def write(self, extent: Extent, root: Path) -> Chip:
        """Write an extent below a folder: ``SPLIT/SOURCE/NAME.tif`` and ``SPLIT/labels/NAME.tif``.

        Raises:
            RasterError: A file is damaged there.
            OutputError: It cannot be written.
        """
        place = self._place
        valid: dict[str, float] = {}
        images: dict[SourceName, Path] = {}
        for name, reader in self._readers.items():
            images[name] = Path(place.split) / name / f"{extent.name}.tif"
            valid[name] = self._write_image(reader, extent, root / images[name])
        labels = Path(place.split) / "labels" / f"{extent.name}.tif"
        counts, valid["labels"], pixel_m2 = self._write_labels(extent, root / labels)
        return Chip(extent, place, images, labels, valid, counts, pixel_m2)

    def _write_image(self, reader: SceneWindows, extent: Extent, path: Path) -> float:
        scene = reader.scene
        lattice, whole = chip_lattice(extent, scene.res_in(self._place.crs), self._place.crs)
        nodata, kept = _nodata(scene), 0
        profile = tiff_profile(lattice.crop(whole), len(scene.bands), scene.dtype, nodata, _TILE_PX)
        path.parent.mkdir(parents=True, exist_ok=True)
        with as_output_error(path), rasterio.open(path, "w", **profile) as target:
            target.descriptions = scene.bands
            target.update_tags(**_image_tags(scene, self._place))
            for window in whole.tiles(_STRIP_PX):
                patch = reader.read(lattice, window)
                data = np.where(patch.valid, _as_type(patch.data, scene.dtype, nodata), nodata)
                target.write(data.astype(scene.dtype), window=to_rasterio_window(window))
                kept += int(patch.valid.sum())
        return kept / (whole.height * whole.width)

    def _write_labels(self, extent: Extent, path: Path) -> tuple[NDArray[np.int64], float, float]:
        scene, tree = self._labels.scene, self._taxonomy
        lattice, whole = chip_lattice(extent, scene.res_in(self._place.crs), self._place.crs)
        values = tree.class_values(tree.num_levels)
        by_value = np.zeros(max(*values, tree.nodata_value) + 1, dtype=np.int64)
        profile = tiff_profile(lattice.crop(whole), 1, "uint8", tree.nodata_value, _TILE_PX)
        path.parent.mkdir(parents=True, exist_ok=True)
        with as_output_error(path), rasterio.open(path, "w", **profile) as target:
            target.descriptions = ("class",)
            target.update_tags(TAXONOMY=tree.name, LEVEL=tree.level_names[-1])
            target.write_colormap(1, palette(tree, tree.num_levels))
            for window in whole.tiles(_STRIP_PX):
                patch = self._labels.read(lattice, window)
                stored = np.where(patch.valid, patch.data[0], tree.nodata_value).astype(np.uint8)
                target.write(stored, 1, window=to_rasterio_window(window))
                by_value += np.bincount(stored[patch.valid], minlength=len(by_value))
        counts = by_value[list(values)]
        return counts, float(counts.sum() / (whole.height * whole.width)), lattice.res[0] * lattice.res[1]


def label_values(scheme: LabelScheme, taxonomy: Taxonomy) -> NDArray[np.int32]:
    """Table (65536,) int32 from stored label values to those of leaves: 0 for no class, -1 where unknown."""
    finest = taxonomy.num_levels
    same = {value: value for value in taxonomy.class_values(finest)} | {taxonomy.nodata_value: 0}
    listed = None if scheme == "mm5b" else read_record(scheme).label_scheme
    mapping: Mapping[int, int] = same if listed is None else listed.to_taxonomy
    table = np.full(65_536, -1, dtype=np.int32)
    for stored, value in mapping.items():
        table[stored] = value
    return table


def _nodata(scene: SourceScene) -> float:
    """Return the value without data: the declared one, else 0, NaN or the least of a signed type."""
    declared = [value for value in scene.scene.layers[0].file.nodata if value is not None]
    kind = np.dtype(scene.dtype).kind
    return declared[0] if declared else {"u": 0.0, "f": np.nan}.get(kind, float(np.iinfo("int16").min))


def _as_type(data: NDArray[np.float32], dtype: str, nodata: float) -> NDArray[np.generic]:
    """Round to integers within the type's range; where 0 means no data, a valid pixel is at least 1."""
    kind = np.dtype(dtype).kind
    if kind == "f":
        return data.astype(dtype)
    info = np.iinfo(dtype)
    low = 1 if kind == "u" and nodata == 0 else info.min
    return np.clip(np.rint(data), low, info.max).astype(dtype)


def _image_tags(scene: SourceScene, place: Place) -> dict[str, str]:
    tags = {"SOURCE": scene.source, "SOURCE_FILE": Path(scene.path).name, "PLACE": place.name}
    if scene.acquired is not None:
        tags |= {
            "ACQUISITION_DATE": f"{scene.acquired:%Y-%m-%d}",
            "TIFFTAG_DATETIME": f"{scene.acquired:%Y:%m:%d %H:%M:%S}",
        }
    return tags
