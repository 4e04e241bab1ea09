"""Batches whose labels are known at the first level alone."""

import math

import pytest
import torch
from lightning.pytorch import Trainer
from task_factory import SMALL, make_task
from torch.utils.data import DataLoader

from hierars_geo.errors import OptionError
from hierars_geo.tasks import RequireLabels

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step\\(\\).*optimizer.step\\(\\)")

OPTIONS = SMALL | {"mean": (0.0, 0.0), "std": (1.0, 1.0)}


def batch():
    """32 x 32 chips: the left half is water, the right half has no label."""
    levels = torch.full((2, 3, 32, 32), -100)
    levels[:, 0, :, :16] = 1
    return {
        "image": torch.randn(2, 2, 32, 32, generator=torch.Generator().manual_seed(0)),
        "mask": levels[:, -1],
        "level_masks": levels,
        "valid": torch.ones(2, 32, 32, dtype=torch.bool),
    }


@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_coarse_labels_train_and_score_the_levels_they_are_known_at(tmp_path, mode):
    torch.manual_seed(0)
    task = make_task(**OPTIONS, mode=mode)
    trainer = Trainer(
        default_root_dir=tmp_path,
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    loader = DataLoader([batch()], batch_size=None)
    trainer.fit(task, loader, loader)
    learnt = float(trainer.callback_metrics["train/loss"])
    assert (learnt > 0) == (mode == "residual")  # a flat model has no level that these labels could teach
    scores = trainer.test(task, loader, verbose=False)[0]
    assert 0 <= scores["test/OA_L1"] <= 1
    assert math.isnan(scores["test/OA_L2"])
    assert math.isnan(scores["test/OA_L3"])


def test_a_training_with_coarse_labels_alone_is_not_taken_for_one_without_labels():
    callback = RequireLabels()
    callback.on_train_batch_end(None, None, None, batch(), 0)
    callback.on_train_epoch_end(None, None)


def test_coarse_labels_enter_the_path_term_where_asked():
    def path_term(**loss):
        torch.manual_seed(0)
        task = make_task(**OPTIONS, loss=loss).eval()
        with torch.no_grad():
            return task.loss(task(batch()["image"], batch()["valid"]), task.target(batch()))["hpc"]

    assert path_term() == 0
    assert path_term(partial_paths=True) > 0
    with pytest.raises(OptionError, match="partial_paths with loss hsc"):
        make_task(**OPTIONS, loss={"name": "hcc", "partial_paths": True})
    with pytest.raises(OptionError, match="partial_paths with several levels"):
        make_task(**OPTIONS, mode="flat", loss={"partial_paths": True})
