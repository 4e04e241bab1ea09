"""Polygons moved across seams and poles: against PROJ point by point, geodesic areas and RFC 7946."""

import numpy as np
import pytest
import shapely
from pyproj import CRS, Geod, Transformer

from hierars_geo.grid.reprojection import move, move_polygons, to_lonlat

LONLAT = CRS.from_epsg(4326)
GEOD = Geod(ellps="WGS84")


def array(*geometries):
    return np.array(geometries, dtype=object)


def area_m2(geometry):
    return sum(abs(GEOD.geometry_area_perimeter(part)[0]) for part in shapely.get_parts(geometry))


def pdc_box(west, south, east, north):
    """A box of EPSG:3832 (Pacific, centre 150 E) around longitudes that may pass 180."""
    forth = Transformer.from_crs(4326, 3832, always_xy=True).transform
    (left, right), (bottom, top) = forth([west, min(east, 329)], [south, north])
    return shapely.box(left, bottom, right, top)


def test_a_district_across_180_is_cut_there_and_keeps_its_area():
    moved = move(pdc_box(179.5, -17.6, 180.5, -17.2), CRS.from_epsg(3832), LONLAT)
    west, east = sorted(shapely.get_parts(moved), key=lambda part: part.bounds[0])
    assert west.bounds == pytest.approx((-180, -17.6, -179.5, -17.2), abs=1e-6)
    assert east.bounds == pytest.approx((179.5, -17.6, 180, -17.2), abs=1e-6)
    assert area_m2(moved) == pytest.approx(4.704e9, rel=1e-3)


@pytest.mark.parametrize("west", [-170.0, 190.0])
def test_a_polygon_is_turned_to_where_the_map_is(west):
    drawn = shapely.box(west, 2, west + 3, 8)
    (moved,) = move_polygons(array(drawn), LONLAT, LONLAT, onto=(170, -10, 195, 10))
    assert moved.bounds == (190, 2, 193, 8)


def test_polygons_that_are_split_at_180_are_one_on_a_map_across_it():
    split = shapely.union_all([shapely.box(178, 2, 180, 8), shapely.box(-180, 2, -177, 8)])
    (moved,) = move_polygons(array(split), LONLAT, LONLAT, onto=(170, -10, 190, 10))
    assert moved.equals(shapely.box(178, 2, 183, 8))


def test_a_polygon_across_greenwich_lies_at_both_ends_of_a_map_from_0_to_360():
    (moved,) = move_polygons(array(shapely.box(-5, 2, 5, 8)), LONLAT, LONLAT, onto=(0, -90, 360, 90))
    assert moved.equals(shapely.union_all([shapely.box(0, 2, 5, 8), shapely.box(355, 2, 360, 8)]))


def test_polygons_far_from_the_map_stay_as_they_are():
    drawn = array(shapely.box(10, 40, 12, 42), shapely.box(179, 0, 181, 2))
    assert move_polygons(drawn, LONLAT, LONLAT, onto=(5, 35, 15, 45)).tolist() == drawn.tolist()


@pytest.mark.parametrize(("epsg", "pole"), [(3413, 90), (3031, -90)])
def test_a_square_over_a_pole_reaches_to_the_pole(epsg, pole):
    square = shapely.box(-12800, -9600, 12800, 9600)
    (moved,) = to_lonlat(array(square), CRS.from_epsg(epsg))
    assert moved.bounds[0::2] == (-180, 180)
    assert pole in moved.bounds[1::2]
    back = Transformer.from_crs(LONLAT, epsg, always_xy=True).transform
    ring = np.array(back(*shapely.get_coordinates(moved).T)).T
    off = shapely.distance(shapely.points(ring), square.exterior)
    assert off[np.abs(shapely.get_coordinates(moved)[:, 0]) < 179.999].max() == pytest.approx(0, abs=12_800)
    # the same ground: sampled points of the plane are inside together
    xs, ys = np.random.default_rng(0).uniform(-15000, 15000, (2, 2000))
    inside = shapely.contains_xy(moved, *Transformer.from_crs(epsg, LONLAT, always_xy=True).transform(xs, ys))
    assert (inside == shapely.contains_xy(square, xs, ys)).mean() > 0.999


