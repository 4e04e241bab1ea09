"""From a map to points, their labels, and estimates with intervals; and every way that it can go wrong."""

import json

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
from affine import Affine
from raster_factory import X0, Y0, write_raster
from tree_factory import tree_of

from hierars_geo.accuracy import assess_maps, sample_points
from hierars_geo.cli import main
from hierars_geo.errors import DataError, HieraRSWarning, OptionError, TaxonomyError
from hierars_geo.maps import PathMap
from hierars_geo.report import write_report
from hierars_geo.taxonomy import Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")
UTM = Affine(10, 0, 500_000, 0, -10, 5_600_000)
DEGREES = Affine(0.02, 0, 11.0, 0, -0.02, 61.0)
SIZE = (120, 150)


@pytest.fixture
def write_map(tmp_path):
    """Write a leaf map with rare and frequent classes and a corner without data; return path and indices."""

    def made(crs="EPSG:32633", transform=UTM, name="map.tif"):
        rng = np.random.default_rng(5)
        leaf = rng.choice([1, 2, 5, 17], size=(24, 30), p=[0.5, 0.3, 0.15, 0.05]).repeat(5, 0).repeat(5, 1)
        leaf[:20, :20] = -100
        values = MM5B.index_to_value(leaf, 3)
        place = {"crs": crs, "transform": transform}
        return write_raster(tmp_path / name, values, dtype="uint8", nodata=0, **place), leaf

    return made


