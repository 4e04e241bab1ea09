"""Chips lie where they are said to lie: whole pixels, all ground, inside their regions."""

import math
from itertools import product

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from scene_files import UTM, X0, Y0, coordinates, write
from torch.utils.data import DataLoader
from torchgeo.datasets import stack_samples
from torchgeo.samplers import GeoSampler

from hierars_geo.datasets import SceneRaster
from hierars_geo.errors import DataError, OptionError
from hierars_geo.grid import Lattice, Window
from hierars_geo.grid.pixel_ground import PixelGround
from hierars_geo.samplers import GridChipSampler, RandomChipSampler

LATTICE = Lattice(CRS.from_user_input(UTM), (10.0, 10.0), (X0, Y0))


def box(row, col, height, width, res=10):
    x, y = X0 + col * res, Y0 - row * res
    return shapely.box(x, y - height * res, x + width * res, y)


def pixels(slices, res=10):
    """(row, column, height, width) of TorchGeo's slices; fails where they are no whole pixels."""
    x, y, _ = slices
    exact = ((Y0 - y.stop) / res, (x.start - X0) / res, (y.stop - y.start) / res, (x.stop - x.start) / res)
    whole = tuple(round(value) for value in exact)
    np.testing.assert_allclose(exact, whole, atol=1e-6)
    return whole


@pytest.fixture
def scene(tmp_path):
    return SceneRaster(write(tmp_path / "scene.tif", coordinates(90, 130)))


@pytest.mark.parametrize(("height", "width"), [(90, 130), (64, 64), (65, 64), (20, 130), (90, 7), (1, 1)])
@pytest.mark.parametrize("stride", [None, 48, 1])
def test_the_grid_covers_every_pixel_with_whole_chips(tmp_path, height, width, stride):
    if stride == 1 and height * width > 5000:
        stride = 17
    dataset = SceneRaster(write(tmp_path / "a.tif", coordinates(height, width)))
    sampler = GridChipSampler(dataset, 64, stride)
    count = np.zeros((height + 200, width + 200), dtype=int)
    for slices in sampler:
        row, col, h, w = pixels(slices)
        assert (h, w) == (64, 64)
        assert row == 0 or row + h <= height
        assert col == 0 or col + w <= width
        count[row : row + h, col : col + w] += 1
    assert (count[:height, :width] > 0).all()
    step = stride or 64
    chips = [max(1, math.ceil((side - 64) / step) + 1) for side in (height, width)]
    assert len(sampler) == len(list(sampler)) == chips[0] * chips[1]
    assert isinstance(sampler, GeoSampler)


def test_every_chip_of_a_loader_holds_its_own_coordinates(scene):
    for workers in (0, 2):
        loader = DataLoader(
            scene,
            3,
            sampler=RandomChipSampler(scene, (16, 24), 9, seed=3),
            num_workers=workers,
            collate_fn=stack_samples,
        )
        batches = list(loader)
        assert [len(batch["bounds"]) for batch in batches] == [3, 3, 3]
        for batch in batches:
            for image, (left, _, _, top) in zip(batch["image"], batch["bounds"], strict=True):
                row, col = round((Y0 - top) / 10), round((left - X0) / 10)
                np.testing.assert_array_equal(image, coordinates(16, 24, row, col, "float32"))


def test_same_seed_same_chips_another_epoch_others(scene):
    chips = lambda seed, epoch: [pixels(s) for s in at_epoch(RandomChipSampler(scene, 32, 50, seed), epoch)]  # noqa: E731
    assert chips(1, 0) == chips(1, 0)
    assert chips(1, 1) == chips(1, 1)
    assert chips(1, 0) != chips(1, 1)
    assert chips(1, 0) != chips(2, 0)


def at_epoch(sampler, epoch):
    sampler.set_epoch(epoch)
    return sampler


def test_every_place_is_equally_likely(tmp_path):
    dataset = SceneRaster(write(tmp_path / "a.tif", coordinates(10, 12)))
    places = [pixels(s)[:2] for s in RandomChipSampler(dataset, 8, 15_000, seed=0)]
    found, counts = np.unique(places, axis=0, return_counts=True)
    assert sorted(map(tuple, found.tolist())) == list(product(range(3), range(5)))
    assert abs(counts / 1000 - 1).max() < 0.12


def test_pieces_are_met_by_their_area_and_small_ones_whole(tmp_path):
    write(tmp_path / "large.tif", coordinates(60, 60))
    write(tmp_path / "small.tif", coordinates(20, 30), left=X0 + 1000)
    dataset = SceneRaster(tmp_path)
    chips = [pixels(s) for s in RandomChipSampler(dataset, 40, 4000, seed=5)]
    small = [chip for chip in chips if chip[1] >= 60]
    assert len(small) / len(chips) == pytest.approx(600 / (3600 + 600), abs=0.02)
    for row, col, _, _ in small:
        assert -20 <= row <= 0
        assert 90 <= col <= 100
    assert len({row for row, *_ in small}) == 21
    grid = [pixels(s) for s in GridChipSampler(dataset, 40)]
    assert (0, 100, 40, 40) in grid
    assert len(grid) == 5


