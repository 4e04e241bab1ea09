"""A folder of maps as one object: which files belong together, and the same answer from every command."""

import json
import warnings

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Geod
from rasterio.enums import ColorInterp
from report_factory import Place
from scene_files import write

from hierars_geo.accuracy import sample_points
from hierars_geo.cli import main
from hierars_geo.errors import DataError, HieraRSError, HieraRSWarning, MissingFileError, OptionError
from hierars_geo.grid import Window
from hierars_geo.maps import Maps
from hierars_geo.results import Maps as Results
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import class_areas, vectorize
from hierars_geo.viewer.view_areas import view_areas
from hierars_geo.viewer.views import find_views

MM5B = Taxonomy.from_yaml("mm5b")


@pytest.fixture
def place():
    return Place(MM5B, (60, 80))


def outcomes(source, place, tmp_path, taxonomy=None):
    """Hectares, or the error, that each command arrives at."""
    labels = place.write_labels(tmp_path / "labels.tif")
    box = geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1e7, 1e7)], crs=place.crs)
    box.to_file(tmp_path / "all.gpkg")
    options = [] if taxonomy is None else ["--taxonomy", taxonomy]

    def run(name, work):
        try:
            return name, work()
        except HieraRSError as error:
            return name, type(error)

    def scored():
        target = tmp_path / "m.json"
        main(["evaluate", str(source), str(labels), "-o", str(target), "--overwrite", "--debug", *options])
        levels = json.loads(target.read_text())["levels"]
        return int(sum(entry["predicted"] for entry in levels["L1"]["classes"]))

    def reported():
        target = tmp_path / "r.html"
        main(["report", str(source), "-o", str(target), "--overwrite", "--debug", *options])
        return target.is_file()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HieraRSWarning)
        return dict(
            [
                run("maps", lambda: round(Maps.open(source, taxonomy).areas()["pixels"].sum() / 3)),
                run(
                    "vectorize",
                    lambda: vectorize(source, tmp_path / "v.gpkg", taxonomy, overwrite=True).pixels,
                ),
                run(
                    "areas",
                    lambda: round(
                        class_areas(
                            source, tmp_path / "all.gpkg", tmp_path / "a.csv", taxonomy, overwrite=True
                        ).polygons["mapped_m2"][0]
                        / 100.0
                    ),
                ),
                run(
                    "sample",
                    lambda: (
                        len(sample_points(source, tmp_path / "p.gpkg", taxonomy, points=9, overwrite=True))
                        > 0
                    ),
                ),
                run("evaluate", scored),
                run("report", reported),
                run("view", lambda: len(find_views([source], taxonomy=taxonomy))),
            ]
        )


def expected_of(place):
    pixels = int((place.predicted >= 0).sum())
    labelled = int(((place.predicted >= 0) & (place.reference >= 0)).sum())
    return {
        "maps": pixels,
        "vectorize": pixels,
        "areas": pytest.approx(pixels, rel=1e-3),
        "sample": True,
        "evaluate": labelled,
        "report": True,
        "view": 1,
    }


@pytest.mark.parametrize(
    "kind", ["as written", "tiff", "no item", "no tree", "x_conf", "no L3", "L3 alone", "stack"]
)
def test_every_command_finds_the_same_maps(place, tmp_path, kind):
    folder, taxonomy = tmp_path / "maps", None
    place.write_prediction(folder, name="x_conf" if kind == "x_conf" else "scene")
    if kind == "tiff":
        for path in list(folder.glob("*.tif")):
            path.rename(path.with_suffix(".tiff"))
    elif kind in ("no item", "no tree"):
        (folder / "scene.json").unlink()
        taxonomy = "mm5b" if kind == "no item" else None
    elif kind == "no L3":
        (folder / "scene_L3.tif").unlink()
        (folder / "scene_conf_L3.tif").unlink()
    elif kind == "L3 alone":
        for level in (1, 2):
            (folder / f"scene_L{level}.tif").unlink()
    elif kind == "stack":
        bands = []
        for level in (1, 2, 3):
            bands.append(place.values(place.predicted, level))
            (folder / f"scene_L{level}.tif").unlink()
        path = place.write_tif(folder / "scene_levels.tif", np.stack(bands), 0, MM5B.level_names)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(HIERARS_TAXONOMY="mm5b")
    found = outcomes(folder, place, tmp_path, taxonomy)
    if kind == "no tree":
        assert found == dict.fromkeys(found, OptionError) | {"evaluate": OptionError, "report": OptionError}
        return
    expected = expected_of(place)
    if kind == "no L3":
        expected["maps"] = round(expected["maps"] * 2 / 3)
    assert found == expected


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_a_mask_or_alpha_band_counts_in_every_command(place, tmp_path):
    values = place.values(place.predicted, 3)
    values[:, :20] = 5  # a class, under the mask
    hidden = np.where(np.arange(80) < 20, 0, 255).astype("uint8") * np.ones((60, 1), "uint8")
    filled = np.where(values == 0, 5, values)
    place.predicted[:, :20], place.predicted[place.predicted < 0] = -1, 4
    place.predicted[:, :20] = -1
    masked = place.write_tif(tmp_path / "masked.tif", filled)
    with rasterio.open(masked, "r+") as dataset:
        dataset.write_mask(hidden)
    alpha = place.write_tif(tmp_path / "alpha.tif", np.stack([filled, hidden]))
    with rasterio.open(alpha, "r+") as dataset:
        dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
    for source in (masked, alpha):
        assert outcomes(source, place, tmp_path, "mm5b") == expected_of(place), source
        [view] = find_views([source], taxonomy="mm5b")
        seen = sum(area["area_m2"] for area in view_areas(view, view.bounds, 3))
        assert seen == pytest.approx(60 * 60 * 100, rel=0.02)  # pixels of a Web Mercator grid


