"""Scores of maps and labels of different legends, on the finest classes that both tell apart."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from ..maps import Maps, write_common_map
from ..metrics import HierarchicalScores
from ..taxonomy import Crosswalk, Taxonomy
from ..types import Bounds
from .evaluation import evaluate_regions
from .labels import ReferenceLabels


def evaluate_common(
    maps: Maps,
    labels: str | Path,
    crosswalk: Crosswalk,
    attribute: str | None = None,
    level: int | None = None,
    region: Bounds | None = None,
    progress: Callable[[int, int], None] | None = None,
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


__all__ = ("evaluate_common",)
