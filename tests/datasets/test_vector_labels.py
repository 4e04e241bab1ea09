"""Polygons as labels: where they lie, what they say, and what is refused."""

import pickle

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from affine import Affine
from scene_files import UTM, X0, Y0, query, write
from torchgeo.datasets import stack_samples
from vector_factory import COVER

from hierars_geo.datasets import HierarchicalLabels, SceneRaster, VectorLabels, open_labels
from hierars_geo.datasets.statistics import level_labels
from hierars_geo.errors import DataError, MissingFileError, OptionError
from hierars_geo.samplers import GridChipSampler
from hierars_geo.scenes import DataNotice

WOOD, MEADOW, ROCK = 0, 1, 2


def levels(sample):
    """Classes (N, H, W) that the labels of a sample decide."""
    return torch.from_numpy(np.stack(level_labels(sample, COVER)))


def box(row, col, height, width, res=10.0):
    """Polygon on whole pixels of the test ground."""
    left, top = X0 + col * res, Y0 - row * res
    return shapely.box(left, top - height * res, left + width * res, top)


def save(path, polygons, crs=UTM, **columns):
    frame = gpd.GeoDataFrame(columns, geometry=polygons, crs=crs)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_file(path)
    return path


def image(tmp_path, side=40):
    return SceneRaster(write(tmp_path / "image.tif", np.ones((side, side), dtype="uint8")))


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".shp"])
def test_every_format_in_another_crs_labels_the_pixels_whose_centre_it_holds(tmp_path, suffix):
    generator = np.random.default_rng(5)
    triangles = [
        shapely.Polygon(generator.uniform((X0, Y0 - 400), (X0 + 400, Y0), (3, 2))) for _ in range(12)
    ]
    ring = shapely.Point(X0 + 200, Y0 - 200).buffer(150, quad_segs=200).difference(box(15, 15, 10, 10))
    polygons = [*triangles, ring]  # more than 256 vertices: is cut to windows
    classes = ["wood", "meadow", "rock"] * 4 + ["rock"]
    frame = gpd.GeoSeries(polygons, crs=UTM)
    path = save(tmp_path / f"p{suffix}", frame.to_crs(4326).to_list(), crs=4326, cover=classes)
    labels = HierarchicalLabels([path], COVER, attribute="cover")
    assert isinstance(labels, VectorLabels)
    assert labels.depths == (0, 0, 13)
    assert labels.label_sets is None
    both = image(tmp_path) & labels
    mask = both[query(0, 0, 40, 40)]["mask"].numpy()

    x, y = np.meshgrid(X0 + 5 + 10 * np.arange(40), Y0 - 5 - 10 * np.arange(40))
    expected = np.full((40, 40), -100)
    for polygon, name in sorted(zip(polygons, classes, strict=True), key=lambda pair: -pair[0].area):
        expected[shapely.contains_xy(polygon, x, y)] = COVER.class_index(name, 2)
    assert (mask == expected).mean() > 0.998  # a centre may lie on an edge but for rounding
    assert {*np.unique(mask)} == {-100, 0, 1, 2}
    for row, col in ((0, 0), (13, 7), (25, 31)):
        part = both[query(row, col, 9, 9)]["mask"].numpy()
        assert np.array_equal(part, mask[row : row + 9, col : col + 9])


def test_small_polygons_win_or_the_last_one_and_all_touched_takes_more(tmp_path):
    path = save(tmp_path / "p.gpkg", [box(2, 2, 2, 2), box(0, 0, 6, 6)], cover=["rock", "wood"])
    options = {"attribute": "cover", "res": 10.0}
    window = query(0, 0, 6, 6)
    by_area = open_labels(path, COVER, **options)[window]["mask"]
    assert (by_area == ROCK).sum() == 4
    assert (by_area[2:4, 2:4] == ROCK).all()
    assert (by_area >= 0).all()
    assert (open_labels(path, COVER, order="file", **options)[window]["mask"] == WOOD).all()
    sliver = shapely.box(X0 + 11, Y0 - 60, X0 + 12, Y0)
    thin = save(tmp_path / "thin.gpkg", [sliver], cover=["rock"])
    assert (open_labels(thin, COVER, **options)[window]["mask"] >= 0).sum() == 0
    touched = open_labels(thin, COVER, all_touched=True, **options)[window]["mask"]
    assert (touched[:, 1] == ROCK).all()
    assert (touched >= 0).sum() == 6
    with pytest.raises(OptionError, match="order to be one of area, file, but got 'size'"):
        open_labels(thin, COVER, order="size", **options)


