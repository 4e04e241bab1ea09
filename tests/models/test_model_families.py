"""The contract that every family of models keeps, flat or hierarchical, whatever its backbone and tree."""

import numpy as np
import pytest
import torch
from torch import nn

from hierars_geo.models import (
    FeatureExtractor,
    HierarchicalSegmenter,
    ModelConfig,
    ModelRecord,
    SceneModel,
    build_model,
    build_segmenter,
    path_logits,
)
from hierars_geo.tasks import layer_groups
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.types import ReadRecipe

NARROW = {"decoder_channels": 32}


class ModelContract:
    """Subclass it and say which model."""

    config: ModelConfig

    @pytest.fixture(autouse=True)
    def seed(self):
        torch.manual_seed(0)

    def build(self, bands=4, counts=(4, 9, 18)):
        return build_segmenter(self.config, bands, counts)

    @pytest.mark.parametrize(
        ("bands", "size", "tree"), [(1, (65, 97), "mm5b"), (10, (33, 20), "crop10m"), (4, (5, 3), "whdld")]
    )
    def test_any_size_bands_and_tree(self, bands, size, tree):
        taxonomy = Taxonomy.from_yaml(tree)
        model = SceneModel(self.build(bands, taxonomy.num_classes), [0.0] * bands, [1.0] * bands).eval()
        image = torch.randn(2, bands, *size)
        with torch.inference_mode():
            logits = model(image)
            early = model.path_logits(image, None, torch.tensor(taxonomy.paths))
            again = model(image)
            alone = model(image[1:])
        counts = model.segmenter.num_classes
        assert counts == (taxonomy.num_classes[-1:] if self.config.mode == "flat" else taxonomy.num_classes)
        assert [tuple(z.shape) for z in logits] == [(2, count, *size) for count in counts]
        for z, same, one in zip(logits, again, alone, strict=True):
            assert torch.equal(z, same)
            torch.testing.assert_close(z[1:], one, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(early, path_logits(logits, taxonomy.paths), rtol=1e-3, atol=1e-3)

    def test_a_step_reaches_every_parameter(self):
        model = self.build().train()
        logits = model(torch.randn(2, 4, 64, 64))
        sum((z * torch.randn_like(z)).sum() for z in logits).backward()
        assert [name for name, p in model.named_parameters() if p.grad is None] == []
        assert all(bool(p.grad.isfinite().all()) for p in model.parameters())

    def test_its_checkpoint_rebuilds_it(self):
        tree = Taxonomy.from_yaml("crop10m")
        record = ModelRecord(tree, ReadRecipe(("B02", "B03")), (1.0, 2.0), (3.0, 4.0), self.config)
        twin = ModelRecord.from_dict(record.to_dict(), "x.ckpt")
        assert twin == record
        model, other = build_model(record).eval(), build_model(twin).eval()
        other.load_state_dict(model.state_dict())
        image = torch.randn(1, 2, 32, 64)
        with torch.inference_mode():
            for a, b in zip(model(image), other(image), strict=True):
                assert torch.equal(a, b)

    def test_its_layers_have_depths(self):
        groups = layer_groups(self.build())
        assert groups.count > 4
        assert set(groups.index.values()) == set(range(groups.count))


class TestUPerNetConvNeXt(ModelContract):
    config = ModelConfig("upernet", "convnext_atto", options=NARROW)


class TestUPerNetConvNeXtV2(ModelContract):
    config = ModelConfig("upernet", "convnextv2_atto", mode="bidirectional", options=NARROW)


class TestUPerNetSwin(ModelContract):
    config = ModelConfig("upernet", "swin_tiny", options={**NARROW, "embed_dim": 24, "depths": (2, 2, 2, 2)})


class TestUPerNetDeiT3(ModelContract):
    config = ModelConfig("upernet", "deit3_small", options={**NARROW, "drop_path_rate": 0.0})


class TestUPerNetResNet(ModelContract):
    config = ModelConfig("upernet", "resnet18", mode="fine_to_coarse", options=NARROW)


class TestDeepLabV3PlusResNet(ModelContract):
    config = ModelConfig("deeplabv3plus", "resnet18", mode="coarse_to_fine", options=NARROW)


class TestSegFormerFlat(ModelContract):
    config = ModelConfig("segformer", "mit_b0", mode="flat", options={"decoder_segmentation_channels": 32})


class TestUNetResNet(ModelContract):
    config = ModelConfig("unet", "resnet18", options={"decoder_channels": [32, 16, 16, 8, 8]})


class TestSegNeXt(ModelContract):
    config = ModelConfig("segnext", "mscan_tiny", options={"decoder_channels": 64})


class TestSegNeXtFlat(ModelContract):
    config = ModelConfig("segnext", "mscan_tiny", mode="flat", options={"decoder_channels": 64})


class TestOwnModule(ModelContract):
    """A network of the user's: three lines make it hierarchical."""

    config = ModelConfig("unet", "resnet18", options={"decoder_channels": [32, 16, 16, 8, 8]})

    def build(self, bands=4, counts=(4, 9, 18)):
        body = nn.Sequential(nn.Conv2d(bands, 12, 3, stride=4, padding=1), nn.BatchNorm2d(12), nn.ReLU())
        features = FeatureExtractor(body, channels=12, multiple=4)
        return HierarchicalSegmenter(features, counts)

    def test_its_layers_have_depths(self):
        assert layer_groups(self.build()).count == 1


def parameters(architecture, encoder, classes, **options):
    """Millions of parameters of a flat model, built without numbers."""
    with torch.device("meta"):
        model = build_segmenter(ModelConfig(architecture, encoder, "flat", options=options), 3, (classes,))
    return sum(p.numel() for p in model.parameters()) / 1e6


@pytest.mark.parametrize(
    ("size", "published"),
    [
        ("tiny", 4.3),
        pytest.param("small", 13.9, marks=pytest.mark.slow),
        pytest.param("base", 27.6, marks=pytest.mark.slow),
        ("large", 48.9),
    ],
)
def test_segnext_has_the_published_size(size, published):
    # Guo et al. 2022, table of ADE20K: 150 classes
    assert parameters("segnext", f"mscan_{size}", 150) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("encoder", "third_stage", "published"),
    [
        ("convnext_tiny", 384, 60),
        pytest.param("convnext_small", 384, 82, marks=pytest.mark.slow),
        pytest.param("convnext_base", 512, 122, marks=pytest.mark.slow),
        pytest.param("convnext_large", 768, 235, marks=pytest.mark.slow),
        ("swin_tiny", 384, 60),
        pytest.param("swin_small", 384, 81, marks=pytest.mark.slow),
        pytest.param("swin_base", 512, 121, marks=pytest.mark.slow),
        pytest.param("swin_large", 768, 234, marks=pytest.mark.slow),
    ],
)
def test_upernet_has_the_published_size(encoder, third_stage, published):
    # Liu et al. 2022, table of ADE20K; published with an auxiliary classifier on the third stage, 256 wide
    auxiliary = (third_stage * 256 * 9 + 2 * 256 + 256 * 150 + 150) / 1e6
    assert parameters("upernet", encoder, 150) + auxiliary == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("encoder", "published"),
    [
        ("deit3_small", 22.1),
        pytest.param("deit3_base", 86.6, marks=pytest.mark.slow),
        pytest.param("deit3_large", 304.4, marks=pytest.mark.slow),
    ],
)
def test_deit3_has_the_published_size(encoder, published):
    with torch.device("meta"):
        model = build_segmenter(ModelConfig("upernet", encoder, "flat"), 3, (2,))
    vit = model.features.body.encoder.vit
    classifier = (vit.embed_dim * 1000 + 1000 + 2 * vit.embed_dim) / 1e6
    assert sum(p.numel() for p in vit.parameters()) / 1e6 + classifier == pytest.approx(published, rel=0.005)


