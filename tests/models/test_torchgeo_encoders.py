"""TorchGeo's image models as encoders: weights by the names of their enumerations or from a file."""

import pytest
import torch
import torchgeo.models
from torchvision.models import _api

from hierars_geo.errors import OptionError
from hierars_geo.models import ModelConfig, build_segmenter
from hierars_geo.models.backbones import BACKBONES, find_backbone
from hierars_geo.models.weight_statistics import weight_statistics
from hierars_geo.scenes.sensors import find_sensor, spectral_bands
from hierars_geo.tasks import layer_groups

SENTINEL2 = find_sensor("sentinel2").stack_of(13)


def _build(name, weights=None, bands=SENTINEL2, sensor="sentinel2", how="auto"):
    config = ModelConfig("hypercolumn", f"torchgeo:{name}", options={"decoder_channels": 8})
    torch.manual_seed(1)
    model = build_segmenter(config, len(bands), (2,), weights, bands, how, sensor, spectral_bands)
    return model.eval()


def _vit_maps(vit, image):
    """What TorchGeo's own model has after the blocks at the ends of its four quarters."""
    return vit.forward_intermediates(
        image, indices=[2, 5, 8, 11], intermediates_only=True, norm=False, output_fmt="NCHW"
    )


def _swin_maps(swin, image):
    maps = []
    for index, part in enumerate(swin.features):
        image = part(image)
        if index % 2:
            maps.append(image.permute(0, 3, 1, 2))
    return maps


@pytest.mark.parametrize("name", ["resnet18", "swin_v2_t", "vit_small_patch16_224"])
def test_weights_of_a_file_give_the_maps_that_torchgeos_own_model_has(tmp_path, name):
    torch.manual_seed(0)
    options = {} if name == "swin_v2_t" else {"in_chans": 13}
    own = getattr(torchgeo.models, name)(**options).eval()
    if name == "swin_v2_t":  # as TorchGeo does for weights of other bands
        own.features[0][0] = torch.nn.Conv2d(13, 96, 4, 4)
    torch.save(own.state_dict(), tmp_path / "w.pth")
    size = 224 if name.startswith("vit") else 160
    image = torch.rand(1, 13, size, size)
    encoder = _build(name, str(tmp_path / "w.pth")).features.body.encoder
    with torch.no_grad():
        maps = encoder(image)
        if name == "resnet18":
            hidden, expected = own.maxpool(own.act1(own.bn1(own.conv1(image)))), []
            for stage in (own.layer1, own.layer2, own.layer3, own.layer4):
                expected.append(hidden := stage(hidden))
        elif name == "swin_v2_t":
            expected = _swin_maps(own, image)
        else:
            expected, maps = _vit_maps(own, image), [*maps[:2], *encoder._maps(image)]
    for found, wanted in zip(maps[2:], expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_every_name_has_its_enumeration_and_a_pyramid_of_any_size():
    names = [name for name in BACKBONES if name.startswith("torchgeo:")]
    if not hasattr(torchgeo.models, "presto"):
        names.remove("torchgeo:presto")  # TorchGeo 0.9 or newer
    for name in names:
        model = name.removeprefix("torchgeo:").removesuffix("_sar")
        enumeration = torchgeo.models.get_model_weights(model)
        assert find_backbone(name).enumeration == f"torchgeo.models.{enumeration.__name__}"
    model = _build("swin_v2_t", bands=SENTINEL2[:4])
    with torch.no_grad():
        assert model(torch.rand(1, 4, 70, 45))[0].shape == (1, 2, 70, 45)
    groups = layer_groups(model)
    first = min(groups.index, key=lambda name: (groups.index[name], name))
    assert (groups.count, "swin.0.0" in first) == (6, True)  # stem, four stages, the rest
    with pytest.raises(OptionError, match=r"known encoder, but got 'torchgeo:resnet19'.*torchgeo:resnet18"):
        find_backbone("torchgeo:resnet19")
    with pytest.raises(OptionError, match=r"can be dilated.*torchgeo:vit_small.*patches are its only"):
        build_segmenter(ModelConfig("deeplabv3plus", "torchgeo:vit_small_patch16_224"), 3, (2,))


def test_a_member_goes_by_its_name_and_its_bands_meet_those_of_the_sensor(monkeypatch):
    state = torchgeo.models.resnet18(in_chans=13).state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *args, **kwargs: state)
    for name in ("SENTINEL2_ALL_MOCO", "ResNet18_Weights.SENTINEL2_ALL_MOCO"):
        loaded = _build("resnet18", name, ("B8A", "B02")).features.body.encoder.state_dict()
        first = state["conv1.weight"]  # stacks of 13 bands: B02 is the second, B8A the ninth
        scale = loaded["conv1.weight"][:, 0].norm() / first[:, 8].norm()
        torch.testing.assert_close(loaded["conv1.weight"], first[:, [8, 1]] * scale)
        found = weight_statistics(find_backbone("torchgeo:resnet18"), name)
        assert (found.std, found.sensor) == ((10000.0,), "sentinel2")
    generic = ("band_1", "band_2")
    for bands, sensor in ((("VV", "VH"), "sentinel1"), (generic, None)):
        with pytest.raises(OptionError, match=rf"know some of the bands {bands[0]}, .*trained on B01, B02"):
            _build("resnet18", "SENTINEL2_ALL_MOCO", bands, sensor)
    averaged = _build("resnet18", "SENTINEL2_ALL_MOCO", generic, None, "average").features.body.encoder
    torch.testing.assert_close(averaged.conv1.weight.sum(1), first.sum(1), rtol=1e-4, atol=1e-5)


def test_weights_of_another_model_are_told_before_they_are_fetched():
    with pytest.raises(OptionError, match=r"torchgeo\.models\.ResNet18_Weights for this encoder"):
        _build("resnet18", "torchgeo.models.ResNet50_Weights.SENTINEL2_ALL_MOCO")
    with pytest.raises(OptionError, match=r"known member of ViTSmall16_Weights, but got 'imagenet'"):
        _build("vit_small_patch16_224", "imagenet")
