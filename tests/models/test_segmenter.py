"""From names to models, and what travels with them; the contract of the models is in test_model_families."""

import pytest
import torch
from torch import nn

from hierars_geo.errors import CheckpointError, OptionError
from hierars_geo.models import (
    HierarchicalSegmenter,
    ModelConfig,
    ModelRecord,
    SceneModel,
    architectures,
    build_model,
    build_segmenter,
    encoders,
)
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe


def test_normalisation_is_inside_and_silences_what_is_not_valid():
    segmenter = HierarchicalSegmenter((nn.Identity(), 2), (3,), dropout=0.0)
    model = SceneModel(segmenter, mean=(100, 200), std=(10, 20))
    image = torch.rand(1, 2, 4, 4) * 300
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    valid[0, 0] = False
    image[0, 1, 0] = torch.nan
    normal = (image - torch.tensor([100.0, 200.0])[:, None, None]) / torch.tensor([10.0, 20.0])[:, None, None]
    normal[:, :, 0] = 0
    torch.testing.assert_close(model.normalise(image, valid), normal)
    torch.testing.assert_close(model(image, valid)[0], segmenter(normal)[0])


def test_unknown_names_list_the_near_ones():
    with pytest.raises(OptionError, match="one of flat, independent"):
        build_segmenter(ModelConfig("unet", "resnet18", mode="sideways"), 3, (2,))
    with pytest.raises(OptionError, match="unetplusplus"):
        build_segmenter(ModelConfig("unetplus", "resnet18"), 3, (2,))
    with pytest.raises(OptionError, match=r"Near ones: resnet\d+"):
        build_segmenter(ModelConfig("unet", "resnet19"), 3, (2,))
    with pytest.raises(OptionError, match="tu-convnext_tiny"):
        build_segmenter(ModelConfig("unet", "tu-convnext_tine"), 3, (2,))
    with pytest.raises(OptionError, match="Near ones: convnext_base"):
        build_segmenter(ModelConfig("unet", "convnext_bas"), 3, (2,))
    with pytest.raises(OptionError, match="Near ones: segnext"):
        build_segmenter(ModelConfig("segnex", "mscan_tiny"), 3, (2,))
    with pytest.raises(OptionError, match="drop_path_rate to be in 0"):
        build_segmenter(ModelConfig("segnext", "mscan_tiny", options={"drop_path_rate": 1}), 3, (2,))
    with pytest.raises(OptionError, match="option of architecture 'segnext', but got 'wings'"):
        build_segmenter(ModelConfig("segnext", "mscan_tiny", options={"wings": 2}), 3, (2,))
    with pytest.raises(OptionError, match="option of architecture 'unet', but got 'wings'"):
        build_segmenter(ModelConfig("unet", "resnet18", options={"wings": 2}), 3, (2,))
    with pytest.raises(OptionError, match="to fit architecture 'unet'"):
        build_segmenter(ModelConfig("unet", "resnet18", options={"decoder_channels": [1]}), 3, (2,))
    with pytest.raises(OptionError, match="Give \\(module, channels\\)"):
        HierarchicalSegmenter(nn.Linear(2, 2), (2,))


def test_records_travel_as_plain_values():
    tree = Taxonomy.from_yaml("crop10m")
    read = ReadRecipe(("B02", "B03"), "sentinel2", -9999.0, "any", True, "cubic")
    record = ModelRecord(tree, read, (1.0, 2.0), (3.0, 4.0), ModelConfig("unet", "resnet18"))
    content = record.to_dict()
    assert ModelRecord.from_dict(content, "x.ckpt") == record
    with pytest.raises(CheckpointError, match=r"complete model record.*x\.ckpt"):
        ModelRecord.from_dict({key: value for key, value in content.items() if key != "read"}, "x.ckpt")


def test_a_record_of_release_0_1_becomes_a_recipe_of_what_it_holds():
    tree = Taxonomy.from_yaml("crop10m")
    now = ModelRecord(tree, ReadRecipe(("B02", "B03"), harmonize=True), (1.0, 2.0), (3.0, 4.0), ModelConfig())
    before = now.to_dict() | {"version": 1, "bands": ["B02", "B03"], "harmonize": True}
    del before["read"]
    assert ModelRecord.from_dict(before, "old.ckpt") == now
    del before["harmonize"]
    assert not ModelRecord.from_dict(before, "old.ckpt").read.harmonize
    with pytest.raises(CheckpointError, match="nodata_rule to be one of all, any"):
        ModelRecord.from_dict(now.to_dict() | {"read": now.to_dict()["read"] | {"nodata_rule": "some"}}, "x")


def test_a_record_needs_a_mean_and_a_std_for_every_band():
    tree, config = Taxonomy.from_yaml("crop10m"), ModelConfig("unet", "tu-test_resnet")
    with pytest.raises(CheckpointError, match="each of the bands B02, B03, but got 1 and 1"):
        build_model(ModelRecord(tree, ReadRecipe(("B02", "B03")), (1.0,), (3.0,), config))


def test_an_encoder_may_return_tokens_beside_its_features():
    config = ModelConfig("dpt", "tu-vit_tiny_patch16_224", options={"dynamic_img_size": True})
    model = build_segmenter(config, 3, (2, 3)).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 33, 50))[1].shape == (1, 3, 33, 50)


def test_names_are_listed():
    assert {"upernet", "segnext", "deeplabv3plus", "segformer", "unet"} <= set(architectures())
    assert {"convnext_base", "swin_tiny", "deit3_small", "resnet101", "mscan_large", "mit_b0"} <= set(
        encoders()
    )
    assert list(encoders()) == sorted(encoders())


@pytest.mark.parametrize(
    ("encoder", "why"),
    [
        ("swin_tiny", "strides of 4, 8, 16 and 32"),
        ("deit3_small", "patches are its only resolution"),
        ("mscan_tiny", "strides of 4"),
    ],
)
def test_an_encoder_that_a_decoder_cannot_take_says_why(encoder, why):
    with pytest.raises(OptionError, match=rf"can be dilated.*{encoder}.*{why}.*Take a ResNet"):
        build_segmenter(ModelConfig("deeplabv3plus", encoder), 3, (2,))


def test_a_checkpoint_says_how_wide_its_upernet_is_and_older_ones_are_read_as_they_were():
    assert ModelConfig("upernet", "resnet18").to_dict()["options"] == {"decoder_channels": 512}
    older = ModelConfig.from_dict({"architecture": "upernet", "encoder": "resnet18", "options": {}})
    assert older.options == {"decoder_channels": 256}
    said = ModelConfig.from_dict(ModelConfig("upernet", "resnet18").to_dict())
    assert said == ModelConfig("upernet", "resnet18")
    other = ModelConfig.from_dict({"architecture": "unet", "encoder": "resnet18", "options": {}})
    assert other.options == {}