@pytest.mark.parametrize("square", [(0, -5000, 8000, 5000), (0, 0, 8000, 8000), (-4000, 100, 9000, 7000)])
def test_squares_that_touch_a_pole_or_lie_beside_it_keep_their_ground(square):
    (moved,) = to_lonlat(array(shapely.box(*square)), CRS.from_epsg(3413))
    xs, ys = np.random.default_rng(1).uniform(-10000, 10000, (2, 3000))
    inside = shapely.contains_xy(moved, *Transformer.from_crs(3413, LONLAT, always_xy=True).transform(xs, ys))
    assert (inside == shapely.contains_xy(shapely.box(*square), xs, ys)).mean() > 0.999


def test_a_ring_around_a_pole_keeps_its_hole():
    donut = shapely.Point(0, 0).buffer(1e6).difference(shapely.Point(0, 0).buffer(5e5))
    (moved,) = to_lonlat(array(donut), CRS.from_epsg(3413))
    lat = Transformer.from_crs(3413, LONLAT, always_xy=True).transform(0, 5e5)[1]
    assert moved.bounds[3] == pytest.approx(lat, abs=0.01)
    assert shapely.contains_xy(moved, [0, 100, -170], 83.0).all()
    assert not shapely.contains_xy(moved, [0, 100, -170], 89.0).any()


def test_a_utm_scene_across_180_is_two_slivers_either_side():
    x, y = Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 65)
    (moved,) = to_lonlat(array(shapely.box(x - 12800, y - 9600, x + 12800, y + 9600)), CRS.from_epsg(32601))
    east, west = sorted(shapely.get_parts(moved), key=lambda part: -part.bounds[0])
    assert east.bounds == pytest.approx((179.72, 64.91, 180, 65.09), abs=0.01)
    assert west.bounds == pytest.approx((-180, 64.91, -179.72, 65.09), abs=0.01)
    assert area_m2(moved) == pytest.approx(25600 * 19200, rel=2e-3)


@pytest.mark.parametrize(("source", "target"), [(32633, 4326), (3979, 4326), (4326, 3979), (3413, 32633)])
def test_edges_leave_their_curve_by_no_more_than_the_tolerance(source, target):
    square = {32633: (3e5, 6.6e6, 4e5, 6.7e6), 3979: (-1e6, 0, 1e6, 2e6), 4326: (-100, 45, -60, 60)}
    box = shapely.box(*square.get(source, (1e6, -1.6e6, 1.5e6, -1.1e6)))
    tolerance = 1e-5 if target == 4326 else 1.0
    (moved,) = move_polygons(array(box), CRS.from_epsg(source), CRS.from_epsg(target), tolerance)
    fine = shapely.segmentize(box, box.length / 20_000)
    x, y = Transformer.from_crs(source, target, always_xy=True).transform(*shapely.get_coordinates(fine).T)
    shrink = np.cos(np.radians(moved.bounds[1])) if target == 4326 else 1.0
    ring = shapely.transform(moved.exterior, lambda xy: xy * [shrink, 1])
    assert shapely.distance(shapely.points(x * shrink, y), ring).max() <= tolerance
    assert len(moved.exterior.coords) < 6000


def test_neighbours_keep_their_border_whichever_way_it_runs():
    left, right = shapely.box(3e5, 6.6e6, 3.5e5, 6.7e6), shapely.box(3.5e5, 6.6e6, 4e5, 6.7e6)
    moved = move_polygons(array(left, right), CRS.from_epsg(32633), LONLAT)
    assert shapely.coverage_is_valid(moved)
    assert shapely.union_all(moved).geom_type == "Polygon"


def test_what_the_map_cannot_express_is_cut_to_the_ground_around_it():
    world = shapely.box(-180, -90, 180, 90)
    onto = (5e5, 5.5e6, 6e5, 5.6e6)
    far = shapely.box(100, -10, 110, 10)
    moved, gone = move_polygons(array(world, far), LONLAT, CRS.from_epsg(32633), onto=onto)
    assert shapely.covers(moved, shapely.box(*onto))
    assert moved.area < 5e10
    assert not shapely.intersects(gone, shapely.box(*onto))


def test_a_polygon_over_the_seam_of_a_projection_lies_at_both_its_ends():
    moved = move(shapely.box(-35, 0, -25, 10), LONLAT, CRS.from_epsg(3832))  # centre 150 E, seam 30 W
    half = 20037508.34
    left, right = sorted(shapely.get_parts(moved), key=lambda part: part.bounds[0])
    assert left.bounds[0] == pytest.approx(-half, abs=1)
    assert right.bounds[2] == pytest.approx(half, abs=1)
    assert left.area == pytest.approx(right.area, rel=1e-6)
