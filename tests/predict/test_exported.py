"""A model that was exported as an ONNX file is predicted without PyTorch, to the same maps."""

import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hierars_geo.cli import main
from hierars_geo.errors import CheckpointError, HieraRSWarning, MissingFileError, OptionError
from hierars_geo.export import export_model
from hierars_geo.maps import Maps
from hierars_geo.models import load
from hierars_geo.models.applicability import Applicability
from hierars_geo.models.dissimilarity import pooled
from hierars_geo.output import sha256_of
from hierars_geo.predict import PredictOptions, Predictor

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
CALIBRATION = {
    "temperature": 1.5,
    "promises": [{"risk": 0.1, "threshold": 0.4, "set_threshold": 0.5}],
    "curves": [[[0, 0], [0.4, 0.6], [1, 0.98]], [[0, 0], [0.7, 0.5], [1, 0.9]], [[0, 0], [1, 0.8]]],
    "delta": 0.1,
    "blocks": 40,
    "block_m": 640.0,
    "split": "val",
    "error_before": [0.1, 0.1, 0.1],
    "error_after": [0.05, 0.05, 0.05],
}


def closure(names):
    """Return the distributions that some bring along, themselves included."""
    found, waiting = set(), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            asked = [Requirement(line) for line in metadata.requires(name) or ()]
            waiting += [
                each.name for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return found


def absent(*added):
    """Return what a machine that only predicts cannot import, but for packages that are added."""
    lines = (ROOT / "requirements-predict.txt").read_text(encoding="utf-8").splitlines()
    named = (Requirement(line).name for line in lines if line and not line.startswith("#"))
    there = closure([*named, *added])
    owners = metadata.packages_distributions()
    return [name for name, of in owners.items() if not there & {canonicalize_name(each) for each in of}]


ABSENT = sorted(set(absent()) - {"hierars_geo"})

WITHOUT_TORCH = f"""
import sys
from importlib.machinery import PathFinder
class Lacking(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {ABSENT} else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Lacking
"""
BY_COMMAND = f"""{WITHOUT_TORCH}
from hierars_geo.cli import main
status = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak_mb", int(peak.split()[1]) / 1024)
sys.exit(status)
"""
BY_PYTHON = f"""{WITHOUT_TORCH}
import hierars_geo as hg
maps = hg.predict(*sys.argv[1:], window=64, applicability=True)
print(*maps.layers, "hierars_geo.datasets" in sys.modules)
"""


def run_without_torch(code, *arguments):
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": temporary},
        )
        assert not os.listdir(temporary)  # where ONNX Runtime keeps whom it reports for
    return done


def predict_without_torch(*arguments):
    """Run the command in a process of its own; returns it and its peak of memory in MB."""
    done = run_without_torch(BY_COMMAND, "predict", *arguments)
    return done, float(done.stdout.rpartition("peak_mb ")[2] or "nan")


@pytest.fixture(scope="module")
def model(tmp_path_factory, write_checkpoint):
    """A checkpoint and what was exported of it: an export takes seconds."""
    folder, known = tmp_path_factory.mktemp("model"), {"calibration": CALIBRATION}
    # prototypes among the features, such that about half of a scene of noise is unlike them
    network = load(write_checkpoint(folder)).network
    noise = torch.from_numpy(np.random.default_rng(5).uniform(200, 3000, (1, 4, 64, 64))).float()
    with torch.inference_mode():
        cells = pooled(network.features_and_logits(noise, None)[0], 4)[0].flatten(1).T.double().numpy()
    nearest = np.linalg.norm(cells[6:, None] - cells[:6], axis=-1).min(axis=1)
    depth, rows = cells.shape[1], tuple(map(tuple, cells[:6].tolist()))
    ground = Applicability((0.0,) * depth, (1.0,) * depth, rows, 1.0, float(np.median(nearest)), 9, 0.02)
    checkpoint = write_checkpoint(folder, **known, applicability=ground.to_dict())
    return checkpoint, export_model(checkpoint).model


