"""A share of the blocks to the leaf, the rest coarse, or spread over the leaves; test ground as it was."""

import numpy as np
import pytest
import rasterio
import yaml
from raster_factory import write_raster
from sparse_labels import main

from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("gewata")
BLOCK_PX, SIDE = 8, 96


@pytest.fixture
def base(tmp_path):
    """Blocks of cropland and forest in turn, one of bamboo; the right quarter tests."""
    values = np.where(np.indices((SIDE, SIDE)).sum(axis=0) // BLOCK_PX % 2, 1, 5).astype(np.uint8)
    values[16:24, 16:24], values[:BLOCK_PX] = 2, 0
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
        "taxonomy": "gewata",
        "splits": splits,
    }
    path = tmp_path / "base.yaml"
    path.write_text(
        yaml.safe_dump({"data": {"init_args": options | {"chips": {"size": 8}}}}), encoding="utf-8"
    )
    return path, values


def test_leaves_of_a_share_and_a_coarse_or_spread_rest(base, tmp_path):
    path, values = base
    assert main([str(path), "-o", str(tmp_path / "out"), "--shares", "5", "20", "--block-px", "8"]) == 0
    train, labelled = np.zeros_like(values, dtype=bool), values > 0
    train[:, :72] = labelled[:, :72]
    read = {}
    for share, blocks in (("005", 5), ("020", 20)):
        for name in ("leaf", "coarse", "spread"):
            with rasterio.open(tmp_path / f"out/labels_{share}/{name}/scene.tif") as source:
                read[share, name] = source.read(1)
        leaf, coarse, spread = (read[share, name] for name in ("leaf", "coarse", "spread"))
        known = train & (leaf > 0)
        assert (leaf[known] == values[known]).all()
        assert ((leaf == values) & (spread == values))[:, 72:].all()  # to test on
        index = TREE.value_to_index(values)
        assert (TREE.value_to_index(coarse, 1) == TREE.lift(index, 1)).all()
        assert (TREE.lift(TREE.value_to_index(spread), 1) == TREE.lift(index, 1)).all()
        assert (spread[known] == values[known]).all()
        assert known.sum() == blocks * BLOCK_PX**2
        assert (known & (values == 2)).any()  # bamboo is in one block alone
    drawn = read["005", "spread"][train & (read["005", "leaf"] == 0) & (values == 5)]
    found, pixels = np.unique(drawn, return_counts=True)
    assert found.tolist() == [2, 5, 6]  # what is below natural vegetation, all alike
    assert pixels / drawn.size == pytest.approx(1 / 3, abs=0.04)
    assert (read["005", "leaf"] > 0)[train].sum() < (read["020", "leaf"] > 0)[train].sum()
    assert ((read["005", "leaf"] == 0) | (read["020", "leaf"] > 0)).all()
