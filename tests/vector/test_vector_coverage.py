"""Polygons against the pixels they stand for, GDAL's own tracing, and each other over the levels."""

from itertools import pairwise

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from vector_factory import NODATA, PATHS, grid_of, noisy_map, path_maps, regions_of

from hierars_geo.errors import RasterError
from hierars_geo.vector import RowScanner, build_coverage, polygonize_paths
from hierars_geo.vector.rings import trace_rings

#: Lattice coordinates: whole numbers, so that areas and comparisons are exact.
LATTICE = Affine(1, 0, 0, 0, -1, 0)


def label_map(path_map):
    """(H, W) number of each pixel's region in the order of first pixels, 0 for nodata; by scipy."""
    labels = np.zeros(path_map.shape, dtype=np.int64)
    for value in np.unique(path_map[path_map != NODATA]):
        found, count = ndimage.label(path_map == value)
        labels[found > 0] = labels.max() + found[found > 0]
        assert count == found.max()
    numbers, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.where(numbers == 0, -1, first))
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[order] = np.arange(len(numbers)) + (numbers[0] != 0)
    return rank[inverse].reshape(path_map.shape)


def edges_of(polygons):
    """Set of undirected edges, each a pair of points."""
    edges = set()
    for ring in shapely.get_rings(polygons):
        points = shapely.get_coordinates(ring).tolist()
        edges |= {frozenset(map(tuple, pair)) for pair in pairwise(points)}
    return edges


def lattice_coverage(path_map, **options):
    return build_coverage(regions_of(path_map), PATHS, grid_of(path_map.shape, transform=LATTICE), **options)[
        0
    ]


def assert_coverage(polygons):
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    # a valid coverage in JTS's sense may still have gaps; these areas are whole numbers
    assert shapely.area(polygons).sum() == shapely.union_all(polygons).area


def assert_nested(coverage):
    """Every polygon of a level is the union of those below it, edge by edge."""
    levels = {number: coverage.polygons(number) for number in range(1, len(coverage.levels) + 1)}
    for number, polygons in levels.items():
        assert_coverage(polygons)
        if number == 1:
            continue
        parent = coverage.levels[number - 1].parent[1:] - 1
        above = levels[number - 1]
        assert edges_of(above) <= edges_of(polygons)
        assert set(parent) == set(range(len(above)))
        for index, outline in enumerate(above):
            children = polygons[parent == index]
            assert shapely.symmetric_difference(shapely.union_all(children), outline).is_empty
            assert shapely.covers(outline, children).all()
            assert shapely.area(children).sum() == outline.area


