"""The library on arrays: any model, no files."""

import doctest

import numpy as np
import pytest
import torch

from hierars_geo.errors import OptionError
from hierars_geo.predict import (
    PredictOptions,
    Predictor,
    accumulator,
    arrays,
    augment,
    iter_windows,
    predict_array,
)
from hierars_geo.scenes import Scene
from hierars_geo.taxonomy import Taxonomy


class Flat(torch.nn.Module):
    """A user's model: per pixel, so that tiling must not change anything."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 5, 1)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, image):
        return self.dropout(self.layer(image))


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (64, 64), (75, 40)])
def test_any_model_with_flat_classes(size):
    model = Flat().train()
    image = np.random.default_rng(0).normal(size=(3, *size)).astype(np.float32)
    result = predict_array(model, image, num_classes=5, window=32, overlap=0.4)
    assert model.training  # as it was
    with torch.no_grad():
        whole = model.layer(torch.from_numpy(image)[None])[0]
    torch.testing.assert_close(result.path_logits, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(result.classes[0], result.path_logits.argmax(0))
    assert result.valid.all()


def test_a_tree_and_pixels_without_data():
    tree = Taxonomy.from_yaml("crop10m")
    torch.manual_seed(0)
    heads = [torch.nn.Conv2d(3, count, 1) for count in tree.num_classes]
    image = np.random.default_rng(1).normal(size=(3, 40, 50))
    image[1, 5:9, :20] = np.nan
    result = predict_array(
        lambda x: [head(x) for head in heads], image, paths=tree.paths, window=16, tta=("flips",)
    )
    np.testing.assert_array_equal(result.valid, ~np.isnan(image).any(axis=0))
    assert (result.classes[:, ~result.valid] == -100).all()
    assert {tuple(c) for c in result.classes[:, result.valid].T.tolist()} <= {tuple(p) for p in tree.paths}


def test_arrays_and_files_say_the_same(save_checkpoint, write_scene, tmp_path):
    predictor = Predictor(save_checkpoint(), PredictOptions(window=64, overlap=0.5), device="cpu")
    scene = write_scene(corner=0)
    prediction = predictor.predict(scene, tmp_path / "maps")
    tree, model = predictor.loaded.record.taxonomy, predictor.loaded.network
    with Scene.open(scene, bands=predictor.loaded.record.bands) as source:
        image, valid = source.read(next(iter_windows(source.grid.shape, 1000)))
    result = predict_array(model, image, paths=tree.paths, valid=valid, window=64, overlap=0.5)
    with Scene.open(prediction.layers["L3"]) as labels:
        (stored,) = labels.read(next(iter_windows(labels.grid.shape, 1000))).data
    expected = tree.index_to_value(result.classes[2].clamp(min=0).numpy(), 3)
    np.testing.assert_array_equal(stored, expected)


def test_windows_are_those_of_the_prediction():
    windows = list(iter_windows((100, 70), 32, 0.25))
    covered = np.zeros((100, 70), dtype=bool)
    for window in windows:
        covered[window.slices()] = True
    assert covered.all()
    assert len(windows) == len(set(windows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "paths or num_classes, but got both or none"),
        ({"num_classes": 5, "paths": np.zeros((1, 1), np.int64)}, "paths or num_classes"),
        ({"num_classes": 9}, r"return \[9\] classes, but got \[5\]"),
        ({"num_classes": 5, "valid": np.ones((3, 3), bool)}, r"valid to be bool of shape \(20, 20\)"),
        ({"num_classes": 5, "overlap": 1.5}, "overlap to be a share"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(OptionError, match=message):
        predict_array(Flat(), np.zeros((3, 20, 20), np.float32), **options)


def test_a_model_that_returns_another_size_is_named():
    with pytest.raises(OptionError, match="of 20 x 20 px, but got"):
        predict_array(torch.nn.Conv2d(3, 5, 3), np.zeros((3, 20, 20)), num_classes=5)
    with pytest.raises(OptionError, match=r"shape \(C, H, W\), but got \(20, 20\)"):
        predict_array(Flat(), np.zeros((20, 20)), num_classes=5)


@pytest.mark.parametrize("module", [accumulator, arrays, augment])
def test_examples_of_the_docstrings(module):
    assert doctest.testmod(module).failed == 0
