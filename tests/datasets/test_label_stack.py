"""Several sources of labels as one: weights, priorities, dates, points and lines, another legend."""

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
import torch
from scene_files import UTM, X0, Y0, query, write

from hierars_geo.datasets import SceneRaster, open_labels
from hierars_geo.datasets.label_shapes import buffered
from hierars_geo.datasets.statistics import level_labels
from hierars_geo.errors import DataError, OptionError, TaxonomyError
from hierars_geo.taxonomy import Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")
PADDY, DRY, FOREST, POND, ROAD = (
    MM5B.class_index(name, 3) for name in ("Paddy field", "Dry cropland", "Forest", "Pond", "Road")
)


def place(row, col):
    """Centre of a pixel."""
    return shapely.Point(X0 + 10 * col + 5, Y0 - 10 * row - 5)


def save(path, geometry, crs=UTM, **columns):
    gpd.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(path)
    return str(path)


def raster(path, values, dtype="uint8", **options):
    return str(write(path, np.array(values, dtype=dtype), **options))


def leaves(sample, row, col):
    """Names of the leaves that a pixel may be."""
    allowed = sample["label_table"][sample["label_set"][row, col]].numpy()
    return {MM5B.class_names(3)[leaf] for leaf in MM5B.paths[allowed, -1]}


def image(tmp_path, side=12, **options):
    return SceneRaster(write(tmp_path / "image.tif", np.ones((side, side), dtype="uint8"), **options))


def test_a_point_labels_its_pixel_a_line_those_that_it_touches_in_any_crs(tmp_path):
    points = gpd.GeoSeries([place(3, 4), place(9, 9)], crs=UTM).to_crs(4326)
    line = shapely.LineString([(X0 + 2, Y0 - 112), (X0 + 58, Y0 - 112)])
    sources = [
        {"path": save(tmp_path / "p.gpkg", points, crs=4326, kind=["Pond", "Forest"]), "attribute": "kind"},
        {"path": save(tmp_path / "l.gpkg", [line], kind=["Road"]), "attribute": "kind"},
    ]
    mask = (image(tmp_path) & open_labels(sources, MM5B))[query(0, 0, 12, 12)]["mask"].numpy()
    expected = np.full((12, 12), -100)
    expected[3, 4], expected[9, 9], expected[11, :6] = POND, FOREST, ROAD
    np.testing.assert_array_equal(mask, expected)


def test_one_point_is_enough_and_one_elsewhere_is_told_by_its_place(tmp_path):
    point = save(tmp_path / "p.gpkg", [place(3, 4)], kind=["Pond"])
    labels = open_labels([{"path": point, "attribute": "kind"}], MM5B)
    assert ((image(tmp_path) & labels)[query(0, 0, 12, 12)]["mask"] == POND).nonzero().tolist() == [[3, 4]]
    far = save(tmp_path / "far.gpkg", [shapely.Point(0, 0)], kind=["Pond"])
    with pytest.raises(DataError, match=r"common ground, but got .*far\.gpkg"):
        image(tmp_path) & open_labels([{"path": far, "attribute": "kind"}], MM5B)


def test_a_disc_holds_the_centres_within_its_radius_and_its_own_pixel_however_small(tmp_path):
    path = save(tmp_path / "p.gpkg", [place(6, 6)], kind=["Pond"])
    for radius in (25.0, 1.0):
        entry = {"path": path, "attribute": "kind", "geometry": "disc", "buffer_m": radius}
        mask = (image(tmp_path) & open_labels([entry], MM5B))[query(0, 0, 12, 12)]["mask"].numpy()
        rows, cols = np.mgrid[:12, :12]
        expected = (rows - 6) ** 2 + (cols - 6) ** 2 <= max(radius / 10, 0.5) ** 2
        np.testing.assert_array_equal(mask == POND, expected)


