"""Whoever runs the network is given the pixels that a file means, and predicts the same of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from export_factory import make_model
from scene_kinds import KINDS

from hierars_geo.export import export_model
from hierars_geo.models import RECORD_KEY, build_model
from hierars_geo.predict import PredictOptions, Predictor
from hierars_geo.predict.rows import below
from hierars_geo.types import ReadRecipe

BANDS = ("band_1", "band_2")
#: Two bands without names, of any type, with pixels without data of every kind: one graph serves them all.
NAMES = [
    *(name for name in KINDS if name.endswith("nodata in all")),
    "nodata that no sensor measures",
    "a nodata tag that is rounded",
    "another nodata value in every band",
    "a mask, and a nodata value elsewhere",
    "scale and offset in the file",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A checkpoint, what was exported of it, and a cache for graphs."""
    folder = tmp_path_factory.mktemp("model")
    record = replace(make_model()[0], read=ReadRecipe(BANDS), mean=(100.0,) * 2, std=(40.0,) * 2)
    model = build_model(record)
    for classifier in model.segmenter.head.classifiers:
        torch.nn.init.normal_(classifier.weight, std=2.0)
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": weights, RECORD_KEY: record.to_dict()}, folder / "model.ckpt")
    return folder


def predicted(predictor, made):
    """Return the finest classes of an image, and where they are nodata."""
    taxonomy = predictor.loaded.record.taxonomy
    with predictor.open(made.paths) as scene:
        plan = predictor.chunk_plan(scene)
        classes = below(predictor.rows(scene, plan, plan[0].window)).layers[f"L{taxonomy.num_levels}"]
    return classes, classes == taxonomy.nodata_value


@pytest.mark.parametrize(("library", "suffix"), [("onnx", ".ckpt"), ("openvino", ".ckpt"), ("onnx", ".onnx")])
def test_every_runtime_predicts_what_the_file_means(models, tmp_path, library, suffix):
    pytest.importorskip("onnxscript")
    pytest.importorskip({"onnx": "onnxruntime"}.get(library, library))
    if suffix == ".onnx":
        export_model(models / "model.ckpt")
    options = PredictOptions(runtime="torch", cache_dir=str(models / "graphs"))
    torchs = Predictor(models / "model.ckpt", options, "cpu")
    theirs = Predictor(models / f"model{suffix}", replace(options, runtime=library), "cpu")
    met = set()
    for number, name in enumerate(NAMES):
        (tmp_path / str(number)).mkdir()
        made = KINDS[name](tmp_path / str(number))
        expected, empty = predicted(torchs, made)
        classes, without = predicted(theirs, made)
        np.testing.assert_array_equal(without, ~made.valid, err_msg=name)
        np.testing.assert_array_equal(without, empty, err_msg=name)
        assert (classes == expected).mean() > 0.997, name  # at most one pixel of 576
        met |= {*np.unique(classes)}
    assert len(met) > 4
