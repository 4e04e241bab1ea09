"""What of a pretrained encoder learns: nothing, or low-rank additions, which checkpoints hold in weights."""

import pytest
import segmentation_models_pytorch as smp
import torch
from task_factory import chip_loader, make_task, quiet_trainer
from torchvision.models.swin_transformer import SwinTransformerBlockV2

from hierars_geo.errors import CheckpointError, OptionError
from hierars_geo.models import load, read_checkpoint
from hierars_geo.models.tuning import add_low_rank, without_additions
from hierars_geo.models.vit_pyramid import ViTPyramid
from hierars_geo.tasks import BHCCMTask

# what is frozen is meant to be
pytestmark = pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start")

TREE = {"taxonomy": "mm5b", "bands": ("B02", "B03"), "mean": (1000.0, 1000.0), "std": (500.0, 500.0)}
OPTIONS = TREE | {
    "architecture": "hypercolumn",
    "encoder": "tiny_vit",
    "model_options": {"decoder_channels": 16},
    "optimizer": {"lr": 0.01},
    "schedule": {"warmup_steps": 0, "power": 0},
}
ENCODER = "model.segmenter.features.body.encoder."


@pytest.fixture(autouse=True)
def tiny_vit(monkeypatch):
    """The smallest ViT that timm has, under the pyramid that DeiT III has."""
    entry = {"encoder": ViTPyramid, "params": {"name": "test_vit"}, "pretrained_settings": {}}
    monkeypatch.setitem(smp.encoders.encoders, "tiny_vit", entry)


@pytest.fixture
def pretrained(tmp_path):
    """A checkpoint to start from."""
    torch.manual_seed(3)
    task = make_task(**OPTIONS)
    path = tmp_path / "pretrained.ckpt"
    trainer = quiet_trainer(tmp_path, max_steps=1, enable_checkpointing=False)
    trainer.fit(task, chip_loader(1), chip_loader(1))
    trainer.save_checkpoint(path)
    return path


LORA = {"lora_rank": 2}


def fitted(folder, pretrained, steps, start=LORA, path=None, ckpt_path=None, **options):
    torch.manual_seed(0)
    task = make_task(**(OPTIONS | {"start": {"checkpoint": str(pretrained), **start}} | options))
    trainer = quiet_trainer(folder, max_steps=steps, enable_checkpointing=False)
    trainer.fit(task, chip_loader(2), chip_loader(1), ckpt_path=ckpt_path, weights_only=True)
    if path is not None:
        trainer.save_checkpoint(path)
    return task


def changed(before, after):
    """Names of the encoder's weights that are others."""
    names = [name for name in before if name.startswith(ENCODER) and before[name].is_floating_point()]
    return {name.removeprefix(ENCODER) for name in names if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    "options", [{}, {"optimizer": {"lr": 0.01, "ema_decay": 0.5}}], ids=["last", "average"]
)
def test_low_rank_additions_are_in_the_weights_of_a_checkpoint(options, tmp_path, pretrained):
    before = read_checkpoint(pretrained)["state_dict"]
    path = tmp_path / "lora.ckpt"
    task = fitted(tmp_path, pretrained, 3, path=path, **options).eval()
    model = load(path)
    image, valid = torch.rand(1, 2, 64, 64) * 2000, torch.ones(1, 64, 64, dtype=torch.bool)
    model.network.pool_gates(None)
    with torch.no_grad():
        for own, loaded in zip(task(image, valid), model.network(image, valid), strict=True):
            torch.testing.assert_close(own, loaded)
    after = {f"model.{name}": value for name, value in model.network.state_dict().items()}
    assert after.keys() == {name for name in before if name.startswith("model.")}
    moved = {name for name in changed(before, after) if not name.startswith("pyramid.")}
    kinds = ("attn.qkv.weight", "attn.proj.weight")
    assert moved == {f"vit.blocks.{block}.{kind}" for block in range(6) for kind in kinds}
    for name in moved:
        found = torch.linalg.matrix_rank(after[ENCODER + name] - before[ENCODER + name], atol=1e-5)
        assert found <= 2


