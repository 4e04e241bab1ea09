"""Heads in closed form: one pass, the same checkpoint as any, measured on ground held out."""

import numpy as np
import pytest
import rasterio
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from raster_factory import write_raster
from task_factory import quiet_trainer
from tree_factory import tree_content

from hierars_geo.cli import main
from hierars_geo.datamodules import SceneDataModule
from hierars_geo.errors import DataError, OptionError
from hierars_geo.models import Checkpoint, load
from hierars_geo.results import predict
from hierars_geo.tasks import BHCCMTask, LinearHead, TrainingData

TREE = tree_content(
    "three", L1={"wet": 1, "land": 2}, L2={"lake": (1, "wet"), "field": (2, "land"), "wood": (3, "land")}
)
ENCODER = "tu-test_resnet"
APART = {"val_fraction": 0.3, "test_fraction": 0.0, "block_m": 640}


@pytest.fixture
def place(tmp_path):
    """A scene of blocks of three classes that two noisy bands tell apart, a sixth of it without labels."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(1, 4, size=(12, 16))
    classes = np.kron(blocks, np.ones((16, 16), dtype=np.uint8)).astype(np.uint8)
    means = np.array([[0, 0], [300, 100], [800, 500], [400, 900]])
    image = np.moveaxis(means[classes], -1, 0) + rng.normal(scale=120, size=(2, *classes.shape))
    labels = classes.copy()
    labels[:32] = 0
    write_raster(tmp_path / "scene.tif", image.clip(1, 3000).astype("uint16"), ["B02", "B03"])
    write_raster(tmp_path / "labels.tif", labels, nodata=0)
    (tmp_path / "tree.yaml").write_text(yaml.safe_dump(TREE))
    tmp_path.joinpath("fit.yaml").write_text(yaml.safe_dump(configuration(tmp_path)))
    return tmp_path, classes, labels


def data_options(folder):
    return {
        "images": [str(folder / "scene.tif")],
        "labels": [str(folder / "labels.tif")],
        "taxonomy": str(folder / "tree.yaml"),
        "sensor": "sentinel2",
        "bands": ["B02", "B03"],
        "chips": {"size": 64, "per_epoch": 8},
        "augmentation": {"flips": True, "gain": 0.5},
        "loader": {"batch_size": 3},
        "splits": {"val_fraction": 0.0, "test_fraction": 0.0},
    }


def configuration(folder, **task):
    return {
        "trainer": {"accelerator": "cpu", "logger": False, "max_steps": 400, "enable_model_summary": False},
        "checkpoint": {"dirpath": str(folder / "run")},
        "model": {
            "class_path": "hierars_geo.tasks.BHCCMTask",
            "init_args": {"architecture": "unet", "encoder": ENCODER, **task},
        },
        "data": {"class_path": "hierars_geo.datamodules.SceneDataModule", "init_args": data_options(folder)},
    }


def fitted(folder, splits=None, **options):
    torch.manual_seed(0)
    task = BHCCMTask(encoder=ENCODER, **options)
    trainer = quiet_trainer(folder, max_steps=400, enable_checkpointing=False, limit_val_batches=0)
    given = data_options(folder)
    trainer.fit(task, SceneDataModule(**given | {"splits": splits or given["splits"]}))
    return trainer, task


def scores_of(task, folder):
    image = torch.from_numpy(rasterio.open(folder / "scene.tif").read()[None, :, :96, :96].astype("float32"))
    with torch.no_grad():
        return task.eval().model.path_logits(image, None, task.paths)


def tuned(folder, steps, path=None, rhythm=None, **options):
    """Fit from a head that is solved for on, or from where a checkpoint stopped."""
    torch.manual_seed(0)
    task = BHCCMTask(encoder=ENCODER, head="tuned", schedule={"warmup_steps": 0}, **options)
    best = ModelCheckpoint(folder / "tuned", "best", monitor="val/OA_L2", mode="max")
    trainer = quiet_trainer(folder, max_steps=steps, callbacks=[best], **(rhythm or {}))
    trainer.fit(
        task,
        SceneDataModule(**data_options(folder) | {"splits": APART}),
        ckpt_path=path,
        weights_only=True,
    )
    return trainer, task, best.best_model_path


@pytest.mark.parametrize("head", ["ridge", "pooled"])
def test_one_pass_counts_every_labelled_pixel_and_leaves_the_encoder_as_it_was(place, head):
    folder, _, labels = place
    trainer, task = fitted(folder, head=head)
    assert trainer.global_step == 1
    counted = sum(part[1].count for part in task._head._sums)
    np.testing.assert_array_equal(counted, np.bincount(labels[labels > 0] - 1))
    torch.manual_seed(0)
    fresh = BHCCMTask(encoder=ENCODER, head=head).build(
        TrainingData.of(SceneDataModule(**data_options(folder)))
    )
    before, after = (one.model.segmenter.features.body.encoder.state_dict() for one in (fresh, task))
    assert before.keys() == after.keys()
    assert [name for name in before if "running" in name and not torch.equal(before[name], after[name])] == []
    told = task.solved
    assert min(told["held_out"]["OA"]) > 0.95
    assert told["held_out"]["OA"][1] >= told["per_pixel"]["OA"][1] - 0.02
    again = fitted(folder, head=head)[1]
    for name, weight in task.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name]), name


def test_both_heads_pooled_are_the_mean_of_their_log_posteriors(place):
    folder, _, _ = place
    image = torch.from_numpy(rasterio.open(folder / "scene.tif").read()[None, :, :64, :64].astype("float32"))
    scores = {}
    for head in ("ridge", "discriminant", "pooled"):
        task = fitted(folder, head=head)[1].eval()
        with torch.no_grad():
            logits = task.model.path_logits(image, torch.ones(1, 64, 64, dtype=torch.bool), task.paths)
        scores[head] = logits - logits.mean(dim=1, keepdim=True)
    mean = (scores["ridge"] + scores["discriminant"]) / 2
    # at one temperature, fitted again on what is held out
    temperature = float((mean * scores["pooled"]).sum() / scores["pooled"].square().sum())
    torch.testing.assert_close(temperature * scores["pooled"], mean, atol=2e-3, rtol=1e-3)
    assert 0.3 < temperature < 3
    assert set(task.solved) == {"ridge", "discriminant", "held_out", "per_pixel"}


def test_the_command_line_and_yaml_mean_the_same_and_the_checkpoint_is_one_like_any_other(place, capsys):
    folder, classes, _ = place
    assert main(["fit", "--config", str(folder / "fit.yaml"), "--head", "discriminant"]) == 0
    assert "held-out ground, this head: L1 OA" in capsys.readouterr().err
    (folder / "yaml.yaml").write_text(yaml.safe_dump(configuration(folder, head="discriminant")))
    assert (
        main(["fit", "--config", str(folder / "yaml.yaml"), "--checkpoint.dirpath", str(folder / "two")]) == 0
    )
    first, second = (Checkpoint.read(folder / name / "last.ckpt") for name in ("run", "two"))
    assert [
        k
        for k, v in first.content["state_dict"].items()
        if not torch.equal(v, second.content["state_dict"][k])
    ] == []
    assert first.record.model.architecture == "hypercolumn"
    assert first.record.model.mode == "independent"
    assert first.training["head"]["held_out"]["OA"][0] > 0.95
    model = load(first.path)
    predict(model, folder / "scene.tif", folder / "maps", confidence=True)
    found, confidence = (
        rasterio.open(folder / "maps" / f"scene_{name}.tif").read(1) for name in ("L2", "conf_L2")
    )
    assert (found == classes)[32:].mean() > 0.95
    right = (found == classes)[32:].mean()
    assert confidence[32:].mean() / 100 == pytest.approx(right, abs=0.05)
    task = BHCCMTask.load_from_checkpoint(first.path)
    assert task.head_kind == "discriminant"
    assert task.solved == first.training["head"]


def test_its_checkpoint_is_calibrated_exported_and_predicted_as_any_other(place):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder, classes, _ = place
    assert main(["fit", "--config", str(folder / "fit.yaml"), "--head", "ridge"]) == 0
    apart = {"data": {"init_args": {"splits": {"val_fraction": 0.5, "test_fraction": 0.0, "block_m": 160}}}}
    (folder / "apart.yaml").write_text(yaml.safe_dump(apart))
    calibrated = str(folder / "calibrated.ckpt")
    configs = [str(folder / "fit.yaml"), str(folder / "apart.yaml")]
    measured = ["calibrate", str(folder / "run" / "last.ckpt"), "--config", *configs, "-o", calibrated]
    assert main([*measured, "--risk", "0.3", "--block-m", "160"]) == 0
    scene, graph = str(folder / "scene.tif"), str(folder / "model.onnx")
    promised = ["predict", calibrated, scene, "-o", str(folder / "maps"), "--risk", "0.3", "--applicability"]
    assert main(promised) == 0
    assert main(["export", calibrated, "--format", "onnx", "-o", graph]) == 0
    assert main(["predict", graph, scene, "-o", str(folder / "exported")]) == 0
    found, exported, depth = (
        rasterio.open(folder / name).read(1)
        for name in ("maps/scene_L2.tif", "exported/scene_L2.tif", "maps/scene_depth.tif")
    )
    assert (found == exported).mean() > 0.999
    shown = depth == 2
    assert shown.mean() > 0.9
    assert (found != classes)[shown].mean() < 0.3


def test_what_cannot_be_solved_for_is_said(place):
    folder, _, labels = place
    with pytest.raises(OptionError, match=r"rigde.*ridge"):
        BHCCMTask(head="rigde")
    write_raster(folder / "labels.tif", np.zeros_like(labels), nodata=0)
    with pytest.raises(DataError, match="Expected training ground with labels"):
        fitted(folder, head="ridge")


@pytest.mark.parametrize(("side", "counted"), [(96, 8_192), (288, 288 * 288 // 8)])
def test_an_eighth_of_a_large_chip_counts(place, side, counted):
    folder, _, _ = place
    data = TrainingData.of(SceneDataModule(**data_options(folder)))
    task = BHCCMTask(encoder=ENCODER, head="ridge").build(data)
    head = LinearHead(task.model, task.taxonomy, "ridge", flat=False)
    image = torch.randn(1, 2, side, side, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(1, 2, side, side, dtype=torch.int64)
    head.add({"image": image, "valid": torch.ones(1, side, side, dtype=torch.bool)}, labels)
    assert int(sum(part[0].count.sum() for part in head._sums)) == counted


@pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start")  # meant to be
@pytest.mark.parametrize("mode", ["residual", "fine_to_coarse"])
def test_what_is_tuned_answers_at_first_what_was_solved_for(place, mode):
    folder, _, _ = place
    pooled = fitted(folder, APART, head="pooled")[1]
    trainer, task, _ = tuned(folder, 1, mode=mode)
    assert (trainer.global_step, task.record.model.mode) == (1, mode)
    assert task.solved == pooled.solved
    torch.testing.assert_close(scores_of(task, folder), scores_of(pooled, folder), rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings(
    "ignore:Found .* in eval mode at the start", "ignore:Checkpoint directory", "ignore:.ModelCheckpoint"
)
@pytest.mark.parametrize(
    "rhythm", [{}, {"check_val_every_n_epoch": None, "val_check_interval": 2}], ids=["by epochs", "by steps"]
)
def test_levels_learn_to_talk_of_what_was_solved_for_and_the_first_step_may_be_the_best(place, rhythm):
    folder, _, _ = place
    ruinous = {"lr": 3.0}
    trainer, task, best = tuned(folder, 4, rhythm=rhythm, optimizer=ruinous)
    assert trainer.global_step == 4
    end = str(folder / "end.ckpt")
    trainer.save_checkpoint(end)
    first, last = Checkpoint.read(best), Checkpoint.read(end)
    assert first.training["head"] == last.training["head"] == task.solved
    before, after = first.content["state_dict"], last.content["state_dict"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    talk = {name for name in before if ".head." in name and "classifiers" not in name}
    assert changed == talk == {name for name, each in task.named_parameters() if each.requires_grad}
    assert scores_of(BHCCMTask.load_from_checkpoint(best), folder).argmax(dim=1).unique().numel() == 3
    longer, again, _ = tuned(folder, 6, end, optimizer=ruinous)
    assert (longer.global_step, again.solved) == (6, task.solved)
    with pytest.raises(OptionError, match=r"levels that talk with head 'tuned'.* and 1 of them.*'pooled'"):
        tuned(folder, 2, mode="flat")
    for length in ({"max_epochs": 2}, {"max_epochs": 2, "max_steps": 9}):
        unclear = quiet_trainer(folder, enable_checkpointing=False, **length)
        task, data = BHCCMTask(encoder=ENCODER, head="tuned"), SceneDataModule(**data_options(folder))
        with pytest.raises(OptionError, match=r"trainer\.max_steps alone with head 'tuned'.* max_epochs 2"):
            unclear.fit(task, data)


def test_hypercolumns_trained_from_the_start_measure_their_units_once(place):
    folder, _, _ = place

    def trained(steps, path=None, **start):
        task = BHCCMTask("hypercolumn", ENCODER, start=start, optimizer={"lr": 0.01})
        trainer = quiet_trainer(folder, max_steps=steps, limit_val_batches=0, enable_checkpointing=False)
        trainer.fit(task, SceneDataModule(**data_options(folder)), ckpt_path=path, weights_only=True)
        trainer.save_checkpoint(folder / "units.ckpt")
        decoder = task.model.segmenter.features.body.decoder
        return decoder.center.clone(), decoder.spread.clone()

    first = trained(1)
    assert float(first[1][4:].max() / first[1][4:].min()) > 5
    for again in (trained(2, folder / "units.ckpt"), trained(1, checkpoint=str(folder / "units.ckpt"))):
        assert [torch.equal(*pair) for pair in zip(first, again, strict=True)] == [True, True]
    fresh = trained(1, checkpoint=str(folder / "units.ckpt"), parts="backbone")
    assert not torch.equal(fresh[1], first[1])
    loaded = BHCCMTask.load_from_checkpoint(folder / "units.ckpt")
    trainer = quiet_trainer(folder, max_steps=1, limit_val_batches=0, enable_checkpointing=False)
    trainer.fit(loaded, SceneDataModule(**data_options(folder)))
    assert torch.equal(loaded.model.segmenter.features.body.decoder.spread, fresh[1])


def test_units_wait_for_the_first_batch_that_shows_ground(place):
    folder, _, _ = place
    task = BHCCMTask("hypercolumn", ENCODER).build(TrainingData.of(SceneDataModule(**data_options(folder))))
    decoder = task.model.segmenter.features.body.decoder
    image = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    for number, valid in enumerate((False, True)):
        batch = {"image": image, "valid": torch.full((1, 64, 64), valid)}
        task.on_train_batch_start(batch, number)
        assert bool(decoder.center.any()) is valid
    spread = decoder.spread.clone()
    task.on_train_batch_start(batch | {"image": 3 * image}, 2)
    assert torch.equal(decoder.spread, spread)
