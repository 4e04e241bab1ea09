"""Depth of agreement against a per-pixel loop; labels on other grids, with other nodata, or elsewhere."""

import numpy as np
import pytest
from affine import Affine
from report_factory import UTM, Place

from hierars_geo.maps import Maps
from hierars_geo.report.panels import agreement_colors, agreement_name
from hierars_geo.report.reference import AgreementDepth, survey_reference
from hierars_geo.taxonomy import Taxonomy


@pytest.mark.parametrize("name", ["mm5b", "crop10m"])
def test_depth_is_that_of_a_loop_over_paths(name):
    tree = Taxonomy.from_yaml(name)
    rng = np.random.default_rng(0)
    leaf = rng.integers(-1, tree.num_classes[-1], (20, 30))
    leaf[leaf == -1] = -100
    path = tree.paths[rng.integers(0, tree.num_paths, (20, 30))]
    path[0, :5] = -100
    depth = AgreementDepth(tree, (1, 2, 3))(leaf, list(np.moveaxis(path, -1, 0)))
    for at in np.ndindex(leaf.shape):
        if leaf[at] == -100 or path[at][0] == -100:
            assert depth[at] == -1
            continue
        # the deepest common beginning with any path of the reference leaf
        common = [np.cumprod(path[at] == legal).sum() for legal in tree.paths if legal[-1] == leaf[at]]
        assert depth[at] == max(common)


@pytest.fixture
def scene(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"))
    found = Maps.open(place.write_prediction(tmp_path / "maps")).scene
    return place, found


def test_areas_by_depth_and_reference_shares(scene, tmp_path):
    place, found = scene
    survey = survey_reference(found, place.write_labels(tmp_path / "labels.tif"))
    truth, mapped = place.paths(place.reference), place.paths(place.predicted)
    known = (place.reference >= 0) & (place.predicted >= 0)
    depth = np.where(known, np.cumprod(truth == mapped, axis=0).sum(axis=0), -1)
    assert np.array_equal(survey.depth, depth)
    counts = np.bincount(depth[known], minlength=4)
    assert survey.depth_area_m2 == pytest.approx(counts * 100, rel=2e-4)
    assert np.array_equal(survey.maps[2], truth[1])
    expected = {k: (truth[1] == k).sum() * 100 for k in np.unique(truth[1][truth[1] >= 0])}
    assert survey.areas.class_area_m2(2) == pytest.approx(expected, rel=2e-4)


def test_labels_on_another_grid_are_warped(scene, tmp_path):
    place, found = scene
    # twice as fine and larger to the north-west: every label pixel stands four times
    fine = np.kron(place.values(place.reference, 3), np.ones((2, 2), np.uint8))
    padded = np.pad(fine, ((10, 0), (6, 0)), constant_values=99)
    transform = UTM[1] @ Affine.scale(0.5) @ Affine.translation(-6, -10)
    path = place.write_tif(tmp_path / "fine.tif", padded, nodata=99, transform=transform)
    survey = survey_reference(found, path)
    assert np.array_equal(survey.maps[3], place.paths(place.reference)[2])


def test_labels_in_another_crs(scene, tmp_path):
    place, found = scene
    # one class everywhere, in longitude and latitude, over the western half only
    west = place.write_tif(
        tmp_path / "west.tif",
        np.full((400, 160), 14, np.uint8),
        crs="EPSG:4326",
        transform=Affine(6e-5, 0, 103.0654, 0, -6e-5, 21.697),
    )
    survey = survey_reference(found, west)
    share = (survey.maps[3] == 13).mean()
    assert set(np.unique(survey.maps[3])) == {-100, 13}
    assert 0.3 < share < 0.7


def test_nodata_of_the_labels_wins_over_that_of_the_tree(scene, tmp_path):
    place, found = scene
    values = place.values(place.reference, 3)
    values[values == 0] = 255
    survey = survey_reference(found, place.write_tif(tmp_path / "labels.tif", values, nodata=255))
    assert np.array_equal(survey.maps[3], place.paths(place.reference)[2])


def test_labels_elsewhere_give_nothing(scene, tmp_path):
    place, found = scene
    far = UTM[1] @ Affine.translation(5000, 0)
    path = place.write_labels(tmp_path / "far.tif", transform=far)
    assert survey_reference(found, path) is None


def test_words_and_colours_of_agreement():
    assert [agreement_name(depth, ("L1", "L2", "L3")) for depth in range(4)] == [
        "Wrong at L1",
        "Right at L1 only, wrong at L2",
        "Right at L2, wrong at L3",
        "Right at L3",
    ]
    assert [agreement_name(depth, ("L1",)) for depth in range(2)] == ["Wrong", "Right"]
    for levels in (1, 2, 3, 5):
        colors = agreement_colors(levels)
        assert sorted(colors) == list(range(levels + 1))
        assert len(set(colors.values())) == levels + 1