@pytest.mark.parametrize("latitude", [0.0, 48.0, -71.0])
def test_a_buffer_is_metres_on_the_ground_at_any_latitude(latitude):
    disc = buffered(np.array([shapely.Point(11.0, latitude)]), pyproj.CRS(4326), 500.0)[0]
    edge = shapely.get_coordinates(disc)
    geod = pyproj.Geod(ellps="WGS84")
    _, _, distance = geod.inv(np.full(len(edge), 11.0), np.full(len(edge), latitude), *edge.T)
    assert np.abs(distance - 500).max() < 0.5


def test_the_highest_priority_counts_with_its_weight_and_the_rest_fills_the_gaps(tmp_path):
    cover = raster(tmp_path / "cover.tif", [[10, 40, 40, 0]] * 2)
    survey = raster(tmp_path / "survey.tif", [[0, 2, 3, 0]] * 2)
    labels = open_labels(
        [
            {"path": cover, "taxonomy": "esa_worldcover", "weight": 0.25},
            {"path": survey, "weight": 2, "priority": 1},
        ],
        MM5B,
    )
    sample = labels[query(0, 0, 2, 4)]
    assert sample["mask"][0].tolist() == [-100, DRY, FOREST, -100]
    assert leaves(sample, 0, 0) == {"Forest", "Park, square"}
    weights = sample["label_weight"][sample["label_set"][0, :3]]
    assert weights.tolist() == [0.25, 2.0, 2.0]
    levels = np.stack(level_labels(sample, MM5B))
    assert levels[:, 0, 1].tolist() == MM5B.paths[DRY].tolist()
    assert levels[:, 0, 0].tolist() == [-100, -100, -100]  # a forest or a park: no level is decided


def test_sources_of_one_priority_say_together_what_both_allow_for(tmp_path):
    coarse = raster(tmp_path / "coarse.tif", [[1, 1, 2]])  # vegetation, vegetation, water
    cover = raster(tmp_path / "cover.tif", [[40, 90, 90]])  # cropland, and meadow or water
    labels = open_labels([{"path": coarse, "level": 1}, {"path": cover, "taxonomy": "esa_worldcover"}], MM5B)
    sample = labels[query(0, 0, 1, 3)]
    assert leaves(sample, 0, 0) == {"Paddy field", "Dry cropland"}
    assert leaves(sample, 0, 1) == {"Natural meadow"}
    assert leaves(sample, 0, 2) == {"River", "Lake", "Pond"}
    assert sample["mask"].tolist() == [[-100, MM5B.class_index("Natural meadow", 3), -100]]


def test_contradicting_sources_without_a_priority_are_named_with_class_and_count(tmp_path):
    one = raster(tmp_path / "one.tif", [[3, 3, 3]])
    other = raster(tmp_path / "other.tif", [[3, 14, 14]])
    sources = [{"path": one}, {"path": other}]
    match = (
        r"got 2 pixels that are Forest in .*one\.tif and Road in .*other\.tif\. Give the sources a priority"
    )
    with pytest.raises(DataError, match=match):
        open_labels(sources, MM5B)[query(0, 0, 1, 3)]
    sources[0]["priority"] = 1
    assert open_labels(sources, MM5B)[query(0, 0, 1, 3)]["mask"].tolist() == [[FOREST] * 3]


def test_labels_of_other_dates_than_the_scene_say_nothing(tmp_path):
    scene = SceneRaster(
        write(tmp_path / "S2A_MSIL2A_20210615T100031_N0300_R122_T33UUU_20210615T130031.tif",
              np.ones((2, 2), dtype="uint16"))
    )  # fmt: skip
    path = raster(tmp_path / "l.tif", [[3, 3], [3, 3]])
    cases = {"2021-06-01 2021-06-30": True, "2021-06-15": True, "2020-01-01 2021-06-14": False}
    for dates, known in cases.items():
        both = scene & open_labels([{"path": path, "dates": dates.split()}], MM5B)
        found = both[query(0, 0, 2, 2)]
        assert bool((found["mask"] == FOREST).all()) == known


