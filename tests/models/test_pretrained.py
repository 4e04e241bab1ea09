"""Pretrained weights: where they come from, and how they meet other bands."""

import sys
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import WeightsEnum
from torchvision.models._api import Weights

from hierars_geo.errors import MissingFileError, OptionError
from hierars_geo.models import ModelConfig, adapt_bands, build_segmenter, load_encoder_weights
from hierars_geo.models.backbones import find_backbone

ATTO = ModelConfig("upernet", "convnext_atto", options={"decoder_channels": 32})
RESNET = ModelConfig("upernet", "resnet18", options={"decoder_channels": 32})


@pytest.fixture(scope="module")
def atto():
    torch.manual_seed(0)
    return timm.create_model("convnext_atto").state_dict()


def encoder(config, weights, bands, **options):
    model = build_segmenter(config, len(bands), (2,), str(weights), bands, **options)
    return model.features.body.encoder.state_dict()


def test_repeat_and_average_keep_the_response_to_equal_bands():
    weight = torch.randn(5, 3, 2, 2)
    repeated, averaged = (adapt_bands(weight, 7, adaptation=how) for how in ("repeat", "average"))
    for new in (repeated, averaged):
        assert new.shape == (5, 7, 2, 2)
    np.testing.assert_allclose(averaged.sum(1), weight.sum(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(repeated[:, 3], weight[:, 0] * 3 / 7)
    torch.testing.assert_close(adapt_bands(weight, 3), weight)


def test_by_name_keeps_what_is_known_in_any_order_and_spelling():
    weight = torch.randn(4, 3, 1, 1)
    wanted = ("B02", "B03", "B04", "B8A")
    for known in (("red", "green", "blue"), ("B4", "B3", "B2")):
        new = adapt_bands(weight, 4, known, wanted)
        torch.testing.assert_close(new[:, :3], weight.flip(1))
        torch.testing.assert_close(new[:, 3], weight.mean(1))
    with pytest.raises(OptionError, match=r"bands thermal by name, but they know red.*repeat or average"):
        adapt_bands(weight, 1, ("red", "green", "blue"), ("thermal",), "by_name")
    with pytest.raises(OptionError, match=r"auto, by_name, repeat, average, but got 'guess'"):
        adapt_bands(weight, 3, adaptation="guess")


@pytest.mark.parametrize("kind", ["safetensors", "pth", "wrapped"])
def test_a_file_of_weights_starts_the_encoder(tmp_path, atto, kind):
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(atto, path)
    elif kind == "pth":
        torch.save(atto, path)
    else:
        torch.save({"state_dict": {f"module.backbone.{name}": value for name, value in atto.items()}}, path)
    loaded = encoder(ATTO, path, ("a", "b", "c", "d"))
    torch.testing.assert_close(
        loaded["model.stages_2.blocks.1.mlp.fc1.weight"], atto["stages.2.blocks.1.mlp.fc1.weight"]
    )
    torch.testing.assert_close(loaded["model.stem_0.weight"][:, 3], atto["stem.0.weight"][:, 0] * 3 / 4)


def test_an_enumeration_of_weights_brings_its_bands(tmp_path, monkeypatch):
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, tmp_path / "r.pth")
    meta = {"in_chans": 3, "bands": ["B4", "B3", "B2"]}

    class ResNet18_Weights(WeightsEnum):  # noqa: N801 - the form of torchvision's and TorchGeo's names
        SENTINEL2 = Weights((tmp_path / "r.pth").as_uri(), None, meta)

    module = ModuleType("own_models")
    module.ResNet18_Weights = ResNet18_Weights
    monkeypatch.setitem(sys.modules, "own_models", module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    loaded = encoder(RESNET, "own_models.ResNet18_Weights.SENTINEL2", ("blue", "green", "red", "nir"))
    torch.testing.assert_close(loaded["conv1.weight"][:, 2], state["conv1.weight"][:, 0])
    torch.testing.assert_close(loaded["layer3.1.conv2.weight"], state["layer3.1.conv2.weight"])
    with pytest.raises(
        OptionError, match=r"known member of ResNet18_Weights, but got 'SENTINEL1'.*SENTINEL2"
    ):
        encoder(RESNET, "own_models.ResNet18_Weights.SENTINEL1", ("red",))
    with pytest.raises(OptionError, match=r"package\.module\.Name_Weights\.MEMBER"):
        encoder(RESNET, "nowhere.ResNet18_Weights.SENTINEL1", ("red",))


def test_weights_of_another_encoder_are_refused(tmp_path, atto):
    torch.save(atto, tmp_path / "w.pth")
    with pytest.raises(
        OptionError, match=r"those of encoder 'resnet18', but \d+ of its \d+ parameters are missing"
    ):
        encoder(RESNET, tmp_path / "w.pth", ("red", "green", "blue"))
    with pytest.raises(MissingFileError, match="file of weights, but it does not exist"):
        encoder(RESNET, tmp_path / "none.pth", ("red",))
    (tmp_path / "bad.pth").write_text("not weights")
    with pytest.raises(OptionError, match="damaged or holds objects"):
        encoder(RESNET, tmp_path / "bad.pth", ("red",))
    (tmp_path / "bad.safetensors").write_text("not weights")
    with pytest.raises(OptionError, match="damaged or holds objects"):
        encoder(RESNET, tmp_path / "bad.safetensors", ("red",))


def test_offline_says_so_in_one_line(monkeypatch):
    def unreachable(*args, **kwargs):
        raise FileNotFoundError("cannot locate the file on the hub\nplease check your connection")

    monkeypatch.setattr("segmentation_models_pytorch.encoders.get_encoder", unreachable)
    monkeypatch.setattr("timm.create_model", unreachable)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    for name in ("resnet18", "convnext_atto", "deit3_small", "mscan_tiny"):
        with pytest.raises(OptionError, match=r"no way to them.*Go online once") as caught:
            load_encoder_weights(torch.nn.Conv2d(3, 1, 1), find_backbone(name), "imagenet")
        assert "\n" not in str(caught.value)


def test_names_of_weights_that_do_not_exist_list_the_near_ones():
    with pytest.raises(OptionError, match=r"name of weights of resnet18, but got 'imagnet'.*imagenet"):
        build_segmenter(RESNET, 3, (2,), "imagnet")
    with pytest.raises(OptionError, match=r"name of weights of convnext_atto, but got 'd2_in1'.*d2_in1k"):
        build_segmenter(ATTO, 3, (2,), "d2_in1")
    with pytest.raises(OptionError, match="name of weights of mscan_tiny"):
        build_segmenter(ModelConfig("segnext", "mscan_tiny"), 3, (2,), "fb")
