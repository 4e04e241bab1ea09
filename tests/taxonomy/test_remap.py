"""Raster value <-> class index for every kind of raster, and refusal of what is no class."""

import numpy as np
import pytest
from raster_factory import write_raster
from scene_files import query

from hierars_geo.datasets import HierarchicalLabels
from hierars_geo.errors import TaxonomyError
from hierars_geo.maps import Maps
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import IGNORE_INDEX

DTYPES = ["uint8", "uint16", "int16", "int32", "int64", "uint32", "float32", "float64"]


@pytest.fixture
def tree() -> Taxonomy:
    """Values out of order and with gaps."""
    classes = [{"name": f"c{value}", "value": value, "color": [value, 0, 0]} for value in (40, 7, 200)]
    return Taxonomy.from_dict(
        {"name": "gaps", "nodata": 9, "ignore_values": [81], "levels": [{"name": "L1", "classes": classes}]}
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_become_indices_whatever_the_dtype(tree, dtype):
    values = np.array([[7, 200, 9], [40, 81, 7]], dtype=dtype)
    index = tree.value_to_index(values)
    assert index.dtype == np.int64
    assert index.tolist() == [[1, 2, IGNORE_INDEX], [0, IGNORE_INDEX, 1]]


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_minus_one_may_stand_for_no_class(tmp_path, dtype):
    """Signed rasters that hold -1 and do not declare it, 0 being a class: read as training and vectors do."""
    classes = [{"name": f"c{value}", "value": value, "color": [value, 0, 0]} for value in (0, 1)]
    levels = [{"name": "L1", "classes": classes}]
    tree = Taxonomy.from_dict({"name": "flood", "nodata": 255, "ignore_values": [-1], "levels": levels})
    values = np.array([[0, 1, -1], [1, -1, 0]], dtype=dtype)
    expected = [[0, 1, IGNORE_INDEX], [1, IGNORE_INDEX, 0]]
    assert tree.value_to_index(values).tolist() == expected
    path = write_raster(tmp_path / "labels.tif", values)
    sample = HierarchicalLabels(path, tree)[query(0, 0, 2, 3)]
    assert sample["mask"].tolist() == expected
    if dtype != "float32":  # a map is of integers
        (area,) = (Maps.open(path, tree).areas().groupby("class_value")["pixels"].sum().to_dict(),)
        assert area == {0: 2, 1: 2}
    masked = write_raster(tmp_path / "masked.tif", values, mask=np.array([[0, 255, 255]] * 2, "uint8"))
    hidden = HierarchicalLabels(masked, tree)[query(0, 0, 2, 3)]["mask"].tolist()
    assert hidden == [[IGNORE_INDEX, *row[1:]] for row in expected]
    with pytest.raises(TaxonomyError, match=r"but got -2.*under ignore_values of the tree"):
        tree.value_to_index(values - 1)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64"])
def test_indices_become_values_and_ignore_becomes_nodata(tree, dtype):
    index = np.array([[0, 1], [2, IGNORE_INDEX]], dtype=dtype)
    assert tree.index_to_value(index, 1).tolist() == [[40, 7], [200, 9]]


def test_scalars_stay_scalars(tree):
    assert tree.value_to_index(200) == 2
    assert tree.index_to_value(IGNORE_INDEX, 1) == 9
    assert isinstance(tree.index_to_value(1, 1), int)


@pytest.mark.parametrize("name", ["cdl", "corine", "crop10m", "mm5b", "nlcd"])
def test_every_class_of_every_level_goes_there_and_back(name):
    tree = Taxonomy.from_yaml(name)
    for level, count in enumerate(tree.num_classes, start=1):
        index = np.append(np.arange(count), IGNORE_INDEX)
        values = tree.index_to_value(index, level)
        assert values.tolist() == [*tree.class_values(level), tree.nodata_value]
        assert tree.value_to_index(values, level).tolist() == index.tolist()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.array([7, 3, 3, 250], dtype=np.uint8), "3 on 2 pixels, 250 on 1 pixel"),
        (np.array([-5, 7], dtype=np.int16), "-5 on 1 pixel"),
        (np.array([70000, 7]), "70000 on 1 pixel"),
        (np.array([1e30, 7.0]), r"1e\+30 on 1 pixel"),
        (np.arange(100, 120, dtype=np.uint16), r"100 on 1 pixel, .*109 on 1 pixel and 10 more"),
    ],
)
def test_values_that_are_no_class_are_listed_with_the_file(tree, values, found):
    with pytest.raises(
        TaxonomyError,
        match=rf"\(7, 40, 200\) or nodata 9, but got {found} \(in labels\.tif\)\. Choose the taxonomy",
    ):
        tree.value_to_index(values, origin="labels.tif")


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf, -np.inf])
def test_fractions_and_nan_are_refused(tree, bad):
    with pytest.raises(TaxonomyError, match=r"whole numbers, but got fractions or NaN \(in x\.tif\)"):
        tree.value_to_index(np.array([7.0, bad]), origin="x.tif")


def test_other_dtypes_are_refused(tree):
    with pytest.raises(TaxonomyError, match="integers, but got dtype complex128"):
        tree.value_to_index(np.array([1j]))


def test_empty_arrays_pass(tree):
    assert tree.value_to_index(np.zeros((0, 4), dtype=np.uint8)).shape == (0, 4)
    assert tree.index_to_value(np.zeros((4, 0), dtype=np.int64), 1).shape == (4, 0)
