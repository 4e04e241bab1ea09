"""A checkpoint for another tree: a source branch goes along untouched, and its anchors must stay."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hierars_geo.errors import OptionError, TaxonomyError
from hierars_geo.models import (
    RECORD_KEY,
    CDKSOptions,
    Checkpoint,
    ModelConfig,
    ModelRecord,
    Transfer,
    build_model,
    expand_checkpoint,
)
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

CONFIG = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [16, 16, 8, 8, 8]})
BANDS = ("B02", "B03", "B04")


@pytest.fixture(scope="module")
def checkpoint():
    """Of a model with two branches, as a training leaves it."""
    source = ModelRecord(Taxonomy.from_yaml("mm5b"), ReadRecipe(BANDS), (0.0,) * 3, (1.0,) * 3, CONFIG)
    transfer = Transfer(source, cdks=True, cdsa=True, options=CDKSOptions(heads=2))
    record = replace(source, taxonomy=Taxonomy.from_yaml("crop10m"), transfer=transfer)
    state = {f"model.{name}": value for name, value in build_model(record).state_dict().items()}
    training = {"weights": "current", "class_weights": [[1.0, 1.0]]}
    content = {
        "state_dict": state,
        RECORD_KEY: record.to_dict() | {"training": training},
        "optimizer_states": [{"state": {}}],
        "pytorch-lightning_version": "2.6.0",
    }
    return Checkpoint(Path("x.ckpt"), record, content)


def with_wheat(**changes):
    content = Taxonomy.from_yaml("crop10m").to_dict() | {"name": "wheat"} | changes
    levels = [{**level, "classes": list(level["classes"])} for level in content["levels"]]
    entry = {"name": "wheat", "value": 4, "color": [9, 9, 9], "parent": "cropland"}
    levels[2]["classes"].insert(0, entry)
    return Taxonomy.from_dict(content | {"levels": levels})


def test_the_source_branch_goes_along_untouched(checkpoint):
    tree = with_wheat()
    content, report = expand_checkpoint(checkpoint, tree)
    before, after = checkpoint.content["state_dict"], content["state_dict"]
    assert before.keys() == after.keys()
    kept = [name for name in before if not name.startswith("model.target.segmenter.head.")]
    assert {name.split(".")[1] for name in kept} >= {"source", "cdks", "target"}
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert report.levels[2].new == {"wheat": ("other", "rice", "maize", "soybean")}
    record = ModelRecord.from_dict(content[RECORD_KEY], "x.ckpt")
    assert record.taxonomy == tree
    build_model(record).load_state_dict({name.removeprefix("model."): value for name, value in after.items()})
    assert "optimizer_states" not in content
    assert set(content[RECORD_KEY]["training"]) == {"weights", "release", "expanded"}


def test_anchors_must_stay(checkpoint):
    with pytest.raises(TaxonomyError, match=r"wheat to keep the anchors.*cropland: mm5b/L2/Cropland"):
        expand_checkpoint(checkpoint, with_wheat(anchors={"L1/vegetation": "mm5b/L1/Vegetation"}))


def test_the_same_tree_is_nothing_to_do(checkpoint):
    with pytest.raises(OptionError, match=r"got crop10m itself \(in x.ckpt\). There is nothing to do"):
        expand_checkpoint(checkpoint, Taxonomy.from_yaml("crop10m"))
