"""Labelled points that lie near each other are never on two sides of a split."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Geod
from raster_factory import write_raster
from scene_files import UTM, X0, Y0, tree, write

from hierars_geo.datasets import SceneRaster, open_labels
from hierars_geo.datasets.intersection import SceneIntersection
from hierars_geo.errors import DataError, OptionError
from hierars_geo.samplers import BlockSplit, ClusterSplit

SIDE = 400
TREE = tree()
LEAVES = ["leaf 1", "leaf 2", "leaf 3", "leaf 4"]


def labelled(folder, geometries, crs=UTM, image=None, **options):
    """An image of 4 km and features, classes in turn."""
    kinds = [LEAVES[i % 4] for i in range(len(geometries))]
    gpd.GeoDataFrame({"kind": kinds}, geometry=geometries, crs=crs).to_file(folder / "features.gpkg")
    image = image or write(folder / "i.tif", np.ones((SIDE, SIDE), dtype=np.uint8))
    return SceneRaster(image) & open_labels(
        [{"path": str(folder / "features.gpkg"), "attribute": "kind"} | options], TREE
    )


def sides(splits, places):
    """(P,) number of the split that each place is in; it is in one alone."""
    inside = np.array([shapely.intersects(part, places) for _, part in splits.items()])
    assert (inside.sum(axis=0) == 1).all()
    return inside.argmax(axis=0)


def parted(side, metres):
    """The least distance of two points on different sides."""
    return metres[side[:, None] != side[None]].min()


def test_points_within_the_distance_are_on_one_side_with_the_ground_around_them(tmp_path):
    rng = np.random.default_rng(4)
    xy = rng.uniform(60, 10 * SIDE - 60, (70, 2)) * (1, -1) + (X0, Y0)
    xy[1::5] = xy[::5] + rng.uniform(-50, 50, (14, 2))  # pairs a few pixels apart
    places = shapely.points(xy)
    metres = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    data = labelled(tmp_path, places)
    for seed in range(4):
        splits = ClusterSplit(320, (0.5, 0.25, 0.25), seed).split(data)
        side = sides(splits, places)
        assert set(side) == {0, 1, 2}
        assert parted(side, metres) > 320
        parts = [part for _, part in splits.items()]
        assert all(a.intersection(b).area < 1e-3 for i, a in enumerate(parts) for b in parts[:i])
        ground = shapely.union_all(list(data.index.geometry))
        for place, number in zip(places, side, strict=True):
            near = shapely.intersection(shapely.buffer(place, 159), ground)
            assert shapely.difference(near, parts[number]).area < 1e-3
        again = ClusterSplit(320, (0.5, 0.25, 0.25), seed).split(data)
        assert all(again[name].equals(part) for name, part in splits.items())
    # squares part what lies nearer than that
    assert parted(sides(BlockSplit(640, (0.5, 0.25, 0.25), 0).split(data), places), metres) < 200


def test_the_distance_is_metres_on_the_ground_in_a_geographic_crs(tmp_path):
    """At 60 degrees north a degree of longitude is half of one of latitude."""
    step = 1e-4
    image = write_raster(
        tmp_path / "i.tif", np.ones((300, 600), dtype=np.uint8), crs="EPSG:4326", res=step, left=10, top=60
    )
    lon = np.array([10.005, 10.009, 10.030, 10.030, 10.050])
    lat = np.array([59.985, 59.985, 59.980, 59.982, 59.985])  # 223 m along a parallel and a meridian
    data = labelled(tmp_path, shapely.points(lon, lat), crs=4326, image=image)
    pairs = np.indices((5, 5)).reshape(2, -1)
    _, _, metres = Geod(ellps="WGS84").inv(lon[pairs[0]], lat[pairs[0]], lon[pairs[1]], lat[pairs[1]])
    metres = metres.reshape(5, 5)
    assert [round(metres[0, 1]), round(metres[2, 3])] == [223, 223]

    def together(cluster_m, seed):
        side = sides(ClusterSplit(cluster_m, (0.4, 0.3, 0.3), seed).split(data), shapely.points(lon, lat))
        return side[0] == side[1], side[2] == side[3]

    assert {together(230, seed) for seed in range(12)} == {(True, True)}
    parallel, meridian = zip(*(together(215, seed) for seed in range(12)), strict=True)
    assert not all(parallel)
    assert not all(meridian)


def test_dense_points_part_the_ground_half_way(tmp_path):
    """A fifth of the points takes about a fifth of the ground, however far a chip reaches."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(20, 10 * SIDE - 20, (400, 2)) * (1, -1) + (X0, Y0)
    data = labelled(tmp_path, shapely.points(xy))
    data = SceneIntersection(data.images[0], data.labels, around_px=64)
    for seed in range(3):
        splits = ClusterSplit(40, (0.8, 0.2, 0), seed).split(data)
        side = sides(splits, shapely.points(xy))
        assert splits.val.area / (10 * SIDE) ** 2 == pytest.approx((side == 1).mean(), abs=0.05)
        pixels = rng.uniform(0, 10 * SIDE, (300, 2)) * (1, -1) + (X0, Y0)
        nearest = np.hypot(*(pixels[:, None] - xy[None]).transpose(2, 0, 1)).argmin(axis=1)
        own = sides(splits, shapely.points(pixels))
        assert (own == side[nearest]).mean() > 0.98  # but for the discs around the points


