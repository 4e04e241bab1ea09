"""ONNX Runtime and OpenVINO in PyTorch's place: the same maps, graphs that are kept, and what is refused."""

import json
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import rasterio
import torch

from hierars_geo.errors import HieraRSWarning, OptionError, OutputError
from hierars_geo.predict import (
    PredictOptions,
    Predictor,
    checkpoint_runner,
    graph_cache,
    graph_session,
    quantization,
)
from hierars_geo.predict.checkpoint_runner import WORTHWHILE_PX, chosen_library
from hierars_geo.predict.network import TorchNetwork
from hierars_geo.predict.rows import ChunkWriter

pytest.importorskip("onnxruntime")


def classes(maps):
    with rasterio.open(maps.layers["L3"]) as dataset:
        return dataset.read(1)


@pytest.fixture
def options(graphs):
    return PredictOptions(window=64, confidence=True, runtime="torch", cache_dir=str(graphs))


@pytest.mark.parametrize("library", ["onnx", "openvino"])
def test_the_maps_are_pytorchs(save_checkpoint, write_scene, tmp_path, options, library):
    package = pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino"}[library])
    scene, checkpoint = write_scene(), save_checkpoint()
    torchs = Predictor(checkpoint, options, "cpu").predict(scene, tmp_path / "torch")
    other = replace(options, runtime=library)
    theirs = Predictor(checkpoint, other, "cpu").predict(scene, tmp_path / library)
    assert (classes(torchs) == classes(theirs)).mean() > 0.9999
    assert len(np.unique(classes(theirs))) > 5
    item = json.loads((tmp_path / library / "scene.json").read_text())
    said = item["properties"]["hierars:runtime"]
    assert said == f"{package.__name__} {version(package.__name__)} float32"


@pytest.mark.parametrize("views", [("flips",), ("turns",)])
def test_views_are_averaged_by_the_graph_too(save_checkpoint, write_scene, tmp_path, options, views):
    scene, checkpoint = write_scene(), save_checkpoint()
    flipped = replace(options, tta=views)
    torchs = Predictor(checkpoint, flipped, "cpu").predict(scene, tmp_path / "torch")
    theirs = Predictor(checkpoint, replace(flipped, runtime="onnx"), "cpu").predict(scene, tmp_path / "onnx")
    assert (classes(torchs) == classes(theirs)).mean() > 0.9999


def test_a_graph_is_exported_once_and_made_anew_where_it_is_damaged(
    save_checkpoint, write_scene, tmp_path, options, monkeypatch
):
    exports, original = [], TorchNetwork.export

    def export(self, path, size):
        exports.append(size)
        original(self, path, size)

    monkeypatch.setattr(TorchNetwork, "export", export)
    scene, checkpoint = write_scene(), save_checkpoint()
    onnx = replace(options, runtime="onnx", cache_dir=str(tmp_path / "cache"))
    first = Predictor(checkpoint, onnx, "cpu").predict(scene, tmp_path / "a")
    Predictor(checkpoint, replace(onnx, window=96), "cpu").predict(scene, tmp_path / "w")
    second = Predictor(checkpoint, onnx, "cpu").predict(scene, tmp_path / "b")
    assert exports == [None]
    assert first.layers["L3"].read_bytes() == second.layers["L3"].read_bytes()
    (kept,) = (tmp_path / "cache" / "graphs").glob("*.onnx")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 0xFF
    kept.write_bytes(content)
    third = Predictor(checkpoint, onnx, "cpu").predict(scene, tmp_path / "c")
    assert exports == [None] * 2
    assert first.layers["L3"].read_bytes() == third.layers["L3"].read_bytes()
    monkeypatch.setattr(graph_cache, "_MOST_BYTES", 1)
    other = save_checkpoint(name="other.ckpt", mode="flat")
    Predictor(other, onnx, "cpu").predict(scene, tmp_path / "d")
    assert len(list(kept.parent.glob("*.onnx"))) == 1  # the one that was not used for longest is gone
    assert not kept.exists()


