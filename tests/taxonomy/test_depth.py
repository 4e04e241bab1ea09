"""Colours of pictures that mix levels: no coarse class looks like a fine one, in any tree of the catalog."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from hierars_geo.taxonomy import Taxonomy, depth_colors

TREES = sorted((Path(__file__).parents[2] / "data_catalog" / "taxonomies").glob("*.yaml"))
UNSURE = (235, 235, 235)


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_levels_are_told_apart_by_colour(path):
    tree = Taxonomy.from_yaml(path)
    levels = depth_colors(tree, (UNSURE,))
    assert levels[-1] == tree.colors(tree.num_levels)
    for coarse, fine in combinations(levels, 2):
        apart = np.linalg.norm(np.array(coarse, float)[:, None] - np.array(fine, float), axis=2)
        assert apart.min() >= 19
    for colors in levels[:-1]:
        assert np.linalg.norm(np.array(colors, float) - UNSURE, axis=1).min() >= 19


def test_the_coarser_the_paler():
    forest = Taxonomy.from_yaml("mm5b")
    first, second, third = (
        np.array(colors[forest.lift(forest.class_index("Forest", 3), level)])
        for level, colors in enumerate(depth_colors(forest), start=1)
    )
    assert (first > second).all()
    assert (second >= third).all()