@given(path_maps(), st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_regions_are_connected_pixels_whatever_the_strips(path_map, strip_rows):
    regions = regions_of(path_map, strip_rows=strip_rows)
    labels = label_map(path_map)
    assert regions.count == labels.max()
    np.testing.assert_array_equal(regions.pixels[1:], np.bincount(labels.ravel(), minlength=1)[1:])
    np.testing.assert_array_equal(
        regions.path[1:], [path_map[labels == number][0] for number in range(1, labels.max() + 1)]
    )
    whole = regions_of(path_map)
    for name in ("row", "col", "quadrants"):
        np.testing.assert_array_equal(getattr(regions, name), getattr(whole, name))


@given(path_maps(), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_rings_do_not_depend_on_how_many_are_traced_at_once(path_map, pieces_at_once):
    regions = regions_of(path_map)
    corners = (regions.row, regions.col, regions.quadrants, regions.links)
    whole = list(trace_rings(*corners))
    parts = list(trace_rings(*corners, pieces_at_once=pieces_at_once))
    assert len(whole) == min(1, regions.count)
    following = 1
    for part in parts:
        assert part.first_region == following
        following += len(part.polygon_starts) - 1
    for name in ("corners", "lengths"):
        joined = [np.diff(one.starts) if name == "lengths" else one.corners for one in parts]
        at_once = [np.diff(one.starts) if name == "lengths" else one.corners for one in whole]
        np.testing.assert_array_equal(np.concatenate([[0], *joined]), np.concatenate([[0], *at_once]))
    assert following == regions.count + 1


@given(path_maps())
@settings(max_examples=150, deadline=None)
def test_polygons_are_the_pixels_they_stand_for(path_map):
    polygons, paths = polygonize_paths(path_map, NODATA, LATTICE)
    labels = label_map(path_map)
    assert shapely.is_valid(polygons).all()
    burnt = np.zeros(path_map.shape, dtype=np.int32)
    if len(polygons):
        numbered = zip(polygons, range(1, len(polygons) + 1), strict=True)
        burnt = rasterio.features.rasterize(numbered, path_map.shape, transform=LATTICE, dtype="int32")
        assert_coverage(polygons)
    np.testing.assert_array_equal(burnt, labels)
    np.testing.assert_array_equal(shapely.area(polygons), np.bincount(labels.ravel(), minlength=1)[1:])
    # GDAL traces the same outlines, without the vertices that neighbours need
    gdal = rasterio.features.shapes(path_map, mask=path_map != NODATA, transform=LATTICE)
    traced = sorted((shapely.geometry.shape(outline).normalize().wkt, int(value)) for outline, value in gdal)
    plain = shapely.normalize(shapely.remove_repeated_points(shapely.simplify(polygons, 0), 0))
    ours = sorted(zip((p.wkt for p in plain), paths.tolist(), strict=True))
    for (theirs, their_value), (mine, my_value) in zip(traced, ours, strict=True):
        assert shapely.equals(shapely.from_wkt(theirs), shapely.from_wkt(mine))
        assert their_value == my_value


@given(path_maps())
@settings(max_examples=100, deadline=None)
def test_levels_nest_exactly(path_map):
    coverage = lattice_coverage(path_map)
    assert_nested(coverage)
    for number in range(1, 4):
        area = shapely.area(coverage.polygons(number)).sum()
        assert area == np.count_nonzero(path_map != NODATA)


def test_a_noisy_map_nests_and_has_every_kind_of_trouble():
    path_map = noisy_map(60, 70, seed=3)
    coverage = lattice_coverage(path_map)
    assert_nested(coverage)
    polygons = coverage.polygons(3)
    assert (shapely.get_num_interior_rings(polygons) > 0).any()
    assert (shapely.area(polygons) == 1).any()
    # GDAL's tracing of the same map is no valid coverage: what this one is for
    gdal = [shapely.geometry.shape(g) for g, _ in rasterio.features.shapes(path_map, transform=LATTICE)]
    assert not shapely.coverage_is_valid(np.array(gdal))


def test_a_class_with_two_parents_has_a_border_between_them():
    # paths 4 and 5 end in the same leaf under different parents
    coverage = lattice_coverage(np.array([[4, 5], [4, 5]], dtype=np.uint8))
    assert [len(coverage.polygons(number)) for number in (1, 2, 3)] == [2, 2, 2]
    leaf = PATHS[coverage.levels[2].path[1:], 2]
    assert leaf.tolist() == [4, 4]


def test_where_four_pixels_meet_crosswise_regions_stay_apart_and_rings_simple():
    # 0 hangs together around the hole, which touches the shell at a corner
    path_map = np.array([[0, 0, 0, 0], [0, 1, 0, 2], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=np.uint8)
    polygons, paths = polygonize_paths(path_map, NODATA, LATTICE)
    assert paths.tolist() == [0, 1, 2, 1]
    assert shapely.is_valid(polygons).all()
    assert shapely.get_num_interior_rings(polygons).tolist() == [2, 0, 0, 0]
    assert shapely.area(polygons).tolist() == [13, 1, 1, 1]


def test_shells_run_anticlockwise_on_north_up_and_south_up_rasters():
    path_map = noisy_map(12, 9, seed=1)
    for transform in (Affine(2, 0, 7, 0, -2, 9), Affine(2, 0, 7, 0, 2, 9), Affine(2, 1, 0, 1, -2, 0)):
        polygons, _ = polygonize_paths(path_map, NODATA, transform)
        rings, owner = shapely.get_rings(polygons, return_index=True)
        is_shell = np.diff(owner, prepend=-1) != 0
        np.testing.assert_array_equal(shapely.is_ccw(rings), is_shell)
        assert shapely.area(polygons).sum() == pytest.approx(
            np.count_nonzero(path_map != NODATA) * abs(transform.determinant), rel=1e-12
        )


def test_coordinates_are_those_of_the_transform():
    transform = Affine(10, 0, 500_000, 0, -10, 5_600_000)
    polygons, _ = polygonize_paths(np.array([[NODATA, 1]], dtype=np.uint8), NODATA, transform)
    assert shapely.bounds(polygons[0]).tolist() == [500_010, 5_599_990, 500_020, 5_600_000]


def test_strips_of_another_width_are_refused():
    scanner = RowScanner(3, NODATA)
    with pytest.raises(RasterError, match="Expected strips of 3 columns, but got shape"):
        scanner.feed(np.zeros((2, 4), dtype=np.uint8))
