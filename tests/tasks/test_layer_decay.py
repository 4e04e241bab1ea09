"""Depth of every parameter: what the learning rate decays by."""

import pytest
import timm
import torch
from torch import nn

from hierars_geo.models import HierarchicalSegmenter
from hierars_geo.tasks import LayerGroups, layer_groups


def backbone(name, **options):
    """A segmenter around a timm backbone, without numbers."""
    with torch.device("meta"):
        body = nn.Module()
        body.encoder = nn.Module()
        body.encoder.model = timm.create_model(name, features_only=True, **options)
        body.decoder = nn.Conv2d(8, 8, 1)
        return HierarchicalSegmenter((body, 8), (2, 3))


def group(groups, fragment):
    found = {index for name, index in groups.index.items() if fragment in name}
    assert len(found) == 1, fragment
    return found.pop()


@pytest.mark.parametrize(("name", "last"), [("convnext_tiny", 6), ("convnext_base", 12)])
def test_convnext_groups_three_blocks_of_the_third_stage(name, last):
    groups = layer_groups(backbone(name))
    assert groups.count == last + 2
    assert group(groups, "stem_0") == 0
    assert group(groups, "stages_0.") == 1
    assert group(groups, "stages_1.") == 2
    assert group(groups, "stages_2.downsample") == 3
    assert [group(groups, f"stages_2.blocks.{b}.") for b in range(9)] == [3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert group(groups, "stages_3.") == last
    assert group(groups, "decoder.") == group(groups, "head.") == last + 1


def test_a_vit_has_a_group_per_block():
    groups = layer_groups(backbone("deit3_small_patch16_224"))
    assert groups.count == 14
    assert group(groups, "pos_embed") == group(groups, "patch_embed") == 0
    assert [group(groups, f"blocks.{b}.") for b in range(12)] == list(range(1, 13))


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224"])
def test_others_have_a_group_per_stage(name):
    groups = layer_groups(backbone(name))
    assert groups.count == 6
    assert set(groups.index.values()) == set(range(6))
    stage = "layers_2." if name.startswith("swin") else "layer3."
    assert group(groups, stage) == 3


def test_every_parameter_has_a_group_that_never_falls_from_input_to_output():
    model = backbone("convnext_base")
    groups = layer_groups(model)
    assert list(groups.index) == [name for name, _ in model.named_parameters()]
    in_order = list(groups.index.values())
    assert in_order == sorted(in_order)


def test_without_an_encoder_there_is_one_group():
    groups = layer_groups(HierarchicalSegmenter((nn.Conv2d(3, 8, 1), 8), (2,)))
    assert groups == LayerGroups(dict.fromkeys(groups.index, 0), 1)


def test_the_learning_rate_falls_towards_the_input():
    groups = LayerGroups({"stem": 0, "middle": 1, "head": 2}, 3)
    assert [groups.scale(name, 0.5) for name in groups.index] == [0.25, 0.5, 1.0]
