"""What the decoder gets of two streams: one map per stage of the pyramid."""

from math import gcd
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .block_groups import STAGES

#: Wanted groups of the norms before two streams are merged.
_NORM_GROUPS = 32

#: Edge of the image that a decoder is tried with: two positions in the last map.
_TRIAL_PX = 64


class StreamMerge(nn.Module):
    """Merge one stage of both streams: ``a ReLU(GN(x_T)) + b ReLU(GN(x_S))``, a and b learnable from 1.

    Where the widths differ, x_S first passes a 3x3 convolution to the target's width; where the sizes differ,
    it is resized bilinearly. The norms have 32 groups, or the greatest common divisor of 32 and the width.

    Args:
        channels: D of the target's map.
        source_channels: D' of the source's.
    """

    def __init__(self, channels: int, source_channels: int) -> None:
        super().__init__()
        groups = gcd(_NORM_GROUPS, channels)
        same = channels == source_channels
        self.match = nn.Identity() if same else nn.Conv2d(source_channels, channels, 3, padding=1)
        self.target_norm = nn.GroupNorm(groups, channels)
        self.source_norm = nn.GroupNorm(groups, channels)
        self.target_gain = nn.Parameter(torch.ones(()))
        self.source_gain = nn.Parameter(torch.ones(()))

    def forward(self, x_target: Tensor, x_source: Tensor) -> Tensor:
        """Map (B, D, h, w) and (B, D', h', w') to (B, D, h, w)."""
        x_source = self.match(x_source)
        if x_source.shape[-2:] != x_target.shape[-2:]:
            size = (x_target.shape[-2], x_target.shape[-1])
            x_source = F.interpolate(x_source, size, mode="bilinear", align_corners=False)
        target, source = F.relu(self.target_norm(x_target)), F.relu(self.source_norm(x_source))
        return self.target_gain * target + self.source_gain * source


def stages_read(encoder: nn.Module, decoder: nn.Module) -> tuple[int, ...]:
    """Find the stages 0..3 of an encoder whose maps a decoder reads.

    A merge that nobody reads would hold weights that never get a gradient. The decoder is tried once on a
    small image and asked which maps its features depend on; neither module is changed.

    Args:
        encoder: With the bands of its first layer in ``out_channels[0]``, as segmentation-models-pytorch's.
        decoder: Takes the encoder's list of maps.

    Returns:
        Indices, rising.
    """
    modes = [(module, module.training) for root in (encoder, decoder) for module in root.modules()]
    weight = next(encoder.parameters())
    channels: Any = encoder.out_channels
    image = torch.zeros(1, int(channels[0]), _TRIAL_PX, _TRIAL_PX, dtype=weight.dtype, device=weight.device)
    try:
        encoder.eval()
        decoder.eval()
        with torch.no_grad():
            features = list(encoder(image))
        with torch.enable_grad():
            maps = [each.clone().requires_grad_() for each in features[-STAGES:]]
            read = torch.autograd.grad(decoder([*features[:-STAGES], *maps]).sum(), maps, allow_unused=True)
    finally:
        for module, mode in modes:
            module.training = mode
    return tuple(stage for stage, gradient in enumerate(read) if gradient is not None)


__all__ = ("StreamMerge", "stages_read")
