"""GeoRaster: the base of our RasterDatasets."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

import numpy as np
from geopandas.geodataframe import GeoDataFrame
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pyproj import CRS
from torchgeo.datasets import GeoDataset, IntersectionDataset, RasterDataset, UnionDataset

from ..errors import OptionError
from ..grid import GeoGrid, Window
from ..grid.lattice import Lattice
from ..grid.reprojection import outline
from ..scenes.handles import HandlePool
from ..scenes.outlines import Outlines
from ..scenes.patch import Patch, Pixels, first_valid
from ..scenes.raster_file import RasterFile
from ..scenes.reader import LayerReader, Target, as_stored
from ..scenes.resampling import Interpolation, Kind
from ..scenes.scene import Scene
from .intersection import SceneIntersection
from .plot import figure_of, sensor_of
from .scene_source import SceneSource, as_pair
from .union import SceneUnion


class GeoRaster(SceneSource, RasterDataset):
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
        if method not in get_args(Interpolation):
            raise OptionError(
                f"Expected resampling to be one of {', '.join(get_args(Interpolation))}, but got '{method}'."
            )
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

    def read_on(self, grid: GeoGrid, window: Window) -> Patch | None:
        """Read a window of any grid, turned and south-up ones too; as :meth:`read` at any time."""
        hits = self._outlines_in(grid.crs, grid.crs.to_wkt()).hits(grid.crop(window).bounds, None)
        return self.read_scenes(hits.tolist(), grid, window)

    def read_scenes(self, numbers: Iterable[int], target: Target, window: Window) -> Patch | None:
        """Read some of the scenes, given by their positions; at every pixel the first valid one counts."""
        return first_valid(self._read_scene(self.scenes[number], target, window) for number in numbers)

    def _read_scene(self, scene: Scene, target: Target, window: Window) -> Patch:
        patch = self._reader.read_layers(scene.layers, target, window)
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

    def __and__(self, other: GeoDataset) -> IntersectionDataset:
        """Intersect with another source (see :class:`SceneIntersection`)."""
        if isinstance(other, (SceneSource, SceneIntersection)):
            return SceneIntersection(self, other)
        return IntersectionDataset(self, other)

    def __or__(self, other: GeoDataset) -> UnionDataset:
        """Unite with another source of the same kind (see :class:`SceneUnion`)."""
        return SceneUnion(self, other) if isinstance(other, SceneSource) else UnionDataset(self, other)

    def plot(self, sample: dict[str, Any], suptitle: str | None = None) -> Figure:
        """Draw a sample as a matplotlib figure."""
        taxonomy = getattr(self, "taxonomy", None)
        return figure_of(sample, self.bands, taxonomy, suptitle, sensor_of(self))


__all__ = ("GeoRaster",)
