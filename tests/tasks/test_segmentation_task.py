"""The training task: it learns, scores, and leaves a checkpoint that needs nothing else."""

import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, Dataset

from hierars_geo.errors import CheckpointError, DataError, OptionError
from hierars_geo.nn import RECORD_KEY
from hierars_geo.predict import load_checkpoint
from hierars_geo.tasks import BHCCMTask
from hierars_geo.taxonomy import Taxonomy

# Lightning says how it would be faster; these runs are tiny on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated"),
    pytest.mark.filterwarnings("ignore:.*lr_scheduler.step\\(\\).*optimizer.step\\(\\)"),
]

OPTIONS = {
    "taxonomy": "mm5b",
    "bands": ["B02", "B03"],
    "mean": [1000.0, 1000.0],
    "std": [500.0, 500.0],
    "architecture": "unet",
    "encoder": "tu-test_resnet",
    "model_options": {"decoder_channels": [32, 16, 16, 8, 8]},
    "lr": 1e-2,
    "warmup_steps": 2,
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
    settings = {"max_epochs": 30, "accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    return Trainer(default_root_dir=tmp_path, enable_model_summary=False, **(settings | options))


def loader():
    return DataLoader(Stripes(), batch_size=4)


@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_it_learns_and_its_checkpoint_predicts_the_same(tmp_path, mode):
    torch.manual_seed(0)
    task = BHCCMTask(**OPTIONS, mode=mode)
    trainer = make_trainer(tmp_path, check_val_every_n_epoch=30)
    trainer.fit(task, loader(), loader())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    (scores,) = trainer.test(task, loader(), verbose=False)
    assert scores["test/mIoU_L3"] > 0.9
    assert scores["test/OA_L1"] >= scores["test/OA_L3"] - 1e-6
    assert ("test/consistency" in scores) == (mode != "flat")
    loaded = load_checkpoint(tmp_path / "model.ckpt")
    assert loaded.record == task.record
    batch = next(iter(loader()))
    task.eval()
    with torch.no_grad():
        for a, b in zip(
            loaded.model(batch["image"], batch["valid"]), task(batch["image"], batch["valid"]), strict=True
        ):
            assert torch.equal(a, b)


def test_what_is_not_valid_does_not_matter(tmp_path):
    task = BHCCMTask(**OPTIONS).eval()
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
        task = BHCCMTask(**OPTIONS)
        make_trainer(tmp_path / str(run), max_epochs=2, enable_checkpointing=False).fit(
            task, loader(), loader()
        )
        weights.append(task.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_resuming_another_tree_or_model_is_refused(tmp_path):
    task = BHCCMTask(**OPTIONS)
    content = {RECORD_KEY: task.record.to_dict()}
    task.on_load_checkpoint(content)
    for changes, message in [
        ({"taxonomy": "whdld"}, "taxonomy whdld as it is now, but got mm5b"),
        ({"bands": ["B02", "B04"]}, "bands"),
        ({"mode": "bidirectional"}, "model"),
    ]:
        with pytest.raises(CheckpointError, match=message):
            BHCCMTask(**(OPTIONS | changes)).on_load_checkpoint(content)
    with pytest.raises(CheckpointError, match="no model record"):
        task.on_load_checkpoint({})


def test_a_loss_that_is_not_finite_stops_with_the_chips(tmp_path):
    task = BHCCMTask(**OPTIONS)
    task.log_dict = lambda *args, **kwargs: None
    batch = next(iter(loader()))
    batch["image"][0, 0, 10, 10] = float("nan")
    batch["bounds"] = ["chip at 500000, 4000000"]
    task.trainer = make_trainer(tmp_path)
    with pytest.raises(DataError, match=r"finite loss, but got nan at step 0 on chips .*500000"):
        task.training_step(batch, 0)


def test_the_legacy_loss_trains_too():
    task = BHCCMTask(**OPTIONS, loss="hcc")
    batch = next(iter(loader()))
    losses = task.loss(task(batch["image"], batch["valid"]), batch["mask"])
    assert set(losses) == {"loss", "hce", "hcc"}
    assert Taxonomy.from_yaml("mm5b") == task.taxonomy


def test_a_training_without_an_end_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=-1, enable_checkpointing=False)
    with pytest.raises(OptionError, match="max_steps or max_epochs"):
        trainer.fit(BHCCMTask(**OPTIONS), loader(), loader())


def test_resuming_keeps_the_normalisation_of_the_weights(tmp_path):
    trainer = make_trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(BHCCMTask(**OPTIONS), loader(), loader())
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    other = BHCCMTask(**(OPTIONS | {"mean": [0.0, 0.0], "std": [1.0, 1.0]}))
    trainer = make_trainer(tmp_path, max_epochs=2, enable_checkpointing=False)
    trainer.fit(other, loader(), loader(), ckpt_path=tmp_path / "first.ckpt", weights_only=True)
    trainer.save_checkpoint(tmp_path / "second.ckpt")
    second = load_checkpoint(tmp_path / "second.ckpt")
    assert second.record.mean == tuple(second.model.mean.flatten().tolist()) == (1000.0, 1000.0)
    assert second.record.std == tuple(second.model.std.flatten().tolist()) == (500.0, 500.0)


@pytest.mark.parametrize(("name", "value"), [("alpha", -1.0), ("lr", 0.0), ("warmup_steps", -3)])
def test_numbers_out_of_range_are_named(name, value):
    with pytest.raises(OptionError, match=f"Expected {name} to be"):
        BHCCMTask(**(OPTIONS | {name: value}))
