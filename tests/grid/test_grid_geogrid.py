import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from hierars_geo.errors import RasterError
from hierars_geo.grid import GeoGrid, Window, same_grid

UTM = CRS.from_epsg(32648)
NORTH_UP = Affine(10, 0, 362_612.196859, 0, -10, 1_987_088.206432)
ROTATED = Affine.translation(500_000, 4_000_000) @ Affine.rotation(30) @ Affine.scale(10, -20)


def test_from_bounds_covers_and_rounds():
    grid = GeoGrid.from_bounds(UTM, (1000, 500, 1105, 620), (10, 20))
    assert grid.shape == (6, 10)
    assert grid.bounds == (1000, 500, 1100, 620)
    assert grid.is_north_up
    assert (grid.height, grid.width, grid.res) == (6, 10, (10, 20))
    assert GeoGrid.from_bounds(UTM, (0, 0, 1, 1), (10, 10)).shape == (1, 1)


@pytest.mark.parametrize(
    ("bounds", "res"),
    [((0, 0, 0, 5), (1, 1)), ((0, 5, 5, 0), (1, 1)), ((0, 0, 5, 5), (1, 0)), ((0, 0, math.nan, 5), (1, 1))],
)
def test_from_bounds_refuses_nonsense(bounds, res):
    with pytest.raises(RasterError, match="bounds with an area and a resolution > 0, but got"):
        GeoGrid.from_bounds(UTM, bounds, res)


def test_rotated_and_south_up_outlines():
    grid = GeoGrid(UTM, ROTATED, (7, 9))
    assert grid.res == pytest.approx((10, 20))
    xs, ys = zip(*(ROTATED @ corner for corner in ((0, 0), (9, 0), (0, 7), (9, 7))), strict=True)
    assert grid.bounds == (min(xs), min(ys), max(xs), max(ys))
    assert not grid.is_north_up
    south_up = GeoGrid(UTM, Affine(10, 0, 5, 0, 10, 7), (2, 3))
    assert south_up.bounds == (5, 7, 35, 27)
    assert not south_up.is_north_up


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north_up", "rotated"])
def test_crop_keeps_pixels_in_place(transform):
    crop = GeoGrid(UTM, transform, (50, 60)).crop(Window(-3, 7, 11, 13))
    assert crop.shape == (11, 13)
    np.testing.assert_allclose(crop.transform @ (2, 5), transform @ (9, 2), rtol=1e-12)


def test_gsd_of_a_true_projection_is_nominal():
    assert GeoGrid(UTM, NORTH_UP, (1068, 1068)).gsd_m() == 10
    assert GeoGrid(UTM, ROTATED, (10, 10)).gsd_m() == pytest.approx(math.sqrt(200), rel=1e-12)
    feet = CRS.from_epsg(2263)  # New York, US survey feet
    x, y = Transformer.from_crs(4326, 2263, always_xy=True).transform(-73.9, 40.7)
    grid = GeoGrid(feet, Affine(3, 0, x, 0, -3, y), (10, 10))
    assert grid.gsd_m() == pytest.approx(3 * 1200 / 3937, rel=1e-9)


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0])
def test_gsd_is_measured_on_the_ground(latitude):
    """Degrees and Mercator metres against the radii of curvature of WGS 84."""
    a, e2 = 6_378_137.0, 0.00669437999014
    w = 1 - e2 * math.sin(math.radians(latitude)) ** 2
    along_lat = a * (1 - e2) / w**1.5 * math.radians(1)
    along_lon = a / math.sqrt(w) * math.cos(math.radians(latitude)) * math.radians(1)
    degrees = 0.0001
    geographic = GeoGrid(
        CRS.from_epsg(4326), Affine(degrees, 0, 8, 0, -degrees, latitude + degrees / 2), (1, 1)
    )
    assert geographic.gsd_m() == pytest.approx(degrees * math.sqrt(along_lat * along_lon), rel=1e-5)
    for code in (3857, 3395, 4087):  # Web Mercator, World Mercator, World Equidistant Cylindrical
        to_map = Transformer.from_crs(4326, code, always_xy=True)
        x, y = to_map.transform(8, latitude)
        grid = GeoGrid(CRS.from_epsg(code), Affine(10, 0, x - 5, 0, -10, y + 5), (1, 1))
        east, north = (
            to_map.transform(8 + degrees, latitude)[0] - x,
            to_map.transform(8, latitude + degrees)[1] - y,
        )
        true = 10 * math.sqrt(degrees * along_lon / east * degrees * along_lat / north)
        # where the projection is true to 1 % its nominal size stands
        assert grid.gsd_m() == pytest.approx(true, rel=1e-4 if abs(true / 10 - 1) > 0.01 else 0.01)


def test_gsd_needs_the_earth():
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    with pytest.raises(RasterError, match="a CRS on the Earth, but got 'site'"):
        GeoGrid(local, NORTH_UP, (3, 3)).gsd_m()
    with pytest.raises(RasterError, match="centre to lie on the Earth, but"):
        GeoGrid(UTM, Affine(10, 0, 1e9, 0, -10, 1e9), (3, 3)).gsd_m()


def test_same_grid_tolerates_rounding_only():
    grid = GeoGrid(UTM, NORTH_UP, (1068, 1068))

    def moved(px):
        return GeoGrid(UTM, NORTH_UP @ Affine.translation(px, 0), (1068, 1068))

    assert same_grid(grid, moved(1e-7))
    assert not same_grid(grid, moved(1e-5))
    assert same_grid(grid, moved(1e-5), tolerance_px=1e-4)
    stretched = GeoGrid(UTM, NORTH_UP @ Affine.scale(1 + 1e-8), (1068, 1068))  # 1e-5 px at the far corner
    assert not same_grid(grid, stretched)
    assert not same_grid(grid, GeoGrid(UTM, NORTH_UP, (1068, 1067)))
    assert not same_grid(grid, GeoGrid(CRS.from_epsg(32647), NORTH_UP, (1068, 1068)))
    assert same_grid(grid, GeoGrid(CRS.from_wkt(UTM.to_wkt("WKT1_GDAL")), NORTH_UP, (1068, 1068)))
    assert not same_grid(grid, GeoGrid(UTM, NORTH_UP @ Affine.scale(1, -1), (1068, 1068)))
