"""Scores inside polygons, of labels known at coarse levels, and of rasters larger than their blocks."""

import json
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from pyproj import CRS
from raster_factory import placed, write_raster
from rasterio.errors import NotGeoreferencedWarning

from hierars_geo.accuracy import ReferenceLabels, evaluate_maps, evaluate_regions
from hierars_geo.cli import main
from hierars_geo.errors import OptionError
from hierars_geo.grid import GeoGrid, Window
from hierars_geo.scenes import Regions
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("mm5b")
HEIGHT, WIDTH = 1100, 60  # two blocks of comparison
TRANSFORM = placed()


def write(path, values, transform=TRANSFORM, **options):
    return write_raster(path, values, transform=transform, **({"dtype": "uint8", "nodata": 0} | options))


def square(left, top, right, bottom):
    """Polygon of columns left..right and rows top..bottom."""
    (x0, y0), (x1, y1) = TRANSFORM @ (left, top), TRANSFORM @ (right, bottom)
    return shapely.box(x0, y1, x1, y0)


@pytest.fixture
def case(tmp_path):
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 18, size=(HEIGHT, WIDTH))
    leaf = np.where(rng.random(reference.shape) < 0.7, reference, rng.integers(0, 18, size=reference.shape))
    maps = write(tmp_path / "leaves.tif", TREE.index_to_value(leaf, 3))
    labels = write(tmp_path / "labels.tif", TREE.index_to_value(reference, 3))
    return maps, labels, leaf, reference


#: The second lies in both blocks and overlaps the first; the third has two parts; the fourth is elsewhere.
SHAPES = {
    "a": [square(0, 0, 30, 600)],
    "b": [square(10, 500, 60, 1100)],
    "c": [square(0, 0, 5, 5), square(55, 1090, 60, 1100)],
    "d": [square(2000, 2000, 2100, 2100)],
}


def inside(name):
    """Pixels of a region, from their indices alone."""
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    masks = {
        "a": (rows < 600) & (cols < 30),
        "b": (rows >= 500) & (cols >= 10),
        "c": ((rows < 5) & (cols < 5)) | ((rows >= 1090) & (cols >= 55)),
        "d": rows < 0,
    }
    return masks[name]


def test_each_region_is_scored_by_its_own_pixels(case):
    maps, labels, leaf, reference = case
    names = [name for name, parts in SHAPES.items() for _ in parts]
    polygons = np.array([part for parts in SHAPES.values() for part in parts])
    whole, found = evaluate_regions(maps, labels, TREE, Regions(names, polygons))
    assert whole.to_dict(TREE) == evaluate_maps(maps, labels, TREE).to_dict(TREE)
    assert list(found) == ["a", "b", "c", "d"]
    for name, scores in found.items():
        mask = inside(name)
        for level, part in enumerate(scores.levels, start=1):
            expected = np.zeros_like(part.confusion)
            np.add.at(expected, (TREE.lift(reference[mask], level), TREE.lift(leaf[mask], level)), 1)
            np.testing.assert_array_equal(part.confusion, expected)
        assert scores.ignored == 0
    assert np.isnan(found["d"].levels[0].oa)


def test_tables_of_regions_through_the_command_line(case, tmp_path, capsys):
    maps, labels, leaf, reference = case
    frame = geopandas.GeoDataFrame(
        {"name": ["a", "b"]}, geometry=[SHAPES["a"][0], SHAPES["b"][0]], crs="EPSG:32650"
    )
    layer = tmp_path / "districts.gpkg"
    frame.to_crs("EPSG:4326").to_file(layer)
    command = ["evaluate", str(maps), str(labels), "--taxonomy", "mm5b", "--by", str(layer), "-o"]
    assert main([*command, str(tmp_path / "m.json"), "--id", "name"]) == 0
    assert main([*command, str(tmp_path / "m.csv"), "--id", "name"]) == 0
    content = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    rows = pd.read_csv(tmp_path / "m.csv", keep_default_na=False, na_values={"iou": "", "oa": ""})
    assert [part["region"] for part in content["regions"]] == ["a", "b"]
    assert len(rows) == 3 * (4 + 9 + 18)
    for name, part in [("", content), *((part["region"], part) for part in content["regions"])]:
        mask = inside(name) if name else np.ones_like(leaf, dtype=bool)
        right = (leaf == reference)[mask].mean()
        assert part["levels"]["L3"]["oa"] == pytest.approx(right, abs=1e-3)
        mine = rows[(rows["region"] == name) & (rows["level"] == 3)]
        np.testing.assert_allclose(mine["oa"], part["levels"]["L3"]["oa"])
        np.testing.assert_allclose(mine["iou"], [entry["iou"] for entry in part["levels"]["L3"]["classes"]])
        assert list(mine["class_name"]) == list(TREE.class_names(3))
    capsys.readouterr()
    assert main([*command, str(tmp_path / "n.json"), "--id", "nope"]) == 2
    assert "column of" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "n.txt")]) == 2
    assert main(["evaluate", str(maps), str(labels), "--taxonomy", "mm5b", "-o", "x.json", "--id", "a"]) == 2


