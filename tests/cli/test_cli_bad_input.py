"""What is wrong with the input is said in one line, with a status, and nothing is left behind."""

import json
import os
import pickle
import re
import signal
import threading
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import rasterio
import torch
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.cli.training import MOVED_KEYS
from hierars_geo.datamodules import SceneDataModule
from hierars_geo.taxonomy import Taxonomy


class Pickled:
    """Would run a command if it were unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


@pytest.fixture(scope="session")
def inputs(workplace, checkpoint, maps, tmp_path_factory):
    """Good and bad files by name."""
    folder = tmp_path_factory.mktemp("inputs")
    with rasterio.open(workplace.image(workplace.train)) as scene:
        image, profile, bands = scene.read(), scene.profile, scene.descriptions
    with rasterio.open(workplace.labels(workplace.train)) as scene:
        label_profile = scene.profile

    def write(name, data, descriptions=None, base=profile, **changes):
        write_raster(folder / name, data, descriptions, **(base | {"dtype": data.dtype} | changes))

    def write_labels(name, value, **changes):
        write(name, np.full((1, 320, 320), value, np.uint8), base=label_profile, **changes)

    corner = image[:, :40, :50]
    write("ok.tif", corner, bands)
    write("a/same.tif", corner, bands)
    write("b/same.tif", corner, bands)
    write("no_crs.tif", corner, bands, crs=None)
    write("three.tif", corner[:3])
    write("five.tif", corner[:5], bands[:5])
    write("twice.tif", corner[[0, *range(10)]], (bands[0], *bands))
    write("nan.tif", np.full((10, 128, 128), np.nan, np.float32), bands, nodata=None)
    write_labels("strange.tif", 200)
    write_labels("unlabelled.tif", 0, nodata=0)
    transform = label_profile["transform"]
    write_labels("elsewhere.tif", 1, transform=transform.translation(-90000, 0) @ transform)
    whole = Path(workplace.image(workplace.train)).read_bytes()
    (folder / "half.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "file").write_text("x")
    (folder / "empty").mkdir()
    (folder / "empty.yaml").write_text("")
    (folder / "bad.yaml").write_text("a: [1\nb: }")
    (folder / "list.yaml").write_text("- 1\n")
    tree = Taxonomy.from_yaml("mm5b").to_yaml().replace("mm5b", "mine").replace("Stadium", "Arena")
    (folder / "mine.yaml").write_text(tree)
    (folder / "metrics.json").write_text("{")
    (folder / "half.ckpt").write_bytes(Path(checkpoint).read_bytes()[:50000])
    (folder / "pickled.ckpt").write_bytes(pickle.dumps(Pickled()))
    content = torch.load(checkpoint, weights_only=True)
    torch.save(content | {"more": Pickled()}, folder / "code.ckpt")
    good = {
        "OK": folder / "ok.tif",
        "CKPT": checkpoint,
        "MAPS": maps,
        "IMAGE": workplace.image(workplace.test),
        "LABELS": workplace.labels(workplace.test),
    }
    return folder, {key: str(value) for key, value in good.items()}


PREDICT = "predict CKPT OK -o OUT"
EVALUATE = "evaluate MAPS LABELS --taxonomy mm5b -o OUT/metrics.json"
VECTORIZE = "vectorize MAPS -o OUT/x.gpkg"
REPORT = "report MAPS -o OUT/r.html"

#: Command line, status, what its line says. CKPT, OK, MAPS, IMAGE and LABELS are good files, OUT is a new
#: folder, @name a file of ``inputs``.
CASES = [
    ("", 2, "Expected a command .* but got none"),
    ("frobnicate", 2, "Expected a command .* but got 'frobnicate'"),
    ("--nope", 2, "but got '--nope'"),
    # options
    ("predict", 2, "required: checkpoint, rasters, out_dir. See hierars-geo predict --help"),
    (f"{PREDICT} --frob", 2, "--frob. See hierars-geo predict --help"),
    (f"{PREDICT} --window abc", 2, "Expected --window to be a whole number, but got 'abc'"),
    (f"{PREDICT} --blend x", 2, "none, hann, linear, trim, but got 'x'"),
    (f"{PREDICT} --device frob", 2, "Expected device 'frob'"),
    (f"{EVALUATE} --region 0 0 1", 2, "--region: expected 4 arguments"),
    (f"{EVALUATE} --region 9 9 1 1", 2, "Expected region to be left < right"),
    (f"{EVALUATE} --id name", 2, "Expected --by with --id, but got it alone"),
    (f"{EVALUATE} --reference class", 2, "Expected points with --reference"),
    ("synth OUT --crops --clouds 0.2", 2, "Expected --dates with --clouds"),
    ("vectorize MAPS -o OUT/x.shp", 2, r"\.gpkg, \.parquet, \.fgb, \.geojson, but got '.*x\.shp'"),
    ("vectorize LABELS -o OUT/x.gpkg", 2, "--taxonomy NAME"),
    (f"{REPORT} --frob", 2, "--frob. See hierars-geo report --help"),
    ("taxonomy", 2, "list,show,validate"),
    ("taxonomy frob", 2, "but got 'frob'"),
    ("synth OUT --size-m -5", 2, "size_m to be a multiple of 20 m"),
    ("demo OUT --chip-size -1", 2, "Expected chip_size to be >= 1, but got -1"),
    ("demo OUT --size-m -1", 2, "size_m to be a multiple"),
    ("fit", 2, "required: .*data.*model"),
    # files that are not there, or not what they should be
    ("predict @nope.ckpt OK -o OUT", 1, "nope.ckpt to be a checkpoint, but it does not exist"),
    ("predict CKPT @nope.tif -o OUT", 1, "nope.tif to be a raster, but it does not exist"),
    ("predict CKPT @half.tif -o OUT", 1, "half.tif.*damaged or incomplete: get it again"),
    ("predict CKPT @empty -o OUT", 1, "empty to hold one raster per band .* but got none"),
    ("predict CKPT @no_crs.tif -o OUT", 1, "with a CRS, but got none .in .*no_crs.tif.. Assign it"),
    ("predict CKPT @three.tif -o OUT", 1, "Expected 10 or 12 or 13 bands .* but got 3 .*three.tif"),
    ("predict CKPT @five.tif -o OUT", 1, "five.tif.*B07, B08, B8A, B11, B12 missing"),
    ("predict CKPT @twice.tif -o OUT", 1, "one band named B02, but got bands 1, 2 .*twice.tif"),
    ("predict CKPT @a/same.tif @b/same.tif -o OUT", 2, "a/same.tif and .*b/same.tif"),
    ("predict CKPT @a/same.tif @b/same.tif -o OUT --overwrite", 2, "Predict them into different folders"),
    ("predict OK OK -o OUT", 1, "ok.tif to hold tensors"),
    (
        "evaluate @nope LABELS --taxonomy mm5b -o OUT/m.json",
        1,
        "nope to be a folder of maps or a class raster",
    ),
    (
        "evaluate @empty LABELS --taxonomy mm5b -o OUT/m.json",
        1,
        "empty to hold class rasters .* but got none",
    ),
    ("evaluate MAPS @nope.tif --taxonomy mm5b -o OUT/m.json", 1, "nope.tif to exist, but nothing is there"),
    ("evaluate MAPS IMAGE --taxonomy mm5b -o OUT/m.json", 1, "label raster with one band, but got 10"),
    ("evaluate MAPS LABELS --taxonomy nope -o OUT/m.json", 1, "but got 'nope'. Did you mean: .*mm5b"),
    ("evaluate MAPS LABELS --taxonomy @empty.yaml -o OUT/m.json", 1, "empty.yaml to be a taxonomy"),
    (
        "evaluate MAPS LABELS --taxonomy corine -o OUT/m.json",
        1,
        "classes of the taxonomy .* Choose the taxonomy",
    ),
    (
        "evaluate MAPS LABELS --taxonomy whdld -o OUT/m.json",
        1,
        "levels 1..1 of taxonomy whdld, but got one of level 3",
    ),
    ("evaluate MAPS @elsewhere.tif --taxonomy mm5b -o OUT/m.json", 1, "elsewhere.tif.*show the same place"),
    (f"{EVALUATE} --region 0 0 1 1", 1, "share labelled pixels, but got none"),
    ("vectorize @empty -o OUT/x.gpkg", 1, "empty to hold class rasters .* but got none"),
    (
        "vectorize @unlabelled.tif --taxonomy mm5b -o OUT/x.gpkg",
        1,
        "unlabelled to hold pixels .*all are nodata",
    ),
    ("vectorize MAPS --taxonomy corine -o OUT/x.gpkg", 1, "Choose the taxonomy of these labels"),
    ("report @empty", 1, "empty to hold class rasters .* but got none"),
    ("report @nope", 1, "nope to be a folder of maps or a class raster"),
    (f"{REPORT} --image @nope.tif", 1, "nope.tif to be a raster, but it does not exist"),
    (f"{REPORT} --labels @elsewhere.tif", 1, "elsewhere.tif.*Give the file of the predicted place"),
    (f"{REPORT} --metrics @metrics.json", 1, "metrics.json to be JSON"),
    ("taxonomy show nope", 1, "but got 'nope'. Did you mean"),
    ("taxonomy validate @list.yaml", 1, "list.yaml to be a taxonomy"),
    # outputs that cannot be written, or stand in the way
    ("predict CKPT OK -o @file", 1, "file to be a folder that can be written"),
    ("predict CKPT OK -o @file/below", 1, "below to be a folder that can be written"),
    ("predict CKPT IMAGE -o MAPS", 1, "outputs that do not exist yet, but got .*--overwrite"),
    ("evaluate MAPS LABELS --taxonomy mm5b -o @file/m.json", 1, "file to be a folder that can be written"),
    ("evaluate MAPS LABELS --taxonomy mm5b -o @empty", 2, "output to end in .json or .csv"),
    ("vectorize MAPS -o @file/x.gpkg", 1, "file to be a folder that can be written"),
    ("report MAPS -o @file/r.html", 1, "file to be a folder that can be written"),
    ("synth @file --size-m 500", 1, "file to be a folder that can be written"),
    ("demo @file", 1, "file to be a folder that can be written"),
    # configurations
    ("fit --config @nope.yaml", 1, "nope.yaml to be a configuration file, but it does not exist"),
    ("fit --config @empty.yaml", 2, "empty.yaml to hold model, data and trainer, but got nothing"),
    ("fit --config @bad.yaml", 2, "bad.yaml to be a YAML file"),
    ("fit --config=@list.yaml", 2, "list.yaml to hold model, data and trainer, but got a list"),
    ("fit --config OK", 2, "ok.tif to be a YAML file"),
]


def run(argv, capsys):
    """Status and the lines of stderr."""
    capsys.readouterr()
    status = main(argv)
    return status, capsys.readouterr().err.splitlines()


def check(outcome, status, pattern):
    assert outcome[0] == status, outcome
    (line,) = outcome[1]
    assert line.startswith("hierars-geo: "), line
    assert re.search(pattern, line), line
    assert "Traceback" not in line


@pytest.mark.parametrize(
    ("command", "status", "pattern"), CASES, ids=[case[0] or "nothing" for case in CASES]
)
def test_one_line_a_status_and_nothing_left(inputs, tmp_path, monkeypatch, capsys, command, status, pattern):
    folder, good = inputs
    monkeypatch.chdir(tmp_path)
    before = {path for place in (folder, Path(good["MAPS"])) for path in place.rglob("*")}
    words = [good.get(word, word) for word in command.split()]
    words = [re.sub(r"^OUT", str(tmp_path / "out"), word).replace("@", f"{folder}/") for word in words]
    check(run(words, capsys), status, pattern)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path for place in (folder, Path(good["MAPS"])) for path in place.rglob("*")} == before


FIT_CASES = [
    ({"model__encoder": "nope"}, 2, "Expected a known encoder, but got 'nope'. Near ones"),
    ({"model__encoder": "tu-resnet_tset"}, 2, "timm encoder, but got 'tu-resnet_tset'. Near ones"),
    ({"model__architecture": "uent"}, 2, "Expected a known architecture, but got 'uent'. Near ones: unet"),
    ({"model__mode": "nope"}, 2, "Expected mode to be one of .* but got 'nope'"),
    ({"model__nope": 1}, 2, "Option 'nope' is not accepted. See hierars-geo fit --help"),
    ({"data__sensor": "nope"}, 2, "sensor .*'sentinel2', .*but got nope"),
    ({"data__taxonomy": "nope"}, 1, "but got 'nope'. Did you mean"),
    ({"data__bands": ["B99"]}, 2, "but got B99"),
    ({"data__chips__size": -1}, 2, "Expected chips.size to be >= 1, but got -1"),
    ({"data__splits__val_fraction": 1.5}, 2, "add up to 1"),
    ({"trainer__enable_checkpointing": False}, 2, "trainer.enable_checkpointing to be true, but got false"),
    ({"data__splits__train_region": [0, 0, 1]}, 2, "train_region to be .left, bottom, right, top."),
    ({"data__splits__train_region": [0, 0, 1, 1]}, 1, "common ground.*region"),
    ({"data__images": ["@nope.tif"]}, 1, "nope.tif to exist"),
    ({"data__images": ["@three.tif"]}, 1, "but got 3 without names .in .*three.tif"),
    ({"data__images": ["@no_crs.tif"]}, 1, "with a CRS, but got none .in .*no_crs.tif"),
    ({"data__images": ["@half.tif"]}, 1, "half.tif.*damaged or incomplete"),
    ({"data__images": ["@nan.tif"]}, 1, "valid pixels"),
    ({"data__labels": ["@elsewhere.tif"]}, 1, "common ground.*train_0_S2.tif.*elsewhere.tif"),
    ({"data__labels": ["@strange.tif"]}, 1, "but got 200 .*in .*strange.tif"),
    ({"data__chips__sizes": 3}, 2, "Group 'chips' does not accept option 'sizes'"),
    (
        {"data__chip_size": 32, "data__augment": True},
        2,
        "config.yaml.*flips, data: chip_size -> chips.size",
    ),
    ({"data__normalization": "scale"}, 2, "normalization -> normalization.method"),
    ({"data__sources": [{"image_options": {}}]}, 2, "image_options -> reading"),
    ({"data__labels": ["@unlabelled.tif"]}, 1, "Expected training chips with labels, but got none"),
    ({"trainer__nope": 1}, 2, "trainer.nope"),
    ({"trainer__accelerator": "nope"}, 1, "nope"),
]


def test_names_of_version_0_1_say_what_they_are_called_now(workplace, tmp_path, capsys):
    config = workplace.config(tmp_path)
    for option in (["--data.init_args.batch_size", "4"], ["--data.batch_size=4"]):
        outcome = run(["fit", "--config", config, *option], capsys)
        check(outcome, 2, r"the command line.*data: batch_size -> loader\.batch_size")
    groups = {
        name: kind for name, kind in get_type_hints(SceneDataModule.__init__).items() if is_dataclass(kind)
    }
    for old, new in MOVED_KEYS["data"].items():
        group, *key = new.format(old).split(".")
        assert set(key) <= {entry.name for entry in fields(groups[group])}


@pytest.mark.parametrize(
    ("changes", "status", "pattern"), FIT_CASES, ids=[str(case[0]) for case in FIT_CASES]
)
def test_a_training_that_cannot_be_leaves_no_checkpoint(
    workplace, inputs, tmp_path, monkeypatch, capsys, changes, status, pattern
):
    folder, _ = inputs
    monkeypatch.chdir(tmp_path)
    placed = {
        key: [str(entry).replace("@", f"{folder}/") if isinstance(entry, str) else entry for entry in value]
        if isinstance(value, list)
        else value
        for key, value in changes.items()
    }
    check(run(["fit", "--config", workplace.config(tmp_path, **placed)], capsys), status, pattern)
    assert not list(tmp_path.rglob("*.ckpt"))


ANOTHER_TREE = "taxonomy mm5b in the checkpoint, mine here .*without Stadium and with Arena.*last.ckpt"


@pytest.mark.parametrize(
    ("command", "changes", "named", "status", "pattern"),
    [
        ("fit", {"data__taxonomy": "@mine.yaml"}, "CKPT", 1, ANOTHER_TREE),
        ("test", {"data__taxonomy": "@mine.yaml"}, "CKPT", 1, ANOTHER_TREE),
        ("fit", {"data__bands": ["B02", "B03"]}, "CKPT", 1, "bands .*last.ckpt"),
        ("fit", {}, "@code.ckpt", 1, "code.ckpt .*not loaded for safety"),
        ("test", {}, "@pickled.ckpt", 1, "pickled.ckpt .*not loaded for safety"),
        ("fit", {}, "@nope.ckpt", 1, "nope.ckpt to be a checkpoint, but it does not exist"),
        ("fit", {}, "@half.ckpt", 1, "half.ckpt to be a PyTorch checkpoint"),
        ("validate", {}, "", 2, "Expected --ckpt_path, the model to validate"),
        (
            "validate",
            {"data__splits__val_fraction": 0.0},
            "CKPT",
            2,
            "Expected ground to validate on, but got none",
        ),
        ("test", {"data__splits__test_fraction": 0.0}, "CKPT", 2, "Expected ground to test on, but got none"),
    ],
)
def test_a_checkpoint_that_does_not_fit_starts_no_run(
    workplace, inputs, tmp_path, monkeypatch, capsys, command, changes, named, status, pattern
):
    folder, good = inputs
    monkeypatch.chdir(tmp_path)
    placed = {
        key: value.replace("@", f"{folder}/") if isinstance(value, str) else value
        for key, value in changes.items()
    }
    option = ["--ckpt_path", good.get(named, named.replace("@", f"{folder}/"))] if named else []
    check(run([command, "--config", workplace.config(tmp_path, **placed), *option], capsys), status, pattern)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "unpickled").exists()


def test_a_scene_without_data_is_noted(inputs, tmp_path, capsys):
    folder, good = inputs
    outcome = run(["predict", good["CKPT"], str(folder / "nan.tif"), "-o", str(tmp_path)], capsys)
    check(outcome, 0, "note: nan: no pixel holds data in every band")
    assert json.loads((tmp_path / "nan.json").read_text())


def test_debug_shows_the_traceback(inputs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nope\.tif"):
        main(["predict", inputs[1]["CKPT"], str(tmp_path / "nope.tif"), "-o", str(tmp_path), "--debug"])


@pytest.fixture
def interrupt_when():
    """Press Ctrl-C as soon as something is true; leaves the handler of this process as it was."""
    # Lightning sets its own; a shell has its background jobs ignore the signal
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = threading.Event()
    watchers = []

    def arm(started):
        def watch():
            while not done.wait(0.02):
                if started():
                    os.kill(os.getpid(), signal.SIGINT)
                    return

        watchers.append(threading.Thread(target=watch))
        watchers[-1].start()

    yield arm
    done.set()
    for watcher in watchers:
        watcher.join()
    signal.signal(signal.SIGINT, handler)


# A signal in the middle of a read can leave rasterio with a message of GDAL that it cannot decode; it says so
# by an exception in its error handler that nobody can catch, while the command ends as it should.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_prediction_keeps_its_rows_out_of_sight(inputs, tmp_path, capsys, interrupt_when):
    _, good = inputs
    interrupt_when(lambda: any(file.stat().st_size for file in tmp_path.glob(".*/chunk-*.rows")))
    windows = ["--window", "32", "--overlap", "0.97", "--batch-size", "1"]
    outcome = run(["predict", good["CKPT"], good["IMAGE"], "-o", str(tmp_path), *windows], capsys)
    status, lines = outcome
    kept = "Rows that were finished are kept: go on with --resume."
    assert (status, lines[-1]) == (130, f"hierars-geo: predict: interrupted. {kept}")
    assert [path.suffix for path in tmp_path.iterdir()] == [".hierars-part"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as above
def test_an_interrupted_training_leaves_no_checkpoint(workplace, tmp_path, capsys, interrupt_when):
    config = workplace.config(tmp_path, trainer__max_steps=100000, data__chips__per_epoch=100000)
    interrupt_when(lambda: any(tmp_path.rglob("metrics.csv")))
    status, lines = run(["fit", "--config", config], capsys)
    none = "No checkpoint was written yet: run it again."
    assert (status, lines[-1]) == (130, f"hierars-geo: fit: interrupted. {none}")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        *("config.yaml", "metrics.csv"),
        *(
            "statistics.json",
            "class_histograms.csv",
            "class_histograms.json",
            "splits.gpkg",
        ),  # of the data, not of a model
    }