def test_tiles_of_one_date_are_one_ground_those_of_two_are_not(tmp_path):
    write(tmp_path / "one/a.tif", coordinates(40, 40))
    write(tmp_path / "one/b.tif", coordinates(40, 40), left=X0 + 300)
    one = SceneRaster(tmp_path / "one")
    assert [pixels(s) for s in GridChipSampler(one, 40)] == [(0, 0, 40, 40), (0, 30, 40, 40)]
    assert len({pixels(s)[1] for s in RandomChipSampler(one, 40, 300)}) == 31
    write(tmp_path / "two/a_20200101.tif", coordinates(40, 40))
    write(tmp_path / "two/b_20200202.tif", coordinates(40, 40))
    times = [s[2].start.month for s in GridChipSampler(SceneRaster(tmp_path / "two"), 40)]
    assert times == [1, 2]


REGIONS = [
    [box(0, 0, 40, 60)],
    [box(0, 0, 40, 60), box(40, 20, 50, 30)],
    [box(0, 0, 32, 32), box(32, 32, 32, 32), box(0, 64, 90, 40)],
    [box(10, 10, 70, 70).difference(box(40, 40, 5, 5))],
]


@pytest.mark.parametrize("boxes", REGIONS)
def test_random_chips_lie_wholly_inside_their_region(scene, boxes):
    region = shapely.union_all(boxes)
    sampler = RandomChipSampler(scene, 32, 400, seed=1, regions=region)
    for slices in sampler:
        assert region.buffer(1e-6).contains(box(*pixels(slices)))
    assert sampler.reach().difference(region).area < 1e-3


@pytest.mark.parametrize("boxes", REGIONS)
def test_the_grid_of_a_region_covers_it_and_nothing_else_where_it_is_large(scene, boxes):
    region = shapely.union_all(boxes)
    sampler = GridChipSampler(scene, 5, regions=region)
    chips = shapely.union_all([box(*pixels(s)) for s in sampler])
    assert chips.symmetric_difference(region).area < 1e-3
    assert GridChipSampler(scene, 300, regions=region).reach().contains(region)


def test_regions_may_be_boxes_and_must_hold_ground(scene):
    bounds = box(5, 6, 40, 50).bounds
    assert pixels(next(iter(GridChipSampler(scene, 40, regions=[bounds])))) == (5, 6, 40, 40)
    with pytest.raises(DataError, match="Expected ground to sample from"):
        GridChipSampler(scene, 40, regions=[box(500, 500, 9, 9).bounds])


def test_ground_of_any_outline_is_met_inside(tmp_path):
    from affine import Affine

    transform = Affine.translation(X0, Y0) @ Affine.rotation(-30) @ Affine.scale(10, -10)
    dataset = SceneRaster(write(tmp_path / "rot.tif", coordinates(200, 200), transform=transform))
    for slices in list(RandomChipSampler(dataset, 32, 40)):
        assert dataset[slices]["valid"].all()
    covered = shapely.union_all(
        [shapely.box(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in GridChipSampler(dataset, 32)]
    )
    assert covered.contains(dataset.index.geometry.iloc[0].buffer(-1e-3))
    assert covered.area < 0.9 * shapely.box(*dataset.index.total_bounds).area
    assert dataset.lattice.origin == (dataset.bounds[0].start, dataset.bounds[1].stop)


@settings(max_examples=60, deadline=None)
@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 15), st.integers(1, 15)),
        min_size=1,
        max_size=5,
    ),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_places_and_rectangles_agree_with_trying_every_pixel(boxes, size):
    mask = np.zeros((40, 40), dtype=bool)
    for row, col, height, width in boxes:
        mask[row : row + height, col : col + width] = True
    for part in shapely.get_parts(shapely.union_all([box(*b) for b in boxes])):
        ground = PixelGround.of_polygon(part, LATTICE)
        inside = np.zeros_like(mask)
        for window in ground.rectangles():
            assert not inside[window.slices()].any()
            inside[window.slices()] = True
        assert ground.exact
        assert ground.area_px == inside.sum() == round(part.area / 100)
        assert not (inside & ~mask).any()
        expected = {
            (row, col)
            for row, col in product(range(40 - size[0] + 1), range(40 - size[1] + 1))
            if inside[row : row + size[0], col : col + size[1]].all()
        }
        places = [
            (row + i, col + j)
            for row, col, rows, cols in ground.positions(size)
            for i, j in product(range(rows), range(cols))
        ]
        assert len(places) == len(set(places))
        if expected:
            assert set(places) == expected


def test_pixels_belong_to_the_side_their_centre_is_on():
    edge = X0 + 104.0  # cuts pixel 10 before its centre
    west = shapely.box(X0, Y0 - 100, edge, Y0)
    east = shapely.box(edge, Y0 - 100, X0 + 200, Y0)
    assert PixelGround.of_polygon(west, LATTICE).extent == Window(0, 0, 10, 10)
    assert PixelGround.of_polygon(east, LATTICE).extent == Window(0, 10, 10, 10)
    assert PixelGround.of_polygon(shapely.box(X0, Y0 - 4, X0 + 90, Y0), LATTICE) is None


def test_wrong_sizes_are_refused(scene):
    with pytest.raises(OptionError, match="size_px to be >= 1 px, but got 0"):
        GridChipSampler(scene, 0)
    with pytest.raises(OptionError, match="stride"):
        GridChipSampler(scene, 32, 33)
    with pytest.raises(OptionError, match="length >= 1"):
        RandomChipSampler(scene, 32, 0)
