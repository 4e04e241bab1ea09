"""Maps of different legends on the finest classes that both tell apart."""

from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from ..errors import TaxonomyError
from ..scenes.dataset import tiff_profile, to_rasterio_window
from ..taxonomy import Crosswalk, Taxonomy
from ..taxonomy.class_names import PathSet, paths_through
from ..types import IGNORE_INDEX
from .maps import Maps
from .scene_maps import SceneMaps
from .thumbnail import blocks

#: Name of the class of ground whose own class is none of the common ones.
UNDECIDED = "undecided"
_TILE_PX = 512


def common_taxonomy(crosswalk: Crosswalk) -> Taxonomy:
    """Return the common classes of a crosswalk as a tree of one level, its last class for ground between."""
    numbers, names = crosswalk.common_classes()
    tree = crosswalk.target
    colors = tree.colors(tree.num_levels)
    classes = [
        {"name": name, "value": value, "color": list(colors[tree.paths[numbers == value - 1][0, -1]])}
        for value, name in enumerate(_short(names), start=1)
    ]
    classes.append({"name": UNDECIDED, "value": len(classes) + 1, "color": [128, 128, 128]})
    title = f"Classes that {crosswalk.origin.name} and {tree.name} tell apart"
    name = f"{crosswalk.origin.name}_and_{tree.name}"
    return Taxonomy.from_dict({"name": name, "title": title, "levels": [{"name": "L1", "classes": classes}]})


def write_common_map(maps: Maps, crosswalk: Crosswalk, path: Path, undecided: bool = True) -> Taxonomy:
    """Write the map of a scene in the classes that a crosswalk's legend and tree have in common.

    Args:
        maps: Of one scene, in either of the two trees.
        crosswalk: Between them.
        path: GeoTIFF to write.
        undecided: Whether ground that is none of them has a class of its own, or none.

    Returns:
        The tree of the written map; 0 is nodata.

    Raises:
        TaxonomyError: The map is in neither of the two.
        HieraRSError: The map cannot be read.
    """
    scene = maps.scene
    tree = common_taxonomy(crosswalk)
    with scene.open(settle=True) as source:
        table = _values(source.chains, scene, crosswalk)
        if not undecided:
            table[table == tree.num_classes[0]] = 0
        grid = source.grid
        profile = tiff_profile(grid, 1, "uint16", 0, _TILE_PX)
        with rasterio.open(path, "w", **profile) as sink:
            for window in blocks(grid):
                sink.write(table[source.read(window)], 1, window=to_rasterio_window(window))
    return tree


def _values(chains: NDArray[np.int64], scene: SceneMaps, crosswalk: Crosswalk) -> NDArray[np.uint16]:
    """Value of every symbol of a map in the common tree: 0 for none, the last class for ground between."""
    numbers, names = crosswalk.common_classes()
    values = np.full(len(chains), 0, dtype=np.uint16)
    for symbol, chain in enumerate(chains.tolist()):
        if IGNORE_INDEX in chain:
            continue
        paths = _said(chain, scene.taxonomy, crosswalk)
        met = np.unique(numbers[paths])
        values[symbol] = met[0] + 1 if len(met) == 1 else len(names) + 1
    return values


def _said(chain: list[int], tree: Taxonomy, crosswalk: Crosswalk) -> PathSet:
    """Paths of the crosswalk's tree that a class of a map stands for."""
    if tree == crosswalk.target:
        return paths_through(tree, *enumerate(chain, start=1))
    if tree == crosswalk.origin:
        return crosswalk.class_paths(len(chain), chain[-1])
    raise TaxonomyError(
        f"Expected a map in the classes of {crosswalk.origin.name} or {crosswalk.target.name}, but got one "
        f"of {tree.name} (crosswalk {crosswalk.file}). Give the taxonomy of the map, or another crosswalk."
    )


def _short(names: list[str]) -> list[str]:
    """Names of common classes that fit a legend, still different."""
    short = [name if len(name) <= 80 else f"{name[:70]} ... ({number})" for number, name in enumerate(names)]
    return [f"{name} (both)" if name == UNDECIDED else name for name in short]
