"""Runs that end badly: killed, interrupted, on a full disk; resumed to the same bytes, or refused."""

import json
import multiprocessing
import os
import resource
import signal
import sys

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch

from hierars_geo.cli import main
from hierars_geo.errors import HieraRSWarning, OutputError, RasterError
from hierars_geo.export import export_model
from hierars_geo.predict import PredictOptions, Predictor, checkpoint_runner
from hierars_geo.predict import results as module
from hierars_geo.predict.memory import MemoryBudget
from hierars_geo.predict.network.batching import BatchFallback
from hierars_geo.predict.network.torch_session import runtime_of_tensors
from hierars_geo.predict.rows import ChunkWriter
from hierars_geo.predict.run_folder import run_folder, run_path

OPTIONS = {"window": 64, "chunk_px": 100, "confidence": True, "batch_size": 3}
ROWS = "chunk-*.rows"
#: Starts processes from one without threads: a fork of the tests' own may inherit a lock that nobody opens.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload(["hierars_geo.predict"])


@pytest.fixture
def scene(write_scene):
    return write_scene(height=300, width=200)


@pytest.fixture
def checkpoint(save_checkpoint):
    return save_checkpoint()


def contents(folder):
    """Bytes of every file; of the item all but the time it was made."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}
    for path in folder.glob("*.json"):
        item = json.loads(path.read_text())
        item["properties"].pop("created")
        item["properties"].pop("datetime", None)
        found[path.name] = item
    return found


def die_after(count, monkeypatch, kind):
    """End by ``kind`` after some records: as an interrupt, or by SIGKILL in a process of its own."""
    original, calls = ChunkWriter.append, []

    def append(self, rows):
        original(self, rows)
        calls.append(rows.window.row)
        if len(calls) == count:
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt

    monkeypatch.setattr(ChunkWriter, "append", append)


@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino", "exported"])
def test_a_killed_run_is_resumed_to_the_same_bytes(checkpoint, scene, tmp_path, graphs, runtime):
    options = {**OPTIONS, "runtime": runtime, "cache_dir": str(graphs)}
    if runtime != "torch":
        pytest.importorskip("onnxscript")
        pytest.importorskip("openvino" if runtime == "openvino" else "onnxruntime")
    if runtime == "exported":
        checkpoint, options["runtime"] = export_model(checkpoint).model, "onnx"
    predictor = Predictor(checkpoint, PredictOptions(**options), device="cpu")
    whole = contents(predictor.predict(scene, tmp_path / "whole").item.parent)
    said = whole["scene.json"]["properties"]["hierars:runtime"]
    assert said.startswith({"exported": "onnx"}.get(runtime, runtime))
    total = []
    predictor.predict(scene, tmp_path / "count", progress=lambda done, of: total.append(of))
    out = tmp_path / "killed"
    for count in (3, 2, 4) if runtime == "torch" else (3,):  # each goes on from the one before, across chunks
        process = CLEAN.Process(target=predict_and_die, args=(checkpoint, options, scene, out, count))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert [path for path in out.iterdir() if not path.name.startswith(".")] == []
    left = []
    predictor.predict(scene, out, resume=True, progress=lambda done, of: left.append(of))
    assert left[0] < total[0]
    assert contents(out) == whole


def predict_and_die(checkpoint, options, scene, out, count):
    with pytest.MonkeyPatch.context() as patch:
        die_after(count, patch, "kill")
        Predictor(checkpoint, PredictOptions(**options), device="cpu").predict(scene, out, resume=True)


def interrupt(predictor, scene, out, count=4):
    with pytest.MonkeyPatch.context() as patch:
        die_after(count, patch, "interrupt")
        with pytest.raises(KeyboardInterrupt):
            predictor.predict(scene, out)


def test_torn_and_damaged_records_are_computed_again(checkpoint, scene, tmp_path):
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS), device="cpu")
    whole = contents(predictor.predict(scene, tmp_path / "whole").item.parent)
    for position in (-1, -40, 30):
        out = tmp_path / f"damaged{position}"
        interrupt(predictor, scene, out)
        file = next(run_path(out, "scene").glob(ROWS))
        content = bytearray(file.read_bytes())
        content[position] ^= 255
        file.write_bytes(content)
        predictor.predict(scene, out, resume=True)
        assert contents(out) == whole


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_killed_while_files_get_their_names(checkpoint, scene, tmp_path, moved):
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS), device="cpu")
    whole = contents(predictor.predict(scene, tmp_path / "whole").item.parent)
    out, calls = tmp_path / "out", []
    original = module.place_raster

    def place(finished, final):
        if len(calls) == moved:
            raise KeyboardInterrupt
        calls.append(final)
        original(finished, final)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "place_raster", place)
        with pytest.raises(KeyboardInterrupt):
            predictor.predict(scene, out)
    assert not (out / "scene.json").exists()
    predictor.predict(scene, out, resume=True)
    assert contents(out) == whole


def test_what_has_changed_is_said(checkpoint, save_checkpoint, scene, write_scene, tmp_path):
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS), device="cpu")
    out = tmp_path / "out"
    interrupt(predictor, scene, out)
    other = save_checkpoint("crop10m", name="other.ckpt")
    cases = [
        (
            Predictor(checkpoint, PredictOptions(**OPTIONS | {"blend": "linear"}), device="cpu"),
            'option blend was "hann" and is "linear"',
        ),
        (Predictor(other, PredictOptions(**OPTIONS), device="cpu"), "checkpoint_sha256 was"),
    ]
    for changed, message in cases:
        with pytest.raises(OutputError, match=message):
            changed.predict(scene, out, resume=True)
    os.utime(scene, (1, 1))
    with pytest.raises(OutputError, match=r"source was .* and is .*--resume"):
        predictor.predict(scene, out, resume=True)
    with pytest.warns(UserWarning, match="thrown away"):
        predictor.predict(scene, out)
    assert not run_path(out, "scene").exists()


def test_the_second_of_two_runs_is_refused(checkpoint, scene, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS), device="cpu")
    with run_folder(out, "scene", {}, resume=False), pytest.raises(OutputError, match="one is at work"):
        predictor.predict(scene, out, resume=True)
    predictor.predict(scene, out)


def test_a_raster_that_changes_under_the_run_is_refused(checkpoint, scene, tmp_path):
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS), device="cpu")

    def touch(done, total):
        if done == total:
            os.utime(scene, (1, 1))

    with pytest.raises(RasterError, match=r"scene\.tif to stay as it was"):
        predictor.predict(scene, tmp_path / "out", progress=touch)
    assert os.listdir(tmp_path / "out") == []


def test_a_truncated_raster_ends_in_one_line_and_keeps_what_was_read(checkpoint, scene, tmp_path, capsys):
    cut = tmp_path / "cut" / "scene.tif"
    cut.parent.mkdir()
    rasterio.shutil.copy(scene, cut, driver="COG", blocksize=128, compress="NONE")  # directories come first
    whole = cut.read_bytes()
    cut.write_bytes(whole[: int(len(whole) * 0.7)])
    out = tmp_path / "out"
    options = ["--window", "64", "--batch-size", "4", "--device", "cpu"]
    assert main(["predict", str(checkpoint), str(cut), "-o", str(out), *options]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert "scene.tif to be readable at rows" in error[-1]
    assert [path.name for path in out.iterdir()] == [".scene.hierars-part"]


def predict_on_a_small_disk(command, errors):
    """What a full disk does to writes, a limit on the size of files does, too."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    with errors.open("w") as sys.stderr:
        status = main(command)
    os._exit(status)