def test_labels_of_a_coarse_level_count_there_alone(case, tmp_path):
    maps, _, leaf, reference = case
    coarse = write(tmp_path / "coarse.tif", TREE.index_to_value(TREE.lift(reference, 1), 1))
    scores = evaluate_maps(maps, ReferenceLabels(coarse, TREE, level=1), TREE)
    expected = np.zeros_like(scores.levels[0].confusion)
    np.add.at(expected, (TREE.lift(reference, 1), TREE.lift(leaf, 1)), 1)
    np.testing.assert_array_equal(scores.levels[0].confusion, expected)
    # what is certain further down (vegetation has several children, bare land one) counts there, too
    assert 0 < scores.levels[2].confusion.sum() < leaf.size
    assert scores.levels[2].confusion[:17].sum() == 0


def test_polygons_are_labels_of_every_level(case, tmp_path):
    maps, _, leaf, _ = case
    names = [TREE.class_names(3)[0], TREE.class_names(1)[0]]  # a leaf, and a coarse class
    frame = geopandas.GeoDataFrame(
        {"class": names}, geometry=[square(0, 0, 20, 500), square(20, 0, 40, 1100)], crs="EPSG:32650"
    )
    frame.to_file(tmp_path / "fields.gpkg")
    out = tmp_path / "m.json"
    command = ["evaluate", str(maps), str(tmp_path / "fields.gpkg"), "--taxonomy", "mm5b", "-o", str(out)]
    assert main([*command, "--attribute", "class"]) == 0
    levels = json.loads(out.read_text(encoding="utf-8"))["levels"]
    confusion = [np.array(levels[f"L{level}"]["confusion"]) for level in (1, 2, 3)]
    assert [matrix.sum() for matrix in confusion] == [20 * 500 + 20 * 1100, 20 * 500, 20 * 500]
    assert (
        confusion[0][0, 0]
        == (TREE.lift(leaf[:500, :20], 1) == 0).sum() + (TREE.lift(leaf[:, 20:40], 1) == 0).sum()
    )
    assert confusion[2][0, 0] == (leaf[:500, :20] == 0).sum()


def test_regions_need_a_name_each():
    with pytest.raises(OptionError, match="one name per region"):
        Regions(["a"], np.array([square(0, 0, 1, 1), square(0, 0, 2, 2)]))


@pytest.mark.slow
def test_memory_does_not_follow_the_raster(tmp_path):
    peaks = []
    for side in (1024, 3072):
        tiled = {
            "height": side,
            "width": side,
            "tiled": True,
            "blockxsize": 256,
            "blockysize": 256,
            "compress": "deflate",
            "SPARSE_OK": True,
        }
        paths = [tmp_path / f"{name}_{side}.tif" for name in ("map", "labels")]
        for path in paths:
            write(path, np.ones((1, 1)))
            with rasterio.open(path) as small:
                profile = small.profile | tiled
            with rasterio.open(path, "w", **profile) as dataset:
                strip = np.ones((side // 8, side), dtype=np.uint8)
                dataset.write(strip, 1, window=rasterio.windows.Window(0, 0, side, side // 8))
        tracemalloc.start()
        scores = evaluate_maps(*paths, TREE)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert scores.levels[2].confusion[0, 0] == side * side // 8
    assert peaks[1] < 2 * peaks[0]  # nine times the pixels; from the second block on, two are held


def test_regions_are_drawn_in_several_threads():
    """rasterio swaps the process's filters of warnings while it draws: threads must not meet there."""
    grid = GeoGrid(CRS.from_epsg(32650), TRANSFORM, (40, 40))
    regions = Regions(["a"], np.array([shapely.box(500050, 3999650, 500400, 4000000)]))
    before = list(warnings.filters)

    def draw(_):
        return [mask.sum() for _ in range(50) for _, mask in regions.masks(grid, Window(0, 0, 40, 40))]

    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        inside = list(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            sums = {total for totals in pool.map(draw, range(8)) for total in totals}
        assert warnings.filters == inside
    assert warnings.filters == before
    assert sums == {35 * 35}