@pytest.mark.parametrize("lefts", [(179.98,), (179.98, -180.0)], ids=["across", "a file on either side"])
def test_points_either_side_of_180_degrees_are_neighbours(tmp_path, lefts):
    step, width = 1e-4, 400 // len(lefts)
    images = [
        write_raster(
            tmp_path / f"i{number}.tif",
            np.ones((300, width), dtype=np.uint8),
            crs="EPSG:4326",
            res=step,
            left=left,
            top=10,
        )
        for number, left in enumerate(lefts)
    ]
    lon, lat = np.array([179.9995, -179.9995, 179.985, -179.985]), np.full(4, 9.985)  # 110 m, and far ones
    # a longitude past 180 is as good a name of the eastern ones where one file holds both sides
    seen = shapely.points(np.where(lon < 0, lon + 360, lon) if len(lefts) == 1 else lon, lat)
    data = labelled(tmp_path, shapely.points(lon, lat), crs=4326, image=images)
    found = {tuple(sides(ClusterSplit(150, (0.4, 0.3, 0.3), s).split(data), seen)) for s in range(8)}
    assert all(west == east for west, east, *_ in found)
    assert all(len({first, *far}) == 3 for first, _, *far in found)  # the far ones are clusters of their own
    nearer = [sides(ClusterSplit(90, (0.4, 0.3, 0.3), s).split(data), seen) for s in range(8)]
    assert any(side[0] != side[1] for side in nearer)


def test_discs_belong_to_their_point_and_points_come_before_polygons(tmp_path):
    """Two discs of 100 m nearly touch: their points are 210 m apart, what they label 10 m."""
    west, near, far = (shapely.Point(X0 + x, Y0 - 2000) for x in (500, 710, 3000))
    wide = shapely.box(X0, Y0 - 4000, X0 + 4000, Y0)  # clusters of it would be one
    data = labelled(tmp_path, [west, near, far, wide.buffer(0)], order="file", buffer_m=100)
    for seed in range(6):
        side = sides(ClusterSplit(50, (0.5, 0.5, 0), seed).split(data), np.array([west, near, far]))
        assert side[0] == side[1] != side[2]


def test_polygons_alone_are_dealt_whole(tmp_path):
    corners = [(X0 + x, Y0 - y) for x, y in ((200, 900), (650, 900), (2000, 900), (3000, 3000))]
    plots = np.array([shapely.box(x, y, x + 400, y + 400) for x, y in corners])
    data = labelled(tmp_path, list(plots))
    for seed in range(6):
        splits = ClusterSplit(100, (0.4, 0.3, 0.3), seed).split(data)
        owner = [[name for name, part in splits.items() if part.intersection(p).area > 1] for p in plots]
        assert [len(names) for names in owner] == [1] * 4
        assert owner[0] == owner[1]  # 50 m apart
        covers = [splits[names[0]].intersection(p).area for names, p in zip(owner, plots, strict=True)]
        assert covers == pytest.approx([160_000] * 4)


def test_what_cannot_be_dealt_is_said(tmp_path):
    data = labelled(tmp_path, [shapely.Point(X0 + 500, Y0 - 500), shapely.Point(X0 + 900, Y0 - 500)])
    with pytest.raises(DataError, match=r"at least 3 clusters .* got 1 of features within 500 m"):
        ClusterSplit(500).split(data)
    raster = write(tmp_path / "l.tif", np.ones((SIDE, SIDE), dtype=np.uint8))
    with pytest.raises(DataError, match=r"points, lines or polygons among the labels .* rasters alone"):
        ClusterSplit(500).split(data.images[0] & open_labels([str(raster)], TREE))
    for wrong in (0.0, float("nan")):
        with pytest.raises(OptionError, match="cluster_m > 0"):
            ClusterSplit(wrong)
