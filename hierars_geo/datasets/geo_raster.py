"""GeoRaster: the base of our RasterDatasets; several sources of one kind as one, or stacked on one grid."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import rasterio
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from torchgeo.datasets import GeoDataset, IntersectionDataset, RasterDataset, UnionDataset

from ..errors import DataError, check_choice
from ..grid import Window
from ..grid.lattice import Lattice
from ..grid.reprojection import outline
from ..output import atomic_path, refuse_existing
from ..scenes.dataset import HandlePool, tiff_profile, to_rasterio_window
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch, Pixels, first_valid
from ..scenes.raster_file import RasterFile
from ..scenes.reader import LayerReader, Target, as_stored
from ..scenes.resampling import Interpolation, Kind
from ..scenes.scene import Scene
from ..taxonomy import LabelSets, Taxonomy
from .intersection import SceneIntersection
from .sample import figure_of, sensor_of
from .scene_source import QueryError, SceneSource, as_pair


class CombinedSource(SceneSource):
    """A source that ``&`` and ``|`` combine with others of ours."""

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Intersect with another source (see :class:`SceneIntersection`)."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other)
        return IntersectionDataset(self, other)

    def __or__(self, other: GeoDataset) -> UnionDataset:
        """Unite with another source of the same kind (see :class:`SceneUnion`)."""
        return SceneUnion(self, other) if isinstance(other, SceneSource) else UnionDataset(self, other)


class GeoRaster(CombinedSource, RasterDataset):
    """A TorchGeo RasterDataset that reads exactly the pixels asked for and says which of them hold data.

    Against TorchGeo's own class: queries are snapped to whole pixels of one lattice; files on that lattice
    are read as they are, others properly resampled; pixels without data are told apart; a file that cannot be
    used is an error; searching is done in plain arrays, and file handles are bounded, closed and never shared
    between processes.

    Args:
        scenes: What to read, in order of precedence where scenes overlap.
        bands: Names of the channels.
        crs: CRS of queries and samples (default: that of the first scene).
        res: Pixel size in units of the CRS (default: that of the first scene).
        transforms: Applied to every sample.
        max_open_files: Handles kept open per process.
        resampling: Of image pixels on a finer or shifted grid: ``bilinear``, or ``cubic`` (sharper, and
            it may overshoot). Where pixels become twice as large or more, images are averaged.

    Raises:
        OptionError: An unknown resampling.
    """

    kind: Kind

    def __init__(
        self,
        scenes: Sequence[Scene],
        bands: Sequence[str] = (),
        crs: CRS | str | int | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        max_open_files: int = 64,
        resampling: Interpolation = "bilinear",
    ) -> None:
        self.scenes = tuple(scenes)
        self.is_image = self.kind == "image"
        self.bands = self.all_bands = tuple(bands)
        self.transforms = transforms
        self.paths = self.files
        self._pool = HandlePool(max_open_files)
        self._outlines: dict[str, Outlines] = {}
        self._reader = LayerReader(self._pool, self.kind, self._decode)
        self.resampling = resampling
        sensor = getattr(self, "sensor", None)
        self.name = type(self).__name__.lower() if sensor is None else sensor.name
        lattice = self.lattice_in(self.scenes[0].grid.crs if crs is None else CRS.from_user_input(crs))
        self._move_to(lattice if res is None else lattice.at_res(as_pair(res)))

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        """Turn stored values into what is sampled: float32 values, or int32 leaf indices of labels."""
        return as_stored(data, valid, file)

    @property  # type: ignore[override]  # TorchGeo's own is a constant of GDAL, which it does not heed
    def resampling(self) -> Interpolation:
        """How image pixels are interpolated on a finer or shifted grid."""
        return self._reader.interpolation

    @resampling.setter
    def resampling(self, method: Interpolation) -> None:
        check_choice("resampling", method, get_args(Interpolation))
        self._reader.interpolation = method

    @property
    def files(self) -> list[str]:
        """Every file, scene by scene."""
        return [layer.file.path for scene in self.scenes for layer in scene.layers]

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Read a window of any lattice; where scenes overlap, the first valid pixel counts."""
        return self.read_scenes(self.hits(lattice, window, interval), lattice, window)

    def hits(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> list[int]:
        """Find the scenes whose bounds touch a window, and whose dates an interval: their positions."""
        outlines = self._outlines_in(lattice.crs, lattice.wkt)
        found: list[int] = outlines.hits(lattice.bounds(window), interval).tolist()
        return found

    def read_scenes(self, numbers: Iterable[int], target: Target, window: Window) -> Patch | None:
        """Read some of the scenes, given by their positions; at every pixel the first valid one counts."""
        return first_valid(self._read_scene(self.scenes[number], target, window) for number in numbers)

    def _read_scene(self, scene: Scene, target: Target, window: Window) -> Patch:
        patch = scene.read_by(self._reader, target, window)
        patch.files = scene.files
        return patch

    def outlines(self, crs: CRS, around: float | None = None) -> Outlines:
        """Return where and when the scenes lie, in a CRS."""
        return self._outlines_in(crs, crs.to_wkt())

    def _outlines_in(self, crs: CRS, wkt: str) -> Outlines:
        if wkt not in self._outlines:
            self._outlines[wkt] = Outlines.of(
                [outline(scene.grid, crs) for scene in self.scenes], [scene.interval for scene in self.scenes]
            )
        return self._outlines[wkt]

    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to that of the first scene, in a CRS."""
        return Lattice.of_grid(self.scenes[0].grid, crs)

    def _frame(self, crs: CRS) -> GeoDataFrame:
        return self.outlines(crs).frame(crs, {"filepath": [scene.path for scene in self.scenes]})

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        self._pool.close()

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample as a matplotlib figure."""
        taxonomy = getattr(self, "taxonomy", None)
        return figure_of(sample, self.bands, taxonomy, suptitle, sensor_of(self))


_TILE_PX = 512


def write_stack(images: SceneIntersection, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write all that an intersection shows, with the names of its bands; return the path.

    Args:
        images: Images of one ground, stacked. Labels confine the ground to their own: leave them out.
        path: GeoTIFF to write: float32, NaN where an image holds no data.
        overwrite: Replace a file that exists.

    Raises:
        DataError: The images are not stacked, or a series.
        RasterError: A file is damaged.
        OutputError: The file exists, or cannot be written.
    """
    if images.is_series:
        raise DataError("Expected images of one date each to stack, but got a series. Leave its series out.")
    if not images.pairing.stack:
        raise DataError("Expected images stacked on one grid, but got stack=False. Leave it out.")
    final = Path(path)
    refuse_existing([final], overwrite)
    x, y, _ = images.bounds
    whole = images.lattice.window((x.start, y.start, x.stop, y.stop))
    grid = images.lattice.crop(whole)
    profile = tiff_profile(grid, len(images.bands), "float32", np.nan, _TILE_PX)
    with (
        atomic_path(final) as unfinished,
        rasterio.open(unfinished, "w", **profile) as target,
    ):
        target.descriptions = images.bands
        for window in Window(0, 0, *grid.shape).tiles(_TILE_PX, _TILE_PX):
            pixels = _read(images, window.shifted(whole.row, whole.col))
            target.write(pixels, window=to_rasterio_window(window))
    return final


def _read(images: SceneIntersection, window: Window) -> NDArray[np.float32]:
    """Return (C, h, w) pixels of a window, NaN where any image holds no data."""
    left, bottom, right, top = images.lattice.bounds(window)
    pixels = np.full((len(images.bands), window.height, window.width), np.nan, dtype=np.float32)
    try:
        sample = images[left:right, bottom:top]
    except QueryError:  # a corner without a scene
        return pixels
    valid = sample["valid"].numpy()
    pixels[:, valid] = sample["image"].numpy()[:, valid]
    return pixels


class SceneUnion(CombinedSource, UnionDataset):
    """Sources of one kind as one; where they overlap, the first operand's valid pixels count.

    Everything is read on the lattice of the first operand. The operands are not changed.

    Raises:
        DataError: The two are not of one kind.
    """

    def __init__(
        self,
        dataset1: SceneSource,
        dataset2: SceneSource,
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        kinds = [(d.is_image, tuple(d.bands), getattr(d, "taxonomy", None)) for d in (dataset1, dataset2)]
        if kinds[0] != kinds[1]:
            found = " and ".join(_describe(*kind) for kind in kinds)
            raise DataError(
                f"Expected sources of one kind to unite, but got {found}. Use & for images and labels."
            )
        self.datasets = [dataset1, dataset2]
        self.sources: tuple[SceneSource, ...] = (dataset1, dataset2)
        self.is_image, self.bands, _ = kinds[0]
        self._join_labels()
        self.transforms = transforms
        self.name = dataset1.name
        self._move_to(dataset1.lattice)

    @property
    def taxonomy(self) -> Taxonomy | None:
        """Class tree of labels, None for images."""
        return getattr(self.sources[0], "taxonomy", None)

    def _join_labels(self) -> None:
        """Find a table for the labels of all sources, and what the numbers of each are in it."""
        self._numbers: list[NDArray[np.int32] | None] = [None] * len(self.sources)
        tree = self.taxonomy
        if tree is None or all(source.label_sets is None for source in self.sources):
            return
        tables = [LabelSets(tree) if one.label_sets is None else one.label_sets for one in self.sources]
        self.label_sets = joined = tables[0].joined([row for table in tables[1:] for row in table.table])
        self._numbers = [joined.translation(table).astype(np.int32) for table in tables]

    def _read_labels(self, number: int, patch: Patch | None) -> Patch | None:
        """Write what one source read in the numbers of all."""
        numbers = self._numbers[number]
        if patch is not None and numbers is not None:
            patch.data = numbers.take(patch.data, mode="clip")
        return patch

    def read(self, lattice: Lattice, window: Window, interval: tuple[int, int] | None) -> Patch | None:
        """Read a window of any lattice; the first operand's valid pixels count."""
        return first_valid(
            self._read_labels(number, source.read(lattice, window, interval))
            for number, source in enumerate(self.sources)
        )

    def outlines(self, crs: CRS, around: float | None = None) -> Outlines:
        """Return where and when the scenes lie, in a CRS."""
        parts = [source.outlines(crs, around) for source in self.sources]
        return Outlines.of(
            [polygon for part in parts for polygon in part.polygons],
            [(int(first), int(last)) for part in parts for first, last in part.intervals],
        )

    def lattice_in(self, crs: CRS) -> Lattice:
        """Return the lattice nearest to that of the first scene, in a CRS."""
        return self.sources[0].lattice_in(crs)

    def _frame(self, crs: CRS) -> GeoDataFrame:
        paths = pd.concat([source.index["filepath"] for source in self.sources])
        return self.outlines(crs).frame(crs, {"filepath": list(paths)})

    def close(self) -> None:
        """Close the files that this process holds open; reading opens them again."""
        for source in self.sources:
            source.close()

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample as a matplotlib figure."""
        figure: Figure = self.sources[0].plot(sample, suptitle)
        return figure


def _describe(is_image: bool, bands: tuple[str, ...], taxonomy: Taxonomy | None) -> str:
    if is_image:
        return f"images with bands {', '.join(bands)}"
    return f"labels of taxonomy {taxonomy.name if taxonomy else 'none'}"