def test_a_full_disk_ends_in_one_line_and_is_resumed(checkpoint, scene, tmp_path):
    out, whole, errors = tmp_path / "out", tmp_path / "whole", tmp_path / "errors.txt"
    command = ["predict", str(checkpoint), str(scene), "--window", "64", "--device", "cpu", "--confidence"]
    assert main([*command, "-o", str(whole)]) == 0
    arguments = ([*command, "-o", str(out)], errors)
    process = CLEAN.Process(target=predict_on_a_small_disk, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 1
    assert "to be writable, but got" in errors.read_text().splitlines()[-1]
    assert "Traceback" not in errors.read_text()
    assert [path.name for path in out.iterdir()] == [".scene.hierars-part"]
    assert main([*command, "-o", str(out), "--resume"]) == 0
    assert contents(out) == contents(whole)


def test_an_interrupt_says_how_to_go_on(checkpoint, scene, tmp_path, capsys, monkeypatch):
    die_after(2, monkeypatch, "interrupt")
    command = ["predict", str(checkpoint), str(scene), "-o", str(tmp_path / "out"), "--window", "64"]
    assert main([*command, "--device", "cpu"]) == 130
    assert "--resume" in capsys.readouterr().err


def test_layers_beyond_classes(checkpoint, scene, tmp_path):
    options = OPTIONS | {"depth_threshold": 0.5, "entropy": True, "probabilities": True, "stack": True}
    predictor = Predictor(checkpoint, PredictOptions(**options), device="cpu")
    layers = predictor.predict(scene, tmp_path / "maps").layers
    tree = predictor.loaded.record.taxonomy
    read = {}
    for name, path in layers.items():
        with rasterio.open(path) as dataset:
            read[name] = dataset.read().astype(int)
            if name == "levels":
                assert dataset.descriptions == tree.level_names
            if name == "probabilities":
                assert dataset.descriptions[0].count(" / ") == 2
    valid = read["levels"][2] != tree.nodata_value
    assert "L1" not in layers
    assert not valid.all()
    assert (np.abs(read["probabilities"].sum(axis=0) - 100)[valid] <= tree.num_paths / 2).all()
    index = [tree.value_to_index(read["levels"][n], n + 1) for n in range(3)]
    best = read["probabilities"].max(axis=0)
    chosen = np.full(valid.shape, -1)
    for number, path in enumerate(tree.paths):
        chosen[np.all([index[n] == path[n] for n in range(3)], axis=0)] = number
    shown = np.take_along_axis(read["probabilities"], chosen.clip(0)[None], axis=0)[0]
    np.testing.assert_array_equal(shown[valid], best[valid])
    depth, adaptive = read["depth"][0], read["adaptive"][0]
    first = np.cumsum([0, 1, *tree.num_classes[:-1]])
    for level in (1, 2, 3):
        here = valid & (depth == level)
        np.testing.assert_array_equal(adaptive[here] - first[level], index[level - 1][here])
    assert (adaptive[~valid] == 255).all()
    assert (read["entropy"][0][~valid] == 255).all()
    sure = valid & (best >= 99)
    assert (read["entropy"][0][sure] < 10).all()
    assert (read["entropy"][0][valid] <= 100).all()


class Little:
    """A model on a device with room for a few windows, which says so as CUDA does."""

    def __init__(self, model, room):
        self.model, self.room, self.sizes = model, room, []

    def __call__(self, image, valid):
        if len(image) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.sizes.append(len(image))
        return torch.from_numpy(self.model(image.numpy(), valid.numpy()))


def test_memory_that_runs_out_on_the_way_leaves_the_bytes_of_smaller_batches(checkpoint, scene, tmp_path):
    small = Predictor(checkpoint, PredictOptions(**OPTIONS | {"batch_size": 2}), device="cpu")
    wanted = contents(small.predict(scene, tmp_path / "small").item.parent)
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS | {"batch_size": 8}), device="cpu")
    plain = predictor.runner.runtime
    device = Little(plain, 2)
    predictor.runner.runtime = runtime_of_tensors(BatchFallback(device), plain.channels, torch.device("cpu"))
    with pytest.warns(HieraRSWarning) as notes:
        out = predictor.predict(scene, tmp_path / "large").item.parent
    assert [str(note.message)[-14:] for note in notes] == ["ves the trial."] * 2
    assert max(device.sizes) == 2
    got = contents(out)
    for name in wanted:
        if not name.endswith(".json"):
            assert got[name] == wanted[name], name