#: One map per kind of grid: CRS and transform.
GRIDS = {
    "UTM": ("EPSG:32633", Affine(10, 0, 5e5, 0, -10, 5.6e6)),
    "Lambert, St John's": ("EPSG:3979", Affine(2000, 0, 2.6e6, 0, -2000, 1.1e6)),
    "Lambert, Canada": ("EPSG:3979", Affine(60_000, 0, -2.2e6, 0, -60_000, 3.6e6)),
    "polar": ("EPSG:3995", Affine(40_000, 0, -1.5e6, 0, -40_000, 1.5e6)),
    "sea ice": ("EPSG:3413", Affine(25_000, 0, -1.5e6, 0, -25_000, 1.5e6)),
    "sinusoidal": ("+proj=sinu +R=6371007.181 +units=m", Affine(4633, 0, 1e6, 0, -4633, 5.5e6)),
    "EASE-2": ("EPSG:6933", Affine(9008, 0, 1e6, 0, -9008, 5e6)),
    "degrees": ("EPSG:4326", Affine(0.05, 0, 11, 0, -0.05, 68)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_command_measures_the_same_ground(name, tmp_path):
    crs, transform = GRIDS[name]
    place = Place(MM5B, (60, 80), crs=crs, transform=transform)
    place.predicted[:] = np.where(np.arange(80) < 50, 1, 5)  # two classes: forest west, river east
    place.predicted[:10] = -1
    folder = place.write_prediction(tmp_path / "maps", confidence=False)
    maps = Maps.open(folder)
    # the eastern part by a geodesic polygon of many corners
    edge = np.linspace(0, 1, 200, endpoint=False)
    cols = 50 + 30 * np.concatenate([edge, np.ones(200), 1 - edge, np.zeros(200)])
    rows = 10 + 50 * np.concatenate([np.zeros(200), edge, np.ones(200), 1 - edge])
    x, y = transform @ (cols, rows)
    to_lonlat = rasterio.warp.transform(crs, maps.grid.crs.geodetic_crs.to_wkt(), x, y)
    geod = maps.grid.crs.get_geod() or Geod(ellps="WGS84")
    expected = abs(geod.polygon_area_perimeter(*to_lonlat)[0])

    table = maps.areas().set_index(["level", "class_value"])["area_m2"]
    assert table[3, 6] == pytest.approx(expected, rel=1e-4)
    vectorize(folder, tmp_path / "v.gpkg", levels=[3])
    polygons = geopandas.read_file(tmp_path / "v.gpkg", layer="L3").groupby("class_value")["area_m2"].sum()
    around = shapely.box(*maps.grid.bounds)
    geopandas.GeoDataFrame(geometry=[around], crs=maps.grid.crs).to_parquet(tmp_path / "all.parquet")
    inside = class_areas(folder, tmp_path / "all.parquet", tmp_path / "a.csv", levels=[3]).classes
    sample_points(folder, tmp_path / "p.gpkg", points=20, minimum=5)
    strata = geopandas.read_file(tmp_path / "p.gpkg", layer="strata").set_index("stratum")["area_m2"]
    for value in (2, 6):
        found = [polygons[value], inside.set_index("class_value")["area_m2"][value], strata[value]]
        assert found == pytest.approx([table[3, value]] * 3, rel=1e-4)


def test_drawn_points_are_alike_on_all_ground_though_pixels_shrink_along_rows(tmp_path):
    crs, transform = "EPSG:3979", Affine(30_000, 0, 0, 0, -30_000, 2e6)
    path = write(tmp_path / "map.tif", np.ones((70, 90), "uint8"), crs=crs, transform=transform, nodata=0)
    points = sample_points(path, tmp_path / "p.gpkg", "mm5b", points=3000)
    areas = np.concatenate([[0], np.cumsum(_column_areas(path))])
    cols = np.floor((~transform @ (points.geometry.x.to_numpy(), points.geometry.y.to_numpy()))[0]).astype(
        int
    )
    expected = areas[45] / areas[-1]
    assert abs((cols < 45).mean() - expected) < 3 * np.sqrt(expected * (1 - expected) / 3000)
    assert abs(expected - 0.5) > 0.003
    assert len(set(zip(points.geometry.x, points.geometry.y, strict=True))) == 3000


def _column_areas(path):
    from hierars_geo.grid import PixelAreas

    grid = Maps.open(path, "mm5b").grid
    return PixelAreas(grid).read(Window(0, 0, *grid.shape)).sum(axis=0)


def test_pixels_strips_tables_and_figures(place, tmp_path):
    maps = Maps.open(place.write_prediction(tmp_path, depth=True))
    assert (maps.levels, maps.taxonomy.name, len(maps)) == ((1, 2, 3), "mm5b", 1)
    assert maps.item == tmp_path / "scene.json"
    assert list(maps.layers) == ["L1", "L2", "L3", "conf_L1", "conf_L2", "conf_L3", "depth"]
    for level in (1, 2, 3):
        np.testing.assert_array_equal(maps.window(level), place.values(place.predicted, level))
    window = Window(3, 5, 20, 30)
    np.testing.assert_array_equal(maps.window(2, window), place.values(place.predicted, 2)[window.slices()])
    strips = np.concatenate([values for _, values in maps.strips()], axis=1)
    np.testing.assert_array_equal(strips[2], place.values(place.predicted, 3))
    table = maps.areas()
    assert list(table.columns) == [
        "scene",
        "level",
        "class_value",
        "class_name",
        "pixels",
        "area_m2",
        "share",
    ]
    for level in (1, 2, 3):
        of_level = table[table["level"] == level]
        values, counts = np.unique(place.values(place.predicted, level), return_counts=True)
        expected = pd.Series(counts[values > 0], values[values > 0])
        pd.testing.assert_series_equal(
            of_level.set_index("class_value")["pixels"], expected, check_names=False, check_index_type=False
        )
        assert of_level["share"].sum() == pytest.approx(1)
    data = maps.to_xarray()
    np.testing.assert_array_equal(data["L3"].to_numpy(), place.values(place.predicted, 3))
    assert data["conf_L1"].shape == place.shape
    assert float(data["L1"].x[0]) == pytest.approx(maps.grid.bounds[0] + 5)
    figure = maps.plot(level=2)
    picture = figure.axes[0].images[0].get_array()
    colors = np.array([*MM5B.colors(2), (235, 235, 235)])
    index = place.paths(place.predicted)[1]
    np.testing.assert_array_equal(picture, colors[np.where(index < 0, len(colors) - 1, index)])
    assert "levels 1..3 of mm5b" in repr(maps)
    with pytest.raises(OptionError, match=r"within 1\.\.3"):
        maps.window(4)


def test_several_scenes_and_lists(place, tmp_path):
    for name in ("a", "b"):
        place.write_prediction(tmp_path / "maps", name=name)
    other = write(tmp_path / "cdl.tif", np.ones((5, 5), "uint8"), nodata=0)
    maps = Maps.open(tmp_path / "maps")
    assert [scene.name for scene in maps] == ["a", "b"]
    with pytest.raises(DataError, match=r"hold one scene, but got 2 \(a, b\)"):
        _ = maps.levels
    assert set(maps.areas()["scene"]) == {"a", "b"}
    listed = Maps.open([tmp_path / "maps" / "a_L2.tif", tmp_path / "maps" / "a_L3.tif", other], "mm5b")
    assert [scene.name for scene in listed] == ["a", "cdl"]
    assert Maps.open(maps).scenes == maps.scenes
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(DataError, match=r"it is a model\. Predict with it first: hierars-geo predict .*ckpt"):
        Maps.open(tmp_path / "model.ckpt")
    with pytest.raises(MissingFileError, match="nowhere"):
        Maps.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"a_conf_L1\.tif holds the confidence of a"):
        Maps.open(tmp_path / "maps" / "a_conf_L1.tif")


def test_maps_of_an_older_run_are_left_out(place, tmp_path):
    place.write_prediction(tmp_path)
    item = json.loads((tmp_path / "scene.json").read_text())
    item["assets"] = {"L2": {"href": "./scene_L2.tif"}, "L1": {"href": "./scene_L1.tif"}}
    (tmp_path / "scene.json").write_text(json.dumps(item))
    with pytest.warns(HieraRSWarning, match=r"scene_L3\.tif, not named in .* of another run"):
        assert Maps.open(tmp_path).levels == (1, 2)


def test_methods_that_write_are_the_functions_of_their_rooms(place, tmp_path):
    maps = Results.open(place.write_prediction(tmp_path / "maps"))
    labels = place.write_labels(tmp_path / "labels.tif")
    known = (place.reference >= 0) & (place.predicted >= 0)
    scores = maps.evaluate(labels)
    assert scores.levels[2].oa == pytest.approx((place.reference == place.predicted)[known].mean())
    assert maps.vectorize(tmp_path / "v.gpkg").pixels == (place.predicted >= 0).sum()
    assert maps.report() == tmp_path / "maps" / "report.html"
    assert len(maps.sample(tmp_path / "p.gpkg", level=1, points=40, minimum=2)) > 0
