"""Two backbones side by side: independent at first, then everything that learns gets a gradient."""

import copy

import pytest
import torch
from torch import nn

from hierars_geo.errors import OptionError
from hierars_geo.models import CDKS, CDKSOptions, ModelConfig, build_segmenter
from hierars_geo.models.transfer import StreamMerge, stages_read

OPTIONS = {
    "swin_tiny": {"embed_dim": 24, "depths": (2, 2, 4, 2)},
    "convnext_atto": {"drop_path_rate": 0.0},
    "deit3_small": {"drop_path_rate": 0.0},
    "mscan_tiny": {"drop_path_rate": 0.0},
}


def build_body(name, bands=3, architecture="upernet", **options):
    config = ModelConfig(
        architecture, name, options={"decoder_channels": 32, **OPTIONS.get(name, {}), **options}
    )
    return build_segmenter(config, bands, (2,)).features.body


def build_encoder(name, bands=3):
    return build_body(name, bands).encoder.to(memory_format=torch.channels_last)


def freeze(encoder):
    return encoder.requires_grad_(False).eval()


def images(*bands, size=(64, 96)):
    return [torch.randn(2, b, *size).contiguous(memory_format=torch.channels_last) for b in bands]


def wake(cdks):
    """Gains other than 0, so that the streams do talk, and places that depend on the query."""
    with torch.no_grad():
        for name, parameter in cdks.named_parameters():
            if name.endswith(("attention_gain", "ffn_gain", "places.weight")):
                parameter.normal_(std=0.3)
    return cdks


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


PAIRS = [
    ("convnext_atto", "convnext_atto"),
    ("swin_tiny", "mit_b0"),
    ("mscan_tiny", "resnet18"),
    ("resnet18", "convnext_atto"),
    ("convnext_atto", "deit3_small"),
    ("deit3_small", "swin_tiny"),
]


