"""Smoothing: rounded borders, and everything that held before still holds."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from test_vector_coverage import LATTICE, edges_of
from vector_factory import NODATA, PATHS, grid_of, noisy_map, path_maps, regions_of

from hierars_geo.errors import OptionError
from hierars_geo.vector import build_coverage, vectorize


def coverage_of(path_map, **options):
    grid = grid_of(path_map.shape, transform=LATTICE @ Affine.translation(500_000, 0))
    return build_coverage(regions_of(path_map), PATHS, grid, **options)[0]


def assert_smoothed(path_map):
    full, rounded = coverage_of(path_map), coverage_of(path_map, smooth_borders=True)
    for number in (1, 2, 3):
        before, after = full.polygons(number), rounded.polygons(number)
        assert len(before) == len(after)
        assert shapely.is_valid(after).all()
        assert shapely.coverage_is_valid(after)
        # no point is further than a pixel's half diagonal from where the border was
        if len(before):
            moved = [shapely.hausdorff_distance(a, b) for a, b in zip(before, after, strict=True)]
            assert max(moved) <= np.sqrt(0.5)
            assert shapely.area(after).sum() == pytest.approx(shapely.area(before).sum(), rel=1e-9)
        if number > 1:
            assert edges_of(rounded.polygons(number - 1)) <= edges_of(after)


@given(path_maps())
@settings(max_examples=100, deadline=None)
def test_smoothed_levels_nest_share_their_borders_and_keep_the_area(path_map):
    assert_smoothed(path_map)


def test_a_noisy_map_can_be_smoothed():
    assert_smoothed(noisy_map(60, 70, seed=11))


def test_corners_are_cut_by_chaikins_rule_up_to_half_a_pixel():
    # an island of 4 x 1 pixels in a field
    path_map = np.zeros((5, 8), dtype=np.uint8)
    path_map[2, 2:6] = 6
    island = coverage_of(path_map, smooth_borders=True).polygons(3)[1]
    points = shapely.get_coordinates(island)
    assert len(points) == 4 * 4 + 1
    # first pass: (2.5, 2) and (2, 2.25) in place of (2, 2); second: a quarter of the piece between them,
    # half a pixel of the long side, a quarter of the short one
    expected = {(3.0, 2.0), (2.375, 2.0625), (2.125, 2.1875), (2.0, 2.375)}
    found = {(x - 500_000, -y) for x, y in points.tolist()}
    assert expected <= found


def test_borders_with_nodata_stay():
    path_map = np.array([[NODATA, NODATA, NODATA], [NODATA, 0, NODATA], [NODATA, NODATA, NODATA]], np.uint8)
    assert shapely.area(coverage_of(path_map, smooth_borders=True).polygons(3)).tolist() == [1.0]


def test_smoothing_or_simplification(tmp_path):
    with pytest.raises(OptionError, match=r"smoothed or simplified, but got both \(simplify_m 5\)"):
        vectorize(tmp_path, tmp_path / "a.gpkg", simplify_m=5, smooth=True)
