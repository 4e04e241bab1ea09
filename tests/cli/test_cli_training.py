"""Training by the command line: resumed, over two processes, with its logs and pictures."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from hierars_geo.cli import main
from hierars_geo.models import RECORD_KEY, read_checkpoint

ALL_AT_ONCE = {
    "data__augmentation__flips": True,
    "data__augmentation__scale_range": [0.5, 2.0],
    "data__augmentation__gain": 0.2,
    "data__seed": 3,
    "model__optimizer": {"lr": 0.003, "ema_decay": 0.9, "layer_decay": 0.8},
    "model__loss": {"class_weights": "sqrt_inverse"},
    "model__dropout": 0.3,
}


def saving(folder, every):
    """Options of a checkpoint callback that keeps every n-th step."""
    return [
        *("--checkpoint.dirpath", str(folder), "--checkpoint.every_n_train_steps", str(every)),
        *("--checkpoint.save_top_k", "-1", "--checkpoint.filename", "{step}"),
    ]


@pytest.mark.parametrize("stop", [10, 6], ids=["after an epoch", "within an epoch"])
def test_a_resumed_training_follows_the_same_curve(workplace, tmp_path, stop):
    """With augmentation, dropout, moving average and schedule; 20 steps are two epochs."""
    config = workplace.config(tmp_path, trainer__max_steps=20, **ALL_AT_ONCE)
    assert main(["fit", "--config", config, *saving(tmp_path / "whole", 2)]) == 0
    start = tmp_path / "whole" / f"step={stop}.ckpt"
    assert main(["fit", "--config", config, *saving(tmp_path / "again", 20), "--ckpt_path", str(start)]) == 0
    whole, again = (read_checkpoint(tmp_path / name / "step=20.ckpt") for name in ("whole", "again"))
    for part in ("state_dict", "current_model_state"):
        different = [key for key, value in whole[part].items() if not torch.equal(value, again[part][key])]
        assert different == [], part
    assert whole[RECORD_KEY] == again[RECORD_KEY]
    assert len(whole[RECORD_KEY]["training"]["class_weights"][2]) == 18


def test_logs_and_pictures_lie_in_one_folder(workplace, tmp_path, monkeypatch):
    config = workplace.config(
        tmp_path,
        trainer__callbacks=[{"class_path": "hierars_geo.tasks.DrawChips", "init_args": {"chips": 2}}],
    )
    content = yaml.safe_load(Path(config).read_text())
    del content["trainer"]["logger"]
    Path(config).write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        assert main(["fit", "--config", config, "--trainer.max_steps", "10"]) == 0
        run = tmp_path / "runs" / "lightning_logs" / f"version_{number}"
        assert {"config.yaml", "metrics.csv", "checkpoints", "chips"} <= {path.name for path in run.iterdir()}
        assert len(list(run.glob("events.out.tfevents.*"))) == 1
        assert sorted(path.name for path in (run / "chips").iterdir()) == [
            "step_000010_0.png",
            "step_000010_1.png",
        ]
    with Image.open(run / "chips" / "step_000010_0.png") as picture:
        assert picture.width > picture.height > 400
    with (run / "metrics.csv").open() as file:
        columns = csv.DictReader(file).fieldnames
    assert {"train/loss", "train/lr", "val/loss", "val/mIoU_L3", "val/consistency"} <= set(columns)


def test_a_start_that_fails_leaves_no_run(workplace, tmp_path, capsys):
    config = workplace.config(tmp_path, trainer__max_epochs=-1, trainer__max_steps=-1)
    assert main(["fit", "--config", config]) == 2
    assert "Expected a training with an end" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    kept = tmp_path / "runs" / "lightning_logs" / "version_0" / "config.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    assert main(["fit", "--config", config]) == 2
    assert list(kept.parents[1].rglob("*")) == [kept.parent, kept]
    assert kept.read_text() == "kept"


def test_a_checkpoint_of_other_bands_says_which(workplace, checkpoint, tmp_path, capsys):
    config = workplace.config(tmp_path, data__bands=["B02", "B03", "B04"])
    assert main(["fit", "--config", config, "--ckpt_path", checkpoint]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hierars-geo:")]
    assert re.search(r"bands here without B05, B06, .*\(in .*last.ckpt\)", line), line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("said", [("{}", "null"), ("{}=null",)], ids=["apart", "joined"])
def test_null_takes_back_what_a_configuration_says(workplace, tmp_path, capsys, said):
    splits = {"val_fraction": 0.0, "test_region": [0.0, 0.0, 1.0, 1.0]}
    config = workplace.config(
        tmp_path,
        data__splits=splits,
        data__reading={"series": {"start": "2019-05-01", "end": "2019-09-30"}},
        model__loss={"class_weights": "sqrt_inverse"},
    )
    options = "data.init_args.splits.test_region", "data.reading.series.start", "model.loss.class_weights"
    nothing = [word.format(f"--{option}") for option in options for word in said]
    elsewhere = ["--ckpt_path", "runs/tuned--head"]  # no option, though it ends as one
    assert main(["fit", "--config", config, *nothing, *elsewhere, "--print_config"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["ckpt_path"] == elsewhere[1]
    kept = found["data"]["init_args"]["splits"]
    assert (kept["test_region"], kept["val_fraction"]) == (None, 0.0)
    season = found["data"]["init_args"]["reading"]["series"]
    assert (season["start"], season["end"]) == (None, "2019-09-30")
    assert found["model"]["init_args"]["loss"]["class_weights"] is None


def test_without_validation_no_checkpoint_is_called_best(workplace, tmp_path, capsys):
    options = {"data__splits": {"val_fraction": 0.0, "test_fraction": 0.0}, "trainer__max_steps": 4}
    config = workplace.config(tmp_path, **options)
    assert main(["fit", "--config", config, "--checkpoint.dirpath", str(tmp_path / "kept")]) == 0
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["last.ckpt"]
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "kept" / "last.ckpt")


def test_without_a_terminal_lines_say_how_far_it_is(workplace, tmp_path, capsys):
    config = workplace.config(tmp_path, trainer__enable_progress_bar=True)
    assert main(["fit", "--config", config]) == 0
    said = capsys.readouterr().err
    assert re.search(r"^train: \d+ labelled pixels, \d+ of 18 classes, without .*Lake", said, re.MULTILINE)
    assert re.search(r"^step 10: .*val/mIoU_L3 [\d.]+", said, re.MULTILINE)


@pytest.mark.slow
def test_two_processes_train_and_score_as_one_model(workplace, tmp_path):
    """Scores are counts of all processes: validating with one process gives the same numbers."""
    config = workplace.config(tmp_path, trainer__devices=2, model__optimizer={"lr": 0.003, "ema_decay": 0.9})
    command = [sys.executable, "-m", "hierars_geo"]
    options = ["--trainer.strategy", "ddp", "--checkpoint.dirpath", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "fit", "--config", config, *options], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "best.ckpt")]
    (log,) = tmp_path.rglob("metrics.csv")
    with log.open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/mIoU_L3"]]
    single = workplace.config(tmp_path / "single")
    assert main(["validate", "--config", single, "--ckpt_path", str(tmp_path / "best.ckpt")]) == 0
    (log,) = (tmp_path / "single").rglob("metrics.csv")
    with log.open() as file:
        (scores,) = csv.DictReader(file)
    for name in ("val/mIoU_L1", "val/mIoU_L3", "val/OA_L3", "val/consistency"):
        assert float(rows[-1][name]) == pytest.approx(float(scores[name]), abs=1e-6), name
