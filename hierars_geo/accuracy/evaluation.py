"""Compare finished maps with labels, window by window, at every level."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError, MissingFileError
from ..grid import GeoGrid, Window, same_grid
from ..maps.classmap import open_class_map
from ..metrics import HierarchicalMetrics, HierarchicalScores
from ..predict.stream import WindowSource
from ..scenes.dataset import bounded_block_cache
from ..scenes.regions import Regions
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX, Bounds
from .label_source import LabelSource, RasterLabels

#: Maps stored values (1, C, h, w) float32 to scores of leaves (1, C_N, h, w).
LeafClassifier: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

#: Side of the blocks that are compared at once.
_BLOCK_PX = 1024


def find_level_maps(prediction: str | Path, num_levels: int) -> tuple[Path, ...]:
    """Find the class maps of a prediction.

    Args:
        prediction: A folder with the maps of one scene, or one class raster that holds leaves.
        num_levels: N.

    Returns:
        One file per level, or the leaves' file alone.

    Raises:
        MissingFileError: There is nothing of that name.
        DataError: The folder holds no maps, those of several scenes, or lacks a level.
    """
    path = Path(prediction)
    if path.is_file():
        beside = [
            path.with_name(path.name.replace(f"_L{num_levels}.", f"_L{n}.")) for n in range(1, num_levels + 1)
        ]
        complete = path.stem.endswith(f"_L{num_levels}") and all(p.is_file() for p in beside)
        return tuple(beside) if complete else (path,)
    if not path.is_dir():
        raise MissingFileError(f"Expected {path} to be a map or a folder of maps, but it does not exist.")
    named = sorted(path.glob(f"*_L{num_levels}.tif"))
    leaves = [leaf for leaf in named if not leaf.name.endswith(f"_conf_L{num_levels}.tif")]
    if len(leaves) != 1:
        found = ", ".join(leaf.name for leaf in leaves) or "none"
        raise DataError(
            f"Expected one map *_L{num_levels}.tif in {path}, but got {found}. Name the file in place of "
            f"the folder."
        )
    return find_level_maps(leaves[0], num_levels)


def evaluate_maps(
    prediction: str | Path,
    labels: str | Path | LabelSource,
    taxonomy: Taxonomy,
    region: Bounds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HierarchicalScores:
    """Score maps against labels; see :func:`evaluate_regions`.

    Returns:
        The scores of everything.

    Raises:
        HieraRSError: As there.
    """
    return evaluate_regions(prediction, labels, taxonomy, None, region, progress)[0]


def evaluate_regions(
    prediction: str | Path,
    labels: str | Path | LabelSource,
    taxonomy: Taxonomy,
    regions: Regions | None,
    region: Bounds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[HierarchicalScores, dict[str, HierarchicalScores]]:
    """Score maps against labels, as a whole and in each of many regions, in one pass of bounded memory.

    Label rasters on another grid are warped onto the maps' (by mode where they are finer). A leaf map alone
    is scored at coarser levels by lifting. Pixels where the map is nodata and the labels are not count as not
    labelled; labels known at coarse levels only count at those.

    Args:
        prediction: As in :func:`find_level_maps`.
        labels: Class raster of leaf values, or another source.
        taxonomy: The tree of both.
        regions: Polygons in the map's CRS; None for none.
        region: Count only pixels whose centre lies within (left, bottom, right, top), in the map's CRS.
        progress: Called with (blocks done, blocks in all).

    Returns:
        The scores of everything, and those of every region by its name; a region without labelled pixels has
        undefined scores.

    Raises:
        HieraRSError: A file cannot be read, holds values the taxonomy lacks, or the two do not overlap.
    """
    paths = find_level_maps(prediction, taxonomy.num_levels)
    first = taxonomy.num_levels - len(paths) + 1
    with ExitStack() as stack:
        stack.enter_context(bounded_block_cache())
        maps = [stack.enter_context(open_class_map(path)) for path in paths]
        grid = maps[0].grid
        for path, level_map in zip(paths, maps, strict=True):
            if not same_grid(grid, level_map.grid):
                raise DataError(
                    f"Expected all levels on one grid, but {path} lies on another than {paths[0]}."
                )

        def predicted(window: Window) -> list[NDArray[np.int64]]:
            return [
                taxonomy.value_to_index(level_map.read(window), level, level_map.path)
                for level, level_map in enumerate(maps, start=first)
            ]

        return _score(predicted, grid, labels, taxonomy, regions, region, progress, paths[-1])


def evaluate_classifier(
    classify: LeafClassifier,
    scene: WindowSource,
    labels: str | Path | LabelSource,
    taxonomy: Taxonomy,
    region: Bounds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HierarchicalScores:
    """Score a classifier of leaves on a scene, without writing a map.

    Args:
        classify: Maps stored values (1, C, h, w) float32 to scores (1, C_N, h, w).
        scene: The scene.
        labels: As in :func:`evaluate_maps`.
        taxonomy: The tree.
        region: As in :func:`evaluate_maps`.
        progress: As in :func:`evaluate_maps`.

    Returns:
        The scores, at coarser levels by lifting.

    Raises:
        HieraRSError: As in :func:`evaluate_maps`.
    """

    def predicted(window: Window) -> list[NDArray[np.int64]]:
        image, valid = scene.read(window)
        leaf = classify(torch.from_numpy(image)[None])[0].argmax(dim=0).numpy()
        return [np.where(valid, leaf, IGNORE_INDEX)]

    return _score(predicted, scene.grid, labels, taxonomy, None, region, progress, "the scene")[0]


def _score(
    predicted: Callable[[Window], list[NDArray[np.int64]]],
    grid: GeoGrid,
    labels: str | Path | LabelSource,
    taxonomy: Taxonomy,
    regions: Regions | None,
    region: Bounds | None,
    progress: Callable[[int, int], None] | None,
    origin: object,
) -> tuple[HierarchicalScores, dict[str, HierarchicalScores]]:
    """Count window by window.

    Raises:
        DataError: No pixel has both label and prediction.
    """
    source = RasterLabels(labels, taxonomy) if isinstance(labels, str | Path) else labels
    metrics = HierarchicalMetrics(taxonomy)
    names = () if regions is None else regions.names
    parts = [_nothing_counted(taxonomy) for _ in names]
    windows = _tiles(grid.shape)
    with source.open(grid) as read:
        for number, window in enumerate(windows, start=1):
            reference = read(window)
            if region is not None:
                reference[..., ~_inside(grid.crop(window), region)] = IGNORE_INDEX
            maps = predicted(window)
            _count(metrics, maps, reference)
            for index, mask in regions.masks(grid, window) if regions is not None else ():
                _count(parts[index], [level[mask][None] for level in maps], reference[..., None, mask])
            if progress is not None:
                progress(number, len(windows))
    scores = metrics.compute()
    if not any(level.confusion.any() for level in scores.levels):
        raise DataError(
            f"Expected labels and map to share labelled pixels, but got none ({source.name} and {origin}). "
            "Check that both show the same place."
        )
    return scores, {name: part.compute() for name, part in zip(names, parts, strict=True)}


def _nothing_counted(taxonomy: Taxonomy) -> HierarchicalMetrics:
    """Return metrics that may stay empty: torchmetrics warns of those that never saw a batch."""
    metrics = HierarchicalMetrics(taxonomy)
    empty = torch.empty((1, 1, 0), dtype=torch.int64)
    metrics.update_leaf(empty, empty)
    return metrics


def _tiles(shape: tuple[int, int]) -> list[Window]:
    """Blocks that cover a raster without overlap."""
    return [
        Window(row, col, min(_BLOCK_PX, shape[0] - row), min(_BLOCK_PX, shape[1] - col))
        for row in range(0, shape[0], _BLOCK_PX)
        for col in range(0, shape[1], _BLOCK_PX)
    ]


def _inside(grid: GeoGrid, region: Bounds) -> NDArray[np.bool_]:
    """Pixels (h, w) whose centre lies within a region."""
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    t = grid.transform
    x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    left, bottom, right, top = region
    inside: NDArray[np.bool_] = (x >= left) & (x < right) & (y > bottom) & (y <= top)
    return inside


def _count(
    metrics: HierarchicalMetrics, predicted: list[NDArray[np.int64]], reference: NDArray[np.int64]
) -> None:
    """Count pixels (h, w); one predicted map alone is the leaves'. Changes the reference in place.

    The reference holds leaf indices (h, w), or indices of every level (N, h, w).
    """
    for index in predicted:
        reference[..., index < 0] = IGNORE_INDEX
    known = reference != IGNORE_INDEX if reference.ndim == 2 else (reference != IGNORE_INDEX).any(axis=0)
    target = torch.from_numpy(reference[None])
    # values at pixels that are not counted do not matter, but have to be indices
    stacked = torch.from_numpy(np.stack([np.where(known, index, 0) for index in predicted]))[None]
    if len(predicted) == len(metrics.num_classes):
        metrics.update(stacked, target)
    else:
        metrics.update_leaf(stacked[:, 0], target)


__all__ = (
    "LeafClassifier",
    "evaluate_classifier",
    "evaluate_maps",
    "evaluate_regions",
    "find_level_maps",
)
