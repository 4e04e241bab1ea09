"""One door to a checkpoint: of this release and of 0.1, and closed to what does not fit."""

import pytest
import torch

from hierars_geo.errors import CheckpointError
from hierars_geo.models import RECORD_KEY, Checkpoint, ModelConfig, ModelRecord, build_model, load
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

CONFIG = ModelConfig("unet", "tu-test_resnet", options={"decoder_channels": [16, 16, 8, 8, 8]})
READ = ReadRecipe(("B02", "B03"), "sentinel2", nodata=0.0, nodata_rule="any", harmonize=True)


@pytest.fixture
def stored(tmp_path):
    """Write a checkpoint whose record says something else."""

    def write(change=lambda record: record, **content):
        record = ModelRecord(Taxonomy.from_yaml("crop10m"), READ, (1.0, 2.0), (3.0, 4.0), CONFIG, 64, 10.0)
        state = {f"model.{name}": value for name, value in build_model(record).state_dict().items()}
        path = tmp_path / "model.ckpt"
        torch.save({"state_dict": state, RECORD_KEY: change(record.to_dict())} | content, path)
        return path, record

    return write


def test_a_model_comes_with_how_its_scenes_were_read(stored):
    path, record = stored()
    model = load(path)
    assert (model.record, model.path, model.notes) == (record, path, ())
    assert model.record.read == READ
    assert not model.network.training


def test_a_checkpoint_of_release_0_1_gets_a_recipe_and_a_note(stored):
    def as_then(record):
        read = record.pop("read")
        return record | {"version": 1, "bands": read["bands"], "harmonize": True}

    path, _ = stored(as_then)
    model = load(path)
    assert model.record.read == ReadRecipe(("B02", "B03"), harmonize=True)
    (note,) = model.notes
    assert note.startswith("model.ckpt is of release 0.1, which did not keep how scenes were read")
    assert "values of new baselines as those of old ones. Give --sensor and --nodata" in note


def test_weights_that_are_not_named_or_not_there_are_refused(stored):
    path, _ = stored(state_dict={3: torch.zeros(2)})
    with pytest.raises(CheckpointError, match="Expected weights by name"):
        load(path)
    path, _ = stored(state_dict={"model.mean": torch.tensor(float("nan"))})
    with pytest.raises(CheckpointError, match=r"Expected finite weights, but mean .*model\.ckpt"):
        Checkpoint.read(path)
    path, _ = stored()
    with pytest.raises(CheckpointError, match=r"has none\. Give source"):
        Checkpoint.read(path).source()


@pytest.mark.parametrize(
    ("architecture", "encoder", "options"),
    [
        ("unet", "tu-test_resnet", {"decoder_channels": [16, 16, 8, 8, 8]}),
        ("upernet", "tu-test_convnext", {"decoder_channels": 16}),
        ("segnext", "mscan_tiny", {"decoder_channels": 32}),
        ("segformer", "mit_b0", {"decoder_segmentation_channels": 16}),
    ],
)
def test_parameters_that_are_not_drawn_first_come_from_the_file_and_all_else_is_computed(
    architecture, encoder, options, tmp_path
):
    config = ModelConfig(architecture, encoder, options=options)
    record = ModelRecord(Taxonomy.from_yaml("crop10m"), READ, (1.0, 2.0), (3.0, 4.0), config, 64, 10.0)
    made = build_model(record)
    content = {f"model.{name}": value for name, value in made.state_dict().items()}
    torch.save({"state_dict": content, RECORD_KEY: record.to_dict()}, tmp_path / "model.ckpt")
    before = torch.random.get_rng_state()
    network = load(tmp_path / "model.ckpt").network
    drawn = not torch.equal(before, torch.random.get_rng_state())
    # the bases of SegNeXt's decoder are a buffer, MiT sets values by way of .data
    assert drawn == (architecture in ("segnext", "segformer"))
    # buffers that no file holds among them; the gates pool over the ground of a chip now
    others = dict([*made.named_parameters(), *made.named_buffers()])
    ours = dict([*network.named_parameters(), *network.named_buffers()])
    assert set(others) <= set(ours)
    assert all(torch.equal(ours[name], value) for name, value in others.items())
