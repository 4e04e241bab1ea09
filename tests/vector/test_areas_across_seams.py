"""Polygons meet maps across the 180th meridian, on maps of 0..360 degrees and over the pole."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from raster_factory import write_raster
from tree_factory import tree_of

from hierars_geo.accuracy import read_reference_points
from hierars_geo.grid import GeoGrid
from hierars_geo.polygons import read_polygons
from hierars_geo.scenes.dataset import dataset_grid
from hierars_geo.vector import class_areas

TREE = tree_of("cover", L1={"land": 1, "water": 2})


def write(path, values, transform, crs="EPSG:4326"):
    write_raster(path, values.astype(np.uint8), crs=crs, transform=transform, nodata=0)
    with rasterio.open(path) as dataset:
        return dataset_grid(dataset, str(path))


def layer(path, crs, **shapes):
    gpd.GeoDataFrame({"name": list(shapes)}, geometry=list(shapes.values()), crs=crs).to_file(path)
    return path


def areas_of(tmp_path, by):
    table = class_areas(
        tmp_path / "map.tif", by, tmp_path / "out.csv", TREE, id_column="name", overwrite=True
    )
    return table.classes.set_index(["name", "class_name"]).area_m2.to_dict(), table.polygons.set_index("name")


def box_m2(west, south, east, north):
    ring = shapely.segmentize(shapely.box(west, south, east, north), 0.01)
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(ring)[0])


def test_a_district_of_another_crs_across_180_is_its_own_ground(tmp_path):
    values = np.ones((100, 300))
    values[:, 150:] = 2
    write(tmp_path / "map.tif", values, Affine(0.01, 0, 177, 0, -0.01, -17))
    forth = Transformer.from_crs(4326, 3832, always_xy=True).transform
    (left, right), (bottom, top) = forth([179.5, 180], [-17.6, -17.2])
    by = layer(tmp_path / "d.gpkg", 3832, crossing=shapely.box(left, bottom, 2 * right - left, top))
    areas, polygons = areas_of(tmp_path, by)
    half_m2 = box_m2(179.5, -17.6, 180, -17.2)
    assert areas == {("crossing", "water"): pytest.approx(half_m2, rel=1e-4)}
    assert polygons.polygon_m2["crossing"] == pytest.approx(2 * half_m2, rel=1e-4)


def test_maps_beyond_180_and_layers_up_to_180_meet(tmp_path):
    write(tmp_path / "map.tif", np.ones((20, 40)), Affine(0.5, 0, 170, 0, -0.5, 10))
    by = layer(
        tmp_path / "d.gpkg",
        4326,
        east=shapely.box(-175, 2, -172, 8),
        west=shapely.box(175, 2, 178, 8),
        split=shapely.MultiPolygon([shapely.box(178, 2, 180, 8), shapely.box(-180, 2, -179, 8)]),
    )
    areas, polygons = areas_of(tmp_path, by)
    expected = pytest.approx(box_m2(175, 2, 178, 8), rel=1e-4)
    assert areas == {(name, "land"): expected for name in ("east", "west", "split")}
    assert polygons.polygon_m2.tolist() == [expected] * 3


def test_a_world_map_of_0_to_360_holds_the_whole_of_every_district(tmp_path):
    write(tmp_path / "map.tif", np.ones((180, 360)), Affine(1, 0, 0, 0, -1, 90))
    by = layer(
        tmp_path / "d.gpkg", 4326, usa=shapely.box(-125, 30, -70, 48), greenwich=shapely.box(-5, 2, 20, 8)
    )
    areas, _ = areas_of(tmp_path, by)
    assert areas == {
        ("usa", "land"): pytest.approx(box_m2(-125, 30, -70, 48), rel=1e-3),
        ("greenwich", "land"): pytest.approx(box_m2(-5, 2, 20, 8), rel=1e-3),
    }


def test_a_polar_cap_in_degrees_is_a_disc_on_a_polar_map(tmp_path):
    write(tmp_path / "map.tif", np.ones((200, 200)), Affine(20000, 0, -2e6, 0, -20000, 2e6), crs="EPSG:3413")
    by = layer(tmp_path / "d.gpkg", 4326, cap=shapely.box(-180, 80, 180, 90))
    areas, _ = areas_of(tmp_path, by)
    assert areas[("cap", "land")] == pytest.approx(box_m2(-180, 80, 180, 89.9999999), rel=0.02)
    moved = read_polygons(by, GeoGrid.from_bounds(CRS.from_epsg(3413), (-2e6, -2e6, 2e6, 2e6), (2e4, 2e4)))
    assert shapely.contains_xy(moved.geometry[0], [0, 1e5, -1e5, 0], [0, 0, 1e5, -9e5]).all()


def test_districts_that_a_map_cannot_express_do_not_stop_those_on_it(tmp_path):
    write(
        tmp_path / "map.tif", np.ones((100, 100)), Affine(100, 0, 500_000, 0, -100, 5_600_000), "EPSG:32633"
    )
    by = layer(
        tmp_path / "world.gpkg",
        4326,
        here=shapely.box(-180, -90, 180, 90),
        far=shapely.box(100, -10, 120, 10),
    )
    areas, polygons = areas_of(tmp_path, by)
    assert areas[("here", "land")] == pytest.approx(1e8, rel=2e-3)
    assert polygons.polygon_m2["here"] == pytest.approx(5.1e14, rel=1e-2)
    assert polygons.mapped_m2["far"] == 0


def test_reference_points_are_turned_to_where_the_map_is(tmp_path):
    grid = write(tmp_path / "map.tif", np.ones((20, 40)), Affine(0.5, 0, 170, 0, -0.5, 10))
    points = gpd.GeoDataFrame(
        {"reference": ["land", "water"]}, geometry=shapely.points([-175, 175], [5, 5]), crs=4326
    )
    points.to_file(tmp_path / "p.gpkg")
    assert read_reference_points(tmp_path / "p.gpkg", grid, TREE).x.tolist() == [185, 175]
