"""Crosswalks: what classes of one legend say in another tree, and how what is wrong with one is named."""

import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import yaml

from hierars_geo.datasets import VectorLabels
from hierars_geo.errors import MissingFileError, TaxonomyError
from hierars_geo.taxonomy import Crosswalk, LabelSets, Taxonomy
from hierars_geo.taxonomy.class_names import describe_paths, named_paths
from hierars_geo.taxonomy.yaml_reader import catalog_names

MM5B = Taxonomy.from_yaml("mm5b")
CROPS = Taxonomy.from_yaml("crop10m")


def leaves(tree, paths):
    return {tree.class_names(tree.num_levels)[leaf] for leaf in tree.paths[paths, -1]}


def written(folder, classes, **keys):
    path = folder / "walk.yaml"
    content = {"from": "esa_worldcover", "to": "mm5b", "source": "a test"} | keys | {"classes": classes}
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


@pytest.mark.parametrize("name", catalog_names("crosswalks"))
def test_every_crosswalk_of_the_catalog_is_valid_tells_its_source_and_says_something(name):
    walk = Crosswalk.from_yaml(name)
    assert name == f"{walk.origin.name}_to_{walk.target.name}"
    assert len(walk.source) > 40
    sets = np.array([one.paths for one in walk.meanings()])
    assert sets.any(axis=1).all()
    assert len(walk.silent()) < len(walk.finest) / 2


def test_classes_of_any_level_become_sets_of_paths():
    walk = Crosswalk.between("esa_worldcover", "mm5b")
    cover = walk.origin
    assert leaves(MM5B, walk.class_paths(2, cover.class_index("Cropland", 2))) == {
        "Paddy field",
        "Dry cropland",
    }
    assert walk.class_paths(2, cover.class_index("Snow and ice", 2)).all()
    # level 1 of the origin has no entry of its own: what its children say together
    both = [
        walk.class_paths(2, cover.class_index(name, 2)) for name in ("Permanent water bodies", "Mangroves")
    ]
    wet = walk.class_paths(1, cover.class_index("Water and wetlands", 1))
    assert (np.any(both, axis=0) <= wet).all()
    assert leaves(MM5B, wet) == {"River", "Lake", "Pond", "Forest", "Natural meadow"}
    assert walk.class_paths(1, cover.class_index("Bare and snow", 1)).all()  # one of the two says nothing


def test_a_leaf_with_two_parents_is_named_by_a_chain():
    walk = Crosswalk.between("cdl", CROPS)
    wheat = walk.class_paths(2, walk.origin.class_index("Winter Wheat", 2))
    assert CROPS.paths[wheat].tolist() == [[1, 1, 0]]
    assert named_paths(CROPS, describe_paths(CROPS, wheat)[0]).tolist() == wheat.tolist()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (3301010700, {"Paddy field"}),
        ("3301010799", {"Paddy field"}),  # below rice
        ("rice", {"Paddy field"}),
        (3301019900, {"Paddy field", "Dry cropland"}),  # other cereals: as cereals
        (3306050000, {"Forest"}),
    ],
)
def test_codes_nest_by_their_digits(code, expected):
    assert leaves(MM5B, Crosswalk.between("eurocrops_hcat", "mm5b").code_paths(code)) == expected


def test_codes_are_read_with_dashes_with_letters_and_without_leading_zeros():
    crops = Crosswalk.between("worldcereal", CROPS)
    for code in (1101060002, "11-01-06-000-2"):
        assert leaves(CROPS, crops.code_paths(code)) == {"maize"}
    assert crops.code_paths(0).all()
    assert leaves(MM5B, Crosswalk.between("lucas", "mm5b").code_paths("C22")) == {"Forest"}
    assert Crosswalk.between("lucas", "mm5b").code_paths("Z11") is None


def test_common_classes_are_the_finest_that_both_tell_apart():
    numbers, names = Crosswalk.between("esa_worldcover", "mm5b").common_classes()
    assert names == ["Cropland", "Forest", "Grassland", "Water", "Artificial surface", "Bare land"]
    leaf = {
        name: numbers[MM5B.class_index(name, 3)] for name in ("Paddy field", "Dry cropland", "Pond", "Road")
    }
    assert leaf["Paddy field"] == leaf["Dry cropland"] == 0
    assert (leaf["Pond"], leaf["Road"]) == (3, 4)


def test_label_sets_number_leaves_first_and_repeat_no_set():
    walk = Crosswalk.between("esa_worldcover", "mm5b")
    sets = LabelSets(MM5B, walk.level_paths(2))
    assert (sets.table[:18] == np.eye(18, dtype=bool)).all()
    assert len({row.tobytes() for row in sets.table}) == len(sets)
    assert sets.number(walk.class_paths(2, walk.origin.class_index("Cropland", 2))) == sets.classes(2)[0]
    assert sets.number(np.ones(18, dtype=bool)) == -100
    wetland = sets.number(walk.class_paths(2, walk.origin.class_index("Herbaceous wetland", 2)))
    assert sets.levels[wetland].tolist() == [-100, -100, -100]
    assert sets.levels[sets.classes(1)[1]].tolist() == [1, 3, -100]  # Water has one class at level 2