def test_a_graph_of_one_size_serves_where_none_serves_all(
    save_checkpoint, write_scene, tmp_path, options, monkeypatch
):
    original = TorchNetwork.export

    def export(self, path, size):
        if size is None:
            raise OptionError("Expected a model whose graph serves every height and width, but this cannot.")
        original(self, path, size)

    monkeypatch.setattr(TorchNetwork, "export", export)
    onnx = replace(options, runtime="onnx", cache_dir=str(tmp_path / "cache"))
    scene, checkpoint = write_scene(), save_checkpoint()
    torchs = Predictor(checkpoint, options, "cpu").predict(scene, tmp_path / "torch")
    theirs = Predictor(checkpoint, onnx, "cpu").predict(scene, tmp_path / "onnx")
    (kept,) = (tmp_path / "cache" / "graphs").glob("*.onnx")
    assert kept.stem.endswith("_64x64")
    assert (classes(torchs) == classes(theirs)).mean() > 0.9999


def test_resuming_under_another_runtime_is_refused(
    save_checkpoint, write_scene, tmp_path, options, monkeypatch
):
    scene, checkpoint, original = write_scene(), save_checkpoint(), ChunkWriter.append

    def append(self, rows):
        original(self, rows)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ChunkWriter, "append", append)
        with pytest.raises(KeyboardInterrupt):
            Predictor(checkpoint, replace(options, runtime="onnx"), "cpu").predict(scene, tmp_path / "out")
    with pytest.raises(OutputError, match=r"runtime was .onnxruntime .* float32. and is .torch"):
        Predictor(checkpoint, options, "cpu").predict(scene, tmp_path / "out", resume=True)
    onnx = Predictor(checkpoint, replace(options, runtime="onnx"), "cpu")
    resumed, whole = (onnx.predict(scene, tmp_path / out, resume=True) for out in ("out", "whole"))
    assert resumed.layers["L3"].read_bytes() == whole.layers["L3"].read_bytes()


def test_where_a_graph_says_something_else_pytorch_predicts(
    save_checkpoint, write_scene, tmp_path, options, monkeypatch
):
    def broken(*settings):
        return lambda image: np.zeros((1, 18, *image.shape[-2:]), np.float32)

    monkeypatch.setitem(graph_session._OPENERS, "onnx", broken)
    scene, checkpoint = write_scene(), save_checkpoint()
    with pytest.warns(
        HieraRSWarning, match="onnxruntime gives .* of a trial window's pixels other values: predicting"
    ):
        theirs = Predictor(checkpoint, replace(options, runtime="onnx"), "cpu").predict(scene, tmp_path / "a")
    torchs = Predictor(checkpoint, options, "cpu").predict(scene, tmp_path / "b")
    assert theirs.layers["L3"].read_bytes() == torchs.layers["L3"].read_bytes()


def test_where_a_model_cannot_be_exported_pytorch_predicts(
    save_checkpoint, write_scene, tmp_path, options, monkeypatch
):
    def export(*args, **kwargs):
        raise RuntimeError("no such operator: aten::riddle\nand a long trace")

    monkeypatch.setattr(torch.onnx, "export", export)
    onnx = replace(options, runtime="onnx", cache_dir=str(tmp_path / "cache"))
    predictor = Predictor(save_checkpoint(), onnx, "cpu")
    with pytest.warns(HieraRSWarning, match="cannot run this model.*aten::riddle.*predicting with PyTorch"):
        predictor.predict(write_scene(), tmp_path / "out")


@pytest.mark.parametrize(
    ("asked", "device", "pixels", "library"),
    [
        ({}, "cpu", WORTHWHILE_PX, "onnx"),
        ({}, "cpu", WORTHWHILE_PX - 1, None),
        ({"precision": "bf16"}, "cpu", WORTHWHILE_PX, "openvino"),
        ({}, "cuda", WORTHWHILE_PX, None),
        ({"tta": ("scales",)}, "cpu", WORTHWHILE_PX, None),
        ({"compile": True}, "cpu", WORTHWHILE_PX, None),
        ({"runtime": "torch"}, "cpu", WORTHWHILE_PX, None),
        ({"runtime": "openvino"}, "cpu", 1, "openvino"),
    ],
)
def test_auto_takes_another_library_where_it_pays(asked, device, pixels, library):
    pytest.importorskip("openvino")
    assert chosen_library(PredictOptions(**asked), device, pixels) == library