@pytest.mark.parametrize(("target_name", "source_name"), PAIRS)
def test_any_two_backbones(target_name, source_name):
    """At first independent, bit for bit; once they talk, every weight learns but the source's."""
    target, source = build_encoder(target_name, 4).eval(), freeze(build_encoder(source_name, 3))
    cdks = CDKS(target, source, CDKSOptions(drop_path=0.0))
    image_t, image_s = images(4, 3)
    state = cdks.start(source, image_s)
    plain = cdks.plain(source, state)
    with torch.no_grad():
        ours, theirs = target(image_t), source(image_s)
        stream_t, stream_s = cdks.streams(target, source, image_t, image_s, state)
    for found, expected in ((plain, theirs), (stream_t, ours[-4:]), (stream_s, theirs[-4:])):
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))

    wake(cdks)
    features = cdks(target, source, image_t, image_s, state)
    assert [f.shape for f in features] == [f.shape for f in ours]
    assert not any(torch.equal(a, b) for a, b in zip(features[-4:], ours[-4:], strict=True))
    sum((f * torch.randn_like(f)).sum() for f in features[2:]).backward()
    silent = [name for name, p in cdks.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert all(bool(p.grad.isfinite().all()) for p in cdks.parameters())
    assert [p for p in source.parameters() if p.grad is not None] == []
    assert [n for n, p in target.named_parameters() if p.grad is None] == []


def test_gradient_reaches_the_target_through_the_source():
    """The last map of the source's stream alone teaches the target's first block."""
    target, source = build_encoder("convnext_atto"), freeze(build_encoder("convnext_atto"))
    cdks = wake(CDKS(target, source))
    _, stream_s = cdks.streams(target, source, *images(3, 3))
    stream_s[-1].square().sum().backward()
    assert bool(target.model["stages_0"].blocks[0].conv_dw.weight.grad.any())


def test_the_first_step_opens_the_gains_the_second_the_places_the_third_teaches_all():
    target, source = build_encoder("convnext_atto"), freeze(build_encoder("resnet18"))
    cdks = CDKS(target, source, CDKSOptions(drop_path=0.0)).train()
    optimiser = torch.optim.SGD(cdks.parameters(), lr=0.1)
    every = {name for name, _ in cdks.named_parameters()}
    gains = {name for name in every if name.endswith("_gain") or name.startswith("merges.")}
    for expected in (gains, {name for name in every if ".attention_norm." not in name}, every):
        optimiser.zero_grad()
        features = cdks(target, source, *images(3, 3))
        sum((f * torch.randn_like(f)).mean() for f in features[2:]).backward()
        assert {name for name, p in cdks.named_parameters() if p.grad.any()} == expected
        optimiser.step()


def test_the_source_does_not_change_even_with_batch_norm():
    target, source = build_encoder("resnet18").train(), freeze(build_encoder("resnet18"))
    before = copy.deepcopy(source.state_dict())
    cdks = wake(CDKS(target, source)).train()
    image, *_ = images(3)
    sum(f.sum() for f in cdks(target, source, image, image)[2:]).backward()
    cdks.plain(source, cdks.start(source, image))
    assert all(torch.equal(value, before[key]) for key, value in source.state_dict().items())


def test_the_source_is_run_once_up_to_the_first_interaction_and_without_gradient():
    target, source = build_encoder("resnet18"), freeze(build_encoder("resnet18"))
    cdks = wake(CDKS(target, source)).eval()
    target.eval()
    image, *_ = images(3)
    calls = []
    for name in ("conv1", "layer1", "layer2", "layer4"):
        module = getattr(source, name)
        inner = module[0] if isinstance(module, nn.Sequential) else module
        inner.register_forward_hook(lambda *_, name=name: calls.append((name, torch.is_grad_enabled())))
    state = cdks.start(source, image)
    cdks.plain(source, state)
    cdks(target, source, image, image, state)
    assert calls == [
        *[(name, False) for name in ("conv1", "layer1", "layer2", "layer4")],
        *[(name, True) for name in ("layer2", "layer4")],
    ]
    torch.testing.assert_close(cdks(target, source, image, image), cdks(target, source, image, image, state))


def test_merging_is_the_published_formula():
    merge = StreamMerge(64, 64)
    for parameter in merge.parameters():
        nn.init.normal_(parameter)
    x, o = torch.randn(2, 64, 5, 4), torch.randn(2, 64, 5, 4)

    def normalised(norm, x):
        groups = x.reshape(2, 32, -1)
        mean, var = groups.mean(dim=2, keepdim=True), groups.var(dim=2, keepdim=True, unbiased=False)
        flat = ((groups - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
        return (flat * norm.weight[:, None, None] + norm.bias[:, None, None]).clamp(min=0)

    expected = merge.target_gain * normalised(merge.target_norm, x)
    expected = expected + merge.source_gain * normalised(merge.source_norm, o)
    torch.testing.assert_close(merge(x, o), expected, rtol=1e-4, atol=1e-4)
    assert merge.target_gain.shape == merge.source_gain.shape == ()
    assert [gain.item() for gain in (StreamMerge(8, 8).target_gain, StreamMerge(8, 8).source_gain)] == [1, 1]


def test_merging_brings_widths_and_sizes_together():
    merge = StreamMerge(40, 24)
    assert isinstance(merge.match, nn.Conv2d)
    assert isinstance(StreamMerge(40, 40).match, nn.Identity)
    assert merge(torch.randn(1, 40, 8, 6), torch.randn(1, 24, 4, 3)).shape == (1, 40, 8, 6)


@pytest.mark.parametrize(
    ("architecture", "read"), [("upernet", (0, 1, 2, 3)), ("segnext", (1, 2, 3)), ("deeplabv3plus", (0, 3))]
)
def test_stages_that_the_decoder_does_not_read_keep_no_weights(architecture, read):
    body = build_body("resnet18", 5, architecture, decoder_channels=32)
    body.decoder.train()
    buffers = copy.deepcopy(body.state_dict())
    assert stages_read(body.encoder, body.decoder) == read
    assert body.decoder.training
    assert all(torch.equal(value, buffers[key]) for key, value in body.state_dict().items())
    assert all(p.grad is None for p in body.parameters())

    source = freeze(build_encoder("resnet18", 3))
    cdks = wake(CDKS(body.encoder, source, merged=read)).train()
    body.decoder(cdks(body.encoder, source, *images(5, 3))).sum().backward()
    assert [name for name, p in cdks.named_parameters() if p.grad is None] == []


class Branches(nn.Module):
    """Both passes of the source and the target's between them."""

    def __init__(self, target, source):
        super().__init__()
        self.target, self.source = build_encoder(target), freeze(build_encoder(source))
        self.cdks = wake(CDKS(self.target, self.source))

    def forward(self, image):
        state = self.cdks.start(self.source, image)
        merged = self.cdks(self.target, self.source, image, image, state)
        return merged[-4:] + self.cdks.plain(self.source, state)[-4:]


def test_a_copy_works_with_its_own_encoders():
    model = Branches("convnext_atto", "resnet18").eval()
    twin = copy.deepcopy(model)
    nn.init.zeros_(model.target.model["stem_0"].weight)
    (image,) = images(3)
    with torch.no_grad():
        changed, kept = model(image), twin(image)
    assert not any(torch.equal(a, b) for a, b in zip(changed[:4], kept[:4], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(changed[4:], kept[4:], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("target", "source"), [("convnext_atto", "resnet18"), ("swin_tiny", "deit3_small")])
@pytest.mark.parametrize("how", ["compile", "export"])
def test_a_graph_of_both_branches_agrees(target, source, how):
    model = Branches(target, source).eval()
    (image,) = images(3)
    with torch.no_grad():
        expected = model(image)
        if how == "compile":
            found = torch.compile(model, backend="eager")(image)
        else:
            found = torch.export.export(model, (image,)).module()(image)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_names_of_the_weights_do_not_pass_for_a_backbone():
    names = [
        name for name, _ in CDKS(build_encoder("convnext_atto"), build_encoder("resnet18")).named_parameters()
    ]
    assert not any("encoder" in name for name in names)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"attention": "dense"}, "attention to be one of deformable, cross, but got 'dense'"),
        ({"heads": 0}, "heads to be at least 1, but got 0"),
        ({"points": 0}, "points to be at least 1"),
        ({"value_ratio": 0}, "value_ratio to be above 0 and at most 1"),
        ({"ffn_ratio": 0}, "ffn_ratio to be above 0"),
        ({"drop_path": 1}, r"drop_path to be in 0..1 \(1 excluded\), but got 1"),
    ],
)
def test_options_out_of_range(options, match):
    with pytest.raises(OptionError, match=match):
        CDKSOptions(**options)


def test_stages_that_do_not_exist_or_lack_the_last():
    encoder = build_encoder("resnet18")
    for merged in ((0, 1, 2), (3, 4)):
        with pytest.raises(OptionError, match=r"merged to be stages of 0\.\.3 with the last"):
            CDKS(encoder, encoder, merged=merged)


def test_options_travel_as_plain_values():
    options = CDKSOptions(attention="cross", heads=8)
    assert CDKSOptions(**options.to_dict()) == options