@pytest.mark.parametrize("asked_for", ["auto", None], ids=["automatic", "default"])
def test_a_batch_is_chosen_once_and_kept_for_the_resume(checkpoint, scene, tmp_path, monkeypatch, asked_for):
    chosen = []

    def choose(asked, *rest):
        chosen.append(asked)
        return 4 - len(chosen)  # memory shrinks from run to run

    monkeypatch.setattr(checkpoint_runner, "cpu_batch_size", choose)
    predictor = Predictor(checkpoint, PredictOptions(**OPTIONS | {"batch_size": asked_for}), device="cpu")
    whole = contents(predictor.predict(scene, tmp_path / "whole").item.parent)
    assert chosen == [asked_for]  # not by chunk
    chosen.clear()
    out = tmp_path / "out"
    interrupt(predictor, scene, out)
    assert json.loads((run_path(out, "scene") / "manifest.json").read_text())["batch_size"] == 3
    predictor.predict(scene, out, resume=True)
    assert chosen == [asked_for]
    assert contents(out) == whole


def test_another_budget_of_memory_goes_on_with_the_chunks_of_the_first(checkpoint, write_scene, tmp_path):
    scene = write_scene(height=100, width=700)
    options = {"window": 64, "overlap": 0.5, "batch_size": 3}
    narrow, wide = (
        Predictor(checkpoint, PredictOptions(**options, memory_mb=memory_mb), "cpu") for memory_mb in (16, 96)
    )
    narrow.memory = MemoryBudget(1)  # what 16 MB are to a raster of 10 000 columns
    whole = contents(narrow.predict(scene, tmp_path / "whole").item.parent)
    out = tmp_path / "out"
    interrupt(narrow, scene, out, count=2)
    assert len(json.loads((run_path(out, "scene") / "manifest.json").read_text())["chunks"][1]) > 3
    wide.predict(scene, out, resume=True)
    assert contents(out) == whole
    with pytest.warns(HieraRSWarning, match="nothing is left to compute"):
        wide.predict(scene, out, resume=True)
    given = Predictor(checkpoint, PredictOptions(**options, chunk_px=50), "cpu")
    interrupt(narrow, scene, tmp_path / "given", count=2)
    with pytest.raises(OutputError, match="chunks was"):
        given.predict(scene, tmp_path / "given", resume=True)
