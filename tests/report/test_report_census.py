"""Areas and class order: sums against NumPy, trees against what one reads off the catalog."""

import numpy as np
import pytest
from report_factory import LONLAT, Place

from hierars_geo.errors import RasterError, TaxonomyError
from hierars_geo.grid import Window
from hierars_geo.report import census as census_module
from hierars_geo.report.census import Census, CensusTaker
from hierars_geo.report.class_order import area_rows, legend, tree_order
from hierars_geo.report.scenes import find_scenes
from hierars_geo.report.survey import survey_maps
from hierars_geo.report.thumbnail import Thumbnail, thumbnail_shape
from hierars_geo.taxonomy import Taxonomy


@pytest.fixture(params=["mm5b", "crop10m", "whdld"])
def taxonomy(request):
    return Taxonomy.from_yaml(request.param)


def take(place, block=64):
    levels = tuple(range(1, place.taxonomy.num_levels + 1))
    taker = CensusTaker(levels, place.taxonomy.num_classes, np.linspace(1, 2, place.shape[0]))
    indices = place.paths(place.predicted)
    for row in range(0, place.shape[0], block):
        window = Window(row, 0, min(block, place.shape[0] - row), place.shape[1])
        taker.add(window, list(indices[:, row : window.row_stop]))
    return taker.result(), indices


@pytest.mark.parametrize("table_size", [1 << 22, 0], ids=["table", "sorting"])
def test_areas_are_those_of_numpy(taxonomy, table_size, monkeypatch):
    monkeypatch.setattr(census_module, "_TABLE_SIZE", table_size)
    place = Place(taxonomy)
    census, indices = take(place)
    weights = np.broadcast_to(np.linspace(1, 2, place.shape[0])[:, None], place.shape)
    for level in census.levels:
        index = indices[level - 1]
        expected = {k: weights[index == k].sum() for k in np.unique(index[index >= 0]).tolist()}
        assert census.class_area_m2(level) == pytest.approx(expected)
    assert census.pixels.sum() == place.predicted.size
    assert census.mapped_share == pytest.approx((place.predicted >= 0).mean())


def test_rows_of_every_level_add_up_to_the_total(taxonomy):
    census, _ = take(Place(taxonomy))
    rows = area_rows(taxonomy, census)
    for level in census.levels:
        total = sum(row.area_m2 for row in rows if level in row.levels)
        assert total == pytest.approx(census.mapped_area_m2, rel=1e-12)
        shares = [entry.share for entry in legend(taxonomy, census, level)]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) > 0


def test_legend_groups_children_under_their_parent():
    mm5b = Taxonomy.from_yaml("mm5b")
    census, _ = take(Place(mm5b))
    entries = {entry.name: entry for entry in legend(mm5b, census, 3)}
    assert entries["Paddy field"].heading == "Cropland"
    assert entries["Dry cropland"].heading is None
    assert entries["Dry cropland"].grouped
    assert entries["Forest"].heading is None  # its parent has the same name: no heading that repeats it
    assert not entries["Forest"].grouped
    for level in (1, 2, 3):
        for entry in legend(mm5b, census, level):
            assert entry.color == mm5b.colors(level)[mm5b.class_index(entry.name, level)]


def test_order_follows_the_tree_and_not_the_list():
    tree = Taxonomy.from_dict(
        {
            "name": "mixed",
            "levels": [
                {
                    "name": "L1",
                    "classes": [
                        {"name": "land", "value": 1, "color": "#00aa00"},
                        {"name": "water", "value": 2, "color": "#0000ff"},
                    ],
                },
                {
                    "name": "L2",
                    "classes": [
                        {"name": "lake", "value": 1, "color": "#0000ff", "parent": "water"},
                        {"name": "field", "value": 2, "color": "#aaff00", "parent": "land"},
                        {"name": "river", "value": 3, "color": "#0000aa", "parent": "water"},
                    ],
                },
            ],
        }
    )
    assert tree_order(tree, 2) == {1: 0, 0: 1, 2: 1}


def test_a_class_under_two_parents_has_a_row_under_each():
    crops = Taxonomy.from_yaml("crop10m")
    chains = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 2]])
    census = Census((1, 2, 3), chains, np.array([1, 2, 3]), np.array([10.0, 20.0, 30.0]))
    rows = [(row.name, row.levels, row.depth, row.area_m2) for row in area_rows(crops, census)]
    assert rows == [
        ("other", (1, 2, 3), 0, 10.0),
        ("vegetation", (1,), 0, 50.0),
        ("cropland", (2,), 1, 50.0),
        ("other", (3,), 2, 20.0),
        ("maize", (3,), 2, 30.0),
    ]


def test_survey_of_files_in_degrees(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"), (700, 90), crs=LONLAT[0], transform=LONLAT[1])
    (scene,) = find_scenes(place.write_prediction(tmp_path))
    survey = survey_maps(scene)
    # a pixel of 1e-4 degrees at 60 degrees north: 5.58 m x 11.14 m
    assert survey.census.mapped_area_m2 == pytest.approx((place.predicted >= 0).sum() * 62.2, rel=2e-3)
    for level in (1, 2, 3):
        assert np.array_equal(survey.maps[level], place.paths(place.predicted)[level - 1])


def test_a_value_that_is_no_class_is_named_with_its_file(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"))
    place.write_prediction(tmp_path)
    place.write_tif(tmp_path / "scene_L2.tif", np.full(place.shape, 77, np.uint8), 0)
    (scene,) = find_scenes(tmp_path)
    with pytest.raises(TaxonomyError, match=r"77.*scene_L2\.tif"):
        survey_maps(scene)


def test_levels_with_data_at_different_pixels_are_refused(tmp_path):
    place = Place(Taxonomy.from_yaml("mm5b"))
    place.write_prediction(tmp_path)
    values = place.values(place.predicted, 2)
    values[100, 40:47] = 0
    place.write_tif(tmp_path / "scene_L2.tif", values, 0)
    (scene,) = find_scenes(tmp_path)
    with pytest.raises(RasterError, match="data at the same pixels, but 7 pixels"):
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
