"""Pixels to metres: checked against geodesics, not against the code's own formulas."""

import pytest
from affine import Affine
from pyproj import CRS, Geod, Transformer

from hierars_geo.errors import RasterError
from hierars_geo.grid import GeoGrid, ground_frame
from hierars_geo.report.formats import fit_scale_bar

GEOD = Geod(ellps="WGS84")
GRIDS = {
    "utm": GeoGrid(CRS.from_epsg(32648), Affine(10, 0, 300_000, 0, -10, 2_400_000), (900, 1200)),
    "lonlat": GeoGrid(CRS.from_epsg(4326), Affine(1e-4, 0, 105, 0, -1e-4, 60), (900, 1200)),
    "web mercator": GeoGrid(CRS.from_epsg(3857), Affine(30, 0, 1e6, 0, -30, 8e6), (900, 1200)),
    "date line": GeoGrid(CRS.from_epsg(4326), Affine(1e-3, 0, 179.5, 0, -1e-3, -20), (500, 1000)),
    "south up": GeoGrid(CRS.from_epsg(32648), Affine(10, 0, 300_000, 0, 10, 2_400_000), (900, 1200)),
}


def lonlat(grid, col, row):
    transformer = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    return transformer.transform(*(grid.transform @ (col, row)))


@pytest.mark.parametrize("name", GRIDS)
def test_scale_bar_is_as_long_on_the_ground_as_it_says(name):
    grid = GRIDS[name]
    bar = fit_scale_bar(ground_frame(grid).col_m * grid.width)
    middle, half = grid.height / 2, bar.share * grid.width / 2
    ends = [lonlat(grid, grid.width / 2 + side * half, middle) for side in (-1, 1)]
    _, _, distance_m = GEOD.inv(*ends[0], *ends[1])
    assert distance_m == pytest.approx(bar.length_m, rel=1e-3)
    assert 0.15 < bar.share <= 0.4


@pytest.mark.parametrize(
    ("width_m", "label"),
    [(12_000, "2 km"), (12_500, "5 km"), (900, "200 m"), (2600, "1 km"), (3, "1 m"), (1.1, "0.2 m")],
)
def test_scale_bar_lengths_are_round(width_m, label):
    assert fit_scale_bar(width_m).label == label


@pytest.mark.parametrize("degrees", [0, 30, -100, 180])
def test_north_arrow_follows_a_rotated_grid(degrees):
    # near the central meridian grid north is true north; a grid turned to the left sees north on its right
    transform = Affine.translation(500_000, 2_400_000) @ Affine.rotation(degrees) @ Affine.scale(10, -10)
    frame = ground_frame(GeoGrid(CRS.from_epsg(32648), transform, (100, 100)))
    assert (frame.north_deg - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.05)
    assert (frame.col_m, frame.row_m) == pytest.approx((10, 10), rel=1e-3)


def test_north_is_where_the_geodesic_says():
    grid = GRIDS["utm"]
    lon, lat = lonlat(grid, 600, 450)
    azimuth_of_up, _, _ = GEOD.inv(lon, lat, *lonlat(grid, 600, 449))
    assert ground_frame(grid).north_deg == pytest.approx(-azimuth_of_up, abs=1e-4)


def test_a_grid_beside_the_earth_is_refused():
    grid = GeoGrid(CRS.from_proj4("+proj=ortho"), Affine(10, 0, 9e7, 0, -10, 9e7), (10, 10))
    with pytest.raises(RasterError, match="lie on the Earth"):
        ground_frame(grid)
