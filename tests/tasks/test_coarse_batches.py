"""Batches whose labels are known at the first level alone."""

import math

import pytest
import torch
from task_factory import SMALL, make_task, quiet_trainer
from torch.utils.data import DataLoader

from hierars_geo.tasks import RequireLabels
from hierars_geo.taxonomy import LabelSets, Taxonomy

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step\\(\\).*optimizer.step\\(\\)")

OPTIONS = SMALL | {"mean": (0.0, 0.0), "std": (1.0, 1.0)}


def batch():
    """32 x 32 chips: the left half is artificial surface, the right half has no label."""
    sets = LabelSets(Taxonomy.from_yaml("mm5b"))
    number = torch.full((2, 32, 32), -100)
    number[..., :16] = int(sets.classes(1)[2])
    return {
        "image": torch.randn(2, 2, 32, 32, generator=torch.Generator().manual_seed(0)),
        "mask": torch.full((2, 32, 32), -100),
        "label_set": number,
        "label_table": torch.tensor(sets.table).expand(2, -1, -1),
        "valid": torch.ones(2, 32, 32, dtype=torch.bool),
    }


@pytest.mark.parametrize("mode", ["residual", "flat"])
def test_coarse_labels_train_and_score_the_levels_they_are_known_at(tmp_path, mode):
    torch.manual_seed(0)
    task = make_task(**OPTIONS, mode=mode)
    trainer = quiet_trainer(tmp_path, max_steps=1, enable_checkpointing=False)
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


def test_a_batch_of_one_labelled_pixel_trains_to_finite_weights(tmp_path):
    torch.manual_seed(0)
    task = make_task(**OPTIONS)
    only = batch()
    number = only["label_set"]
    only["label_set"] = torch.full_like(number, -100)
    only["label_set"][0, 3, 3] = number[0, 0, 0]
    trainer = quiet_trainer(tmp_path, max_steps=3, enable_checkpointing=False)
    loader = DataLoader([only] * 3, batch_size=None)
    trainer.fit(task, loader, loader)
    assert all(torch.isfinite(weight).all() for weight in task.state_dict().values())
    assert float(trainer.callback_metrics["train/hpc"]) > 0


def test_a_weight_of_zero_takes_a_label_out_of_the_loss():
    torch.manual_seed(0)
    task = make_task(**OPTIONS).eval()
    given = batch()
    given["label_weight"] = torch.ones(2, given["label_table"].shape[1])
    with torch.no_grad():
        logits = task(given["image"], given["valid"])
        full = task.losses(logits, task.target(given), given)["loss"]
        given["label_weight"][:, given["label_set"][0, 0, 0]] = 0
        assert full > 0
        assert task.losses(logits, task.target(given), given)["loss"] == 0