def test_a_polygon_known_coarsely_gives_that_level_alone_and_an_empty_one_takes_the_label_away(tmp_path):
    polygons = [box(0, 0, 8, 8), box(0, 0, 2, 2), box(4, 0, 2, 2), box(4, 4, 2, 2)]
    path = save(
        tmp_path / "p.gpkg", polygons, one=["V", "V", "N", None], two=[None, "w", "", " "], three=["x"] * 4
    )
    classes = {"L1": {"V": "green", "N": "bare"}, "L2": {"w": "wood"}}
    labels = open_labels(path, COVER, attributes=["one", "two"], classes=classes)
    assert labels.label_sets is not None
    assert labels.depths == (1, 1, 2)
    both = labels & image(tmp_path)
    sample = both[query(0, 0, 8, 8)]
    assert levels(sample)[:, 0, 0].tolist() == [0, WOOD]
    assert levels(sample)[:, 0, 7].tolist() == [0, -100]
    assert levels(sample)[:, 4, 0].tolist() == [1, ROCK]
    assert (levels(sample)[:, 4:6, 4:6] == -100).all()
    assert torch.equal(sample["mask"], levels(sample)[-1])
    again = pickle.loads(pickle.dumps(both))  # as a worker that is spawned gets it
    assert torch.equal(levels(again[query(0, 0, 8, 8)]), levels(sample))
    chips = [both[slices] for slices in GridChipSampler(both, 5)]
    assert stack_samples(chips)["label_set"].shape == (4, 5, 5)


def test_one_column_names_classes_of_any_level_or_their_values(tmp_path):
    polygons = [box(0, i, 1, 1) for i in range(4)]
    mixed = save(tmp_path / "m.gpkg", polygons, cover=["green", "L2/rock", "13", "meadow"])
    labels = open_labels(mixed, COVER, attribute="cover", res=10.0)
    assert levels(labels[query(0, 0, 1, 4)]).tolist() == [[[0, 1, 1, 0]], [[-100, 2, 2, 1]]]
    numbers = save(tmp_path / "n.gpkg", polygons, cover=[11.0, 13.0, np.nan, 0.0])
    assert open_labels(numbers, COVER, attribute="cover").depths == (2, 0, 2)
    mapped = {"11": "wood", "13": None, "0": "green"}
    assert open_labels(numbers, COVER, attribute="cover", classes=mapped).depths == (2, 1, 1)


def test_contradictions_and_unknown_classes_are_named_or_skipped_with_a_notice(tmp_path):
    polygons = [box(0, i, 1, 1) for i in range(4)]
    path = save(
        tmp_path / "p.gpkg",
        polygons,
        one=["green", "bare", "bare", "tree"],
        two=["wood", "wood", "wood", None],
    )
    expected = (
        r"no class 'tree' of column one \(1 polygons, feature 4\).*no path of bare with wood \(2 polygons, "
    )
    with pytest.raises(DataError, match=expected + r"feature 2, 3\) \(in .*p\.gpkg\)"):
        open_labels(path, COVER, attributes=["one", "two"])
    with pytest.warns(DataNotice, match=expected):
        labels = open_labels(path, COVER, attributes=["one", "two"], on_error="skip", res=10)
    assert labels.depths == (3, 0, 1)
    assert len(labels.faults) == 2
    assert labels[query(0, 0, 1, 4)]["mask"].tolist() == [[WOOD, -100, -100, -100]]


