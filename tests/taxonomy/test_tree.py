"""Taxonomy: paths, lifting, equality, copies by hand; colours that tell coarse from fine."""

import copy
import pickle
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from hierars_geo.errors import TaxonomyError
from hierars_geo.taxonomy import Taxonomy, depth_colors
from hierars_geo.types import IGNORE_INDEX


def _level(name, *classes):
    rows = [dict(zip(("name", "value", "parent"), row, strict=False)) for row in classes]
    return {"name": name, "classes": [{"color": [i, i, i], **row} for i, row in enumerate(rows)]}


@pytest.fixture
def ragged() -> Taxonomy:
    """Three levels; ``sea`` stops at L1 and ``moor`` at L2."""
    return Taxonomy.from_dict(
        {
            "name": "ragged",
            "levels": [
                _level("L1", ("land", 1), ("sea", 90)),
                _level("L2", ("wood", 1, "land"), ("moor", 80, "land")),
                _level("L3", ("pine", 1, "wood"), ("oak", 2, "wood")),
            ],
        }
    )


def test_classes_that_stop_early_are_repeated_downwards(ragged):
    assert ragged.num_classes == (2, 3, 4)
    assert ragged.class_names(3) == ("pine", "oak", "moor", "sea")
    assert ragged.class_values(3) == (1, 2, 80, 90)
    assert ragged.paths.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert ragged.parents == (((), ()), ((0,), (0,), (1,)), ((0,), (0,), (1,), (2,)))


def test_crop10m_has_a_leaf_with_two_legal_paths():
    crops = Taxonomy.from_yaml("crop10m")
    assert crops.num_classes == (2, 2, 4)
    assert crops.paths.tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 2], [1, 1, 3]]
    assert crops.lift(np.arange(4), 1).tolist() == [IGNORE_INDEX, 1, 1, 1]
    assert crops.lift(np.arange(4), 3).tolist() == [0, 1, 2, 3]


def test_lift_takes_scalars_arrays_and_the_ignore_index(ragged):
    leaf = np.array([[0, 3], [IGNORE_INDEX, 2]])
    assert ragged.lift(leaf, 1).tolist() == [[0, 1], [IGNORE_INDEX, 0]]
    assert ragged.lift(leaf, 3).tolist() == leaf.tolist()
    assert ragged.lift(leaf.astype(np.int16), 2).tolist() == [[0, 2], [IGNORE_INDEX, 1]]
    lifted = ragged.lift(np.int64(3), 2)
    assert (lifted, type(lifted)) == (2, int)
    assert ragged.lift(np.zeros((0, 3), dtype=np.int64), 1).shape == (0, 3)


@pytest.mark.parametrize("leaf", [4, -1, -99, -101, 103])
def test_lift_refuses_indices_out_of_range(ragged, leaf):
    with pytest.raises(TaxonomyError, match=rf"0\.\.3 or -100, but got {leaf}\."):
        ragged.lift(np.array([0, leaf]), 1)


def test_lift_refuses_masks_and_floats(ragged):
    with pytest.raises(TaxonomyError, match="integers, but got dtype bool"):
        ragged.lift(np.array([True]), 1)
    with pytest.raises(TaxonomyError, match="integers, but got dtype float64"):
        ragged.lift(np.array([1.0]), 1)


@pytest.mark.parametrize("name", ["crop10m", "corine", "mm5b", "whdld"])
def test_lift_table_agrees_with_the_paths(name):
    tree = Taxonomy.from_yaml(name)
    for level in range(1, tree.num_levels + 1):
        for leaf, ancestor in enumerate(tree.lift_table(level)):
            ancestors = {path[level - 1] for path in tree.paths.tolist() if path[-1] == leaf}
            assert ancestor == (ancestors.pop() if len(ancestors) == 1 else IGNORE_INDEX)


def test_one_level_is_a_flat_model():
    flat = Taxonomy.from_yaml("whdld")
    assert flat.num_classes == (6,)
    assert flat.paths.tolist() == [[i] for i in range(6)]
    assert flat.lift(np.arange(6), 1).tolist() == list(range(6))


def test_levels_count_from_one(ragged):
    for level in (0, 4, -1):
        with pytest.raises(TaxonomyError, match=rf"level of ragged to be 1\.\.3, but got {level}"):
            ragged.class_names(level)


def test_class_index_suggests_near_names(ragged):
    assert ragged.class_index("oak", 3) == 1
    with pytest.raises(
        TaxonomyError, match=r"level L3 of taxonomy ragged, but got 'pin'\. Did you mean: pine"
    ):
        ragged.class_index("pin", 3)


def test_level_number_by_name(ragged):
    assert ragged.level_number("L2") == 2
    with pytest.raises(TaxonomyError, match=r"\(L1, L2, L3\), but got 'L4'"):
        ragged.level_number("L4")


def test_yaml_round_trip_is_equal(tmp_path, ragged):
    for tree in (ragged, Taxonomy.from_yaml("crop10m"), Taxonomy.from_yaml("corine")):
        file = tmp_path / f"{tree.name}.yaml"
        file.write_text(tree.to_yaml(), encoding="utf-8")
        again = Taxonomy.from_yaml(file)
        assert again == tree
        assert hash(again) == hash(tree)
        assert (again.title, again.source) == (tree.title, tree.source)
        assert np.array_equal(again.paths, tree.paths)


def test_equality_sees_every_part_but_title_source_and_the_order_of_parents():
    content = Taxonomy.from_yaml("crop10m").to_dict()
    tree = Taxonomy.from_dict(content)

    def changed(change) -> Taxonomy:
        other = copy.deepcopy(content)
        change(other)
        return Taxonomy.from_dict(other)

    assert changed(lambda d: d.update(title="x", source="y")) == tree
    assert changed(lambda d: d["levels"][2]["classes"][0].update(parent=["cropland", "other"])) == tree
    for change in (
        lambda d: d.update(name="x"),
        lambda d: d.update(nodata=254),
        lambda d: d.update(ignore_values=[77]),
        lambda d: d.pop("anchors"),
        lambda d: d["levels"][2].update(name="x"),
        lambda d: d["levels"][2]["classes"][1].update(name="paddy"),
        lambda d: d["levels"][2]["classes"][1].update(value=9),
        lambda d: d["levels"][2]["classes"][1].update(color=[1, 2, 3]),
        lambda d: d["levels"][2]["classes"][0].update(parent="other"),
        lambda d: d["levels"][2]["classes"].reverse(),
    ):
        assert changed(change) != tree
    assert tree != "crop10m"


def test_copies_stay_equal_and_read_only():
    tree = Taxonomy.from_yaml("mm5b")
    tree.lift(0, 1)
    for again in (pickle.loads(pickle.dumps(tree)), copy.deepcopy(tree)):
        assert again == tree
        with pytest.raises(ValueError, match="read-only"):
            again.paths[0, 0] = 1
    with pytest.raises(AttributeError):
        tree.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        tree.lift_table(1)[0] = 5


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