@pytest.mark.parametrize(
    ("asked", "device", "message"),
    [
        ({"tta": ("scales",)}, "cpu", "views scales.*--tta flips turns"),
        ({"precision": "bf16"}, "cpu", "ONNX Runtime has none. Use --runtime openvino"),
        ({"compile": True}, "cpu", "--compile"),
        ({}, "cuda", "device cuda.*--device cpu"),
    ],
)
def test_what_a_runtime_cannot_do_is_one_line(asked, device, message):
    with pytest.raises(OptionError, match=message):
        chosen_library(PredictOptions(runtime="onnx", **asked), device, 1)


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    for module in (checkpoint_runner, graph_session):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"Expected openvino to be installed.*hierars-geo\[openvino\]"):
        chosen_library(PredictOptions(runtime="openvino"), "cpu", 1)
    assert chosen_library(PredictOptions(), "cpu", WORTHWHILE_PX) is None
    with pytest.raises(OptionError, match="runtime to be one of auto, torch, onnx, openvino, but got 'tpu'"):
        PredictOptions(runtime="tpu")


@pytest.mark.parametrize("library", ["onnx", "openvino"])
def test_int8_is_calibrated_on_the_scene_and_says_what_it_changes(
    save_checkpoint, write_scene, tmp_path, options, library
):
    pytest.importorskip({"onnx": "onnxruntime", "openvino": "openvino"}[library])
    scene, checkpoint = write_scene(), save_checkpoint()
    int8 = Predictor(checkpoint, options.replaced(runtime=library, precision="int8"), "cpu")
    with pytest.warns(HieraRSWarning, match=r"scene: int8 gives \d+\.\d\d% of the pixels of 8 windows"):
        theirs = int8.predict(scene, tmp_path / library)
    torchs = Predictor(checkpoint, options, "cpu").predict(scene, tmp_path / "torch")
    changed = (classes(torchs) != classes(theirs)).mean()
    item = json.loads((tmp_path / library / "scene.json").read_text())["properties"]
    (note,) = (note for note in item["hierars:notes"] if note.startswith("int8 gives"))
    said = float(note.split("%")[0].removeprefix("int8 gives ")) / 100
    assert 0 < changed < 0.25  # noise, to which random weights say little surely
    assert said == pytest.approx(changed, abs=0.5 * changed)
    assert item["hierars:runtime"].endswith(" int8")
    again = Predictor(checkpoint, options.replaced(runtime=library, precision="int8"), "cpu")
    with pytest.warns(HieraRSWarning, match="is finished already"):
        again.predict(scene, tmp_path / library, resume=True)


def test_the_layer_that_sees_stored_values_stays_as_it_is(
    save_checkpoint, write_scene, tmp_path, options, monkeypatch
):
    onnx = pytest.importorskip("onnx")
    kinds, original = [], quantization.open_graph

    def open_graph(path, *rest):
        nodes = onnx.load(path).graph.node
        made_by = {output: node.op_type for node in nodes for output in node.output}
        kinds.append(
            [made_by.get(node.input[0]) == "DequantizeLinear" for node in nodes if node.op_type == "Conv"]
        )
        return original(path, *rest)

    monkeypatch.setattr(quantization, "open_graph", open_graph)
    int8 = Predictor(save_checkpoint(), options.replaced(runtime="onnx", precision="int8"), "cpu")
    with pytest.warns(HieraRSWarning, match="int8 gives"):
        int8.predict(write_scene(), tmp_path / "maps")
    plain, quantised = kinds
    assert not any(plain)
    assert not quantised[0]
    assert all(quantised[1:])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"runtime": "torch"}, "--runtime onnx or openvino with --precision int8, but got torch"),
        ({"tta": ("flips",)}, "int8 with views.*Leave --tta out"),
        ({"applicability": True}, "--precision float32 with --applicability, but got int8"),
    ],
)
def test_what_int8_cannot_do_is_one_line(save_checkpoint, write_scene, tmp_path, monkeypatch, asked, message):
    checkpoint = save_checkpoint()
    if "applicability" in asked:
        monkeypatch.setattr("hierars_geo.predict.predictor.applicability_of", lambda *known: None)
    with pytest.raises(OptionError, match=message):
        Predictor(checkpoint, PredictOptions(precision="int8", **asked), "cpu").predict(
            write_scene(), tmp_path
        )


def test_int8_without_what_quantises_names_it(monkeypatch):
    monkeypatch.setattr(quantization, "find_spec", lambda name: None if name == "onnx" else name)
    with pytest.raises(OptionError, match=r"Expected onnx to be installed for .*int8.*pip install onnx\."):
        quantization.check_can_quantise()