def labelled(points, leaf, transform, wrong_every=None):
    """Fill in what the map shows, every so often the next class."""
    cols, rows = ~transform @ (points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    index = leaf[np.floor(rows).astype(int), np.floor(cols).astype(int)]
    if wrong_every:
        index = np.where(np.arange(len(index)) % wrong_every == 0, 2, index)
    return points.assign(reference=np.array(MM5B.class_names(3), dtype=object)[index])


@pytest.mark.parametrize(("crs", "transform"), [("EPSG:32633", UTM), ("EPSG:4326", DEGREES)])
def test_points_lie_in_their_strata_once_and_everywhere_alike(write_map, tmp_path, crs, transform):
    path, leaf = write_map(crs, transform)
    points = sample_points(path, tmp_path / "points.gpkg", "mm5b", points=3000, minimum=100)
    cols, rows = ~transform @ (points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    assert np.allclose(cols % 1, 0.5)
    assert np.allclose(rows % 1, 0.5)
    found = leaf[np.floor(rows).astype(int), np.floor(cols).astype(int)]
    assert (MM5B.index_to_value(found, 3) == points["stratum"]).all()
    assert len(set(zip(rows, cols, strict=True))) == len(points)
    strata = pyogrio.read_dataframe(tmp_path / "points.gpkg", layer="strata").set_index("stratum")
    assert strata["pixels"].sum() == (leaf >= 0).sum()
    assert strata["points"].min() >= 100
    largest = points[points["stratum"] == strata["area_m2"].idxmax()]
    # by area, not by pixel: in degrees the northern rows are smaller
    upper = leaf == found[np.flatnonzero(points["stratum"] == strata["area_m2"].idxmax())[0]]
    weight = (
        np.cos(np.radians(61 - 0.02 * (np.arange(SIZE[0]) + 0.5))) if crs == "EPSG:4326" else np.ones(SIZE[0])
    )
    share = (upper * weight[:, None])[:60].sum() / (upper * weight[:, None]).sum()
    row_of = (~transform @ (largest.geometry.x.to_numpy(), largest.geometry.y.to_numpy()))[1]
    spread = np.sqrt(share * (1 - share) / len(largest))
    assert abs((row_of < 60).mean() - share) < 4 * spread


def test_estimates_of_every_level_from_points_drawn_by_leaves(write_map, tmp_path, capsys):
    path, leaf = write_map()
    out = tmp_path / "points.gpkg"
    assert main(["sample", str(path), "-o", str(out), "--taxonomy", "mm5b", "--points", "400"]) == 0
    again = tmp_path / "again.gpkg"
    assert main(["sample", str(path), "-o", str(again), "--taxonomy", "mm5b", "--points", "400"]) == 0
    points = pyogrio.read_dataframe(out, layer="points")
    assert points.geometry.equals(pyogrio.read_dataframe(again, layer="points").geometry)
    filled = labelled(points, leaf, UTM, wrong_every=10)
    pyogrio.write_dataframe(filled, out, layer="points", append=False)
    target = tmp_path / "accuracy.json"
    assert main(["evaluate", str(path), str(out), "--taxonomy", "mm5b", "-o", str(target)]) == 0
    assert "95 %" in capsys.readouterr().out
    content = json.loads(target.read_text())
    total = (leaf >= 0).sum() * 100
    for level in ("L1", "L2", "L3"):
        found = content["levels"][level]
        assert found["design"] == "strata"
        assert sum(c["area_m2"]["value"] for c in found["classes"]) == pytest.approx(total, rel=1e-3)
        assert 0 < found["overall_accuracy"]["margin_95"] < 0.05
    # the forest label given by mistake is right for vegetation more often than for the leaf
    accuracies = [content["levels"][level]["overall_accuracy"]["value"] for level in ("L1", "L2", "L3")]
    assert accuracies[0] > accuracies[1] >= accuracies[2]
    assert main(["evaluate", str(path), str(out), "--taxonomy", "mm5b", "-o", str(tmp_path / "a.csv")]) == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert len(table) == 4 + 9 + 18
    forest = table[(table["level"] == 3) & (table["class_name"] == "Forest")].iloc[0]
    truth = content["levels"]["L3"]["classes"][2]
    assert forest["area_ha"] == pytest.approx(truth["area_m2"]["value"] / 1e4)
    assert forest["users_accuracy"] == pytest.approx(truth["users_accuracy"]["value"])


def test_points_without_strata_are_weighted_by_the_areas_of_the_map(write_map, tmp_path):
    path, leaf = write_map()
    points = sample_points(path, tmp_path / "points.gpkg", "mm5b", points=400)
    named = labelled(points, leaf, UTM).drop(columns="stratum").to_crs(4326)
    pyogrio.write_dataframe(named, tmp_path / "bare.gpkg", layer="anything")
    found = assess_maps(path, tmp_path / "bare.gpkg", "mm5b").levels[2]
    assert found.design == "map"
    assert float(found.result.overall.value) == pytest.approx(1)
    shares = np.array([(leaf == index).sum() for index in range(18)]) / (leaf >= 0).sum()
    np.testing.assert_allclose(found.result.area_share.value, shares, rtol=1e-4)


def test_points_known_at_a_coarse_level_alone_count_there(write_map, tmp_path):
    path, leaf = write_map()
    points = labelled(sample_points(path, tmp_path / "points.gpkg", "mm5b", points=400), leaf, UTM)
    points.loc[points.index % 4 == 0, "reference"] = "L1/Vegetation"
    points.loc[points.index % 4 == 1, "reference"] = None
    pyogrio.write_dataframe(points, tmp_path / "points.gpkg", layer="points", append=False)
    with pytest.warns(HieraRSWarning, match=r"200 of \d+ points have no class"):
        found = assess_maps(path, tmp_path / "points.gpkg", "mm5b")
    assert found.levels[0].points > found.levels[2].points
    assert found.levels[2].points == len(points) - 200


def test_what_cannot_be_estimated_is_said_in_one_line(write_map, tmp_path):
    path, leaf = write_map()
    points = labelled(sample_points(path, tmp_path / "points.gpkg", "mm5b", points=400), leaf, UTM)

    def refused(table, words, error=DataError, **options):
        pyogrio.write_dataframe(table, tmp_path / "points.gpkg", layer="points", append=False)
        with pytest.raises(error, match=words):
            assess_maps(path, tmp_path / "points.gpkg", "mm5b", **options)

    refused(points.assign(reference="Jungle"), "no class 'Jungle' of column reference")
    refused(points.set_geometry(points.geometry.translate(1e5)), r"outside, first number 0 at")
    corner = points.copy()
    corner.loc[3, "geometry"] = type(corner.geometry[0])(500_005, 5_599_995)
    refused(corner, "1 of 400 lie on nodata, first number 3")
    refused(points.set_geometry(points.geometry.buffer(1)), "points, but got Polygon")
    refused(points, "'klass'.*reference", OptionError, column="klass")
    rare = points["stratum"].value_counts().idxmin()
    refused(
        points[points["stratum"] != rare],
        r"in every stratum, but got none in Bare land \(4\.1% of the ground\) at level L1",
    )
    with pytest.raises(TaxonomyError, match="Did you mean"):
        sample_points(path, tmp_path / "x.gpkg", "mm5b", expected_by_class={"Forst": 0.9})
    with pytest.raises(OptionError, match=r"within 1\.\.3"):
        sample_points(path, tmp_path / "x.gpkg", "mm5b", level=4)
    with pytest.raises(OptionError, match="points to be >= 1, but got 0"):
        sample_points(path, tmp_path / "x.gpkg", "mm5b", points=0)
    assert not (tmp_path / "x.gpkg").exists()


TINY = tree_of(
    "t", L1={"land": 1, "water": 2}, L2={"field": (1, "land"), "forest": (2, "land"), "lake": (3, "water")}
)


def test_a_class_of_one_pixel_stops_nothing(tmp_path):
    tree = TINY
    values = np.ones((40, 40), "uint8")
    values[:, 20:], values[10, 10] = 2, 3
    path = write_raster(tmp_path / "map.tif", values, nodata=0)
    with pytest.warns(HieraRSWarning, match=r"drawn whole, as they have no more pixels: lake \(1 px\)"):
        points = sample_points(path, tmp_path / "p.gpkg", tree, points=60, minimum=5)
    assert len(points) == 60
    names = {1: "field", 2: "forest", 3: "lake"}
    pyogrio.write_dataframe(
        points.assign(reference=points["stratum"].map(names)), tmp_path / "p.gpkg", layer="points"
    )
    found = assess_maps(path, tmp_path / "p.gpkg", tree)
    for level in found.levels:
        assert float(level.result.overall.value) == pytest.approx(1)
        assert float(level.result.overall.margin) == 0
    # one error among the fields: the lake adds nothing to the spread, the corrections are Stehman's
    wrong = points["stratum"].map(names).to_numpy(dtype=object)
    fields = np.flatnonzero(points["stratum"] == 1)
    wrong[fields[0]] = "forest"
    pyogrio.write_dataframe(points.assign(reference=wrong), tmp_path / "p.gpkg", layer="points")
    level = assess_maps(path, tmp_path / "p.gpkg", tree).levels[1]
    n, total = len(fields), (values == 1).sum()
    error = total / 1600 * np.sqrt((1 - n / total) * (1 / n) * (1 - 1 / n) * n / (n - 1) / n)
    assert float(level.result.overall.error) == pytest.approx(error, rel=1e-4)


def test_a_census_has_no_margin(tmp_path):
    tree = TINY
    rng = np.random.default_rng(0)
    values = rng.integers(1, 4, (12, 15)).astype("uint8")
    path = write_raster(tmp_path / "map.tif", values, nodata=0)
    with pytest.warns(HieraRSWarning, match="points instead of 9999: the map has no more pixels"):
        points = sample_points(path, tmp_path / "p.gpkg", tree, points=9999, minimum=5)
    assert len(points) == values.size
    names = np.array(["field", "forest", "lake"], dtype=object)
    truth = np.where(rng.random(len(points)) < 0.3, rng.integers(0, 3, len(points)), points["stratum"] - 1)
    pyogrio.write_dataframe(points.assign(reference=names[truth]), tmp_path / "p.gpkg", layer="points")
    bare = points.assign(reference=names[truth]).drop(columns="stratum")
    pyogrio.write_dataframe(bare, tmp_path / "bare.gpkg", layer="points")
    for file in ("p.gpkg", "bare.gpkg"):
        level = assess_maps(path, tmp_path / file, tree).levels[1]
        assert float(level.result.overall.value) == pytest.approx(
            (truth == points["stratum"] - 1).mean(), rel=1e-4
        )
        for estimate in (level.result.overall, level.result.users, level.result.area_share):
            np.testing.assert_allclose(estimate.margin, 0, atol=1e-12)


def test_levels_that_can_be_estimated_are_and_the_others_say_why(tmp_path, capsys):
    tree = TINY
    (tmp_path / "tree.yaml").write_text(json.dumps(tree.to_dict()))
    values = np.ones((40, 40), "uint8")
    values[:, 20:], values[:5, :5] = 2, 3
    path = write_raster(tmp_path / "map.tif", values, nodata=0)
    points = sample_points(path, tmp_path / "p.gpkg", tree, points=60, minimum=10)
    names = points["stratum"].map({1: "field", 2: "L1/land", 3: "lake"})  # no forest known as such
    pyogrio.write_dataframe(points.assign(reference=names), tmp_path / "p.gpkg", layer="points")
    out = tmp_path / "accuracy.json"
    command = ["evaluate", str(path), str(tmp_path / "p.gpkg"), "--taxonomy", str(tmp_path / "tree.yaml")]
    assert main([*command, "-o", str(out)]) == 0
    captured = capsys.readouterr()
    assert "L1: overall accuracy 1.000" in captured.out
    assert "L2: overall" not in captured.out
    content = json.loads(out.read_text())
    assert list(content["levels"]) == ["L1"]
    assert "got none in forest (50.0% of the ground) at level L2" in content["not_estimated"]["L2"]
    page = write_report(path, tmp_path / "r.html", accuracy=out, taxonomy=tree)
    assert "forest (50.0% of the ground)" in page.read_text(encoding="utf-8")


def test_few_points_of_a_post_stratum_are_joined_with_their_kin(tmp_path):
    tree = TINY
    values = np.ones((40, 40), "uint8")
    values[:, 20:], values[:, 38:] = 3, 2
    path = write_raster(tmp_path / "map.tif", values, nodata=0)
    rng = np.random.default_rng(1)
    cols = np.concatenate([rng.choice(38, 30, replace=False), [39]])
    rows = rng.integers(0, 40, 31)
    x, y = Affine(10, 0, X0, 0, -10, Y0) @ (cols + 0.5, rows + 0.5)
    reference = np.array(["", "field", "forest", "lake"], dtype=object)[values[rows, cols]]
    frame = geopandas.GeoDataFrame(
        {"reference": reference}, geometry=geopandas.points_from_xy(x, y), crs="EPSG:32650"
    )
    frame.to_file(tmp_path / "p.gpkg")
    level = assess_maps(path, tmp_path / "p.gpkg", tree).levels[1]
    assert level.collapsed == ("forest",)  # one point, joined with the fields, which are land, too
    assert float(level.result.overall.value) == pytest.approx(1)
    share = 0.55 / (np.isin(values[rows, cols], (1, 2))).sum()
    assert float(level.result.area_share.value[1]) == pytest.approx(share, rel=1e-3)


@pytest.fixture
def sure_maps(tmp_path):
    """Maps with confidence and an area of applicability; return folder, leaves, confidence and inside."""
    rng = np.random.default_rng(3)
    leaf = rng.choice([1, 2, 5, 17], size=SIZE, p=[0.5, 0.3, 0.15, 0.05])
    leaf[:20, :20] = -100
    sure = np.clip(100 * rng.beta(5, 1.3, SIZE), 20, 100).astype(np.uint8)
    sure[leaf < 0] = 255
    inside = np.where(leaf < 0, 255, np.arange(SIZE[1]) >= 30).astype(np.uint8)
    folder = tmp_path / "maps"
    folder.mkdir()
    place = {"crs": "EPSG:32633", "transform": UTM, "dtype": "uint8"}
    write_raster(folder / "scene_L3.tif", MM5B.index_to_value(leaf, 3), nodata=0, **place)
    write_raster(folder / "scene_conf_L3.tif", sure, nodata=255, **place)
    write_raster(folder / "scene_aoa.tif", inside, nodata=255, **place)
    return folder, leaf, sure, inside


@pytest.mark.parametrize("by", ["uncertainty", "applicability", "random"])
def test_points_where_labels_help_most_give_unbiased_estimates(sure_maps, tmp_path, by, capsys):
    folder, leaf, sure, inside = sure_maps
    out = tmp_path / "points.gpkg"
    call = ["sample", str(folder), "-o", str(out), "--taxonomy", "mm5b", "--by", by, "--points", "900"]
    assert main(call) == 0
    points = geopandas.read_file(out, layer="points")
    strata = pyogrio.read_dataframe(out, layer="strata").set_index("stratum")
    cols, rows = (
        np.floor(axis).astype(int)
        for axis in ~UTM @ (points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    )
    assert len(set(zip(rows, cols, strict=True))) == len(points) == 900
    band = {
        "uncertainty": np.digitize(sure, [50, 70, 85, 95]) + 1,
        "applicability": inside,
        "random": np.ones(SIZE, int),
    }[by]
    np.testing.assert_array_equal(points["stratum"], band[rows, cols])
    known = leaf >= 0
    numbers, pixels = np.unique(band[known], return_counts=True)
    np.testing.assert_array_equal(strata.loc[numbers, "pixels"], pixels)
    assert points["stands_for_m2"].sum() == pytest.approx(strata["area_m2"].sum())
    density = strata["points"] / strata["pixels"]
    if by == "uncertainty":
        assert density.loc[1] > 5 * density.loc[5] > 0
    if by == "applicability":
        assert (strata["points"] == 450).all()
    # as even over the rows as the ground: 900 points, 60 bands of two rows with about 15 each
    per_two = np.bincount(rows // 2, minlength=60)
    assert per_two[10:].std() < 0.75 * np.sqrt(per_two[10:].mean())
    # the map is wrong where it is unsure, so that its shares of the classes are biased
    truth = np.where(np.random.default_rng(4).random(SIZE) * 100 < sure, leaf, 2)
    names = np.array(MM5B.class_names(3), dtype=object)
    points.assign(reference=names[truth[rows, cols]]).to_file(tmp_path / "done.gpkg", layer="points")
    pyogrio.write_dataframe(strata.reset_index(), tmp_path / "done.gpkg", layer="strata")
    found = assess_maps(folder, tmp_path / "done.gpkg", "mm5b").levels[-1].result
    right, shares = (truth == leaf)[known].mean(), np.bincount(truth[known], minlength=18) / known.sum()
    for overall, area in (
        (found.overall, found.area_share),
        (found.assisted_overall, found.assisted_area_share),
    ):
        assert abs(overall.value - right) < 1.5 * overall.margin < 0.08
        assert (np.abs(area.value - shares) <= 1.7 * area.margin + 1e-9).all()
    # strata of confidence leave nothing to what the confidence tells; others gain
    gain = found.assisted_overall.error / found.overall.error
    assert gain < (1.0 + 1e-9 if by == "uncertainty" else 0.985)


def test_only_what_a_sample_asks_for_is_read(sure_maps, tmp_path, monkeypatch):
    folder, _, _, _ = sure_maps
    original, read = PathMap.read_confidence, []
    monkeypatch.setattr("hierars_geo.maps.path_map.STRIP_ROWS", 10)
    monkeypatch.setattr(
        PathMap, "read_confidence", lambda maps, *where: read.append(where) or original(maps, *where)
    )
    sample_points(folder, tmp_path / "class.gpkg", "mm5b", points=8, minimum=2)
    assert read == []
    points = sample_points(folder, tmp_path / "sure.gpkg", "mm5b", by="uncertainty", points=10, minimum=2)
    strips = {int(row) // 10 for row in (~UTM @ (points.geometry.x, points.geometry.y))[1]}
    # once to count, and again where a point lies
    assert len(read) == SIZE[0] // 10 + len(strips) < 2 * SIZE[0] // 10


def test_maps_without_what_points_are_dealt_by_are_refused(write_map, tmp_path, capsys):
    path, _ = write_map()
    for by, remedy in (("uncertainty", "--confidence"), ("applicability", "--applicability")):
        out = str(tmp_path / "points.gpkg")
        assert main(["sample", str(path), "-o", out, "--taxonomy", "mm5b", "--by", by]) == 2
        assert f"Predict with {remedy}." in capsys.readouterr().err
