"""The per-pixel baseline in the log of a training."""

import logging

import pytest
import torch
from lightning.pytorch import Trainer
from task_factory import SMALL, make_task
from torch.utils.data import DataLoader

from hierars_geo.models import PixelForest
from hierars_geo.tasks import PixelBaseline


def chips(seed, count=3, told=True, side=32):
    """Batches of two chips of three classes that the values of a pixel tell apart."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.randint(0, 3, (2 * count, side, side), generator=generator)
    noise = torch.randn(2 * count, 2, side, side, generator=generator)
    image = 500.0 * mask[:, None] + 100 * noise
    if not told:
        mask = torch.full_like(mask, -100)
    batches = [
        {
            "image": image[i : i + 2],
            "mask": mask[i : i + 2],
            "valid": torch.ones(2, side, side, dtype=torch.bool),
        }
        for i in range(0, 2 * count, 2)
    ]
    return DataLoader(batches, batch_size=None, generator=torch.Generator())


def train(folder, callbacks, val, **options):
    torch.manual_seed(0)
    task = make_task(**SMALL, optimizer={"lr": 1e-5})
    trainer = Trainer(
        default_root_dir=folder, max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, callbacks=callbacks, **options,
    )  # fmt: skip
    trainer.fit(task, chips(1), val)
    return trainer, task


def test_it_is_logged_and_said_where_it_is_ahead_and_changes_nothing(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="hierars_geo"):
        trainer, task = train(tmp_path, [PixelBaseline()], chips(2))
    found = trainer.callback_metrics
    whole = PixelForest.learn(chips(1), 18)  # every pixel of the training, as there are few
    right = [(whole(b["image"]).argmax(dim=1) == b["mask"]).float().mean() for b in chips(2)]
    assert float(found["val/per_pixel_OA_L3"]) == pytest.approx(float(sum(right) / 3), abs=0.005)
    assert float(found["val/per_pixel_mIoU_L3"]) > 0.9 > float(found["val/OA_L3"])
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("per-pixel forest on the validation ground: L1 OA ") for line in told)
    assert any("is ahead of the model at" in line and "L3" in line for line in told)
    _, without = train(tmp_path, [], chips(2))
    for name, weight in task.state_dict().items():
        assert torch.equal(weight, without.state_dict()[name]), name


def test_every_labelled_pixel_of_the_ground_counts_alike_whichever_batch_it_lies_in(tmp_path):
    full, sparse = (batch for _, batch in zip(range(2), chips(2, side=64), strict=False))
    wrong = (sparse["mask"] + 1) % 3
    wrong[:, 8:] = -100
    val = DataLoader([full, sparse | {"mask": wrong}], batch_size=None)
    trainer, _ = train(tmp_path, [PixelBaseline()], val)
    assert float(trainer.callback_metrics["val/per_pixel_OA_L3"]) == pytest.approx(8192 / 9216, abs=0.02)


@pytest.mark.parametrize("case", ["no validation", "no labels"])
def test_where_nothing_can_be_compared_nothing_is_said(tmp_path, caplog, case):
    options = {"limit_val_batches": 0} if case == "no validation" else {}
    with caplog.at_level(logging.INFO, logger="hierars_geo"):
        trainer, _ = train(tmp_path, [PixelBaseline()], chips(2, told=case != "no labels"), **options)
    assert [name for name in trainer.callback_metrics if "per_pixel" in name] == []
    assert [record for record in caplog.records if "per-pixel" in record.getMessage()] == []
