"""What a training says of its labels: that there are none, and which of them it never answers."""

import logging

import pytest
import torch
from task_factory import SMALL, make_task, quiet_trainer
from torch.utils.data import DataLoader

from hierars_geo.errors import DataError
from hierars_geo.tasks import NeverPredicted, RequireLabels
from hierars_geo.types import IGNORE_INDEX


def epoch(masks):
    """Hand masks to the callback as a trainer does."""
    callback = RequireLabels()
    for number, mask in enumerate(masks):
        callback.on_train_batch_end(None, None, None, {"mask": mask}, number)
    callback.on_train_epoch_end(None, None)


def test_an_epoch_without_labels_is_refused():
    with pytest.raises(DataError, match="chips with labels, but got none"):
        epoch([torch.full((2, 4, 4), IGNORE_INDEX)] * 3)


def test_one_labelled_pixel_of_class_0_is_enough():
    mask = torch.full((2, 4, 4), IGNORE_INDEX)
    mask[0, 3, 3] = 0
    epoch([torch.full((2, 4, 4), IGNORE_INDEX), mask, torch.full((2, 4, 4), IGNORE_INDEX)])


def test_no_batch_no_judgement():
    epoch([])


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`")
@pytest.mark.parametrize("weights", ["none", "inverse"])
def test_classes_that_are_never_predicted_are_named(tmp_path, caplog, weights):
    """A pond of two pixels in chips of forest: the scores hide it, a line names it and what was not tried."""
    mask = torch.full((2, 32, 32), 2)
    mask[:, 5, 5] = 7
    image = torch.rand(2, 2, 32, 32, generator=torch.Generator().manual_seed(0)) * 2000
    batch = {"image": image, "mask": mask, "valid": torch.ones(2, 32, 32, dtype=torch.bool)}
    torch.manual_seed(0)
    task = make_task(
        **SMALL,
        loss={"class_weights": weights},
        class_frequencies=[1] * 18,
        optimizer={"lr": 1e-2},
    )
    trainer = quiet_trainer(tmp_path, max_steps=40, enable_checkpointing=False, callbacks=[NeverPredicted()])
    with caplog.at_level(logging.INFO, logger="hierars_geo"):
        trainer.fit(task, DataLoader([batch] * 40, batch_size=None))
    (told,) = [record.getMessage() for record in caplog.records if "never predicted" in record.getMessage()]
    assert told.startswith("Pond: never predicted on the last training chips, though 0.098 % of their labels")
    assert ("Try loss.class_weights: sqrt_inverse, or more steps" in told) == (weights == "none")
