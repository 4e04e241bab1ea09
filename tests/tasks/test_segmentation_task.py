"""The training task: it learns, scores, and leaves a checkpoint that needs nothing else."""

import re

import pytest
import torch
from task_factory import SMALL, make_task, quiet_trainer
from torch.utils.data import DataLoader, Dataset

from hierars_geo.errors import CheckpointError, DataError, OptionError
from hierars_geo.models import RECORD_KEY, jsps, load
from hierars_geo.tasks import BHCCMTask
from hierars_geo.tasks.batches import require_finite
from hierars_geo.taxonomy import Taxonomy

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step\\(\\).*optimizer.step\\(\\)")

OPTIONS = SMALL | {
    "optimizer": {"lr": 1e-2},
    "chip_size": 32,
    "gsd_m": 10.0,
}


class Stripes(Dataset):
    """Chips whose class follows from the value of the first band."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        mask = (
            torch.randint(0, 3, (2, 2), generator=generator).repeat_interleave(16, 0).repeat_interleave(16, 1)
            * 6
        )
        image = torch.stack([500.0 + 80 * mask, torch.full(mask.shape, 900.0)]).float()
        valid = torch.ones(mask.shape, dtype=torch.bool)
        valid[:4] = False
        image[:, :4] = 0
        mask[:4] = -100
        return {"image": image, "mask": mask, "valid": valid}


def make_trainer(tmp_path, **options):
    return quiet_trainer(tmp_path, **({"max_epochs": 30} | options))


def loader():
    return DataLoader(Stripes(), batch_size=4)


@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_it_learns_and_its_checkpoint_predicts_the_same(tmp_path, mode):
    torch.manual_seed(0)
    task = make_task(**OPTIONS, mode=mode)
    trainer = make_trainer(tmp_path, check_val_every_n_epoch=30)
    trainer.fit(task, loader(), loader())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    (scores,) = trainer.test(task, loader(), verbose=False)
    assert scores["test/mIoU_L3"] > 0.9
    assert scores["test/OA_L1"] >= scores["test/OA_L3"] - 1e-6
    assert ("test/consistency" in scores) == (mode != "flat")
    loaded = load(tmp_path / "model.ckpt")
    assert loaded.record == task.record
    loaded.network.pool_gates(None)  # over the whole chip, as in training
    batch = next(iter(loader()))
    task.eval()
    with torch.no_grad():
        for a, b in zip(
            loaded.network(batch["image"], batch["valid"]), task(batch["image"], batch["valid"]), strict=True
        ):
            assert torch.equal(a, b)


@pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start")  # what is frozen is meant to be
def test_a_frozen_encoder_keeps_weights_and_batch_statistics_and_the_rest_learns(tmp_path):
    task = make_task(**OPTIONS, start={"freeze_backbone": True})
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    make_trainer(tmp_path, max_epochs=2).fit(task, loader(), loader())
    changed = {
        name for name, value in task.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert {name for name in changed if ".encoder." in name} == set()
    assert any(".decoder." in name for name in changed)
    assert any(".head." in name for name in changed)


def test_what_is_not_valid_does_not_matter(tmp_path):
    task = make_task(**OPTIONS).eval()
    batch = next(iter(loader()))
    other = batch["image"].clone()
    other[:, :, :4] = 9999
    with torch.no_grad():
        for a, b in zip(task(batch["image"], batch["valid"]), task(other, batch["valid"]), strict=True):
            torch.testing.assert_close(a, b)


def test_same_seed_same_weights(tmp_path):
    weights = []
    for run in range(2):
        torch.manual_seed(3)
        task = make_task(**OPTIONS)
        make_trainer(tmp_path / str(run), max_epochs=2, enable_checkpointing=False).fit(
            task, loader(), loader()
        )
        weights.append(task.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"taxonomy": "whdld"},
            r"mm5b in the checkpoint, whdld here \(3 levels, 1 here; leaves here without Paddy field.*12 "
            "more and with building",
        ),
        ({"taxonomy": "crop10m"}, "L1 here without Vegetation, .* and with other, vegetation, L2 here"),
        ({"bands": ["B02", "B04"]}, "bands here without B03 and with B04. Resume with"),
        ({"bands": ["B03", "B02"]}, "bands in another order: B02, B03, here B03, B02"),
        ({"mode": "bidirectional"}, "mode residual in the checkpoint, bidirectional here"),
        ({"dropout": 0.3}, "another: dropout 0.1 in the checkpoint, 0.3 here. Resume"),
    ],
)
def test_what_differs_from_a_checkpoint_is_named(changes, message):
    content = {RECORD_KEY: make_task(**OPTIONS).record.to_dict()}
    with pytest.raises(CheckpointError, match=message):
        make_task(**(OPTIONS | changes)).on_load_checkpoint(content)


def test_a_checkpoint_of_the_same_model_is_taken_whatever_its_colours():
    tree = Taxonomy.from_yaml("mm5b").to_dict()
    tree["levels"][0]["classes"][0]["color"] = "#123456"
    content = {RECORD_KEY: make_task(**OPTIONS).record.to_dict()}
    other = Taxonomy.from_dict(tree | {"name": "mine"}, "here")
    make_task(**(OPTIONS | {"taxonomy": other})).on_load_checkpoint(content)


def test_checkpoints_without_a_record_or_of_another_version_are_refused():
    task = make_task(**OPTIONS)
    with pytest.raises(CheckpointError, match="no model record"):
        task.on_load_checkpoint({})
    content = {RECORD_KEY: task.record.to_dict() | {"version": 9}}
    with pytest.raises(CheckpointError, match="record of version 1 to 3, but got 9"):
        task.on_load_checkpoint(content)


@pytest.mark.parametrize(
    ("batch_keys", "image_is_broken", "message"),
    [
        (
            {"bounds": [(0.5, 0.0, 320.0, 320.0), (1e6, 0.0, 2e6, 1.0)], "crs": ["EPSG:1", "EPSG:2"]},
            True,
            "but got nan at step 0 on chips 1000000, 0, 2000000, 1 EPSG:2, which hold values that are no "
            "number. Correct",
        ),
        ({"files": ["a.tif", ["b.tif", "c.tif"]]}, False, "chips a.tif; b.tif, c.tif, whose values are all"),
        ({}, True, "on chips number 2 of the batch, which"),
    ],
)
def test_a_loss_that_is_not_finite_stops_with_the_chips(batch_keys, image_is_broken, message):
    image, valid = torch.zeros(2, 3, 4, 4), torch.ones(2, 4, 4, dtype=torch.bool)
    image[0, 0, 0, 0], valid[0, 0, 0] = torch.nan, False  # not valid: no reason for anything
    if image_is_broken:
        image[1, 2, 3, 3] = torch.inf
    with pytest.raises(DataError, match=re.escape(message)):
        require_finite(torch.tensor(torch.nan), {"image": image, "valid": valid} | batch_keys, 0)


def test_the_task_checks_its_loss(tmp_path):
    task = make_task(**OPTIONS)
    task.log_dict = lambda *args, **kwargs: None
    batch = next(iter(loader()))
    batch["image"][1, 0, 10, 10] = torch.nan
    task.trainer = make_trainer(tmp_path)
    with pytest.raises(DataError, match="but got nan at step 0 on chips number 2 of the batch"):
        task.training_step(batch, 0)


def test_a_loss_by_an_unknown_name_lists_the_near_ones():
    with pytest.raises(OptionError, match=r"known loss, but got 'hcs'\. Near ones: .*hsc"):
        make_task(**OPTIONS, loss={"name": "hcs"})


def test_the_legacy_loss_trains_too():
    task = make_task(**OPTIONS, loss={"name": "hcc"})
    batch = next(iter(loader()))
    losses = task.loss(task(batch["image"], batch["valid"]), batch["mask"])
    assert set(losses) == {"loss", "hce", "hcc"}
    assert Taxonomy.from_yaml("mm5b") == task.taxonomy


def test_a_training_without_an_end_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=-1, enable_checkpointing=False)
    with pytest.raises(OptionError, match="max_steps or max_epochs"):
        trainer.fit(make_task(**OPTIONS), loader(), loader())


def test_resuming_keeps_the_normalisation_of_the_weights(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(make_task(**OPTIONS), loader(), loader())
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    other = make_task(**(OPTIONS | {"mean": (0.0, 0.0), "std": (1.0, 1.0)}))
    trainer = make_trainer(tmp_path, max_epochs=2, enable_checkpointing=False)
    trainer.fit(other, loader(), loader(), ckpt_path=tmp_path / "first.ckpt", weights_only=True)
    trainer.save_checkpoint(tmp_path / "second.ckpt")
    second = load(tmp_path / "second.ckpt")
    assert second.record.mean == tuple(second.network.mean.flatten().tolist()) == (1000.0, 1000.0)
    assert second.record.std == tuple(second.network.std.flatten().tolist()) == (500.0, 500.0)


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("loss", "alpha", -1.0),
        ("optimizer", "lr", 0.0),
        ("schedule", "warmup_steps", -3),
        ("optimizer", "betas", (0.9, 1.0)),
        ("optimizer", "layer_decay", 1.5),
        ("optimizer", "ema_decay", 1.0),
        ("loss", "class_weights", "inverted"),
    ],
)
def test_numbers_out_of_range_are_named(group, name, value):
    with pytest.raises(OptionError, match=f"Expected {name} to be"):
        BHCCMTask(**{group: {name: value}})


def test_unknown_options_are_named():
    with pytest.raises(OptionError, match="Expected compile to be"):
        BHCCMTask(compile="inductr")
    with pytest.raises(OptionError, match=r"OptimizerOptions to be of betas, .* but got learning_rate"):
        BHCCMTask(optimizer={"learning_rate": 1.0})


def test_a_task_without_data_says_how_it_gets_them(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    with pytest.raises(OptionError, match=r"Expected a data module that knows bands.*but got none.*build"):
        trainer.fit(BHCCMTask(), loader(), loader())
    with pytest.raises(OptionError, match="Expected a task that knows its data"):
        _ = BHCCMTask().record


def test_an_encoder_of_one_size_is_told_before_training():
    options = OPTIONS | {"encoder": "tu-hiera_tiny_224", "model_options": {"decoder_channels": 16}}
    with pytest.raises(
        OptionError, match=r"'upernet' with encoder 'tu-hiera_tiny_224' to take chips of 32 px"
    ):
        make_task(**options | {"architecture": "upernet"})


def test_a_checkpoint_is_a_task_again_with_its_options(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    task = make_task(**OPTIONS, loss={"alpha": 0.5})
    trainer.fit(task, loader(), loader())
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    again = BHCCMTask.load_from_checkpoint(path, schedule={"warmup_steps": 7})
    assert again.record == task.record
    assert (again.loss_options.alpha, again.optimizer_options.lr) == (0.5, 1e-2)
    assert again.schedule_options.warmup_steps == 7
    (first, *_) = make_trainer(tmp_path).predict(again, loader())
    batch = next(iter(loader()))
    with torch.no_grad():
        logits = task.eval().model.path_logits(batch["image"], batch["valid"], task.paths)
    assert torch.equal(first["levels"][:, :, 4:], jsps(logits, task.paths)[:, :, 4:])
    assert (first["levels"][:, :, :4] == -100).all()
    assert (first["confidence"][:, :, :4] == 0).all()
    assert first["confidence"].diff(dim=1).max() <= 0
    with pytest.raises(OptionError, match="read as data"):
        BHCCMTask.load_from_checkpoint(path, weights_only=False)