def test_codes_of_ten_digits_in_rasters_and_columns(tmp_path):
    crops = Taxonomy.from_yaml("crop10m")
    codes = [[3301010700, 3301010699, 3301160000, 0]]
    path = raster(tmp_path / "hcat.tif", codes, dtype="uint32")
    entry = {"path": path, "crosswalk": "eurocrops_hcat_to_crop10m"}
    assert open_labels([entry], crops)[query(0, 0, 1, 4)]["mask"].tolist() == [[1, 2, 3, -100]]
    fields = save(
        tmp_path / "f.gpkg", [place(0, i).buffer(4) for i in range(2)], code=[3301010700, 3301160000]
    )
    entry |= {"path": fields, "attribute": "code"}
    found = open_labels([entry], crops, res=10.0)[query(0, 0, 1, 2)]
    assert found["mask"].tolist() == [[1, 3]]
    rounded = raster(tmp_path / "f32.tif", codes, dtype="float32")
    with pytest.raises(
        TaxonomyError, match=r"integers, but got float32.*f32\.tif.*Write the raster as uint32"
    ):
        open_labels(rounded, crops, crosswalk="eurocrops_hcat_to_crop10m")[query(0, 0, 1, 4)]
    lost = raster(tmp_path / "lost.tif", [[4711, 4711, 3301010700]], dtype="uint32")
    with pytest.raises(TaxonomyError, match=r"entry for, but got 4711 on 2 pixels \(in .*lost\.tif\)"):
        open_labels(lost, crops, crosswalk="eurocrops_hcat_to_crop10m")[query(0, 0, 1, 3)]
    unknown = save(tmp_path / "u.gpkg", [place(0, 0).buffer(4)], code=[4711])
    with pytest.raises(DataError, match=r"'4711' of column code \(1 polygons, feature 1\) \(in .*u\.gpkg\)"):
        open_labels(unknown, crops, attribute="code", crosswalk="eurocrops_hcat_to_crop10m")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weight": -1}, r"weight of labels to be >= 0, but got -1 \(of .*l\.tif\)"),
        ({"weight": "1,5"}, r"weight to be a number, but got '1,5' \(of .*l\.tif\)"),
        ({"priority": "high"}, r"priority to be a whole number, but got 'high' \(of .*l\.tif\)"),
        ({"level": "one"}, r"level to be a whole number, but got 'one' \(of .*l\.tif\)"),
        (
            {"geometry": "disc", "buffer_m": float("nan")},
            r"buffer_m to be finite, but got nan \(of .*l\.tif\)",
        ),
        ({"geometry": "disc"}, "buffer_m > 0, the radius in metres, with geometry disc alone"),
        ({"geometry": "star"}, "geometry of .* to be one of pixel, disc, but got 'star'"),
        *(
            ({"dates": day}, "dates as 2021-06-01, but got")
            for day in ("soon", "nat", "", "3000-01-01", 2021)
        ),
        ({"dates": ["2021-02-01", "2021-01-01"]}, r"dates as \[first, last\]"),
        ({"wieght": 1}, "but got 'wieght'"),
    ],
)
def test_wrong_entries_are_one_line(tmp_path, change, match):
    path = raster(tmp_path / "l.tif", [[3]])
    with pytest.raises(OptionError, match=match):
        open_labels([{"path": path} | change], MM5B)
    with pytest.raises(OptionError, match=r"in the entries .* but got rgb, order for all of them"):
        open_labels([{"path": path}], MM5B, rgb=True, order="file")
    with pytest.raises(OptionError, match="but got no path"):
        open_labels([{"weight": 1}], MM5B)
    with pytest.raises(OptionError, match="to be paths, or mappings with path, but got None"):
        open_labels([{"path": "l.tif"}, None], MM5B)


def test_leaves_alone_of_one_weight_cost_nothing_more(tmp_path):
    path = raster(tmp_path / "l.tif", [[3, 2]])
    sample = open_labels([{"path": path}], MM5B)[query(0, 0, 1, 2)]
    assert set(sample) == {"mask", "valid", "bounds", "crs", "files"}
    assert torch.equal(sample["mask"], torch.tensor([[FOREST, DRY]]))
