"""A small trained-looking checkpoint and rasters to predict."""

from functools import partial

import numpy as np
import pytest
import torch
from raster_factory import write_raster

from hierars_geo.models import RECORD_KEY, ModelConfig, ModelRecord, build_model
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

BANDS = ("B02", "B03", "B04", "B08")


_DECODERS = {"unet": {"decoder_channels": [32, 16, 16, 8, 8]}, "upernet": {"decoder_channels": 16}}


def checkpoint_in(
    folder,
    taxonomy="mm5b",
    mode="residual",
    bands=BANDS,
    name="model.ckpt",
    harmonize=False,
    architecture="unet",
    temporal=None,
    series=None,
    sources=None,
    **changes,
):
    """Write a checkpoint with random weights; options change the record."""
    torch.manual_seed(0)
    record = ModelRecord(
        taxonomy=Taxonomy.from_yaml(taxonomy),
        read=ReadRecipe(bands, harmonize=harmonize, series=series, sources=sources or {}),
        mean=(1000.0,) * len(bands),
        std=(500.0,) * len(bands),
        model=ModelConfig(
            architecture, "tu-test_resnet", mode, options=_DECODERS[architecture], temporal=temporal
        ),
        chip_size=64,
        gsd_m=10.0,
    )
    model = build_model(record)
    # random weights say the same everywhere; larger classifiers make maps with many classes
    for classifier in model.segmenter.head.classifiers:
        torch.nn.init.normal_(classifier.weight, std=2.0)
    content = {
        "state_dict": {f"model.{key}": value for key, value in model.state_dict().items()},
        RECORD_KEY: record.to_dict() | changes,
    }
    path = folder / name
    torch.save(content, path)
    return path


@pytest.fixture(scope="session")
def write_checkpoint():
    """Return :func:`checkpoint_in`, for checkpoints that several tests share."""
    return checkpoint_in


@pytest.fixture
def save_checkpoint(tmp_path):
    """Write a checkpoint as :func:`checkpoint_in` does."""
    return partial(checkpoint_in, tmp_path)


@pytest.fixture
def write_scene(tmp_path):
    """Write a uint16 scene with named bands; nodata 0 in its upper-left corner."""

    def write(
        name="scene", height=150, width=130, bands=BANDS, seed=0, crs="EPSG:32650", corner=20, **profile
    ):
        rng = np.random.default_rng(seed)
        image = rng.integers(200, 3000, size=(len(bands), height, width)).astype(np.uint16)
        image[:, :corner, :corner] = 0
        return write_raster(tmp_path / f"{name}.tif", image, bands, crs=crs, **({"nodata": 0} | profile))

    return write


@pytest.fixture(scope="session")
def graphs(tmp_path_factory):
    """One cache for all tests: an export takes seconds."""
    return tmp_path_factory.mktemp("graphs")
