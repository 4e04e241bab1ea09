"""Maps: what a prediction wrote, or any class rasters, as one object."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, OptionError
from ..grid import GeoGrid, Window
from ..scenes.dataset import bounded_block_cache
from ..taxonomy import Taxonomy
from ..taxonomy.drawing import class_patches, painted
from ..types import IGNORE_INDEX, Progress
from .class_areas import ClassAreas, count_areas
from .cog import CONFIDENCE_NODATA
from .map_files import find_map_files
from .scene_maps import SceneMaps, describe_scene
from .thumbnail import Thumbnail

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from pandas import DataFrame

#: What stands for maps: maps, a folder that predict wrote to, a class raster, or a list of such paths.
MapSource: TypeAlias = Union["Maps", str, Path, Sequence[str | Path]]


class Maps:
    """The maps of one scene or of several: files, levels, class tree, pixels and areas.

    This is the only place that knows which files are a map, and which scene, level, tree and item they
    belong to. Levels above the finest map follow from it where they have no raster of their own.

    Attributes:
        scenes: The maps of every scene.

    Raises:
        DataError: There is none.

    Examples:
        .. code-block:: python

            maps = Maps.open("maps")
            maps.levels, maps.taxonomy.name
            maps.areas()
            maps.window(2, Window(0, 0, 512, 512))
    """

    def __init__(self, scenes: Iterable[SceneMaps]) -> None:
        self.scenes = tuple(scenes)
        if not self.scenes:
            raise DataError("Expected maps of at least one scene, but got none. Give a folder of maps.")

    @classmethod
    def open(cls, source: MapSource, taxonomy: Taxonomy | str | Path | None = None) -> Self:
        """Find maps and see that they fit each other.

        Args:
            source: A folder with ``<scene>_L1.tif`` ... of one or more scenes; or one class raster: of
                ``<scene>_L3.tif`` the files of the other levels beside it are taken too, any other name
                stands for a raster of leaves; or a list of them.
            taxonomy: The class tree, its name in the catalog, or a YAML file; default what comes with the
                maps: in the STAC item beside them, else as the rasters are tagged.

        Raises:
            MissingFileError: Something does not exist, or a folder holds no maps.
            OptionError: Nothing says which tree it is.
            HieraRSError: A raster is damaged, does not fit the others or the tree.
        """
        if isinstance(source, Maps):
            if taxonomy is None:
                return cls(source.scenes)
            source = [scene.classes[scene.finest] for scene in source.scenes]
        paths = [source] if isinstance(source, str | Path) else source
        found = {
            (files.folder.resolve(), files.scene): files for path in paths for files in find_map_files(path)
        }
        return cls(describe_scene(files, taxonomy) for files in found.values())

    @property
    def scene(self) -> SceneMaps:
        """The only scene.

        Raises:
            DataError: There are several.
        """
        if len(self.scenes) > 1:
            names = [scene.name for scene in self.scenes]
            listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            first = self.scenes[0]
            raise DataError(
                f"Expected {first.folder} to hold one scene, but got {len(names)} ({listed}). "
                f"Name a raster of one of them, for example {first.classes[first.finest]}."
            )
        return self.scenes[0]

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels that the maps of the scene tell, from 1, coarsest first."""
        return self.scene.levels

    @property
    def taxonomy(self) -> Taxonomy:
        """The class tree of the scene."""
        return self.scene.taxonomy

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels of the scene lie."""
        return self.scene.grid

    @property
    def confidence(self) -> Mapping[int, Path]:
        """Confidence raster (per cent) by level, for the levels that have one."""
        return self.scene.confidence

    @property
    def item(self) -> Path | None:
        """The STAC item of the scene, None where there is none."""
        return self.scene.item

    @property
    def layers(self) -> dict[str, Path]:
        """Every raster of the scene by name: ``L1``, ``conf_L1``, ``depth``."""
        return self.scene.layers

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of every scene."""
        return tuple(path for scene in self.scenes for path in scene.files)

    def __iter__(self) -> Iterator[SceneMaps]:
        return iter(self.scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __repr__(self) -> str:
        described = (
            f"{scene.name}: levels {scene.levels[0]}..{scene.finest} of {scene.taxonomy.name}, "
            f"{scene.grid.height} x {scene.grid.width} px in {scene.grid.crs.name}"
            for scene in self.scenes
        )
        return f"{type(self).__name__}({'; '.join(described)})"

    def window(self, level: int, window: Window | None = None) -> NDArray[np.int64]:
        """Read the classes of a level.

        Args:
            level: From 1.
            window: Rows and columns inside the raster; None for all of it.

        Returns:
            (h, w) raster values of the classes; the tree's nodata where there is none.

        Raises:
            OptionError: The maps do not tell that level.
            HieraRSError: A raster is damaged, or its values are not of the tree.
        """
        self._check_level(level)
        with bounded_block_cache(), self.scene.open() as opened:
            path = opened.read(window or Window(0, 0, *self.grid.shape))
            values = self.taxonomy.index_to_value(opened.chains[:, level - 1], level)
            classes: NDArray[np.int64] = values[path]
            return classes

    def strips(self) -> Iterator[tuple[Window, NDArray[np.int64]]]:
        """Read all levels from top to bottom, in strips of full width.

        Yields:
            The strip's window, and (levels, h, W) raster values, coarsest level first.

        Raises:
            HieraRSError: A raster is damaged, or values are not of the tree or contradict each other.
        """
        tree = self.taxonomy
        with bounded_block_cache(), self.scene.open() as opened:
            values = np.stack(
                [tree.index_to_value(opened.chains[:, level - 1], level) for level in opened.levels]
            )
            for window, path in opened.strips():
                yield window, values[:, path]

    def areas(self, progress: Progress | None = None) -> "DataFrame":
        """Measure every class on the ellipsoid.

        Args:
            progress: Called with (rows done, rows in all).

        Returns:
            One row per scene, level and class that occurs: ``scene``, ``level``, ``class_value``,
            ``class_name``, ``pixels``, ``area_m2`` and ``share`` (of the mapped ground, 0..1). Maps with an
            area of applicability have ``outside_share``, too: how much of the class lies outside it, 0..1.

        Raises:
            HieraRSError: A raster is damaged or not on the Earth, or values contradict each other.
        """
        from pandas import DataFrame  # 68 MB that predicting and scoring do not need

        rows: list[dict[str, object]] = []
        for scene in self.scenes:
            with bounded_block_cache(), scene.open() as opened:
                counted = count_areas(opened, progress)
            rows += [row for level in scene.levels for row in _area_rows(scene, counted, level)]
        columns = ["scene", "level", "class_value", "class_name", "pixels", "area_m2", "share"]
        if any("aoa" in scene.others for scene in self.scenes):
            columns.append("outside_share")
        return DataFrame(rows, columns=columns)

    def to_xarray(self, window: Window | None = None) -> "xarray.Dataset":
        """Return the scene's maps with coordinates, for xarray and what is built on it.

        Args:
            window: Rows and columns inside the raster; None for all of it, in memory.

        Returns:
            Variables ``L1``, ``L2``, ... (raster values, nodata in ``_FillValue``) and ``conf_L1``, ... (per
            cent, 255 without), with the CRS in ``spatial_ref``.

        Raises:
            HieraRSError: As in :meth:`window`.
        """
        from affine import Affine
        from odc.geo.geobox import GeoBox
        from odc.geo.xr import wrap_xr
        from xarray import Dataset

        scene, tree = self.scene, self.taxonomy
        window = window or Window(0, 0, *scene.grid.shape)
        grid = scene.grid.crop(window)
        box = GeoBox(grid.shape, Affine(*grid.transform[:6]), grid.crs.to_wkt())
        variables = {}
        with ExitStack() as stack:
            stack.enter_context(bounded_block_cache())
            opened = stack.enter_context(scene.open())
            path = opened.read(window)
            for level in scene.levels:
                values = tree.index_to_value(opened.chains[:, level - 1], level).astype(np.uint16)
                variables[f"L{level}"] = wrap_xr(values[path], box, nodata=tree.nodata_value)
                variables[f"L{level}"].attrs["class_names"] = list(tree.class_names(level))
                variables[f"L{level}"].attrs["class_values"] = list(tree.class_values(level))
            for level in scene.confidence:
                variables[f"conf_L{level}"] = wrap_xr(
                    opened.read_confidence(level, window), box, nodata=CONFIDENCE_NODATA
                )
        return Dataset(variables, attrs={"scene": scene.name, "taxonomy": tree.name})

    def plot(self, level: int | None = None, max_side_px: int = 900) -> "Figure":
        """Draw the maps of a level, reduced, in the colours of the tree.

        Args:
            level: From 1; default the finest.
            max_side_px: Longest side of a map, pixels.

        Returns:
            A figure of its own, known to no pyplot state; a notebook shows it.

        Raises:
            OptionError: The maps do not tell that level.
            HieraRSError: A raster is damaged, or its values are not of the tree.
        """
        from matplotlib.figure import Figure

        self._check_level(level)
        figure = Figure(figsize=(4.8 * len(self.scenes) + 2.2, 4.8), layout="constrained")
        shown: dict[str, Patch] = {}
        for axes, scene in zip(
            figure.subplots(1, len(self.scenes), squeeze=False)[0], self.scenes, strict=True
        ):
            chosen = level or scene.finest
            index = _reduced(scene, chosen, max_side_px)
            tree = scene.taxonomy
            axes.imshow(painted(index, tree, chosen), interpolation="nearest")
            axes.set_title(f"{scene.name}, {tree.level_names[chosen - 1]}", parse_math=False)
            axes.set_axis_off()
            for patch in class_patches(np.unique(index).tolist(), tree, chosen):
                shown.setdefault(str(patch.get_label()), patch)
        if shown:
            handles = list(shown.values())
            figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize="small")
        return figure

    def _check_level(self, level: int | None) -> None:
        finest = min(scene.finest for scene in self.scenes)
        if level is not None and not 1 <= level <= finest:
            raise OptionError(
                f"Expected level to be within 1..{finest}, as L{finest} is the finest map, but got {level}."
            )


def _area_rows(scene: SceneMaps, counted: ClassAreas, level: int) -> list[dict[str, object]]:
    tree, pixels = scene.taxonomy, counted.class_pixels(level)
    total_m2 = counted.mapped_area_m2
    return [
        {
            "scene": scene.name,
            "level": level,
            "class_value": tree.class_values(level)[index],
            "class_name": tree.class_names(level)[index],
            "pixels": pixels[index],
            "area_m2": area_m2,
            "share": area_m2 / total_m2,
            "outside_share": counted.outside_share(level, index),
        }
        for index, area_m2 in counted.class_area_m2(level).items()
    ]


def _reduced(scene: SceneMaps, level: int, max_side_px: int) -> NDArray[np.int64]:
    """Class indices of a level at the middle pixels of coarse cells."""
    reduced = Thumbnail(scene.grid.shape, IGNORE_INDEX, max_side_px)
    with bounded_block_cache(), scene.open() as opened:
        for window, path in opened.strips():
            reduced.add(window, opened.chains[path, level - 1])
    return reduced.values
