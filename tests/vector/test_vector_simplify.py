"""Simplified and smoothed borders: everything that held before still holds."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from pyproj import CRS
from test_vector_coverage import LATTICE, edges_of
from vector_factory import NODATA, PATHS, UTM, UTM_TRANSFORM, grid_of, noisy_map, path_maps, regions_of

import hierars_geo.vector.coverage as simplify_module
from hierars_geo.errors import DataError, OptionError
from hierars_geo.vector import build_coverage, vectorize


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (UTM, UTM_TRANSFORM),
        (CRS(4326), Affine(0.0001, 0, 15, 0, -0.0001, 60)),
        (CRS(2264), Affine(33, 0, 2e6, 0, -33, 6e5)),
    ],
)
def test_simplified_levels_nest_and_keep_the_outline(crs, transform):
    path_map = noisy_map(60, 70, seed=11)
    grid = grid_of(path_map.shape, crs, transform)
    full, _ = build_coverage(regions_of(path_map), PATHS, grid, min_area_m2=500)
    plain, _ = build_coverage(regions_of(path_map), PATHS, grid, min_area_m2=500, simplify_m=25)
    outline = shapely.union_all(full.polygons(1))
    assert plain.area_m2.sum() == pytest.approx(full.area_m2.sum(), rel=1e-10)
    for number in (1, 2, 3):
        before, after = full.polygons(number), plain.polygons(number)
        assert len(before) == len(after)
        assert shapely.is_valid(after).all()
        assert shapely.coverage_is_valid(after)
        assert set(np.unique(shapely.get_type_id(after))) == {shapely.GeometryType.POLYGON}
        assert shapely.get_num_coordinates(after).sum() < 0.7 * shapely.get_num_coordinates(before).sum()
        # vertices are those of pixels, bit by bit
        vertices = {tuple(point) for point in shapely.get_coordinates(after).tolist()}
        assert vertices <= {tuple(point) for point in shapely.get_coordinates(before).tolist()}
        together = shapely.coverage_union_all(after)
        assert shapely.area(after).sum() == pytest.approx(outline.area, rel=1e-12)
        assert together.equals(outline)
        if number > 1:
            parent = plain.levels[number - 1].parent[1:] - 1
            above = plain.polygons(number - 1)
            assert edges_of(above) <= edges_of(after)
            for index, polygon in enumerate(above):
                assert shapely.coverage_union_all(after[parent == index]).equals(polygon)


def test_the_tolerance_is_in_metres_on_the_ground():
    # the same staircase in metres, in feet, and at 60 degrees north, where degrees of longitude are half as
    # long; its steps are triangles of 50 m2
    rows, cols = np.mgrid[:30, :40]
    path_map = np.where(cols > rows + 3, 0, 6).astype(np.uint8)
    foot = 12 / 39.37
    for crs, transform in (
        (UTM, UTM_TRANSFORM),
        (CRS(2264), Affine(10 / foot, 0, 2e6, 0, -10 / foot, 6e5)),
        (CRS(4326), Affine(10 / 55_800, 0, 15, 0, -10 / 111_412, 60)),
    ):
        grid = grid_of(path_map.shape, crs, transform)
        vertices = [
            shapely.get_num_coordinates(
                build_coverage(regions_of(path_map), PATHS, grid, 0, metres)[0].polygons(3)
            )
            for metres in (0, 6.5, 8)
        ]
        assert vertices[0].tolist() == vertices[1].tolist() == [63, 63]
        assert vertices[2].max() < 25


def test_areas_are_those_of_the_simplified_polygons():
    path_map = noisy_map(30, 30, seed=2, salt=0.02)
    coverage, _ = build_coverage(regions_of(path_map), PATHS, grid_of(path_map.shape), simplify_m=30)
    full, _ = build_coverage(regions_of(path_map), PATHS, grid_of(path_map.shape))
    assert np.abs(coverage.area_m2 - full.area_m2).max() > 100
    planar = shapely.area(coverage.polygons(3))
    np.testing.assert_allclose(coverage.area_m2[1:], planar / 0.9996**2, rtol=1e-6)
    assert coverage.area_m2.sum() == pytest.approx(full.area_m2.sum(), rel=1e-12)


def test_a_lost_region_is_an_error(monkeypatch):
    def lose(polygons, *_, **__):
        return np.append(polygons[:-1], shapely.Polygon())

    monkeypatch.setattr(simplify_module.shapely, "coverage_simplify", lose)
    path_map = np.array([[0, 6], [NODATA, 6]], dtype=np.uint8)
    with pytest.raises(DataError, match="Give a smaller --simplify-m"):
        build_coverage(regions_of(path_map), PATHS, grid_of(path_map.shape), simplify_m=10)


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