def test_every_set_is_described_by_names_that_are_read_back_as_it():
    generator = np.random.default_rng(0)
    for tree in (MM5B, CROPS, Taxonomy.from_yaml("cdl")):
        for _ in range(20):
            chosen = generator.random(tree.num_paths) < 0.5
            if chosen.any():
                names = describe_paths(tree, chosen)
                assert np.any([named_paths(tree, name) for name in names], axis=0).tolist() == chosen.tolist()


GOOD = {
    "L1/Natural vegetation": "Forest",
    "L2/Cropland": "Cropland",
    "L2/Built-up": "Artificial surface",
    "L1/Bare and snow": "Bare land",
    "L1/Water and wetlands": "Water",
}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"L2/Cropland": "Cropped"},
            r"'Cropped' names no class\. Did you mean: .*Cropland.*classes\.L2/Cropland",
        ),
        (
            {"Treecover": "Forest"},
            r"esa_worldcover, but 'Treecover' names no class\. Did you mean: Tree cover",
        ),
        ({"L2/Cropland": []}, "maps to nothing; write null where it says nothing"),
        ({"Tree cover": "Road"}, "'10 Tree cover' to say no more than '1 Natural vegetation' above it.*Road"),
        ({"Snow and ice": None}, "'70 Snow and ice' to say no more than '4 Bare and snow'"),
        (dict.fromkeys(GOOD), r"say something, but got null for all \(in .*classes\)"),
        ({"L2/Cropland": "Forest > Pond"}, "no path has 'Forest > Pond'"),
        ({40: "Cropland"}, "one entry per class, but '40' has two"),
    ],
)
def test_what_is_wrong_with_a_crosswalk_is_named(tmp_path, change, match):
    Crosswalk.from_yaml(written(tmp_path, GOOD))
    with pytest.raises(TaxonomyError, match=match):
        Crosswalk.from_yaml(written(tmp_path, GOOD | change))


def test_a_class_without_an_entry_is_named_with_its_number(tmp_path):
    rest = {key: value for key, value in GOOD.items() if key != "L1/Bare and snow"}
    with pytest.raises(
        TaxonomyError, match=r"got none for 2 \(60 Bare / sparse vegetation, 70 Snow and ice\)"
    ):
        Crosswalk.from_yaml(written(tmp_path, rest))


def test_codes_of_another_length_and_unknown_keys_are_refused(tmp_path):
    with pytest.raises(TaxonomyError, match=r"codes of 4 digits for digits \[2, 2\], but got '33010'"):
        Crosswalk.from_yaml(written(tmp_path, {33010: "Forest"}, digits=[2, 2], **{"from": "own"}))
    with pytest.raises(TaxonomyError, match="extra: unknown key"):
        Crosswalk.from_yaml(written(tmp_path, GOOD, extra=1))
    with pytest.raises(TaxonomyError, match="source: the key is missing"):
        Crosswalk.from_yaml(written(tmp_path, GOOD, source=None))


def test_a_missing_crosswalk_and_one_to_another_tree_are_refused():
    with pytest.raises(MissingFileError, match=r"crosswalk from corine to crop10m.*corine_to_mm5b"):
        Crosswalk.between("corine", "crop10m")
    with pytest.raises(TaxonomyError, match="crosswalk to the tree crop10m, but got one to mm5b"):
        Crosswalk.from_yaml("corine_to_mm5b", CROPS)


def test_the_example_of_the_documentation_covers_its_codes(tmp_path):
    """Every code of the forest inventory, as the page shows it, reaches its class of the catalog's tree."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    (example,) = (text for text in re.findall(r"```yaml\n(.*?)```", page, re.S) if "taxonomy: bclcs" in text)
    options = yaml.safe_load(example)["data"]["init_args"]["label_options"]
    tree = Taxonomy.from_yaml("bclcs")
    parents = {
        "T": ("V", "TC TB TM"),
        "N": ("V", "ST SL HE HF HG BY"),
        "L": ("N", "SI RO EL"),
        "W": ("N", ""),
    }
    rows = [(top, code, leaf) for code, (top, leaves) in parents.items() for leaf in leaves.split() or [None]]
    table = gpd.GeoDataFrame(
        dict(zip(options["attributes"], zip(*rows, strict=True), strict=True)),
        geometry=[shapely.box(500_000 + 10 * i, 0, 500_010 + 10 * i, 10) for i in range(len(rows))],
        crs="EPSG:32610",
    )
    table.to_file(tmp_path / "inventory.gpkg")
    labels = VectorLabels(tmp_path / "inventory.gpkg", tree, res=10, **options)
    x, y, _ = labels.bounds
    found = labels[x.start : x.stop, y.start : y.stop]["mask"]
    assert sorted(found.flatten().tolist()) == list(range(len(rows)))
    assert len(rows) == tree.num_classes[-1]
