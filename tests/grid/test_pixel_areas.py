"""Pixel areas against geodesic polygons, in every kind of CRS, over whole grids and window by window."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Geod, Transformer

from hierars_geo.errors import RasterError
from hierars_geo.grid import GeoGrid, PixelAreas, Window

#: Grids by what makes them hard; pixels from a decimetre to hundreds of kilometres.
GRIDS = {
    "UTM, one tile": ("EPSG:32633", Affine(10, 0, 699_960, 0, -10, 5_300_040), (1098, 1098)),
    "UTM, three zones wide": ("EPSG:32633", Affine(300, 0, -400_000, 0, -300, 6_700_000), (900, 6000)),
    "UTM, drone": ("EPSG:32633", Affine(0.1, 0, 500_000, 0, -0.1, 5_300_000), (300, 400)),
    "LCC, Canada": ("EPSG:3979", Affine(10_000, 0, -2.6e6, 0, -10_000, 3.9e6), (480, 570)),
    "LCC, decimetres": ("EPSG:3979", Affine(0.2, 0, 2.9e6, 0, -0.2, 1.0e6), (300, 400)),
    "polar, Arctic": ("EPSG:3995", Affine(5000, 0, -3e6, 0, -5000, 3e6), (1200, 1200)),
    "polar, sea ice": ("EPSG:3413", Affine(12_500, 0, -3.85e6, 0, -12_500, 5.85e6), (896, 608)),
    "sinusoidal": (
        "+proj=sinu +R=6371007.181 +units=m",
        Affine(4633, 0, -8.9e6, 0, -4633, 5.5e6),
        (960, 960),
    ),
    "EASE-2, global": ("EPSG:6933", Affine(36_032, 0, -17367530, 0, -36_032, 7_314_540), (406, 964)),
    "EASE-2, north": ("EPSG:6931", Affine(25_000, 0, -9e6, 0, -25_000, 9e6), (720, 720)),
    "longitude, latitude": ("EPSG:4326", Affine(0.25, 0, -180, 0, -0.25, 90), (720, 1440)),
    "degrees, fine": ("EPSG:4326", Affine(1e-4, 0, 105, 0, -1e-4, 60), (900, 1200)),
    "degrees, rotated grid": (
        "EPSG:4326",
        Affine.translation(10, 50) @ Affine.rotation(30) @ Affine.scale(0.01, -0.01),
        (300, 400),
    ),
    "rotated pole": (
        "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +to_meter=0.0174532925199433",
        Affine(0.11, 0, -28, 0, -0.11, 22),
        (412, 424),
    ),
    "Web Mercator": ("EPSG:3857", Affine(5000, 0, -2e7, 0, -5000, 1.9e7), (7600, 8000)),
    "feet": ("EPSG:2263", Affine(50, 0, 900_000, 0, -50, 300_000), (1500, 1500)),
    "south up": ("EPSG:32648", Affine(10, 0, 300_000, 0, 10, 2_400_000), (900, 1200)),
    "large cells": ("EPSG:3035", Affine(500_000, 0, 2e6, 0, -500_000, 5.5e6), (8, 10)),
}


def make(name):
    crs, transform, shape = GRIDS[name]
    return GeoGrid(CRS.from_user_input(crs), transform, shape)


def geodesic_area(grid, row, col, points=100):
    """Area of a pixel's outline, with many points per edge so that geodesics follow it.

    Of pixels below a metre that of a thousand by a thousand around it: PROJ's inverses are a millimetre off.
    """
    side = 1000 if grid.crs.is_projected and max(grid.res) < 1 else 1
    edge = (np.linspace(0, 1, points, endpoint=False) - 0.5) * side + 0.5
    low, high = np.full(points, 0.5 - side / 2), np.full(points, 0.5 + side / 2)
    cols = col + np.concatenate([edge, high, edge[::-1] + edge[1] - edge[0], low])
    rows = row + np.concatenate([low, edge, high, edge[::-1] + edge[1] - edge[0]])
    x, y = grid.transform @ (cols, rows)
    base = grid.crs.source_crs if grid.crs.is_derived and grid.crs.is_geographic else grid.crs.geodetic_crs
    lon, lat = Transformer.from_crs(grid.crs, base, always_xy=True).transform(x, y)
    area_m2, _ = (grid.crs.get_geod() or Geod(ellps="WGS84")).polygon_area_perimeter(lon, lat)
    return abs(area_m2) / side**2


def some_pixels(shape, count=40):
    rng = np.random.default_rng(0)
    corners = [(0, 0), (0, shape[1] - 1), (shape[0] - 1, 0), (shape[0] - 1, shape[1] - 1)]
    return [*corners, *zip(rng.integers(0, shape[0], count), rng.integers(0, shape[1], count), strict=True)]


@pytest.mark.parametrize("name", GRIDS)
def test_every_pixel_has_its_geodesic_area(name):
    grid = make(name)
    areas = PixelAreas(grid)
    for row, col in some_pixels(grid.shape):
        expected = geodesic_area(grid, row, col)
        found = areas.read(Window(int(row), int(col), 1, 1))[0, 0]
        assert found == pytest.approx(expected, rel=3e-5), (row, col)


@pytest.mark.parametrize("name", ["UTM, one tile", "LCC, Canada", "longitude, latitude", "sinusoidal"])
def test_windows_hold_the_same_as_the_whole(name):
    grid = make(name)
    areas = PixelAreas(grid)
    whole = np.broadcast_to(areas.read(Window(0, 0, *grid.shape)), grid.shape)
    for window in (Window(3, 5, 7, 11), Window(grid.height - 9, grid.width - 300, 9, 300)):
        np.testing.assert_allclose(
            np.broadcast_to(areas.read(window), (window.height, window.width)),
            whole[window.slices()],
            rtol=1e-12,
        )


@pytest.mark.parametrize("name", ["LCC, Canada", "longitude, latitude", "UTM, one tile", "EASE-2, global"])
@pytest.mark.parametrize("window", [Window(20, 30, 40, 50), Window(100, 0, 300, 570)], ids=["small", "wide"])
def test_sums_by_code_and_row(name, window):
    grid = make(name)
    areas, shape = PixelAreas(grid), (window.height, window.width)
    code = np.random.default_rng(1).integers(0, 5, shape).astype(np.uint8)
    code[:, : window.width // 3] = 5  # one class on one side alone
    weights = np.broadcast_to(areas.read(window), shape)
    expected = [weights[code == k].sum() for k in range(7)]
    np.testing.assert_allclose(areas.sum_by(code, window, 7), expected, rtol=3e-5)
    pixels, by_row = areas.sum_by_row(code, window, 7)
    np.testing.assert_array_equal(pixels, [[(line == k).sum() for k in range(7)] for line in code])
    lines = [[w[line == k].sum() for k in range(7)] for line, w in zip(code, weights, strict=True)]
    np.testing.assert_allclose(by_row, lines, rtol=3e-5)


def test_what_is_alike_along_rows_is_kept_as_one_column():
    alike = {name for name in GRIDS if not PixelAreas(make(name)).vary_along_rows}
    assert alike >= {"longitude, latitude", "Web Mercator", "EASE-2, global", "sinusoidal"}
    assert alike.isdisjoint({"UTM, one tile", "LCC, Canada", "polar, Arctic", "degrees, rotated grid"})


def test_the_whole_earth_has_its_area():
    grid = GeoGrid(CRS.from_epsg(4326), Affine(0.5, 0, -180, 0, -0.5, 90), (360, 720))
    assert PixelAreas(grid).read(Window(0, 0, 360, 720)).sum() * 720 == pytest.approx(
        510_065_621_724_089, rel=1e-12
    )


def test_pixels_outside_the_earth_take_their_neighbours_area():
    # an orthographic view: the corners look past the Earth
    grid = GeoGrid(
        CRS.from_proj4("+proj=ortho +lat_0=20"), Affine(6e4, 0, -7.2e6, 0, -6e4, 7.2e6), (240, 240)
    )
    assert np.isfinite(PixelAreas(grid).read(Window(0, 0, 240, 240))).all()


@pytest.mark.parametrize("crs", ["+proj=ortho", "EPSG:4326"])
def test_a_grid_beside_the_earth_is_refused(crs):
    grid = GeoGrid(CRS.from_user_input(crs), Affine(10, 0, 9e7, 0, -10, 9e7), (10, 10))
    with pytest.raises(RasterError, match="a raster on the Earth"):
        PixelAreas(grid)
