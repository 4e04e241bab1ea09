"""A contract that every model has to keep, flat or hierarchical, whatever its backbone."""

import pytest
import torch
from torch import nn

from hierars_geo.errors import CheckpointError, OptionError
from hierars_geo.nn import (
    HierarchicalSegmenter,
    ModelConfig,
    ModelRecord,
    SceneModel,
    build_segmenter,
    path_logits,
)
from hierars_geo.taxonomy import Taxonomy

SMALL = {"decoder_channels": 32}


class ModelContract:
    """Subclass it and say how the model is built."""

    config: ModelConfig

    @pytest.fixture(autouse=True)
    def seed(self):
        torch.manual_seed(0)

    def build(self, bands=4, counts=(4, 9, 18), **kwargs):
        return build_segmenter(self.config, bands, counts, **kwargs)

    @pytest.mark.parametrize(("bands", "size"), [(4, (64, 64)), (10, (37, 70)), (1, (5, 3))])
    def test_any_size_and_any_bands(self, bands, size):
        model = self.build(bands).eval()
        logits = model(torch.randn(2, bands, *size))
        assert [tuple(z.shape) for z in logits] == [(2, count, *size) for count in model.num_classes]

    def test_a_step_reaches_every_parameter(self):
        model = self.build().train()
        logits = model(torch.randn(2, 4, 64, 64))
        sum((z * torch.randn_like(z)).sum() for z in logits).backward()
        without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert without == []

    def test_eval_is_deterministic_and_batch_free(self):
        model = self.build().eval()
        image = torch.randn(3, 4, 64, 64)
        with torch.inference_mode():
            together = model(image)
            alone = model(image[1:2])
            again = model(image)
        for a, b, c in zip(together, alone, again, strict=True):
            torch.testing.assert_close(a[1:2], b, rtol=1e-3, atol=1e-3)
            assert torch.equal(a, c)

    def test_path_logits_commute_with_upsampling(self):
        tree = Taxonomy.from_yaml("mm5b")
        model = self.build().eval()
        paths = torch.from_numpy(tree.paths.copy())
        image = torch.randn(1, 4, 50, 61)
        with torch.inference_mode():
            late = path_logits(model(image), paths)
            early = model.path_logits(image, tree.paths)
        torch.testing.assert_close(early, late, rtol=1e-4, atol=1e-4)

    def test_it_survives_its_state_dict(self):
        model, twin = self.build().eval(), self.build().eval()
        twin.load_state_dict(model.state_dict())
        image = torch.randn(1, 4, 32, 32)
        for a, b in zip(model(image), twin(image), strict=True):
            assert torch.equal(a, b)


class TestUNetResNet(ModelContract):
    config = ModelConfig("unet", "resnet18", options={"decoder_channels": [32, 16, 16, 8, 8]})


class TestUPerNetConvNeXt(ModelContract):
    config = ModelConfig("upernet", "tu-convnextv2_atto", mode="bidirectional", options=SMALL)


class TestDeepLabV3Plus(ModelContract):
    config = ModelConfig("deeplabv3plus", "resnet18", mode="coarse_to_fine", options=SMALL)


class TestSegFormerFlat(ModelContract):
    config = ModelConfig("segformer", "mit_b0", mode="flat", options={"decoder_segmentation_channels": 32})


class PlainBody(nn.Module):
    """A user's own network that returns features at half the size."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(4, 12, 3, stride=2, padding=1)

    def forward(self, image):
        return self.body(image)


class TestOwnModule(ModelContract):
    def build(self, bands=4, counts=(4, 9, 18)):
        body = PlainBody()
        body.body = nn.Conv2d(bands, 12, 3, stride=2, padding=1)
        return HierarchicalSegmenter((body, 12), counts)


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
    with pytest.raises(OptionError, match="option of architecture 'unet', but got 'wings'"):
        build_segmenter(ModelConfig("unet", "resnet18", options={"wings": 2}), 3, (2,))
    with pytest.raises(OptionError, match="to fit architecture 'unet'"):
        build_segmenter(ModelConfig("unet", "resnet18", options={"decoder_channels": [1]}), 3, (2,))
    with pytest.raises(OptionError, match="Give \\(module, channels\\)"):
        HierarchicalSegmenter(nn.Linear(2, 2), (2,))


def test_records_travel_as_plain_values():
    record = ModelRecord(
        Taxonomy.from_yaml("crop10m"), ("B02", "B03"), (1.0, 2.0), (3.0, 4.0), ModelConfig("unet", "resnet18")
    )
    content = record.to_dict()
    assert ModelRecord.from_dict(content, "x.ckpt") == record
    with pytest.raises(CheckpointError, match=r"complete model record.*x\.ckpt"):
        ModelRecord.from_dict({key: value for key, value in content.items() if key != "bands"}, "x.ckpt")


def test_a_record_needs_a_mean_and_a_std_for_every_band():
    tree, config = Taxonomy.from_yaml("crop10m"), ModelConfig("unet", "tu-test_resnet")
    with pytest.raises(CheckpointError, match="each of the bands B02, B03, but got 1 and 1"):
        ModelRecord(tree, ("B02", "B03"), (1.0,), (3.0,), config).build()


def test_an_encoder_may_return_tokens_beside_its_features():
    config = ModelConfig("dpt", "tu-vit_tiny_patch16_224", options={"dynamic_img_size": True})
    model = build_segmenter(config, 3, (2, 3)).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 33, 50))[1].shape == (1, 3, 33, 50)
