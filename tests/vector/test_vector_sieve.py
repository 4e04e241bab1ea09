"""The sieve against a pixel-wise reference of the same rule, and by hand."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vector_coverage import LATTICE, assert_nested, label_map
from vector_factory import NODATA, PATHS, grid_of, noisy_map, path_maps, regions_of

from hierars_geo.vector import build_coverage, sieve


def sieve_pixels(path_map, limit_px):
    """The rule, said in pixels: labels anew in every round, one dictionary of borders."""
    path_map = path_map.copy()
    while True:
        labels = label_map(path_map)
        sizes = np.bincount(labels.ravel())
        path_of = {number: path_map[labels == number][0] for number in range(1, labels.max() + 1)}
        borders = {}
        for a, b in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
            for one, other in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
                if one != other and one and other:
                    borders.setdefault(one, {}).setdefault(other, 0)
                    borders.setdefault(other, {}).setdefault(one, 0)
                    borders[one][other] += 1
                    borders[other][one] += 1
        rank = {number: (sizes[number], number) for number in borders if sizes[number] < limit_px}
        joining = [n for n in rank if all(rank[n] < rank[m] for m in borders[n] if m in rank)]
        if not joining:
            return path_map
        changed = path_map.copy()
        for number in joining:
            merits = []
            for other, border in borders[number].items():
                alike = PATHS[path_of[number]] == PATHS[path_of[other]]
                depth = len(alike) if alike.all() else int(np.argmin(alike))
                merits.append((depth, border, sizes[other], -other))
            changed[labels == number] = path_of[-max(merits)[-1]]
        path_map = changed


def sieved_map(path_map, limit_px):
    """Sieve, and burn the result back into pixels."""
    regions = regions_of(path_map)
    kept, joined = sieve(regions, PATHS, regions.pixels.astype(float), limit_px)
    labels = label_map(path_map)
    return kept.path[joined[labels]], kept


@given(path_maps(), st.integers(2, 12))
@settings(max_examples=300, deadline=None)
def test_sieve_follows_the_rule(path_map, limit_px):
    burnt, kept = sieved_map(path_map, limit_px)
    expected = sieve_pixels(path_map, limit_px)
    np.testing.assert_array_equal(np.where(burnt < 0, NODATA, burnt), expected)
    assert kept.pixels.sum() == np.count_nonzero(path_map != NODATA)
    # the corners that are left are those of the sieved map
    fresh = regions_of(expected)
    for name in ("path", "pixels", "row", "col", "quadrants"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(fresh, name))


def test_sieved_levels_nest_and_keep_the_area():
    path_map = noisy_map(60, 70, seed=5)
    grid = grid_of(path_map.shape, transform=LATTICE)
    coverage, joined = build_coverage(regions_of(path_map), PATHS, grid, min_area_m2=8)
    assert_nested(coverage)
    assert coverage.regions.pixels[1:].min() >= 8
    assert 0 < coverage.regions.count < regions_of(path_map).count / 5
    assert coverage.regions.pixels.sum() == np.count_nonzero(path_map != NODATA)
    before, _ = build_coverage(regions_of(path_map), PATHS, grid)
    assert coverage.area_m2.sum() == pytest.approx(before.area_m2.sum(), rel=1e-12)
    assert len(joined) == len(before.area_m2)


def test_the_same_parent_comes_before_the_longer_border():
    # the middle pixel has path 0; path 1 shares its parent, path 2 its grandparent, path 6 nothing
    kin = np.array([[6, 6, 6], [6, 0, 1], [6, 6, 1]], dtype=np.uint8)
    assert sieved_map(kin, 2)[0][1, 1] == 1
    grandkin = np.array([[6, 6, 6], [6, 0, 2], [6, 6, 2]], dtype=np.uint8)
    assert sieved_map(grandkin, 2)[0][1, 1] == 2
    strangers = np.array([[6, 6, 6], [6, 0, 5], [6, 6, 5]], dtype=np.uint8)
    assert sieved_map(strangers, 2)[0][1, 1] == 6


def test_small_islands_in_nodata_stay():
    island = np.full((3, 3), NODATA, dtype=np.uint8)
    island[1, 1] = 2
    kept = sieved_map(island, 100)[1]
    assert kept.count == 1
    assert kept.path.tolist() == [-1, 2]


def test_a_limit_of_whole_pixels_keeps_them_although_utm_scales_areas():
    # 10 m pixels at the central meridian are 100.08 m2 on the ellipsoid, at the zone's edge 99.8 m2
    path_map = np.zeros((6, 8), dtype=np.uint8)
    path_map[2, 2:6] = 2
    for easting in (500_000, 166_000):
        transform = LATTICE.translation(easting, 1000) @ LATTICE.scale(10)
        grid = grid_of(path_map.shape, transform=transform)
        kept, _ = build_coverage(regions_of(path_map), PATHS, grid, min_area_m2=400)
        assert kept.regions.count == 2
        gone, _ = build_coverage(regions_of(path_map), PATHS, grid, min_area_m2=404)
        assert gone.regions.count == 1


@pytest.mark.parametrize(("pixel_width", "expected"), [(1, 6), (3, 5)])
def test_borders_are_measured_on_the_ground(pixel_width, expected):
    # two upright edges with 6, one level edge with 5: the longer one where pixels are wider than high
    path_map = np.array([[5, 5, 5], [6, 0, 6], [6, NODATA, 6], [6, 6, 6]], dtype=np.uint8)
    grid = grid_of(path_map.shape, transform=Affine.translation(500_000, 0) @ Affine.scale(pixel_width, -1))
    coverage, joined = build_coverage(regions_of(path_map), PATHS, grid, min_area_m2=2 * pixel_width)
    assert coverage.regions.path[joined[label_map(path_map)[1, 1]]] == expected