def pixels(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_what_trains_is_not_there_when_only_predicting():
    trains = {"torch", "torchgeo", "lightning", "timm", "kornia", "matplotlib", "onnx", "pyogrio"}
    assert trains <= set(ABSENT)


@pytest.mark.parametrize(
    ("words", "lacks"), [("predict {} scene.tif", "torch"), ("vectorize maps", "pyarrow")]
)
def test_what_takes_more_packages_names_the_one_that_is_missing(model, tmp_path, words, lacks):
    done = run_without_torch(BY_COMMAND, *words.format(model[0]).split(), "-o", tmp_path / "out.gpkg")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"Expected the package {lacks} to be installed" in done.stderr
    assert "pip install hierars-geo" in done.stderr


def test_polygons_as_a_region_take_the_two_packages_that_the_page_names(model, write_scene, tmp_path):
    file = tmp_path / "region.gpkg"
    scene = write_scene()
    with rasterio.open(scene) as dataset:
        left, bottom, right, top = dataset.bounds
        shape = shapely.box(left + 300, bottom + 300, right - 300, top - 300)
        geopandas.GeoDataFrame(geometry=[shape], crs=dataset.crs).to_file(file)
    lacking = sorted(set(absent("pyogrio", "geopandas")) - {"hierars_geo"})
    assert {"pyarrow", "geopandas"} & set(lacking) == {"pyarrow"}
    code = BY_COMMAND.replace(str(ABSENT), str(lacking))
    done = run_without_torch(code, "predict", model[1], scene, "-o", tmp_path / "maps", "--region", file)
    assert done.returncode == 0, done.stderr
    values = pixels(tmp_path / "maps" / "scene_L3.tif")
    assert values.shape == (1, 90, 70)
    assert values.all()


def test_the_maps_are_the_checkpoints_in_a_process_that_has_no_pytorch(model, write_scene, tmp_path):
    checkpoint, exported = model
    scene = write_scene(height=300, width=280)
    options = ("--window", "128", "--confidence", "--risk", "0.1", "--sets", "--tta", "flips", "--overwrite")
    done, _ = predict_without_torch(exported, scene, "-o", tmp_path / "onnx", *options)
    assert done.returncode == 0, done.stderr
    told = {"window": 128, "confidence": True, "risk": 0.1, "sets": True, "tta": True, "runtime": "torch"}
    theirs = Predictor(checkpoint, PredictOptions(**told), "cpu").predict(scene, tmp_path / "torch")
    ours = Maps.open(tmp_path / "onnx")
    assert set(ours.layers) == set(theirs.layers) >= {"L1", "L3", "conf_L2", "adaptive", "depth"}
    for name in ("L1", "L2", "L3", "adaptive"):
        assert (pixels(ours.layers[name]) == pixels(theirs.layers[name])).mean() > 0.9999
    for name in ("conf_L1", "conf_L2", "conf_L3"):
        assert np.abs(pixels(ours.layers[name]).astype(int) - pixels(theirs.layers[name])).max() <= 1
    assert len(np.unique(pixels(ours.layers["L3"]))) > 5
    item = json.loads((tmp_path / "onnx" / "scene.json").read_text())
    said = item["properties"]
    assert (said["hierars:checkpoint"], said["hierars:runtime"][:11]) == ("model.onnx", "onnxruntime")
    assert set(said["processing:software"]) == {"hierars-geo", "onnxruntime", "gdal"}
    assert any("at most 10 % show none that is right" in note for note in said["hierars:notes"])
    names = ours.scene.adaptive_legend.class_names(1)
    assert any(" or " in names[value] for value in np.unique(pixels(ours.layers["adaptive"])) if value != 255)


def test_a_checkpoint_whose_graph_is_kept_needs_no_pytorch_either(model, write_scene, tmp_path):
    checkpoint, _ = model
    scene, cache = write_scene(), str(tmp_path / "cache")
    options = PredictOptions(runtime="onnx", applicability=True, cache_dir=cache)
    first = Predictor(checkpoint, options).predict(scene, tmp_path / "first")
    command = (checkpoint, scene, "-o", tmp_path / "second", "--runtime", "onnx", "--applicability")
    done, peak_mb = predict_without_torch(*command, "--cache-dir", cache)
    assert done.returncode == 0, done.stderr
    assert peak_mb < 400
    second = Maps.open(tmp_path / "second")
    assert set(first.layers) == set(second.layers)
    for name, path in first.layers.items():
        np.testing.assert_array_equal(pixels(second.layers[name]), pixels(path))
    told = json.loads((tmp_path / "second" / "scene.json").read_text())["properties"]
    assert told["hierars:checkpoint"] == checkpoint.name
    assert told["hierars:checkpoint_sha256"] == sha256_of(checkpoint)


def test_a_small_raster_takes_little_memory_and_a_mosaic_of_a_region_is_resumed(model, write_scene, tmp_path):
    _, exported = model
    done, peak_mb = predict_without_torch(
        exported, write_scene(height=128, width=128), "-o", tmp_path / "maps"
    )
    assert done.returncode == 0, done.stderr
    assert peak_mb < 400
    tiles = [
        write_scene(f"tile_{n}", seed=n, transform=rasterio.Affine(10, 0, 1300 * n, 0, -10, 0))
        for n in (0, 1)
    ]
    command = (exported, *tiles, "-o", tmp_path / "mosaic", "--mosaic", "--region", "900,-1200,2000,-100")
    command = (*command, "--region-crs", "EPSG:32650", "--resume")
    for note in ("", "is finished already"):
        done, _ = predict_without_torch(*command)
        assert done.returncode == 0, done.stderr
        assert note in done.stderr
    (grid,) = {pixels(path).shape for path in Maps.open(tmp_path / "mosaic").layers.values()}
    assert grid == (1, 110, 110)


def test_python_is_as_light_as_the_command_and_tells_what_is_unlike_the_training_ground(
    model, write_scene, tmp_path
):
    checkpoint, exported = model
    scene = write_scene(height=150, width=131)
    done = run_without_torch(BY_PYTHON, exported, scene, tmp_path / "onnx")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"L1", "L2", "L3", "di", "aoa", "False"}
    options = PredictOptions(window=64, applicability=True, runtime="torch")
    theirs = Predictor(checkpoint, options, "cpu").predict(scene, tmp_path / "torch")
    ours = Maps.open(tmp_path / "onnx")
    unlike = pixels(ours.layers["di"]).astype(int)
    assert np.abs(unlike - pixels(theirs.layers["di"])).max() <= 1
    assert (pixels(ours.layers["aoa"]) == pixels(theirs.layers["aoa"])).mean() > 0.999
    assert 0.2 < (unlike[unlike < 255] > 100).mean() < 0.8
    assert (pixels(ours.layers["L3"]) == pixels(theirs.layers["L3"])).mean() > 0.9999


