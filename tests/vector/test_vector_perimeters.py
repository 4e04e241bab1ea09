"""Perimeters against geodesics, in several kinds of CRS."""

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer
from vector_factory import PATHS, grid_of, noisy_map, regions_of

from hierars_geo.errors import RasterError
from hierars_geo.vector import build_coverage
from hierars_geo.vector.conversion import GroundMetric


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
