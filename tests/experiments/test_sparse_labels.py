"""A share of the blocks to the leaf, the rest coarse, or spread over the leaves; points and a product."""

import geopandas
import numpy as np
import pytest
import rasterio
import yaml
from raster_factory import write_raster
from sparse_labels import main

from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("gewata")
BLOCK_PX, SIDE = 8, 96


def write_base(tmp_path, values, taxonomy):
    """Configuration of an image with these labels; its right quarter tests."""
    labels = write_raster(tmp_path / "labels.tif", values, nodata=0)
    image = write_raster(tmp_path / "scene.tif", np.ones((SIDE, SIDE), np.uint8))
    with rasterio.open(image) as source:
        left, bottom, right, top = source.bounds
    middle = left + 0.75 * (right - left)
    splits = {"train_region": [left, bottom, middle, top], "test_region": [middle, bottom, right, top]}
    options = {
        "sensor": "generic",
        "images": [str(image)],
        "labels": [str(labels)],
        "taxonomy": taxonomy,
        "splits": splits,
    }
    path = tmp_path / "base.yaml"
    path.write_text(
        yaml.safe_dump({"data": {"init_args": options | {"chips": {"size": 8}}}}), encoding="utf-8"
    )
    return path


def test_leaves_of_a_share_and_a_coarse_or_spread_rest(tmp_path):
    # blocks of cropland and forest in turn, one of bamboo
    values = np.where(np.indices((SIDE, SIDE)).sum(axis=0) // BLOCK_PX % 2, 1, 5).astype(np.uint8)
    values[16:24, 16:24], values[:BLOCK_PX] = 2, 0
    path = write_base(tmp_path, values, "gewata")
    assert main([str(path), "-o", str(tmp_path / "out"), "--shares", "5", "20", "--block-px", "8"]) == 0
    train, labelled = np.zeros_like(values, dtype=bool), values > 0
    train[:, :72] = labelled[:, :72]
    read = {}
    for share, blocks in (("005", 5), ("020", 20)):
        for name in ("leaf", "L1", "spread_L1"):
            with rasterio.open(tmp_path / f"out/labels_{share}/{name}/scene.tif") as source:
                read[share, name] = source.read(1)
        leaf, coarse, spread = (read[share, name] for name in ("leaf", "L1", "spread_L1"))
        known = train & (leaf > 0)
        assert (leaf[known] == values[known]).all()
        assert ((leaf == values) & (spread == values))[:, 72:].all()  # to test on
        index = TREE.value_to_index(values)
        assert (TREE.value_to_index(coarse, 1) == TREE.lift(index, 1)).all()
        assert (TREE.lift(TREE.value_to_index(spread), 1) == TREE.lift(index, 1)).all()
        assert (spread[known] == values[known]).all()
        assert known.sum() == blocks * BLOCK_PX**2
        assert (known & (values == 2)).any()  # bamboo is in one block alone
    drawn = read["005", "spread_L1"][train & (read["005", "leaf"] == 0) & (values == 5)]
    found, pixels = np.unique(drawn, return_counts=True)
    assert found.tolist() == [2, 5, 6]  # what is below natural vegetation, all alike
    assert pixels / drawn.size == pytest.approx(1 / 3, abs=0.04)
    assert (read["005", "leaf"] > 0)[train].sum() < (read["020", "leaf"] > 0)[train].sum()
    assert ((read["005", "leaf"] == 0) | (read["020", "leaf"] > 0)).all()


def test_points_and_products_of_other_legends(tmp_path, capsys):
    values = np.repeat(np.array([[1, 2, 3, 6, 9, 3]], np.uint8), 16, axis=1).repeat(SIDE, axis=0)
    values[40:44, 40:44] = 18
    path = write_base(tmp_path, values, "mm5b")
    out = tmp_path / "out"
    assert main([str(path), "-o", str(out), "--points", "6", "30", "--blur-px", "0"]) == 0
    assert "30 points of 6 of 6 classes" in capsys.readouterr().out
    covers = {1: 40, 2: 40, 3: 10, 6: 80, 9: 50, 18: 60}  # WorldCover's own codes
    with rasterio.open(out / "esa_worldcover/scene.tif") as source:
        expected = np.vectorize(covers.get)(values[1::3, 1::3]).repeat(3, axis=0).repeat(3, axis=1)
        assert (source.read(1) == expected).all()  # a cell shows its middle
    with rasterio.open(out / "corine/scene.tif") as source:
        assert source.read(1)[0, 8::16].tolist() == [14, 12, 23, 40, 3, 23]
    names = dict(zip(range(1, 19), Taxonomy.from_yaml("mm5b").class_names(3), strict=True))
    with rasterio.open(tmp_path / "labels.tif") as truth:
        for count in (6, 30):
            points = geopandas.read_file(out / f"labels_{count:03d}/points/scene.gpkg")
            x, y = points.geometry.x, points.geometry.y
            under = [int(value[0]) for value in truth.sample(zip(x, y, strict=True))]
            assert points["class_name"].tolist() == [names[value] for value in under]
            assert len(points) == count
            assert set(under) == set(covers)  # the rare one, too
            assert x.max() < truth.bounds.left + 0.75 * (truth.bounds.right - truth.bounds.left)
    assert main([str(path), "-o", str(out), "--points", "30", "--blur-px", "6"]) == 0
    with rasterio.open(out / "esa_worldcover/scene.tif") as source:
        wrong = (source.read(1) != expected).mean()
    assert 0.1 < wrong < 0.4  # beside the edges of strips of 16 px, by some 6 px
