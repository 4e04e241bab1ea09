"""Maps against labels: same grid, finer labels, a region, a leaf map alone, and what does not fit."""

import math
from itertools import pairwise

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from raster_factory import X0, Y0, write_raster
from rasterio.enums import ColorInterp
from tree_factory import tree_of

from hierars_geo.accuracy import evaluate_maps
from hierars_geo.accuracy.labels import ReferenceLabels
from hierars_geo.errors import DataError, HieraRSError, HieraRSWarning, MissingFileError, TaxonomyError
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("mm5b")


def write(path, values, res=10.0, origin=(X0, Y0), nodata=0):
    place = {"res": res, "left": origin[0], "top": origin[1]}
    return write_raster(path, values, dtype="uint8", nodata=nodata, **place)


@pytest.fixture
def case(tmp_path):
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 18, size=(40, 30))
    leaf = np.where(rng.random(reference.shape) < 0.7, reference, rng.integers(0, 18, size=reference.shape))
    folder = tmp_path / "maps"
    folder.mkdir()
    for level in (1, 2, 3):
        write(folder / f"s_L{level}.tif", TREE.index_to_value(TREE.lift(leaf, level), level))
    return folder, leaf, reference, tmp_path


def test_confidence_is_held_against_what_is_right_at_its_level(case):
    folder, leaf, reference, tmp_path = case
    rng = np.random.default_rng(4)
    labels = write(tmp_path / "labels.tif", TREE.index_to_value(reference, 3))
    sure = {1: rng.integers(60, 101, leaf.shape), 3: rng.integers(0, 101, leaf.shape)}
    sure[3][:4] = 255
    for level, values in sure.items():
        write(folder / f"s_conf_L{level}.tif", values, nodata=255)
    content = evaluate_maps(folder, labels, TREE).to_dict(TREE)["levels"]
    assert "calibration_error" not in content["L2"]
    for level, values in sure.items():
        right = TREE.lift(leaf, level) == TREE.lift(reference, level)
        known = values != 255
        column = np.minimum((values * 15) // 100, 14)
        gaps = [
            abs((values[known & (column == n)] / 100 - right[known & (column == n)]).sum()) for n in range(15)
        ]
        assert content[f"L{level}"]["calibration_error"] == pytest.approx(sum(gaps) / known.sum())
        share, confidence, hit = np.array(content[f"L{level}"]["reliability"]).T
        assert (share * hit).sum() == pytest.approx(right[known].mean())
        assert (share * confidence).sum() == pytest.approx(values[known].mean() / 100)


def test_a_leaf_whose_label_leaves_coarser_levels_open_can_be_right(tmp_path):
    """The leaf ``other`` of crop10m lies below both classes of the first level."""
    tree = Taxonomy.from_yaml("crop10m")
    paths = np.random.default_rng(1).integers(0, tree.num_paths, (20, 30))
    for level in (1, 2, 3):
        classes = tree.index_to_value(tree.paths[paths, level - 1], level)
        write(tmp_path / "maps" / f"s_L{level}.tif", classes, nodata=255)
        write(tmp_path / "maps" / f"s_conf_L{level}.tif", np.full((20, 30), 100), nodata=255)
    labels = write(tmp_path / "labels.tif", tree.index_to_value(tree.paths[paths, 2], 3), nodata=255)
    scores = evaluate_maps(tmp_path / "maps", labels, tree)
    assert scores.levels[2].oa == 1
    assert [scores.calibration_error(level) for level in (1, 2, 3)] == [0, 0, 0]


def test_scores_of_a_folder_and_of_its_leaves_agree_with_numpy(case):
    folder, leaf, reference, tmp_path = case
    values = TREE.index_to_value(reference, 3)
    values[:5] = 0  # no label
    labels = write(tmp_path / "labels.tif", values)
    whole = evaluate_maps(folder, labels, TREE)
    leaves = write(tmp_path / "leaves.tif", TREE.index_to_value(leaf, 3))
    alone = evaluate_maps(leaves, labels, TREE)
    for level in (1, 2, 3):
        same = TREE.lift(leaf[5:], level) == TREE.lift(reference[5:], level)
        assert whole.levels[level - 1].oa == pytest.approx(same.mean())
    assert whole.to_dict(TREE) == alone.to_dict(TREE)
    assert whole.ignored == 5 * 30


def test_finer_labels_are_reduced_by_mode(case):
    folder, _, reference, tmp_path = case
    fine = np.repeat(np.repeat(TREE.index_to_value(reference, 3), 5, axis=0), 5, axis=1)
    fine[::5, ::5] = 18  # a minority in every pixel
    same = evaluate_maps(folder, write(tmp_path / "fine.tif", fine, res=2.0), TREE)
    plain = evaluate_maps(folder, write(tmp_path / "plain.tif", TREE.index_to_value(reference, 3)), TREE)
    np.testing.assert_array_equal(same.levels[2].confusion, plain.levels[2].confusion)


def test_a_region_counts_pixel_centres_inside(case):
    folder, leaf, reference, tmp_path = case
    labels = write(tmp_path / "labels.tif", TREE.index_to_value(reference, 3))
    right = (500000.0 + 10 * 15, 0.0, 500000.0 + 300, 5e6)
    scores = evaluate_maps(folder, labels, TREE, region=right)
    assert scores.levels[2].oa == pytest.approx((leaf == reference)[:, 15:].mean())
    assert scores.levels[2].confusion.sum() == 40 * 15


@pytest.mark.parametrize("south", [3999605.0, 3999745.0, 3999755.0])
def test_boxes_side_by_side_share_no_pixel_where_their_border_runs_through_centres(case, south):
    folder, _, reference, tmp_path = case
    labels = write(tmp_path / "labels.tif", TREE.index_to_value(reference, 3))
    edges = -math.inf, 500155.0, math.inf
    boxes = [(w, s, e, n) for w, e in pairwise(edges) for s, n in pairwise((-math.inf, south, math.inf))]
    whole = evaluate_maps(folder, labels, TREE).levels[2].confusion
    parts = [evaluate_maps(folder, labels, TREE, region=box).levels[2].confusion for box in boxes]
    np.testing.assert_array_equal(sum(parts), whole)


def test_shifted_labels_count_where_both_are(case):
    folder, leaf, reference, tmp_path = case
    values = TREE.index_to_value(reference[:, 10:], 3)
    labels = write(tmp_path / "part.tif", values, origin=(500100.0, 4000000.0))
    scores = evaluate_maps(folder, labels, TREE)
    assert scores.levels[2].confusion.sum() == 40 * 20
    assert scores.levels[2].oa == pytest.approx((leaf == reference)[:, 10:].mean())


def test_pixels_without_a_label_are_counted_wherever_they_lie(tmp_path):
    # two blocks of comparison, one of them without any label
    values = np.ones((1024 + 100, 20))
    path = write(tmp_path / "map.tif", values)
    values[:1024] = 0
    scores = evaluate_maps(path, write(tmp_path / "labels.tif", values), TREE)
    assert (scores.ignored, scores.levels[2].confusion.sum()) == (1024 * 20, 100 * 20)


def test_levels_that_contradict_each_other_are_refused_as_by_every_other_command(case):
    folder, leaf, reference, tmp_path = case
    coarse = TREE.index_to_value(TREE.lift(leaf, 1), 1)
    coarse[:10] = 0
    write(folder / "s_L1.tif", coarse)
    with pytest.raises(DataError, match="make legal paths of taxonomy mm5b, but 300 pixels do not"):
        evaluate_maps(folder, write(tmp_path / "l.tif", TREE.index_to_value(reference, 3)), TREE)


def test_labels_that_declare_a_class_as_nodata_are_refused(tmp_path):
    tree = Taxonomy.from_yaml("crop10m")  # 0 is a class
    values = np.arange(12).reshape(3, 4) % 4
    path = write(tmp_path / "map.tif", values, nodata=255)
    labels = write(tmp_path / "labels.tif", values, nodata=0)
    with pytest.raises(HieraRSError, match=r"got 0, which is 'other' \(in .*labels\.tif\)"):
        evaluate_maps(path, labels, tree)


def test_what_does_not_fit_is_named(case):
    folder, _, reference, tmp_path = case
    values = TREE.index_to_value(reference, 3)
    far = write(tmp_path / "far.tif", values, origin=(900000.0, 4000000.0))
    odd = write(tmp_path / "odd.tif", np.full_like(values, 77))
    (tmp_path / "empty").mkdir()
    cases: list[tuple[object, object, type[HieraRSError], str]] = [
        (folder, far, DataError, "share labelled pixels"),
        (folder, odd, TaxonomyError, r"77.*odd\.tif"),
        (tmp_path / "empty", far, MissingFileError, "but got none"),
        (tmp_path / "gone", far, MissingFileError, "gone"),
    ]
    for prediction, labels, error, message in cases:
        with pytest.raises(error, match=message):
            evaluate_maps(prediction, labels, TREE)
    write(folder / "t_L3.tif", values)
    with pytest.raises(DataError, match=r"one scene, but got 2 \(s, t\)"):
        evaluate_maps(folder, far, TREE)


#: Labels whose "no label" a reader through int32, or through the nodata value alone, does not see.
STRANGE = {
    "int64, least": ("int64", -(2**63), None),
    "int64, -1": ("int64", -1, None),
    "uint32, greatest": ("uint32", 2**32 - 1, None),
    "float32": ("float32", -3.4028234663852886e38, None),
    "float64, NaN": ("float64", np.nan, None),
    "mask": ("uint8", None, "mask"),
    "alpha": ("uint8", None, "alpha"),
}


def declare_nodata(path, shape, nodata):
    """Lay a VRT over an int64 raster that declares a nodata value to the last digit."""
    with rasterio.open(path) as dataset:
        place = ", ".join(map(str, dataset.transform.to_gdal()))
    size = f'xSize="{shape[1]}" ySize="{shape[0]}"'
    vrt = path.with_suffix(".vrt")
    vrt.write_text(
        f'<VRTDataset rasterXSize="{shape[1]}" rasterYSize="{shape[0]}"><SRS>EPSG:32650</SRS>'
        f"<GeoTransform>{place}</GeoTransform>"
        f'<VRTRasterBand dataType="Int64" band="1"><NoDataValue>{nodata}</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{path.name}</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" {size}/><DstRect xOff="0" yOff="0" {size}/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return vrt


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("grid", ["same", "finer", "turned"])
def test_labels_of_any_type_and_validity_on_any_grid(case, name, grid):
    folder, leaf, reference, tmp_path = case
    dtype, nodata, hide = STRANGE[name]
    values = TREE.index_to_value(reference, 3).astype(dtype)
    hidden = np.zeros(values.shape, bool)
    hidden[:, 20:] = True
    values[hidden] = 1 if hide else nodata
    transform = Affine(10, 0, 500000, 0, -10, 4000000)
    if grid == "finer":
        values, hidden = (np.kron(array, np.ones((2, 2), array.dtype)) for array in (values, hidden))
        transform = transform @ Affine.scale(0.5)
    elif grid == "turned":  # labels from south to north
        values, hidden = values[::-1], hidden[::-1]
        transform = Affine(10, 0, 500000, 0, 10, 4000000 - 400)
    bands = np.stack([values, np.where(hidden, 0, 255).astype(dtype)]) if hide == "alpha" else values[None]
    profile = {
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": "EPSG:32650",
        "transform": transform,
    }
    with rasterio.open(
        tmp_path / "l.tif",
        "w",
        driver="GTiff",
        count=len(bands),
        dtype=dtype,
        nodata=None if nodata == -(2**63) else nodata,
        **profile,
    ) as dataset:
        if hide == "alpha":
            dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
        dataset.write(bands)
    if hide == "mask":
        with rasterio.open(tmp_path / "l.tif", "r+") as dataset:
            dataset.write_mask(np.where(hidden, 0, 255).astype("uint8"))
    labels = tmp_path / "l.tif"
    if nodata == -(2**63):  # rasterio writes -9 in its place
        labels = declare_nodata(labels, values.shape, nodata)
    scores = evaluate_maps(folder, labels, TREE)
    expected = np.zeros((18, 18), int)
    np.add.at(expected, (reference[:, :20], leaf[:, :20]), 1)
    np.testing.assert_array_equal(scores.levels[2].confusion, expected)
    assert scores.ignored == 40 * 10


def test_maps_on_a_turned_grid_are_scored_too(case):
    _, leaf, reference, tmp_path = case
    turned = Affine.translation(500000, 4000000) @ Affine.rotation(25) @ Affine.scale(10, -10)
    for name, index in (("map", leaf), ("labels", reference)):
        with rasterio.open(
            tmp_path / f"{name}.tif",
            "w",
            driver="GTiff",
            height=40,
            width=30,
            count=1,
            dtype="uint8",
            nodata=0,
            crs="EPSG:32650",
            transform=turned,
        ) as dataset:
            dataset.write(TREE.index_to_value(index, 3).astype("uint8"), 1)
    scores = evaluate_maps(tmp_path / "map.tif", tmp_path / "labels.tif", TREE)
    assert scores.levels[2].oa == pytest.approx((leaf == reference).mean())
    assert scores.levels[2].confusion.sum() == leaf.size


@pytest.mark.parametrize(
    "turn",
    [
        Affine.translation(500000, 4000000) @ Affine.rotation(25) @ Affine.scale(10, -10),
        Affine(10, 0, 500000, 0, 10, 4000000),
    ],
    ids=["turned", "south up"],
)
def test_polygons_are_labels_of_maps_on_a_turned_grid(case, turn):
    """The pixels whose centre a polygon holds, as GeoPandas finds them one by one."""
    _, leaf, _, tmp_path = case
    profile = {"driver": "GTiff", "height": 40, "width": 30, "count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(tmp_path / "map.tif", "w", crs="EPSG:32650", transform=turn, **profile) as dataset:
        dataset.write(TREE.index_to_value(leaf, 3).astype("uint8"), 1)
    x, y = turn @ (15.0, 20.0)
    field = shapely.Point(x, y).buffer(93)
    frame = geopandas.GeoDataFrame({"class": [TREE.class_names(3)[4]]}, geometry=[field], crs="EPSG:32650")
    frame.to_crs(4326).to_file(tmp_path / "fields.gpkg")
    rows, cols = np.mgrid[:40, :30] + 0.5
    inside = shapely.contains_xy(field, *(turn @ (cols, rows)))
    labels = ReferenceLabels(tmp_path / "fields.gpkg", TREE, attribute="class")
    scores = evaluate_maps(tmp_path / "map.tif", labels, TREE)
    assert scores.levels[2].confusion.sum() == inside.sum() > 200
    assert scores.levels[2].oa == pytest.approx((leaf[inside] == 4).mean())


def test_levels_have_one_name(tmp_path):
    """A tree that calls its third level L4: files, scores and words say L3, and its own name beside it."""
    below = {"land": (1, "land"), "water": (2, "water")}
    tree = tree_of("odd", L1={"land": 1, "water": 2}, L2=below, L4=below)
    values = np.array([[1, 2], [2, 1]])
    for level in (1, 2):
        write(tmp_path / "maps" / f"s_L{level}.tif", values)
    labels = write(tmp_path / "labels.tif", values)
    with pytest.warns(HieraRSWarning, match=r"s has no map of L3 \(L4\): that is not scored"):
        evaluate_maps(tmp_path / "maps", labels, tree)
    write(tmp_path / "maps" / "s_L3.tif", values)
    scores = evaluate_maps(tmp_path / "maps", labels, tree)
    assert list(scores.to_dict(tree)["levels"]) == ["L1", "L2", "L3"]
    assert tree.level_labels == ("L1", "L2", "L3 (L4)")


def test_levels_below_the_finest_map_are_not_scored(case):
    folder, leaf, reference, tmp_path = case
    (folder / "s_L3.tif").unlink()
    labels = write(tmp_path / "labels.tif", TREE.index_to_value(reference, 3))
    with pytest.warns(HieraRSWarning, match="has no map of L3"):
        scores = evaluate_maps(folder, labels, TREE)
    assert scores.levels[1].oa == pytest.approx((TREE.lift(leaf, 2) == TREE.lift(reference, 2)).mean())
    assert np.isnan(scores.levels[2].oa)
