"""Shapes of synthetic landscapes: they cover what they should, and nothing else."""

import numpy as np
import pytest
import shapely

from hierars_geo.synthetic.geometry import (
    blob,
    box_corners,
    boxes,
    boxes_inside,
    cast_shadows,
    meander,
    ribbon,
    ring_area,
    strips,
    subdivide,
)

SQUARE = np.array([[0.0, 0.0], [1000.0, 0.0], [1000.0, 1000.0], [0.0, 1000.0]])


def test_subdivision_covers_the_square_without_overlap() -> None:
    pieces, cuts = subdivide(np.random.default_rng(0), SQUARE, 20_000.0)
    polygons = shapely.polygons([shapely.LinearRing(piece) for piece in pieces])
    assert shapely.area(polygons).sum() == pytest.approx(1e6)
    assert shapely.union_all(polygons).area == pytest.approx(1e6)
    assert max(map(ring_area, pieces)) < 1.5 * 20_000
    assert len(cuts) == len(pieces) - 1
    assert min(depth for _, depth in cuts) == 0


def test_parcels_stay_inside_and_apart() -> None:
    block = shapely.Polygon([(0, 0), (400, 60), (380, 500), (-30, 420)])
    parcels = strips(np.random.default_rng(1), block, 0.3, (80, 160), (20, 40), 2.0)
    assert shapely.contains(block, parcels).all()
    assert shapely.union_all(parcels).area == pytest.approx(shapely.area(parcels).sum())
    assert 0.85 < shapely.area(parcels).sum() / block.area < 0.98


def test_boxes_have_their_size_and_direction() -> None:
    made = boxes(np.array([[10.0, 20.0]]), np.array([[40.0, 10.0]]), np.pi / 2)
    assert shapely.bounds(made)[0] == pytest.approx((5, 0, 15, 40))


def test_buildings_stand_wholly_inside_the_block() -> None:
    block = blob(np.random.default_rng(2), (0.0, 0.0), 120.0)
    corners = boxes_inside(np.random.default_rng(3), block, 0.4, (12, 8), (16, 14))
    assert len(corners) > 50
    assert shapely.contains(block, shapely.polygons(corners)).all()


def test_a_shadow_joins_its_building() -> None:
    corners = box_corners(np.array([[0.0, 0.0]]), np.array([[10.0, 10.0]]), 0.0)
    shadow = cast_shadows(corners, np.array([[-6.0, -8.0]]))[0]
    assert shadow.bounds == pytest.approx((-11, -13, 5, 5))
    assert shadow.area == pytest.approx(10 * 10 + 10 * 6 + 10 * 8)


def test_river_has_its_width_along_its_course() -> None:
    axis = meander(np.random.default_rng(4), np.array([0.0, 0.0]), 0.7, 2000.0, 150.0)
    river = ribbon(axis, np.full(len(axis), 80.0))
    assert river.area == pytest.approx(80.0 * shapely.LineString(axis).length, rel=0.05)
    assert shapely.contains(river, shapely.LineString(axis[1:-2]))
