"""Areas and perimeters against geodesics, in several kinds of CRS."""

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from vector_factory import PATHS, grid_of, noisy_map, regions_of

from hierars_geo.errors import RasterError
from hierars_geo.vector import build_coverage, polygon_areas_m2
from hierars_geo.vector.conversion import GroundMetric

EARTH_M2 = 510_065_621_724_088  # WGS 84


def geodesic_area_m2(polygon, crs):
    """Area by Karney's geodesics; edges are cut so short that they follow the straight lines of the CRS."""
    geod = crs.get_geod()
    to_lonlat = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    degrees = np.degrees(crs.geodetic_crs.axis_info[0].unit_conversion_factor)
    total = 0.0
    for nth, ring in enumerate([polygon.exterior, *polygon.interiors]):
        points = shapely.get_coordinates(shapely.segmentize(ring, ring.length / 4000))
        lon, lat = np.stack(to_lonlat.transform(*points.T)) * degrees
        area, _ = geod.polygon_area_perimeter(lon, lat)
        total += -abs(area) if nth else abs(area)
    return total


@pytest.mark.parametrize(
    ("crs", "bounds"),
    [
        pytest.param("EPSG:32633", (500_000, 5e6, 510_000, 5.01e6), id="utm, middle of the zone"),
        pytest.param("EPSG:32633", (166_000, 100, 166_010, 110), id="utm, one pixel at the edge"),
        pytest.param("EPSG:32633", (2e5, 1e6, 8e5, 2e6), id="utm, a whole zone"),
        pytest.param("EPSG:3857", (1e6, 6e6, 1.1e6, 6.1e6), id="web mercator"),
        pytest.param("EPSG:4326", (10, 50, 10.0001, 50.0001), id="degrees, one pixel"),
        pytest.param("EPSG:4326", (10, -20, 60, 60), id="degrees, a continent"),
        pytest.param("EPSG:2264", (2e6, 5e5, 2.1e6, 6e5), id="us feet"),
        pytest.param("EPSG:27572", (6e5, 2.4e6, 6.1e5, 2.41e6), id="grads and the meridian of Paris"),
        pytest.param("EPSG:3031", (-1e6, -1e6, 1e6, 1.5e6), id="polar, the pole inside"),
        pytest.param("EPSG:3035", (4e6, 3e6, 4.1e6, 3.1e6), id="equal-area"),
        pytest.param("ESRI:54009", (1e6, 5e6, 2e6, 6e6), id="equal-area on the sphere only"),
        pytest.param("EPSG:32660", (7e5, 5e6, 9e5, 5.1e6), id="across the 180th meridian"),
        pytest.param("EPSG:32633+5773", (500_000, 5e6, 500_300, 5_000_400), id="with heights"),
    ],
)
def test_areas_are_those_of_geodesics(crs, bounds):
    outline = shapely.box(*bounds)
    hole = shapely.affinity.scale(outline, 0.3, 0.4)
    triangle = shapely.Polygon([bounds[:2], bounds[2:], (bounds[0], bounds[3])])
    polygons = np.array([outline, outline - hole, triangle, shapely.MultiPolygon([hole])])
    crs = CRS.from_user_input(crs)
    flat = crs.to_2d() if len(crs.axis_info) > 2 else crs
    expected = [geodesic_area_m2(polygon, flat) for polygon in (*polygons[:3], hole)]
    # the reference is good to 1e-7 over a continent and to 1e-4 m2 over a pixel
    np.testing.assert_allclose(polygon_areas_m2(polygons, crs), expected, rtol=1e-7, atol=1e-4)


def test_planar_areas_are_what_this_avoids():
    square = np.array([shapely.box(1e6, 6e6, 1_000_010, 6_000_010)])
    assert polygon_areas_m2(square, CRS(3857))[0] == pytest.approx(45.92137, rel=1e-6)


@pytest.mark.parametrize(
    ("crs", "bounds", "share"),
    [
        ("EPSG:4326", (-180, -90, 180, 90), 1.0),
        ("EPSG:4326", (-180, 0, 180, 90), 0.5),
        ("EPSG:3857", (-20037508.342789, -20037508.342789, 20037508.342789, 20037508.342789), 0.99623874),
        ("EPSG:6933", (-17367530.44516, -7342230.13649, 17367530.44516, 7342230.13649), 1.0),
        # all meridians, from the equator to 60 degrees north, drawn around the 150th meridian
        ("EPSG:3832", (-20037508.342789, 0, 20037508.342789, 8362698.548501), 0.43252662),
    ],
)
def test_the_whole_earth_has_its_area(crs, bounds, share):
    area = polygon_areas_m2(np.array([shapely.box(*bounds)]), CRS.from_user_input(crs))[0]
    assert area / EARTH_M2 == pytest.approx(share, rel=1e-7)


