"""Compare finished maps with labels, block by block, at every level, and with labels of another legend."""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, HieraRSWarning
from ..grid import GeoGrid, Window
from ..maps import CONFIDENCE_NODATA, Maps, MapSource, PathMap, blocks, write_common_map
from ..metrics import HierarchicalScores, PairCounts
from ..metrics.reliability import Reliability
from ..scenes.dataset import bounded_block_cache
from ..scenes.regions import Regions
from ..taxonomy import Crosswalk, Taxonomy
from ..types import IGNORE_INDEX, Bounds, Progress
from .labels import ReferenceLabels

if TYPE_CHECKING:
    import torch

    from ..predict.stream import WindowSource


#: Maps stored values (1, C, h, w) float32 to scores of leaves (1, C_N, h, w).
LeafClassifier: TypeAlias = Callable[["torch.Tensor"], "torch.Tensor"]
_PER_CENT = 100


def evaluate_maps(
    source: MapSource,
    labels: str | Path | ReferenceLabels,
    taxonomy: Taxonomy | str | Path | None = None,
    region: Bounds | None = None,
    progress: Progress | None = None,
) -> HierarchicalScores:
    """Score maps against labels; see :func:`evaluate_regions`.

    Raises:
        HieraRSError: As there.
    """
    return evaluate_regions(source, labels, taxonomy, None, region, progress)[0]


def evaluate_regions(
    source: MapSource,
    labels: str | Path | ReferenceLabels,
    taxonomy: Taxonomy | str | Path | None = None,
    regions: Regions | None = None,
    region: Bounds | None = None,
    progress: Progress | None = None,
) -> tuple[HierarchicalScores, dict[str, HierarchicalScores]]:
    """Score maps against labels, as a whole and in each of many regions, in one pass of bounded memory.

    Label rasters on another grid are warped onto the maps' (by mode where they are finer). Levels without a
    map of their own follow from the finest; levels below it have no scores. Pixels where the map is nodata
    and the labels are not count as not labelled; labels known at coarse levels only count at those.

    Args:
        source: Maps of one scene: a folder that predict wrote to, or a class raster.
        labels: Class raster of leaf values, or another source.
        taxonomy: The tree of both; default what comes with the maps.
        regions: Polygons in the map's CRS; None for none.
        region: Count only pixels whose centre lies within (left, bottom, right, top), in the map's CRS.
        progress: Called with (blocks done, blocks in all).

    Returns:
        The scores of everything, and those of every region by its name; a region without labelled pixels has
        undefined scores.

    Raises:
        HieraRSError: A file cannot be read, holds values the taxonomy lacks, or the two do not overlap.
    """
    scene = Maps.open(source, taxonomy).scene
    tree = scene.taxonomy
    reference = ReferenceLabels(labels, tree) if isinstance(labels, str | Path) else labels
    if scene.finest < tree.num_levels:
        lacking = ", ".join(tree.level_labels[scene.finest :])
        warnings.warn(
            f"{scene.name} has no map of {lacking}: that is not scored.", HieraRSWarning, stacklevel=2
        )
    with ExitStack() as stack:
        stack.enter_context(bounded_block_cache())
        maps = stack.enter_context(scene.open(settle=True))
        counts = PairCounts(tree, maps.chains)
        parts = {name: PairCounts(tree, maps.chains) for name in (regions.names if regions else ())}
        read = stack.enter_context(reference.open(scene.grid))
        trust = _Trust(maps, tree) if maps.confidence_levels else None
        _count(maps.read, read, scene.grid, (counts, parts), regions, region, progress, trust)
    scores = _scores(counts, reference.name, scene.name)
    if trust is not None:
        scores = scores._replace(reliability=trust.reliability)
    return scores, {name: part.compute() for name, part in parts.items()}


class _Trust:
    """How far the confidence of maps can be believed, counted block by block."""

    def __init__(self, maps: PathMap, tree: Taxonomy) -> None:
        self._maps = maps
        self._tree = tree
        self._levels = tree.num_levels
        nothing = np.zeros((self._levels, 0))
        self.reliability = Reliability.of(nothing, nothing.astype(bool))

    def add(self, window: Window, path: NDArray[np.integer], reference: NDArray[np.int64]) -> None:
        """Count a block: paths (h, w), and labels (h, w) as leaves or (N, h, w) as class indices."""
        if reference.ndim == 2:
            levels = range(1, self._levels + 1)
            reference = np.stack([self._tree.lift(reference, level) for level in levels])
        shown = np.full(reference.shape, IGNORE_INDEX)
        mapped = np.moveaxis(self._maps.chains[path], -1, 0)
        shown[: len(mapped)] = mapped
        fits = (shown == reference) | (reference < 0)  # a level that the label leaves open refutes nothing
        right = np.cumprod(fits, axis=0).astype(bool)  # wrong above is wrong below
        known = (shown != IGNORE_INDEX) & (reference >= 0)
        sure = np.zeros(reference.shape)
        for level in range(1, self._levels + 1):
            if level not in self._maps.confidence_levels:
                known[level - 1] = False
                continue
            values = self._maps.read_confidence(level, window)
            known[level - 1] &= values != CONFIDENCE_NODATA
            sure[level - 1] = np.minimum(values, _PER_CENT) / _PER_CENT
        shape = self._levels, -1
        self.reliability += Reliability.of(sure.reshape(shape), right.reshape(shape), known.reshape(shape))


