"""Areas, class order and depth of agreement: sums against NumPy and a loop over pixels."""

import numpy as np
import pytest
from affine import Affine
from report_factory import LONLAT, UTM, Place
from tree_factory import tree_of

from hierars_geo.errors import DataError, TaxonomyError
from hierars_geo.grid import Window
from hierars_geo.maps import ClassAreas, Maps, Thumbnail, count_areas, thumbnail_shape
from hierars_geo.report.class_order import absent_classes, area_rows, legend, tree_order
from hierars_geo.report.panels import agreement_colors, agreement_name
from hierars_geo.report.reference import AgreementDepth, survey_reference
from hierars_geo.report.survey import survey_maps
from hierars_geo.taxonomy import Taxonomy


@pytest.fixture(params=["mm5b", "crop10m", "whdld"])
def taxonomy(request):
    return Taxonomy.from_yaml(request.param)


@pytest.fixture
def take(tmp_path):
    """Areas of a place as counted from its files, and the class indices that it was painted with."""

    def taken(place):
        with Maps.open(place.write_prediction(tmp_path)).scene.open() as maps:
            return count_areas(maps), place.paths(place.predicted)

    return taken


def test_areas_are_those_of_numpy(taxonomy, take):
    place = Place(taxonomy, (150, 200), crs=LONLAT[0], transform=LONLAT[1])
    areas, indices = take(place)
    edges = np.radians(60 - 1e-4 * np.arange(151))
    e2 = 0.0066943799901413165
    north_south = 6378137 * (1 - e2) / (1 - e2 * np.sin(edges[:-1]) ** 2) ** 1.5 * np.radians(1e-4)
    east_west = 6378137 / np.sqrt(1 - e2 * np.sin(edges[:-1]) ** 2) * np.cos(edges[:-1]) * np.radians(1e-4)
    weights = np.broadcast_to((north_south * east_west)[:, None], place.shape)
    for level in areas.levels:
        index = indices[level - 1]
        expected = {k: weights[index == k].sum() for k in np.unique(index[index >= 0]).tolist()}
        assert areas.class_area_m2(level) == pytest.approx(expected, rel=1e-5)
        assert areas.class_pixels(level) == {k: (index == k).sum() for k in expected}
    assert areas.pixels.sum() == place.predicted.size
    assert areas.mapped_share == pytest.approx((place.predicted >= 0).mean())


def test_rows_of_every_level_add_up_to_the_total(taxonomy, take):
    areas, _ = take(Place(taxonomy))
    rows = area_rows(taxonomy, areas)
    for level in areas.levels:
        total = sum(row.area_m2 for row in rows if level in row.levels)
        assert total == pytest.approx(areas.mapped_area_m2, rel=1e-12)
        shares = [entry.share for entry in legend(taxonomy, areas, level)]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) > 0


def test_classes_without_ground_are_listed(taxonomy, take):
    place = Place(taxonomy)
    place.predicted[place.predicted == 1] = 0  # a class goes
    areas, _ = take(place)
    names = taxonomy.class_names(taxonomy.num_levels)
    assert set(absent_classes(taxonomy, areas)) == {
        name for index, name in enumerate(names) if not (place.predicted == index).any()
    }
    assert names[1] in absent_classes(taxonomy, areas)


def test_legend_groups_children_under_their_parent(take):
    mm5b = Taxonomy.from_yaml("mm5b")
    areas, _ = take(Place(mm5b))
    entries = {entry.name: entry for entry in legend(mm5b, areas, 3)}
    assert entries["Paddy field"].heading == "Cropland"
    assert entries["Dry cropland"].heading is None
    assert entries["Dry cropland"].grouped
    assert entries["Forest"].heading is None  # its parent has the same name: no heading that repeats it
    assert not entries["Forest"].grouped
    for level in (1, 2, 3):
        for entry in legend(mm5b, areas, level):
            assert entry.color == mm5b.colors(level)[mm5b.class_index(entry.name, level)]


def test_order_follows_the_tree_and_not_the_list():
    tree = tree_of(
        "mixed",
        L1={"land": 1, "water": 2},
        L2={"lake": (1, "water"), "field": (2, "land"), "river": (3, "water")},
    )
    assert tree_order(tree, 2) == {1: 0, 0: 1, 2: 1}


def test_a_class_under_two_parents_has_a_row_under_each():
    crops = Taxonomy.from_yaml("crop10m")
    chains = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 2]])
    areas = ClassAreas((1, 2, 3), chains, np.array([1, 2, 3]), np.array([10.0, 20.0, 30.0]))
    rows = [(row.name, row.levels, row.depth, row.area_m2) for row in area_rows(crops, areas)]
    assert rows == [
        ("other", (1, 2, 3), 0, 10.0),
        ("vegetation", (1,), 0, 50.0),
        ("cropland", (2,), 1, 50.0),
        ("other", (3,), 2, 20.0),
        ("maize", (3,), 2, 30.0),
    ]


def test_survey_of_files_in_degrees(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"), (700, 90), crs=LONLAT[0], transform=LONLAT[1])
    scene = Maps.open(place.write_prediction(tmp_path)).scene
    areas, shown = survey_maps(scene)
    # a pixel of 1e-4 degrees at 60 degrees north: 5.58 m x 11.14 m
    assert areas.mapped_area_m2 == pytest.approx((place.predicted >= 0).sum() * 62.2, rel=2e-3)
    for level in (1, 2, 3):
        assert np.array_equal(shown[level], place.paths(place.predicted)[level - 1])


def test_a_value_that_is_no_class_is_named_with_its_file(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"))
    place.write_prediction(tmp_path)
    place.write_tif(tmp_path / "scene_L2.tif", np.full(place.shape, 77, np.uint8), 0)
    scene = Maps.open(tmp_path).scene
    with pytest.raises(TaxonomyError, match=r"77.*scene_L2\.tif"):
        survey_maps(scene)


def test_levels_with_data_at_different_pixels_are_refused(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"))
    place.write_prediction(tmp_path)
    values = place.values(place.predicted, 2)
    values[100, 40:47] = 0
    place.write_tif(tmp_path / "scene_L2.tif", values, 0)
    scene = Maps.open(tmp_path).scene
    with pytest.raises(DataError, match=r"make legal paths .* but 7 pixels do not"):
        survey_maps(scene)


@pytest.mark.parametrize("shape", [(1000, 333), (37, 91), (1, 5000)])
def test_reduced_maps_take_the_middle_of_every_cell(shape):
    coordinates = np.arange(shape[0] * shape[1]).reshape(shape)
    thumbnail = Thumbnail(shape, -1, max_side_px=90)
    for row in range(0, shape[0], 64):
        for col in range(0, shape[1], 50):
            block = coordinates[row : row + 64, col : col + 50]
            thumbnail.add(Window(row, col, *block.shape), block)
    height, width = thumbnail_shape(shape, 90)
    rows = ((np.arange(height) + 0.5) * shape[0] / height).astype(int)
    cols = ((np.arange(width) + 0.5) * shape[1] / width).astype(int)
    assert max(height, width) <= 90
    assert np.array_equal(thumbnail.values, coordinates[np.ix_(rows, cols)])


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
