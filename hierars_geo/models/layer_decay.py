"""Depth of every parameter, for learning rates that fall towards the input (layer-wise decay)."""

import re
from dataclasses import dataclass

from torch import nn

#: What stands before the names of a backbone's own layers; a pyramid behind a ViT is none of them.
_PREFIX = re.compile(r"(?:^|\.)encoder\.(?:model\.|vit\.)*(?!pyramid\.)")

#: ``stages_2.blocks.5`` of a ConvNeXt, counted from 0; its third stage holds most of the blocks.
_CONVNEXT = re.compile(r"stages[_.](\d+)\.(?:blocks\.(\d+)\.)?")

#: Stages or blocks counted from 0: Swin's ``layers_1``, ViT's ``blocks.7``.
_FROM_ZERO = re.compile(r"(?:layers[_.]|blocks[_.])(\d+)\.")

#: Stages counted from 1: ResNet's ``layer2``, MiT's and MSCAN's ``patch_embed2``, ``block2``, ``norm2``.
_FROM_ONE = re.compile(r"(?:layer|block|patch_embed|norm)(\d+)\.")

#: torchvision's Swin V2: patches, and then stages with a merging before all but the first.
_SWIN_V2 = re.compile(r"swin\.(\d)\.")

#: Blocks of ConvNeXt's third stage that share one group.
_BLOCKS_PER_GROUP = 3


@dataclass(frozen=True)
class LayerGroups:
    """Groups of parameters from the input to the output.

    Attributes:
        index: Group of every parameter by its name, 0 (stem) .. count - 1 (all that is not the backbone).
        count: G, number of groups.
    """

    index: dict[str, int]
    count: int

    def scale(self, name: str, decay: float) -> float:
        """Factor on the learning rate of a parameter: ``decay ** (G - 1 - group)``; 1 for the head."""
        factor: float = decay ** (self.count - 1 - self.index[name])
        return factor


def layer_groups(model: nn.Module) -> LayerGroups:
    """Number the parameters of a segmenter by depth.

    * ConvNeXt: stem, stage 1, stage 2, every three blocks of stage 3, stage 4: 13 groups with the stem for
      27 blocks (B, L), 7 for nine (T); a downsampling layer goes with the stage it opens. This is the
      layer-wise scheme of the segmentation recipes of BEiT and ConvNeXt ("12 layers").
    * ViT: embedding (with the table of positions), then one group per block.
    * Swin, ResNet, MiT, MSCAN: stem, then one group per stage.
    * Last: decoder, pyramid, classifiers, and whatever belongs to no ``encoder``.

    Args:
        model: A :class:`~hierars_geo.models.HierarchicalSegmenter`, or anything that holds one; the backbone
            is found by the name ``encoder``.

    Returns:
        The groups; a model without an ``encoder`` has one.
    """
    names = [name for name, _ in model.named_parameters()]
    backbone = {name: name[found.end() :] for name in names if (found := _PREFIX.search(name))}
    depths: dict[str, int] = {}
    third_stage = [b for tail in backbone.values() if (b := _third_stage_block(tail)) is not None]
    last_convnext_group = 3 + (max(third_stage, default=-1) // _BLOCKS_PER_GROUP + 1)
    current = 0  # a layer without a number stands with those before it: norms after the last stage, say
    for name, tail in backbone.items():
        group = _depth(tail, last_convnext_group)
        current = current if group is None else group
        depths[name] = current
    head = max(depths.values(), default=-1) + 1
    return LayerGroups({name: depths.get(name, head) for name in names}, head + 1)


def _depth(tail: str, last_convnext_group: int) -> int | None:
    """Group of a backbone's parameter, or None where its name holds no number."""
    if found := _CONVNEXT.match(tail):
        stage = int(found[1])
        if stage < 2:
            return stage + 1
        return last_convnext_group if stage > 2 else 3 + int(found[2] or 0) // _BLOCKS_PER_GROUP
    if found := _FROM_ZERO.match(tail):
        return int(found[1]) + 1
    if found := _SWIN_V2.match(tail):
        return int(found[1]) // 2 + 1 if int(found[1]) else 0
    if found := _FROM_ONE.match(tail):
        return 0 if tail.startswith("patch_embed1.") else int(found[1])
    return None


def _third_stage_block(tail: str) -> int | None:
    found = _CONVNEXT.match(tail)
    return int(found[2]) if found and found[1] == "2" and found[2] else None