@pytest.mark.parametrize("decay", [None, 0.5], ids=["last", "average"])
def test_a_training_with_additions_goes_on_where_it_stopped(decay, tmp_path, pretrained):
    options = {"optimizer": {"lr": 0.01, "ema_decay": decay}}
    whole, half = fitted(tmp_path, pretrained, 4, **options), tmp_path / "half.ckpt"
    stopped = fitted(tmp_path, pretrained, 2, path=half, **options)
    resumed = fitted(tmp_path, pretrained, 4, ckpt_path=half, **options)
    assert sum(name.endswith("lora_up") for name in resumed.state_dict()) == 12
    image, valid = torch.rand(1, 2, 64, 64) * 2000, torch.ones(1, 64, 64, dtype=torch.bool)
    with torch.no_grad():
        logits = [task.eval()(image, valid)[-1] for task in (whole, resumed, stopped)]
    away, before = ((each - logits[0]).abs().max() for each in logits[1:])
    # after the end a checkpoint has the average in both places; Adam makes steps of gradients that are noise
    assert away < (0.01 if decay is None else 0.5) * before
    with pytest.raises(CheckpointError, match=r"start\.lora_rank 2, .* but got None"):
        fitted(tmp_path, pretrained, 3, {}, ckpt_path=half, **options)
    other = make_task(**OPTIONS)  # to validate or test
    other.on_load_checkpoint(content := read_checkpoint(half))
    other.load_state_dict(content["state_dict"])


def test_a_frozen_encoder_stays_as_it_was_and_its_pyramid_learns(tmp_path, pretrained):
    before = read_checkpoint(pretrained)["state_dict"]
    task = fitted(tmp_path, pretrained, 2, {"freeze_backbone": True})
    moved = changed(before, task.state_dict())
    assert moved
    assert all(name.startswith("pyramid.") for name in moved)


def test_attention_whose_layers_are_read_and_not_called_learns_too():
    block = SwinTransformerBlockV2(dim=8, num_heads=2, window_size=[4, 4], shift_size=[0, 0])
    image = torch.rand(1, 8, 8, 8)
    before = block.eval()(image)
    names = set(block.state_dict())
    add_low_rank(block, "swin", 2)
    torch.testing.assert_close(block.eval()(image), before)
    learnt = {name for name, parameter in block.named_parameters() if parameter.requires_grad}
    assert {name.rpartition(".")[2] for name in learnt} == {"up", "down"}
    assert len(learnt) == 4  # of the joint layer and the projection, not of the MLP of positions
    block(image).sum().backward()
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            if name.endswith(".up"):
                assert parameter.grad.any()
                parameter -= parameter.grad
    moved = block(image)
    assert not torch.allclose(moved, before)
    plain = SwinTransformerBlockV2(dim=8, num_heads=2, window_size=[4, 4], shift_size=[0, 0]).eval()
    state = without_additions(block.state_dict())
    assert set(state) == names
    plain.load_state_dict(state)
    torch.testing.assert_close(plain(image), moved)


def test_what_cannot_be_tuned_so_is_one_line():
    with pytest.raises(OptionError, match=r"weights to start from with start\.lora_rank, but got none"):
        BHCCMTask(start=LORA)
    start = {"checkpoint": "x.ckpt", "lora_rank": 2}
    with pytest.raises(OptionError, match=r"start\.freeze_backbone or start\.lora_rank, but got both"):
        BHCCMTask(start=start | {"freeze_backbone": True})
    with pytest.raises(OptionError, match=r"start\.lora_rank to be >= 1, but got 0"):
        BHCCMTask(start=start | {"lora_rank": 0})
    with pytest.raises(OptionError, match=r"no start\.lora_rank with head 'ridge'"):
        BHCCMTask(start=start, head="ridge")
    with pytest.raises(OptionError, match=r"attention for start\.lora_rank, but got 'resnet18'.*a MiT"):
        make_task(**(OPTIONS | {"encoder": "resnet18", "start": start}))
