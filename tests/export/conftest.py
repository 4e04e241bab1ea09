"""Checkpoints of small models."""

import pytest
import torch
from export_factory import SMALL, make_model

from hierars_geo.models import RECORD_KEY


@pytest.fixture(scope="session")
def save_model(tmp_path_factory):
    """Write a checkpoint of a configuration; returns its path, record and model."""

    def save(config=SMALL, taxonomy="crop10m", source=None):
        record, model = make_model(config, taxonomy, source)
        path = tmp_path_factory.mktemp("exported") / "model.ckpt"
        state = {f"model.{key}": value for key, value in model.state_dict().items()}
        torch.save({"state_dict": state, RECORD_KEY: record.to_dict()}, path)
        return path, record, model

    return save
