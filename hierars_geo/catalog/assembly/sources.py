"""What is assembled from: scenes of each source, when and where they are, read on any lattice."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from ...datasets.imagery import GaoFen2, GoogleEarth, SceneRaster, Sentinel2
from ...errors import MissingFileError, OptionError, RasterError, list_some
from ...grid import Window
from ...grid.lattice import Lattice
from ...grid.reprojection import same_crs
from ...scenes.bad_files import map_all
from ...scenes.dataset import HandlePool
from ...scenes.patch import Patch, Pixels
from ...scenes.raster_file import RasterFile, probe_all
from ...scenes.raster_paths import Paths, find_rasters
from ...scenes.reader import Layer, LayerReader, as_stored
from ...scenes.scene import Scene
from ..headers import footprint, read_header

LabelScheme = Literal["five_billion_pixels", "mm5b"]


@dataclass(frozen=True)
class AssembleOptions:
    """How.

    Attributes:
        label_scheme: ``mm5b`` where label values are those of its leaves, ``five_billion_pixels`` for its 24.
        chip_m: Side of a chip in metres; None leaves the common ground of every place whole.
        days: Most days between the reference source and another; None for any.
        min_cover: Least share of the reference scene that another source must cover.
        min_valid: Least share of a chip that must hold data in every source and a label.
        correct_shift: Whether sources are moved by the shift measured against the reference.
        fractions: Shares of the places for train, val and test.
        seed: Which places go where.
        overwrite: Whether a data set that exists is replaced.
    """

    label_scheme: LabelScheme = "mm5b"
    chip_m: float | None = 2560.0
    days: float | None = None
    min_cover: float = 0.3
    min_valid: float = 0.5
    correct_shift: bool = False
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.chip_m is not None and self.chip_m <= 0:
            raise OptionError(f"Expected chip-m to be > 0, but got {self.chip_m:g}.")
        if self.days is not None and self.days < 0:
            raise OptionError(f"Expected days to be >= 0, but got {self.days:g}.")
        for name in ("min_cover", "min_valid"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"Expected {name} to be a share 0..1, but got {getattr(self, name):g}.")
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or self.fractions[0] == 0:
            raise OptionError(
                f"Expected shares of train, val and test with sum 1 and train > 0, but got {self.fractions}."
            )
        if self.seed < 0:
            raise OptionError(f"Expected seed to be >= 0, but got {self.seed}.")


SourceName = Literal["gaofen2", "sentinel2", "google_earth"]
#: In the order in which one of them becomes the reference that others are paired with.
SOURCE_CLASSES: dict[SourceName, type[SceneRaster]] = {
    "gaofen2": GaoFen2,
    "sentinel2": Sentinel2,
    "google_earth": GoogleEarth,
}
_RED = ("red", "B04")


@dataclass(frozen=True, eq=False)
class SourceScene:
    """A scene of a source.

    Attributes:
        source: Name of the source, or ``labels``.
        scene: Its files.
        bands: Names of its channels.
        footprint: Where it holds data, longitude and latitude.
        acquired: When it was taken, None where nothing says it.
    """

    source: str
    scene: Scene
    bands: tuple[str, ...]
    footprint: BaseGeometry
    acquired: datetime | None

    @property
    def path(self) -> str:
        """Its file, or the first of several."""
        return self.scene.path

    @property
    def dtype(self) -> str:
        """NumPy name of its pixels' type."""
        return self.scene.dtype

    @property
    def red(self) -> int:
        """Channel that pictures are compared by: red, else the first."""
        return next((i for i, band in enumerate(self.bands) if band in _RED), 0)

    def moved(self, dx: float, dy: float) -> "SourceScene":
        """Return the scene with its georeferencing moved by (dx, dy) in units of its CRS."""
        layers = tuple(
            replace(layer, file=replace(layer.file, grid=layer.file.grid.moved(dx, dy)))
            for layer in self.scene.layers
        )
        return replace(self, scene=Scene(layers))

    def res_in(self, crs: CRS) -> float:
        """Pixel size in metres, on a projected CRS in metres."""
        grid = self.scene.grid
        return grid.res[0] if same_crs(grid.crs, crs) else grid.gsd_m()


class SceneWindows:
    """Reads windows of a scene on any lattice, labels by a table of their values; closed by its pool."""

    def __init__(self, scene: SourceScene, pool: HandlePool, values: NDArray[np.int32] | None = None) -> None:
        self.scene = scene
        self._values = values
        self._reader = LayerReader(pool, "image" if values is None else "labels", self._decode)

    def read(self, lattice: Lattice, window: Window) -> Patch:
        """Read a window; what lies beyond the scene is not valid.

        Raises:
            RasterError: A file is damaged there, or holds a label value that is no class.
        """
        return self.scene.scene.read_by(self._reader, lattice, window)

    def _decode(self, data: Pixels, valid: NDArray[np.bool_], file: RasterFile) -> Patch:
        if self._values is None:
            return as_stored(data, valid, file)
        high = len(self._values)
        inside = (data >= 0) & (data < high)
        mapped = np.where(inside, self._values.take(np.where(inside, data, 0)), -1).astype(np.int32)
        wrong = (mapped[0] < 0) & valid
        if wrong.any():
            found = list_some(np.unique(data[0][wrong]).tolist(), 10)
            raise RasterError(
                f"Expected label values of the scheme, but got {found} (in {file.path}). "
                "Choose another --label-scheme."
            )
        mapped = np.where(valid, mapped, 0)
        return Patch(mapped, valid & (mapped[0] > 0))


def open_sources(paths: Mapping[SourceName, Paths]) -> dict[SourceName, list[SourceScene]]:
    """Find the scenes of every source.

    Raises:
        MissingFileError: No source was given, or something named does not exist.
        RasterError: Files cannot be used; all of a source are named.
    """
    if not paths:
        raise MissingFileError("Expected scenes of a source, but got none. Give --gf2, --s2 or --google.")
    found: dict[SourceName, list[SourceScene]] = {}
    for name, cls in SOURCE_CLASSES.items():
        if name in paths:
            with closing(cls(paths[name])) as dataset:
                found[name] = _placed(name, dataset.scenes, tuple(dataset.bands))
    return found


def open_labels(paths: Paths) -> list[SourceScene]:
    """Find label rasters.

    Raises:
        MissingFileError: Something named does not exist.
        RasterError: Files cannot be used or hold several bands; all of them are named.
    """
    files = probe_all(find_rasters(paths)[0])
    wrong = [file.path for file in files if len(file.indexes) != 1]
    if wrong:
        raise RasterError(f"Expected label rasters with one band, but got several (in {list_some(wrong)}).")
    return _placed("labels", [Scene((Layer(file, file.indexes),)) for file in files], ("class",))


def _placed(name: str, scenes: Sequence[Scene], bands: tuple[str, ...]) -> list[SourceScene]:
    return map_all(lambda scene: _scene(name, scene, bands), scenes)


def _scene(name: str, scene: Scene, bands: tuple[str, ...]) -> SourceScene:
    header = read_header(Path(scene.path))
    outline = footprint(header)
    if outline is None:  # reading the header asked for a place on the ground
        raise RasterError(f"Expected a georeferenced raster, but got none (in {header.path}).")
    return SourceScene(name, scene, bands, outline, header.acquired)
