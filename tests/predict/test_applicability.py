"""predict --applicability: where the ground is known, in the raster, in the item, however it is computed."""

import json

import numpy as np
import pytest
import rasterio
import torch

from hierars_geo.errors import OptionError
from hierars_geo.maps import Maps
from hierars_geo.models import load
from hierars_geo.models.applicability import Applicability
from hierars_geo.models.dissimilarity import pooled
from hierars_geo.predict import PredictOptions, Predictor

OPTIONS = PredictOptions(window=64, applicability=True, runtime="torch")


@pytest.fixture
def checkpoint(save_checkpoint):
    """Prototypes such that about half of a scene of noise is unlike them."""
    network = load(save_checkpoint()).network
    noise = torch.from_numpy(np.random.default_rng(5).uniform(200, 3000, (1, 4, 64, 64))).float()
    with torch.inference_mode():
        cells = pooled(network.features_and_logits(noise, None)[0], 4)[0].flatten(1).T.double().numpy()
    prototypes, others = cells[:6], cells[6:]
    nearest = np.linalg.norm(others[:, None] - prototypes, axis=-1).min(axis=1)
    rows = tuple(map(tuple, prototypes.tolist()))
    depth = cells.shape[1]
    known = Applicability((0.0,) * depth, (1.0,) * depth, rows, 1.0, float(np.median(nearest)), 9, 0.02)
    return save_checkpoint(applicability=known.to_dict())


def read(maps, name):
    with rasterio.open(maps.layers[name]) as dataset:
        return dataset.read(1)


def test_maps_say_where_the_ground_is_known(checkpoint, write_scene, tmp_path):
    scene = write_scene(height=64, width=64)
    maps = Predictor(checkpoint, OPTIONS, "cpu").predict(scene, tmp_path / "maps")
    di, aoa = read(maps, "di"), read(maps, "aoa")
    with rasterio.open(scene) as dataset:
        image = torch.from_numpy(dataset.read().astype(np.float32))[None]
    empty = (image == 0).all(dim=1)[0].numpy()
    assert empty.any()
    assert ((di == 255) == empty).all()
    assert ((aoa == 255) == empty).all()
    valid = torch.from_numpy(~empty)[None]
    with torch.inference_mode():
        found = load(checkpoint).network.map_channels(image * valid, valid, torch.zeros(1, 3, dtype=int))
    exact = found[0, -1].numpy()
    clear = ~empty & (np.abs(exact - 1) > 1e-4)
    np.testing.assert_array_equal(aoa[clear], exact[clear] <= 1)
    assert 0.05 < aoa[clear].mean() < 0.95
    assert np.abs(di.astype(float) - np.minimum(100 * exact, 254))[clear].max() <= 0.51
    item = json.loads((tmp_path / "maps" / "scene.json").read_text())
    outside = item["properties"]["hierars:outside"]
    assert outside == pytest.approx((aoa == 0).sum() / (~empty).sum(), abs=1e-6)
    assert {"di", "aoa"} < set(item["assets"])
    assert "unlike" in str(item["assets"]["aoa"]["classification:classes"])
    assert {"di", "aoa"} < set(Maps.open(tmp_path / "maps").layers)


def test_the_bytes_are_the_same_however_the_scene_is_cut_and_the_classes_as_without(
    checkpoint, write_scene, tmp_path
):
    scene = write_scene()
    whole = Predictor(checkpoint, OPTIONS, "cpu").predict(scene, tmp_path / "whole")
    cut = Predictor(checkpoint, OPTIONS.replaced(chunk_px=50), "cpu").predict(scene, tmp_path / "cut")
    plain = Predictor(checkpoint, OPTIONS.replaced(applicability=False), "cpu").predict(
        scene, tmp_path / "no"
    )
    for name in ("L3", "di", "aoa"):
        np.testing.assert_array_equal(read(whole, name), read(cut, name))
    np.testing.assert_array_equal(read(whole, "L3"), read(plain, "L3"))


def test_another_library_finds_the_same(checkpoint, write_scene, tmp_path):
    pytest.importorskip("onnxruntime")
    scene = write_scene(height=64, width=64)
    by_torch = Predictor(checkpoint, OPTIONS, "cpu").predict(scene, tmp_path / "torch")
    onnx = OPTIONS.replaced(runtime="onnx", cache_dir=str(tmp_path))
    predictor = Predictor(checkpoint, onnx, "cpu")
    theirs = predictor.predict(scene, tmp_path / "onnx")
    item = json.loads((tmp_path / "onnx" / "scene.json").read_text())
    assert item["properties"]["hierars:runtime"].startswith("onnxruntime")
    assert np.abs(read(by_torch, "di").astype(int) - read(theirs, "di")).max() <= 1


def test_a_checkpoint_that_was_not_calibrated_is_told_how(save_checkpoint):
    with pytest.raises(OptionError, match=r"knows its training ground.* \(in .*model\.ckpt\)\. Run hierars"):
        Predictor(save_checkpoint(), OPTIONS, "cpu")
