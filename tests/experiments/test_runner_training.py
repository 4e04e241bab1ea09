"""The experiments' runner from its command line: tiny trainings, results, tables, plots."""

import csv
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from run import main
from runner import plan_jobs, run_job

from hierars_geo.synthetic import scene_series, write_land_cover_scene

#: Lightning's advice about workers and lengths, and its own deprecated calls.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    specs = scene_series(1, 640, 0, ("sentinel2",))
    return {spec.name: write_land_cover_scene(spec, folder) for spec in specs}


@pytest.fixture
def configuration(scenes, tmp_path):
    def write(**model):
        train, test = scenes["train_0"], scenes["test_0"]
        content = {
            "trainer": {"max_steps": 2, "accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0},
            "model": {
                "class_path": "hierars_geo.tasks.BHCCMTask",
                "init_args": {
                    "architecture": "unet",
                    "encoder": "tu-test_resnet",
                    "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
                    **model,
                },
            },
            "data": {
                "class_path": "hierars_geo.datamodules.SceneDataModule",
                "init_args": {
                    "images": [str(train.images["sentinel2"])],
                    "labels": [str(train.labels)],
                    "taxonomy": "mm5b",
                    "splits": {
                        "val_fraction": 0.0,
                        "test_images": [str(test.images["sentinel2"])],
                        "test_labels": [str(test.labels)],
                    },
                    "chips": {"size": 32, "per_epoch": 8},
                    "loader": {"batch_size": 2},
                },
            },
        }
        path = tmp_path / "place.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def overlay(tmp_path):
    def write(name, **model):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"model": {"init_args": model}}), encoding="utf-8")
        return str(path)

    return write


def test_runs_what_has_no_result_and_collects_all(configuration, overlay, tmp_path, capsys):
    out = tmp_path / "out"
    command = [configuration(), "--with", overlay("flat", mode="flat")]
    assert main([*command, "--seeds", "0", "-o", str(out)]) == 0
    assert main([*command, overlay("bhccm", mode="residual"), "--seeds", "0", "-o", str(out)]) == 0
    assert "[1/2] place/flat seed 0: done before" in capsys.readouterr().out
    flat, bhccm = (json.loads(path.read_text()) for path in sorted((out / "results").glob("*"))[::-1])
    assert (flat["variant"], flat["steps"], bhccm["variant"]) == ("flat", 2, "bhccm")
    # a flat model's coarser levels are its leaf's, whatever the decoding
    assert flat["argmax"] == flat["decoded"]
    assert 0 < bhccm["decoded"]["consistency"] < 1
    assert bhccm["argmax"]["levels"] != bhccm["decoded"]["levels"]
    assert flat["decoded"]["pixels"] == bhccm["argmax"]["pixels"] > 3000
    assert not list(out.rglob("*.ckpt"))
    assert {path.name for path in out.glob("*.*")} == {
        "leaves.md",
        "place.png",
        "table.csv",
        "table.json",
        "table.md",
    }
    assert "| bhccm | 0 |" in (out / "table.md").read_text()


def test_a_training_that_fails_does_not_hold_up_the_others(configuration, overlay, tmp_path, capsys):
    out = tmp_path / "out"
    overlays = [overlay("wrong", encoder="resnet17"), overlay("flat", mode="flat")]
    command = [configuration(), "--with", *overlays, "--seeds", "0", "-o", str(out)]
    assert main([*command, "--", "--trainer.max_steps", "1"]) == 1
    assert "place/wrong seed 0: error: Expected a known encoder" in capsys.readouterr().err
    (result,) = (out / "results").iterdir()
    assert json.loads(result.read_text())["steps"] == 1


def test_an_interrupted_training_goes_on(configuration, tmp_path):
    (job,) = plan_jobs([Path(configuration(mode="flat"))], [], [0])
    run_job(job, tmp_path / "work", ["--trainer.max_steps", "1"], keep_checkpoints=True)
    result = run_job(job, tmp_path / "work", ["--trainer.max_steps", "3"])
    assert (result["steps"], result["resumed"]) == (3, True)


def test_seconds_end_a_training_and_its_learning_rate_in_place_of_steps(configuration, tmp_path, monkeypatch):
    ticks = iter(range(1000))  # a clock that goes on by a second whenever somebody looks
    clock = SimpleNamespace(process_time=lambda: float(next(ticks)), perf_counter=time.perf_counter)
    monkeypatch.setattr("runner.training.time", clock)
    out = tmp_path / "out"
    command = [configuration(mode="flat", optimizer={"lr": 0.1}), "--seeds", "0", "--cpu-seconds", "5", "-o"]
    assert main([*command, str(out), "--", "--trainer.log_every_n_steps", "1"]) == 0
    (result,) = (out / "results").iterdir()
    assert json.loads(result.read_text())["steps"] == 5  # not 2, as the configuration has it
    (log,) = out.rglob("metrics.csv")
    with log.open(encoding="utf-8") as lines:
        rates = [float(line["train/lr"]) for line in csv.DictReader(lines) if line["train/lr"]]
    assert rates == pytest.approx([0.0, 0.08, 0.06, 0.04, 0.02])
    # a head in closed form takes its one pass
    assert main([configuration(head="ridge"), "--seeds", "0", "--cpu-seconds", "1", "-o", str(tmp_path)]) == 0
