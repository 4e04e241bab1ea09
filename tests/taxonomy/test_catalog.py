"""The catalog: counts, values and colours of the published legends, and the real rasters they describe."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from hierars_geo.errors import MissingFileError, TaxonomyError
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.yaml_reader import catalog_names, resolve_catalog_file

DATA = Path(__file__).parents[2] / "../shared/data"

COUNTS = {
    "bclcs": (2, 4, 13),
    "cdl": (17, 132),
    "corine": (5, 15, 44),
    "crop10m": (2, 2, 4),
    "esa_worldcover": (5, 11),
    "gewata": (3, 6),
    "iowa_crops": (2, 4, 5),
    "mm5b": (4, 9, 18),
    "nlcd": (8, 20),
    "whdld": (6,),
    "whdld_groups": (4, 6),
}


def _by_value(tree: Taxonomy, level: int) -> dict:
    return dict(
        zip(
            tree.class_values(level),
            zip(tree.class_names(level), tree.colors(level), strict=True),
            strict=True,
        )
    )


def test_the_catalog_holds_the_trees_with_their_published_counts():
    assert {name: Taxonomy.from_yaml(name).num_classes for name in catalog_names("taxonomies")} == COUNTS


@pytest.mark.parametrize("name", COUNTS)
def test_name_source_and_title_are_given(name):
    tree = Taxonomy.from_yaml(name)
    assert tree.name == name
    assert tree.source
    assert tree.title


@pytest.mark.parametrize(
    "name", ["bclcs", "corine", "crop10m", "esa_worldcover", "gewata", "mm5b", "nlcd", "whdld"]
)
def test_classes_of_a_level_can_be_told_apart_by_colour(name):
    tree = Taxonomy.from_yaml(name)
    for level in range(1, tree.num_levels + 1):
        assert len(set(tree.colors(level))) == tree.num_classes[level - 1]


def test_spot_checks_of_published_values_and_colours():
    assert _by_value(Taxonomy.from_yaml("nlcd"), 2)[41] == ("Deciduous Forest", (104, 171, 95))
    assert _by_value(Taxonomy.from_yaml("corine"), 3)[24] == ("Coniferous forest", (0, 166, 0))
    assert _by_value(Taxonomy.from_yaml("corine"), 3)[44] == ("Sea and ocean", (230, 242, 255))
    assert _by_value(Taxonomy.from_yaml("cdl"), 2)[1] == ("Corn", (255, 211, 0))
    assert _by_value(Taxonomy.from_yaml("esa_worldcover"), 2)[95] == ("Mangroves", (0, 207, 117))
    assert _by_value(Taxonomy.from_yaml("whdld"), 1)[3] == ("pavement", (192, 192, 0))
    assert _by_value(Taxonomy.from_yaml("mm5b"), 3)[17] == ("Airport", (200, 150, 0))


def test_group_values_follow_the_codes_of_their_members():
    nlcd, corine = Taxonomy.from_yaml("nlcd"), Taxonomy.from_yaml("corine")
    for level_1, level_2 in nlcd.paths:
        assert nlcd.index_to_value(level_2, 2) // 10 == nlcd.index_to_value(level_1, 1)
    for level_1, level_2, _ in corine.paths:
        assert corine.index_to_value(level_2, 2) // 10 == corine.index_to_value(level_1, 1)


def test_anchors_name_classes_of_the_source_tree():
    source = Taxonomy.from_yaml("mm5b")
    vegetation, cropland = Taxonomy.from_yaml("crop10m").anchors
    assert (vegetation.level, vegetation.index, source.locate(vegetation)) == (1, 1, (1, 0))
    assert (cropland.level, cropland.index, source.locate(cropland)) == (2, 1, (2, 0))
    with pytest.raises(TaxonomyError, match="anchor to a class of nlcd, but got 'mm5b/L2/Cropland'"):
        Taxonomy.from_yaml("nlcd").locate(cropland)


def test_unknown_names_and_paths_say_what_there_is(tmp_path):
    with pytest.raises(MissingFileError, match=r"but got 'corin'\. Did you mean: corine"):
        Taxonomy.from_yaml("corin")
    with pytest.raises(MissingFileError, match=r"none\.yaml to be a YAML file, but it does not exist"):
        Taxonomy.from_yaml(tmp_path / "none.yaml")
    assert resolve_catalog_file("taxonomies", "mm5b").name == "mm5b.yaml"


@pytest.mark.parametrize(
    ("name", "file"),
    [("cdl", "cdl_iowa/cdl_2016_train.tif"), ("gewata", "gewata_landsat7/lulcGewata.tif")],
)
def test_real_label_rasters_hold_only_classes_of_their_tree(name, file):
    if not (DATA / file).is_file():
        pytest.skip("real rasters are not here")
    with rasterio.open(DATA / file) as source:
        values = np.unique(source.read(1))
    index = Taxonomy.from_yaml(name).value_to_index(values, origin=file)
    assert len(values) > 5
    assert np.array_equal(index >= 0, values != 0)
