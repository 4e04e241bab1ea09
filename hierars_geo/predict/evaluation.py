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
from ..metrics import HierarchicalMetrics, HierarchicalScores
from ..raster import LabelMap, open_class_map, open_label_map
from ..taxonomy import Taxonomy
from ..types import IGNORE_INDEX, Bounds
from .stream import WindowSource

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
    labels: str | Path,
    taxonomy: Taxonomy,
    region: Bounds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HierarchicalScores:
    """Score maps against labels.

    Labels on another grid are warped onto the maps' (by mode where they are finer). A leaf map alone is
    scored at coarser levels by lifting. Pixels where the map is nodata and the labels are not count as not
    labelled.

    Args:
        prediction: As in :func:`find_level_maps`.
        labels: Class raster of leaf values.
        taxonomy: The tree of both.
        region: Count only pixels whose centre lies within (left, bottom, right, top), in the map's CRS.
        progress: Called with (blocks done, blocks in all).

    Returns:
        The scores.

    Raises:
        HieraRSError: A file cannot be read, holds values the taxonomy lacks, or the two do not overlap.
    """
    paths = find_level_maps(prediction, taxonomy.num_levels)
    first = taxonomy.num_levels - len(paths) + 1
    with ExitStack() as stack:
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

        scores = _score(predicted, grid, labels, taxonomy, region, progress)
    return _refuse_empty(scores, labels, paths[-1])


def evaluate_classifier(
    classify: LeafClassifier,
    scene: WindowSource,
    labels: str | Path,
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

    scores = _score(predicted, scene.grid, labels, taxonomy, region, progress)
    return _refuse_empty(scores, labels, "the scene")


def _score(
    predicted: Callable[[Window], list[NDArray[np.int64]]],
    grid: GeoGrid,
    labels: str | Path,
    taxonomy: Taxonomy,
    region: Bounds | None,
    progress: Callable[[int, int], None] | None,
) -> HierarchicalScores | None:
    """Count window by window; None where no pixel has both label and prediction."""
    metrics = HierarchicalMetrics(taxonomy)
    windows = _tiles(grid.shape)
    with open_label_map(labels, grid, taxonomy.nodata_value) as label_map:
        _refuse_class_as_nodata(label_map, taxonomy)
        for number, window in enumerate(windows, start=1):
            reference = _reference(label_map, window, taxonomy)
            if region is not None:
                reference[~_inside(grid.crop(window), region)] = IGNORE_INDEX
            _count(metrics, predicted(window), reference)
            if progress is not None:
                progress(number, len(windows))
    scores = metrics.compute()
    return scores if scores.levels[-1].confusion.any() else None


def _refuse_class_as_nodata(labels: LabelMap, taxonomy: Taxonomy) -> None:
    """A class that is declared nodata would be left out of every score in silence."""
    leaves = taxonomy.class_values(taxonomy.num_levels)
    if labels.nodata in leaves:
        name = taxonomy.class_names(taxonomy.num_levels)[leaves.index(labels.nodata)]
        raise DataError(
            f"Expected the nodata value of labels to be no class of {taxonomy.name}, but got "
            f"{labels.nodata}, which is '{name}' (in {labels.path}). Remove the declaration: "
            f"gdal_edit.py -unsetnodata {labels.path}."
        )


def _refuse_empty(
    scores: HierarchicalScores | None, labels: str | Path, prediction: object
) -> HierarchicalScores:
    if scores is None:
        raise DataError(
            f"Expected labels and map to share labelled pixels, but got none ({labels} and {prediction}). "
            "Check that both show the same place."
        )
    return scores


def _tiles(shape: tuple[int, int]) -> list[Window]:
    """Blocks that cover a raster without overlap."""
    return [
        Window(row, col, min(_BLOCK_PX, shape[0] - row), min(_BLOCK_PX, shape[1] - col))
        for row in range(0, shape[0], _BLOCK_PX)
        for col in range(0, shape[1], _BLOCK_PX)
    ]


def _reference(labels: LabelMap, window: Window, taxonomy: Taxonomy) -> NDArray[np.int64]:
    """Leaf indices (h, w) of a window of the labels."""
    values = labels.read(window).astype(np.int64)
    return taxonomy.value_to_index(
        np.where(values == labels.nodata, taxonomy.nodata_value, values), origin=labels.path
    )


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
    """Count a window; one predicted map alone is the leaves'."""
    for index in predicted:
        reference[index < 0] = IGNORE_INDEX
    known = reference != IGNORE_INDEX
    target = torch.from_numpy(reference[None])
    # values at pixels that are not counted do not matter, but have to be indices
    stacked = torch.from_numpy(np.stack([np.where(known, index, 0) for index in predicted]))[None]
    if len(predicted) == len(metrics.num_classes):
        metrics.update(stacked, target)
    else:
        metrics.update_leaf(stacked[:, 0], target)


__all__ = ("LeafClassifier", "evaluate_classifier", "evaluate_maps", "find_level_maps")