def evaluate_classifier(
    classify: LeafClassifier,
    scene: "WindowSource",
    labels: str | Path | ReferenceLabels,
    taxonomy: Taxonomy,
    progress: Progress | None = None,
) -> HierarchicalScores:
    """Score a classifier of leaves on a scene, without writing a map.

    Args:
        classify: Maps stored values (1, C, h, w) float32 to scores (1, C_N, h, w).
        scene: The scene.
        labels: As in :func:`evaluate_maps`.
        taxonomy: The tree.
        progress: As in :func:`evaluate_maps`.

    Returns:
        The scores; a leaf with several legal paths is lifted along the first.

    Raises:
        HieraRSError: As in :func:`evaluate_maps`.
    """
    import torch

    leaves = taxonomy.num_classes[-1]
    first = {int(path[-1]): path for path in reversed(taxonomy.paths)}
    none = np.full(taxonomy.num_levels, IGNORE_INDEX)
    counts = PairCounts(taxonomy, np.stack([*(first[leaf] for leaf in range(leaves)), none]))

    def predicted(window: Window) -> NDArray[np.integer]:
        image, valid = scene.read(window)
        leaf: NDArray[np.int64] = classify(torch.from_numpy(image)[None])[0].argmax(dim=0).numpy()
        return np.where(valid, leaf, leaves)

    reference = ReferenceLabels(labels, taxonomy) if isinstance(labels, str | Path) else labels
    with reference.open(scene.grid) as read:
        _count(predicted, read, scene.grid, (counts, {}), None, None, progress)
    return _scores(counts, reference.name, "the scene")


def _count(
    predicted: Callable[[Window], NDArray[np.integer]],
    read: Callable[[Window], NDArray[np.int64]],
    grid: GeoGrid,
    counts: tuple[PairCounts, dict[str, PairCounts]],
    regions: Regions | None,
    region: Bounds | None,
    progress: Progress | None,
    trust: "_Trust | None" = None,
) -> None:
    """Count block by block, in all and in every region."""
    whole, parts = counts
    windows = blocks(grid)
    for number, window in enumerate(windows, start=1):
        reference, symbol = read(window), predicted(window)
        if region is not None:
            reference[..., ~_inside(grid.crop(window), region)] = IGNORE_INDEX
        whole.add(symbol, reference)
        if trust is not None:
            trust.add(window, symbol, reference)
        for name, mask in regions.masks(grid, window) if regions is not None else ():
            parts[name].add(symbol[mask], reference[..., mask])
        if progress is not None:
            progress(number, len(windows))


def _scores(counts: PairCounts, labels: str, maps: str) -> HierarchicalScores:
    """Return the scores.

    Raises:
        DataError: No pixel has both label and prediction.
    """
    scores = counts.compute()
    if not any(level.confusion.any() for level in scores.levels):
        raise DataError(
            f"Expected labels and map to share labelled pixels, but got none ({labels} and {maps}). "
            "Check that both show the same place."
        )
    return scores


def _inside(grid: GeoGrid, region: Bounds) -> NDArray[np.bool_]:
    """Pixels (h, w) whose centre lies within a box; of boxes side by side each pixel is in one alone."""
    rows, cols = np.mgrid[: grid.height, : grid.width] + 0.5
    t = grid.transform
    x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    left, bottom, right, top = region
    inside: NDArray[np.bool_] = (x >= left) & (x < right) & (y > bottom) & (y <= top)
    return inside


def evaluate_common(
    maps: Maps,
    labels: str | Path,
    crosswalk: Crosswalk,
    attribute: str | None = None,
    level: int | None = None,
    region: Bounds | None = None,
    progress: Progress | None = None,
) -> tuple[Taxonomy, HierarchicalScores]:
    """Score a map against labels of another legend.

    Pixels of which the label, or the map, tells no common class are left out.

    Args:
        maps: Of one scene, in the tree or in the legend of the crosswalk.
        labels: Class raster or polygons in the other of the two.
        crosswalk: Between them.
        attribute: Column of polygons.
        level: Level that the values of a label raster are classes of.
        region: Count only pixels whose centre lies within, in the map's CRS.
        progress: Called with (blocks done, blocks in all).

    Returns:
        The common classes as a tree of one level, and the scores in it.

    Raises:
        HieraRSError: A file cannot be read, is in neither legend, or the two do not overlap.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "common.tif"
        tree = write_common_map(maps, crosswalk, path, undecided=False)
        other = crosswalk.onto_common(tree, of_target=maps.taxonomy == crosswalk.origin)
        reference = ReferenceLabels(labels, tree, attribute, level, other)
        scores, _ = evaluate_regions(path, reference, tree, None, region, progress)
    return tree, scores
