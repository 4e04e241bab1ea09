"""A training that meets no label stops before its checkpoint is written."""

import pytest
import torch

from hierars_geo.errors import DataError
from hierars_geo.tasks import RequireLabels
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