def test_openvino_and_quarter_turns_serve_it_too(model, write_scene, tmp_path):
    pytest.importorskip("openvino")
    checkpoint, exported = model
    options = PredictOptions(window=64, tta=("turns",), runtime="openvino")
    ours = Predictor(exported, options).predict(write_scene(), tmp_path / "openvino")
    plain = Predictor(checkpoint, options.replaced(runtime="torch"), "cpu")
    theirs = plain.predict(tmp_path / "scene.tif", tmp_path / "torch")
    assert (pixels(ours.layers["L3"]) == pixels(theirs.layers["L3"])).mean() > 0.9999


def test_int8_is_calibrated_without_pytorch_too(model, write_scene, tmp_path):
    _, exported = model
    scene, options = write_scene(), PredictOptions(window=64)
    plain = Predictor(exported, options).predict(scene, tmp_path / "float32")
    with pytest.warns(HieraRSWarning, match=r"int8 gives \d+\.\d\d% of the pixels of 8 windows"):
        int8 = Predictor(exported, options.replaced(precision="int8")).predict(scene, tmp_path / "int8")
    changed = (pixels(plain.layers["L3"]) != pixels(int8.layers["L3"])).mean()
    assert 0 < changed < 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "torch"}, "but got --runtime torch; or give the checkpoint"),
        ({"precision": "bf16", "runtime": "onnx"}, "ONNX Runtime has none. Use --runtime openvino"),
        ({"applicability": True, "precision": "int8"}, "--applicability with precision int8"),
        ({"precision": "fp16"}, "CPUs have bf16 at most"),
        ({"compile": True}, "--compile, but it is PyTorch's"),
        ({"tta": ("scales",)}, "views scales.*Use --tta flips turns"),
    ],
)
def test_what_takes_a_checkpoint_is_one_line(model, options, message):
    with pytest.raises(OptionError, match=message):
        Predictor(model[1], PredictOptions(**options))


def test_other_files_and_damaged_ones_are_refused(model, write_scene, tmp_path, capsys):
    _, exported = model
    content = exported.read_bytes()
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    files = {
        "cut": (content[: len(content) // 2], "to be a whole ONNX file"),
        "flipped": (bytes(flipped), "but its checksum is another"),
        "longer": (content + b"\x72\x00", "but its checksum is another"),
        "plain": (b"", "exported by hierars-geo, but it does not say so"),
        "other": (b"PK\x03\x04 something else", "to be a whole ONNX file, but it holds something else"),
    }
    for name, (data, message) in files.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=message):
            Predictor(path)
    with pytest.raises(MissingFileError):
        Predictor(tmp_path / "none.onnx")
    assert (
        main(["predict", str(tmp_path / "cut.onnx"), str(write_scene()), "-o", str(tmp_path / "maps")]) == 1
    )
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "maps").exists()


def test_a_graph_for_deepness_is_no_model_to_predict_with(model, tmp_path):
    checkpoint, _ = model
    exported = export_model(checkpoint, tmp_path / "deep.onnx", deepness=True, tile_px=64)
    with pytest.raises(CheckpointError, match=r"is for Deepness\. Export the checkpoint without --deepness"):
        Predictor(exported.model)


def test_a_library_that_is_too_old_for_the_graph_is_named(model, tmp_path):
    import onnx

    from hierars_geo.predict.onnx_file import seal

    graph = onnx.load(model[1])
    graph.opset_import[0].version = 999
    del graph.metadata_props[-1]
    path = tmp_path / "future.onnx"
    onnx.save(graph, path)
    seal(path)
    predictor = Predictor(path)
    with pytest.raises(CheckpointError, match=r"Expected onnxruntime .* to run .*future.onnx, but: .*opset"):
        predictor.runner.runtime_of((64, 64), 1, list)