def test_what_cannot_be_a_label_is_refused_in_one_line(tmp_path):
    good = box(0, 0, 2, 2)
    path = save(tmp_path / "p.gpkg", [good, None, shapely.Point(X0, np.inf), good], cover=["wood"] * 4)
    match = r"1 without geometry \(feature 2\), 1 with infinite coordinates \(feature 3\) \(in .*p\.gpkg\)"
    with pytest.raises(DataError, match=match):
        open_labels(path, COVER, attribute="cover")
    bare = save(tmp_path / "bare.parquet", [good], crs=None, cover=["wood"])
    with pytest.raises(DataError, match="with a CRS, but got none"):
        open_labels(bare, COVER, attribute="cover")
    fine = save(tmp_path / "fine.gpkg", [good], cover=["wood"])
    with pytest.raises(OptionError, match=r"kind is missing .*There are: cover"):
        open_labels(fine, COVER, attribute="kind")
    with pytest.raises(OptionError, match="but got neither"):
        open_labels(fine, COVER)
    with pytest.raises(OptionError, match="one column or null per level"):
        open_labels(fine, COVER, attributes=["cover"])
    with pytest.raises(OptionError, match="'lawn' names no class"):
        open_labels(fine, COVER, attribute="cover", classes={"w": "lawn"})
    with pytest.raises(OptionError, match="res, the pixel size"):
        open_labels(fine, COVER, attribute="cover")[query(0, 0, 2, 2)]
    with pytest.raises(MissingFileError, match=r"gone\.gpkg to exist"):
        open_labels(tmp_path / "gone.gpkg", COVER, attribute="cover")
    (tmp_path / "text.gpkg").write_text("no database")
    with pytest.raises(DataError, match=r"text\.gpkg to be a readable file of polygons"):
        open_labels(tmp_path / "text.gpkg", COVER, attribute="cover")


def test_a_layer_of_several_is_found_by_its_column_or_named(tmp_path):
    path = tmp_path / "two.gpkg"
    for layer, name in (("a", "cover"), ("b", "cover"), ("c", "kind")):
        frame = gpd.GeoDataFrame({name: ["wood"]}, geometry=[box(0, 0, 2, 2)], crs=UTM)
        frame.to_file(path, layer=layer)
    assert open_labels(path, COVER, attribute="kind").depths == (0, 0, 1)
    with pytest.raises(OptionError, match=r"got 2 of 3 \(in .*two\.gpkg\)\. Name it: .*\|LAYER"):
        open_labels(path, COVER, attribute="cover")
    assert open_labels(f"{path}|layername=b", COVER, attribute="cover").depths == (0, 0, 1)


def test_invalid_rings_are_repaired_with_a_notice(tmp_path):
    left, top = X0, Y0
    bow = shapely.Polygon([(left, top), (left + 40, top - 40), (left + 40, top), (left, top - 40)])
    path = save(tmp_path / "bow.gpkg", [bow], cover=["wood"])
    with pytest.warns(DataNotice, match=r"Repaired 1 polygons \(feature 1\) of .*bow\.gpkg: Self-inter"):
        labels = open_labels(path, COVER, attribute="cover", res=10.0)
    mask = labels[query(0, 0, 4, 4)]["mask"]
    assert (mask[1:3, 0] >= 0).all()
    assert (mask[0, 1:3] == -100).all()


def test_polygons_and_rasters_unite_and_a_folder_is_searched(tmp_path):
    (tmp_path / "folder").mkdir()
    save(tmp_path / "folder/deep.gpkg", [box(0, 2, 2, 2)], cover=["green"])
    raster = write(tmp_path / "r.tif", np.array([[11, 11, 0, 0]] * 2, dtype="uint8"))
    labels = open_labels([tmp_path / "folder", raster], COVER, attribute="cover")
    assert levels(labels[query(0, 0, 2, 4)])[:, 0].tolist() == [[0, 0, 0, 0], [0, 0, -100, -100]]


def test_polygons_label_images_beyond_180_on_both_sides_of_it(tmp_path):
    transform = Affine(0.1, 0, 179, 0, -0.1, 1)
    image = SceneRaster(
        write(tmp_path / "image.tif", np.ones((10, 20), "uint8"), crs="EPSG:4326", transform=transform)
    )
    across = shapely.MultiPolygon([shapely.box(179.5, 0, 180, 1), shapely.box(-180, 0, -179.7, 1)])
    labels = open_labels(
        save(tmp_path / "p.gpkg", [across], crs=4326, cover=["wood"]), COVER, attribute="cover"
    )
    mask = labels.read(image.lattice, image.lattice.window((179, 0, 181, 1)), None)
    assert mask.valid.all(axis=0).nonzero()[0].tolist() == list(range(5, 13))