def test_swin_attends_to_every_size_as_published():
    """At 7 x 7 positions, timm on its own would drop the shift of the last stage."""
    model = build_segmenter(TestUPerNetSwin.config, 3, (2,))
    blocks = [m for m in model.modules() if hasattr(m, "shift_size")]
    assert [block.shift_size for block in blocks] == [(0, 0), (3, 3)] * 4
    assert {block.window_size for block in blocks} == {(7, 7)}


def test_the_vit_keeps_its_positions_at_its_own_size():
    with torch.no_grad():
        encoder = build_segmenter(
            ModelConfig("upernet", "deit3_small", options=NARROW), 3, (2,)
        ).features.body.encoder
        encoder.eval()
        nn.init.normal_(encoder.vit.pos_embed)
        image = torch.randn(1, 3, 224, 224)
        _, expected = encoder.vit.forward_intermediates(image, indices=list(encoder.taken))
        for ours, timms in zip(encoder._maps(image), expected, strict=True):
            torch.testing.assert_close(ours, timms, rtol=1e-3, atol=1e-3)


def test_drop_path_is_an_option_of_encoders_that_have_it():
    def rates(encoder, architecture="upernet", **options):
        model = build_segmenter(ModelConfig(architecture, encoder, options={**NARROW, **options}), 3, (2,))
        return [float(m.drop_prob or 0) for m in model.modules() if type(m).__name__ == "DropPath"]

    assert max(rates("convnext_atto")) == pytest.approx(0.1)
    assert max(rates("convnext_atto", drop_path_rate=0.25)) == pytest.approx(0.25)
    mscan = rates("mscan_tiny", "segnext", drop_path_rate=0.24)
    np.testing.assert_allclose(mscan, np.linspace(0, 0.24, 13))
    assert max(rates("deit3_small", drop_path_rate=0.3)) == pytest.approx(0.3)
