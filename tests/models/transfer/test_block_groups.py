"""Every family of encoders in groups of blocks: run one after the other, they are the encoder."""

from typing import ClassVar

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from hierars_geo.errors import OptionError
from hierars_geo.models import ModelConfig, build_segmenter
from hierars_geo.models.transfer import match_groups, split_encoder

SWIN = {"embed_dim": 24, "depths": (2, 2, 6, 2)}


def build_encoder(name, bands=3, **options):
    config = ModelConfig("upernet", name, options={"decoder_channels": 8, **options})
    return build_segmenter(config, bands, (2,)).features.body.encoder


class GroupsContract:
    """Subclass it and say which encoder, its options, and how many groups each stage has."""

    name: str
    options: ClassVar[dict[str, object]] = {}
    groups: list[int]

    @pytest.mark.parametrize(("bands", "size"), [(3, (96, 160)), (10, (64, 32))])
    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_the_groups_are_the_encoder(self, bands, size, layout):
        torch.manual_seed(0)
        encoder = build_encoder(self.name, bands, **self.options).eval().to(memory_format=layout)
        image = torch.randn(2, bands, *size).contiguous(memory_format=layout)
        with torch.inference_mode():
            expected = encoder(image)
            groups = split_encoder(encoder)
            features, stream = groups.enter(image)
            for index, stage in enumerate(groups.stages):
                stream = groups.run(index, stream)
                assert stream.map.shape[1] == groups.widths[stage]
                if stage not in groups.stages[index + 1 :]:
                    features.append(groups.level(stage, stream.map))
        assert len(features) == len(expected)
        for ours, theirs in zip(features, expected, strict=True):
            assert ours.shape == theirs.shape
            assert torch.equal(ours, theirs)

    def test_the_groups_of_each_stage(self):
        stages = split_encoder(build_encoder(self.name, **self.options)).stages
        assert stages == sorted(stages)
        assert [stages.count(stage) for stage in range(4)] == self.groups


class TestConvNeXtAtto(GroupsContract):
    name, groups = "convnext_atto", [1, 1, 2, 1]


class TestConvNeXtTiny(GroupsContract):
    name, groups = "convnext_tiny", [1, 1, 3, 1]


class TestSwin(GroupsContract):
    name, options, groups = "swin_tiny", SWIN, [1, 1, 3, 1]


class TestResNet(GroupsContract):
    name, groups = "resnet18", [1, 1, 1, 1]


class TestResNetOfTimm(GroupsContract):
    name, groups = "tu-resnet18", [1, 1, 1, 1]


class TestDeiT3(GroupsContract):
    name, groups = "deit3_small", [1, 1, 1, 1]


class TestMSCAN(GroupsContract):
    name, groups = "mscan_tiny", [1, 1, 1, 1]


class TestMiT(GroupsContract):
    name, groups = "mit_b0", [1, 1, 1, 1]


@pytest.mark.parametrize(("name", "third"), [("convnext_base", 9), ("swin_base", 9), ("resnet101", 4)])
def test_large_backbones_talk_as_often_as_written(name, third):
    with torch.device("meta"):
        stages = split_encoder(build_encoder(name)).stages
    assert [stages.count(stage) for stage in range(4)] == [1, 1, third, 1]


@pytest.mark.parametrize("name", ["vgg11", "tu-hrnet_w18_small", "densenet121"])
def test_what_cannot_be_split_is_refused(name):
    with torch.device("meta"):
        encoder = smp.encoders.get_encoder(name, weights=None)
    with pytest.raises(
        OptionError, match=r"can be split into groups .* families ConvNeXt, Swin, ResNet, ViT"
    ):
        split_encoder(encoder)


def test_an_encoder_without_its_last_stage_is_refused():
    with pytest.raises(OptionError, match="with all of their four stages"):
        split_encoder(smp.encoders.get_encoder("resnet18", weights=None, depth=4))
    with pytest.raises(OptionError, match="but got Conv2d"):
        split_encoder(nn.Conv2d(3, 3, 1))


def test_groups_are_matched_stage_by_stage_and_spread_evenly():
    def matched(target, source):
        stages = [[s for s in range(4) for _ in range(counts[s])] for counts in (target, source)]
        return [(s.stage, s.target, s.source, s.ends_stage) for s in match_groups(*stages)]

    assert matched([1, 1, 1, 1], [1, 1, 1, 1]) == [(s, (s,), (s,), True) for s in range(4)]
    assert matched([1, 1, 5, 1], [1, 1, 2, 1])[2:] == [
        (2, (2, 3, 4), (2,), False),
        (2, (5, 6), (3,), True),
        (3, (7,), (4,), True),
    ]
    assert matched([1, 1, 1, 1], [1, 1, 9, 1])[2] == (2, (2,), tuple(range(2, 11)), True)
    assert [s for s, *_ in matched([1, 1, 9, 1], [1, 1, 4, 1])] == [0, 1, 2, 2, 2, 2, 3]