def test_empty_geometries_have_no_area():
    polygons = np.array([shapely.Polygon(), shapely.box(0, 0, 1, 1), shapely.MultiPolygon()])
    areas = polygon_areas_m2(polygons, CRS(32633))
    assert areas[[0, 2]].tolist() == [0, 0]
    assert areas[1] > 0
    assert polygon_areas_m2(polygons[:1], CRS(32633)).tolist() == [0]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", Affine(10, 0, 2e5, 0, -10, 5.6e6)),
        ("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 60)),
        ("EPSG:4326", Affine(0.5, 0, 10, 0, -0.5, 60)),
        ("EPSG:2264", Affine(33, 4, 2e6, 3, -35, 6e5)),
    ],
)
def test_regions_have_the_areas_of_their_polygons_and_parents_the_sum(crs, transform):
    path_map = noisy_map(40, 50, seed=8)
    grid = grid_of(path_map.shape, CRS.from_user_input(crs), transform)
    coverage, _ = build_coverage(regions_of(path_map), PATHS, grid)
    np.testing.assert_allclose(
        coverage.area_m2[1:], polygon_areas_m2(coverage.polygons(3), grid.crs), rtol=1e-8
    )
    for level in coverage.levels[:2]:
        summed = np.bincount(level.region, weights=coverage.area_m2)[1:]
        np.testing.assert_allclose(
            summed, polygon_areas_m2(coverage.polygons(level.level), grid.crs), rtol=1e-8
        )


def test_pixels_in_degrees_have_the_area_of_their_row():
    path_map = np.arange(6, dtype=np.uint8).reshape(3, 2)
    grid = grid_of(path_map.shape, CRS(4326), Affine(0.1, 0, 20, 0, -0.1, 60))
    coverage, _ = build_coverage(regions_of(path_map), PATHS, grid)
    geod = Geod(ellps="WGS84")
    for number, area in enumerate(coverage.area_m2[1:]):
        north = 60 - 0.1 * (number // 2)
        lons = np.linspace(20, 20.1, 500)
        ring = np.concatenate([lons, lons[::-1]]), np.repeat([north - 0.1, north], 500)
        assert area == pytest.approx(geod.polygon_area_perimeter(*ring)[0], rel=1e-8)


@pytest.mark.parametrize(
    ("wkt", "bounds", "message"),
    [
        ('LOCAL_CS["plan",UNIT["metre",1]]', (0, 0, 1, 1), "Expected a CRS on the Earth, but got 'plan'"),
        ("EPSG:32633", (1e9, 1e9, 2e9, 2e9), "Expected every pixel to lie on the Earth"),
    ],
)
def test_places_off_the_earth_are_refused(wkt, bounds, message):
    with pytest.raises(RasterError, match=message):
        polygon_areas_m2(np.array([shapely.box(*bounds)]), CRS.from_user_input(wkt))


def geodesic_length_m(polygon, crs):
    """Length by Karney's geodesics, edges cut short so that they follow the straight lines of the CRS."""
    to_lonlat = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    total = 0.0
    for ring in (polygon.exterior, *polygon.interiors):
        points = shapely.get_coordinates(shapely.segmentize(ring, ring.length / 500))
        total += crs.get_geod().line_length(*to_lonlat.transform(*points.T))
    return total


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        pytest.param("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5.6e6), id="utm"),
        pytest.param("EPSG:32633", Affine(8, 3, 200_000, 2, -9, 5.6e6), id="utm, rotated and sheared"),
        pytest.param("EPSG:4326", Affine(0.001, 0, 15, 0, -0.001, 60), id="degrees"),
        pytest.param("EPSG:4326", Affine(0.5, 0, 15, 0, -0.5, 60), id="degrees, a continent"),
        pytest.param("EPSG:3857", Affine(500, 0, 1e6, 0, -500, 8e6), id="web mercator"),
        pytest.param("EPSG:2264", Affine(33, 0, 2e6, 0, -33, 6e5), id="us feet"),
    ],
)
@pytest.mark.parametrize("simplify_m", [0.0, 20.0])
def test_perimeters_are_those_of_geodesics(crs, transform, simplify_m):
    crs = CRS.from_user_input(crs)
    path_map = noisy_map(24, 30, seed=4, salt=0.02)
    grid = grid_of(path_map.shape, crs, transform)
    coverage, _ = build_coverage(regions_of(path_map), PATHS, grid, simplify_m=simplify_m)
    metric = GroundMetric(grid)
    measured = np.concatenate([metric.perimeters_m(outlines) for _, outlines in coverage.outlines(2)])
    expected = [geodesic_length_m(polygon, crs) for polygon in coverage.polygons(2)]
    assert len(measured) == len(expected) > 5
    np.testing.assert_allclose(measured, expected, rtol=2e-4 if abs(transform.a) == 0.5 else 1e-6)


def test_a_metric_needs_the_earth():
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    with pytest.raises(RasterError, match="Expected a CRS on the Earth"):
        GroundMetric(grid_of((4, 4), local, Affine(1, 0, 0, 0, -1, 0)))
