"""MSCAN, the convolutional-attention encoder of SegNeXt (Guo et al. 2022, arXiv 2209.08575).

Neither timm nor segmentation-models-pytorch has it. It is written as an encoder of the latter, so that every
decoder there takes it; the names of the layers are those of the published weights, which therefore load.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from segmentation_models_pytorch.encoders._base import EncoderMixin
from timm.layers.drop import DropPath
from torch import Tensor, nn

#: Kernel lengths of the strip convolutions.
_STRIPS = (7, 11, 21)

#: Expansion of the feed-forward layers, stage by stage.
_MLP_RATIOS = (8, 8, 4, 4)


@dataclass(frozen=True)
class MSCANSize:
    """Size of an MSCAN.

    Attributes:
        widths: Channels of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the input.
        depths: Blocks per stage.
        drop_path_rate: Of the last block; grows linearly from 0 at the first.
    """

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    drop_path_rate: float = 0.1


MSCAN_SIZES: dict[str, MSCANSize] = {
    "mscan_tiny": MSCANSize((32, 64, 160, 256), (3, 3, 5, 2)),
    "mscan_small": MSCANSize((64, 128, 320, 512), (2, 2, 4, 2)),
    "mscan_base": MSCANSize((64, 128, 320, 512), (3, 3, 12, 3)),
    "mscan_large": MSCANSize((64, 128, 320, 512), (3, 5, 27, 3), drop_path_rate=0.3),
}


class StripAttention(nn.Module):
    """Weigh every pixel by what strips of three lengths see around it: ``conv3(sum of branches) * x``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = _depthwise(channels, (5, 5))
        for index, length in enumerate(_STRIPS):
            self.add_module(f"conv{index}_1", _depthwise(channels, (1, length)))
            self.add_module(f"conv{index}_2", _depthwise(channels, (length, 1)))
        self.conv3 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to the same shape."""
        near: Tensor = self.conv0(x)
        total = near
        for index in range(len(_STRIPS)):
            across = self.get_submodule(f"conv{index}_1")(near)
            total = total + self.get_submodule(f"conv{index}_2")(across)
        weighted: Tensor = self.conv3(total) * x
        return weighted


class GatedAttention(nn.Module):
    """Strip attention between two projections, with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(channels, channels, 1)
        self.activation = nn.GELU()
        self.spatial_gating_unit = StripAttention(channels)
        self.proj_2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to the same shape."""
        mixed: Tensor = self.proj_2(self.spatial_gating_unit(self.activation(self.proj_1(x)))) + x
        return mixed


class FeedForward(nn.Module):
    """Widen, mix neighbours by a 3x3 depthwise convolution, narrow."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.dwconv = _depthwise(hidden, (3, 3))
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to the same shape."""
        narrowed: Tensor = self.fc2(self.act(self.dwconv(self.fc1(x))))
        return narrowed


class MSCANBlock(nn.Module):
    """Attention and feed-forward, each normalised, scaled per channel and added to its input."""

    def __init__(self, channels: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attn = GatedAttention(channels)
        self.drop_path = DropPath(0.0)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = FeedForward(channels, channels * mlp_ratio)
        self.layer_scale_1 = nn.Parameter(torch.full((channels,), 1e-2))
        self.layer_scale_2 = nn.Parameter(torch.full((channels,), 1e-2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to the same shape."""
        x = x + self.drop_path(self.layer_scale_1[:, None, None] * self.attn(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.layer_scale_2[:, None, None] * self.mlp(self.norm2(x)))
        return out


class Embedding(nn.Module):
    """Halve the resolution between two stages."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to (B, D', h/2, w/2)."""
        out: Tensor = self.norm(self.proj(x))
        return out


class Stem(nn.Module):
    """Bring the image to a quarter of its resolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv2d(in_channels, channels // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels // 2),
            nn.GELU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, D, H/4, W/4)."""
        out: Tensor = self.proj(x)
        return out


class MSCAN(nn.Module, EncoderMixin):
    """Encoder with four stages of strip attention; widths, depths and rate as of :class:`MSCANSize`.

    Its depth, as segmentation-models-pytorch counts, is 5 and its output stride 32, the only ones there are.
    """

    def __init__(
        self,
        widths: Sequence[int],
        depths: Sequence[int],
        drop_path_rate: float = 0.1,
        depth: int = 5,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, 0, *widths]
        for stage, (width, blocks) in enumerate(zip(widths, depths, strict=True), start=1):
            before = Stem(3, width) if stage == 1 else Embedding(widths[stage - 2], width)
            self.add_module(f"patch_embed{stage}", before)
            body = nn.ModuleList(MSCANBlock(width, _MLP_RATIOS[stage - 1]) for _ in range(blocks))
            self.add_module(f"block{stage}", body)
            self.add_module(f"norm{stage}", nn.LayerNorm(width))
        self.apply(_initialise)
        self.set_drop_path(drop_path_rate)

    def set_drop_path(self, rate: float) -> None:
        """Let blocks drop out, from 0 at the first to ``rate`` at the last."""
        blocks = [module for module in self.modules() if isinstance(module, MSCANBlock)]
        for index, block in enumerate(blocks):
            block.drop_path.drop_prob = rate * index / max(1, len(blocks) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the pyramid.

        Args:
            x: (B, C, H, W) image; H and W multiples of 32.

        Returns:
            The image, an empty map at 1/2 (there is no such stage), and the stages' maps at 1/4 .. 1/32.
        """
        features = [x, x[:, :0, ::2, ::2]]
        for stage in range(1, self._depth):
            x = self.get_submodule(f"patch_embed{stage}")(x)
            for block in self.get_submodule(f"block{stage}").children():
                x = block(x)
            x = self.get_submodule(f"norm{stage}")(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
            features.append(x)
        return features


def _depthwise(channels: int, kernel: tuple[int, int]) -> nn.Conv2d:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels)


def _initialise(module: nn.Module) -> None:
    """Normal weights by fan-out, biases 0, as published."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
