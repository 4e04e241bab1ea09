"""No ground is in two splits."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from scene_files import X0, Y0, coordinates, write

from hierars_geo.datasets import SceneRaster
from hierars_geo.errors import DataError, MissingFileError, OptionError
from hierars_geo.samplers import (
    BlockSplit,
    GridChipSampler,
    RandomChipSampler,
    RegionSplit,
    SceneSplit,
    check_no_leak,
)


@pytest.fixture
def scene(tmp_path):
    return SceneRaster(write(tmp_path / "scene.tif", np.zeros((1, 205, 310), dtype=np.uint8)))


@pytest.mark.parametrize("seed", range(4))
def test_blocks_divide_the_ground_by_the_fractions(scene, seed):
    split = BlockSplit(250, (0.6, 0.2, 0.2), seed)
    splits = split.split(scene)
    ground = shapely.box(*scene.index.total_bounds)
    parts = dict(splits.items())
    assert list(parts) == ["train", "val", "test"]
    assert shapely.union_all(list(parts.values())).symmetric_difference(ground).area < 1e-3
    assert sum(part.area for part in parts.values()) == pytest.approx(ground.area)
    for name, fraction in zip(parts, split.fractions, strict=True):
        assert parts[name].area / ground.area == pytest.approx(fraction, abs=0.03)
        edges = shapely.get_coordinates(parts[name])
        np.testing.assert_allclose((edges - (X0, Y0)) / 10, np.round((edges - (X0, Y0)) / 10), atol=1e-6)
    again = BlockSplit(250, (0.6, 0.2, 0.2), seed).split(scene)
    assert all(again[name].equals(parts[name]) for name in parts)
    assert not BlockSplit(250, seed=seed + 10).split(scene).train.equals(splits.train)


def test_train_chips_touch_no_pixel_of_the_other_splits(scene):
    splits = BlockSplit(400, seed=2, buffer_m=30).split(scene)
    chips = shapely.union_all(
        [
            shapely.box(s[0].start, s[1].start, s[0].stop, s[1].stop)
            for s in RandomChipSampler(scene, 32, 300, regions=splits.train)
        ]
    )
    others = splits.val.union(splits.test)
    assert chips.distance(others) >= 30 - 1e-6
    assert splits.train.distance(others) == pytest.approx(30)
    check_no_leak(
        {"train": chips, "val": GridChipSampler(scene, 32, regions=splits.val).reach(), "test": splits.test}
    )


def test_a_leak_is_named(scene):
    a, b = shapely.box(0, 0, 10, 10), shapely.box(9, 9, 20, 20)
    with pytest.raises(
        DataError, match=r"train and test to share no ground, but got 1 square units .* \(9\.0, 9\.0"
    ):
        check_no_leak({"train": a, "val": None, "test": [b.bounds]})
    check_no_leak({"train": a, "test": shapely.box(10, 0, 20, 10)})
    with pytest.raises(DataError, match="5 apart, but got 0"):
        check_no_leak({"train": a, "test": shapely.box(10, 0, 20, 10)}, distance=5)


def test_too_few_blocks_and_wrong_fractions_are_refused(scene):
    with pytest.raises(DataError, match=r"at least 3 blocks .* got 1 of 5000 m"):
        BlockSplit(5000).split(scene)
    with pytest.raises(OptionError, match="add up to 1"):
        BlockSplit(100, (0.5, 0.2, 0.2))
    with pytest.raises(OptionError, match="block_m > 0"):
        BlockSplit(0)
    for split in (
        BlockSplit(500, buffer_m=-50),
        BlockSplit(500, buffer_m=-0.1),  # less than a pixel, too
        BlockSplit(500, buffer_m=float("nan")),
        RegionSplit(test=(X0, Y0 - 300, X0 + 300, Y0), buffer_m=-50),
    ):
        with pytest.raises(OptionError, match="buffer_m to be >= 0"):
            split.split(scene)
    with pytest.raises(DataError, match="ground to train on"):
        BlockSplit(500, buffer_m=10_000).split(scene)


def test_two_blocks_still_give_two_splits(tmp_path):
    scene = SceneRaster(write(tmp_path / "s.tif", np.zeros((1, 10, 20), dtype=np.uint8)))
    splits = BlockSplit(100, (0.9, 0.1, 0.0)).split(scene)
    assert splits.train.area == splits.val.area
    assert splits.test is None


def test_regions_may_be_boxes_or_polygon_files_in_another_crs(scene, tmp_path):
    test = shapely.box(X0, Y0 - 2050, X0 + 500, Y0)
    frame = gpd.GeoDataFrame(geometry=[test], crs=scene.crs).to_crs("EPSG:3857")
    frame.to_file(tmp_path / "test.gpkg")
    val = (X0 + 2500, Y0 - 2050, X0 + 3100, Y0)
    splits = RegionSplit(val=val, test=tmp_path / "test.gpkg", buffer_m=100).split(scene)
    assert splits.test.symmetric_difference(test).area < 5
    assert splits.train.bounds == pytest.approx((X0 + 600, Y0 - 2050, X0 + 2400, Y0), abs=1e-2)
    assert RegionSplit(train=val).split(scene).test is None
    with pytest.raises(DataError, match="train and val to share no ground"):
        RegionSplit(train=val, val=val).split(scene)
    with pytest.raises(MissingFileError, match=r"none\.gpkg to be a polygon layer"):
        RegionSplit(test=tmp_path / "none.gpkg").split(scene)
    with pytest.raises(OptionError, match="a region"):
        RegionSplit(test=(5, 0, 1, 1)).split(scene)
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(DataError, match=r"polygons, but got no features.*empty\.geojson"):
        RegionSplit(test=tmp_path / "empty.geojson").split(scene)


def test_blocks_are_metres_in_a_geographic_crs(tmp_path):
    scene = SceneRaster(
        write(
            tmp_path / "deg.tif",
            np.zeros((1, 200, 200), dtype=np.uint8),
            res=1e-4,
            left=40,
            top=60,
            crs="EPSG:4326",
        )
    )
    splits = BlockSplit(400, (0.5, 0.5, 0)).split(scene)
    gsd_m = 1e-4 * 111_000 * np.sqrt(0.5)
    side_px = 200 // round(400 / gsd_m)  # blocks along an axis
    assert splits.train.area + splits.val.area == pytest.approx(0.02**2)
    assert splits.train.area == pytest.approx(0.02**2 / side_px**2 * round(side_px**2 / 2), rel=0.3)


def test_blocks_are_not_smaller_than_asked_for(tmp_path):
    scene = SceneRaster(write(tmp_path / "c.tif", coordinates(64, 79)))
    splits = BlockSplit(200, seed=1).split(scene)
    chips = [slices for _, part in splits.items() for slices in GridChipSampler(scene, 20, regions=part)]
    assert len({(s[0].start, s[1].start) for s in chips}) == len(chips) >= 9
    for slices in chips:
        assert scene[slices]["valid"].all()


def test_whole_scenes_are_dealt_and_those_that_overlap_stay_together(tmp_path):
    lefts = [X0, X0 + 150, X0 + 1000, X0 + 2000, X0 + 3000, X0 + 4000]  # the first two overlap
    for i, left in enumerate(lefts):
        write(tmp_path / f"s{i}.tif", coordinates(20, 20), left=left)
    scene = SceneRaster(tmp_path)
    for seed in range(6):
        parts = dict(SceneSplit((0.6, 0.2, 0.2), seed).split(scene).items())
        assert list(parts) == ["train", "val", "test"]
        check_no_leak(parts)
        owners = []
        for left in lefts:
            box = shapely.box(left, Y0 - 200, left + 200, Y0)
            owners.append([name for name, part in parts.items() if part.intersection(box).area > 1])
        assert all(len(names) == 1 for names in owners)
        assert owners[0] == owners[1]
    with pytest.raises(DataError, match=r"at least 3 places to deal .* got 1"):
        SceneSplit().split(SceneRaster([tmp_path / "s0.tif", tmp_path / "s1.tif"]))


def test_one_file_may_name_all_splits(scene, tmp_path):
    boxes = [shapely.box(X0 + left, Y0 - 2050, X0 + left + 700, Y0) for left in (0, 1000, 2000)]
    frame = gpd.GeoDataFrame({"split": ["train", "Validation ", "test"]}, geometry=boxes, crs=scene.crs)
    frame.to_crs("EPSG:4326").to_file(tmp_path / "splits.gpkg")
    splits = RegionSplit(file=tmp_path / "splits.gpkg").split(scene)
    for (_, part), box in zip(splits.items(), boxes, strict=True):
        assert part.symmetric_difference(box).area < 20
    frame.assign(split=["train", "train", "held out"]).to_file(tmp_path / "wrong.gpkg")
    with pytest.raises(DataError, match=r"say train, val or test, but got held out \(in .*wrong"):
        RegionSplit(file=tmp_path / "wrong.gpkg").split(scene)
    frame.rename(columns={"split": "part"}).to_file(tmp_path / "none.gpkg")
    with pytest.raises(DataError, match="Expected a column 'split'"):
        RegionSplit(file=tmp_path / "none.gpkg").split(scene)
    with pytest.raises(OptionError, match="got both"):
        RegionSplit(file=tmp_path / "splits.gpkg", val=boxes[0].bounds)
