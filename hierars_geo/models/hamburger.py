"""Light Hamburger, SegNeXt's decoder: global context by factorising the feature map.

Geng et al. 2021, "Is Attention Better Than Matrix Decomposition?" (arXiv 2109.04553), in the light form of
SegNeXt (Guo et al. 2022, arXiv 2209.08575).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON = 1e-6


#: Updates while training and in eval mode, and the factor on the similarities that C starts from.
_TRAIN_STEPS, _EVAL_STEPS, _SHARPNESS = 6, 7, 100.0


class MatrixFactorisation(nn.Module):
    """Replace a non-negative feature map by its factorisation of low rank.

    The map, as a matrix X (D, n) over the n pixels, becomes ``A C^T`` with multiplicative updates of
    non-negative factors A (D, R) and C (n, R). The gradient takes the last update of C alone (the paper's
    one-step gradient), so that memory does not grow with the number of steps.

    While training, A starts at random for every image; in eval mode it starts from one table that travels
    with the weights, so that the same image gives the same map.

    Args:
        channels: D.
        rank: R.
    """

    bases: Tensor

    def __init__(self, channels: int, rank: int = 16) -> None:
        super().__init__()
        self.rank = rank
        self.register_buffer("bases", F.normalize(torch.rand(channels, rank), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w), non-negative, to the same shape.

        Products of thousands of pixels leave the range of half precision: the factors are float32.
        """
        if torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                return self._factorise(x)
        return self._factorise(x)

    def _factorise(self, x: Tensor) -> Tensor:
        matrix = x.float().flatten(2)  # (B, D, n)
        with torch.no_grad():
            bases = self._start(matrix)
            coefficients = torch.softmax(_SHARPNESS * matrix.transpose(1, 2) @ bases, dim=-1)
            for _ in range(_TRAIN_STEPS if self.training else _EVAL_STEPS):
                coefficients = _update(coefficients, matrix.transpose(1, 2), bases)
                bases = _update(bases, matrix, coefficients)
        coefficients = _update(coefficients, matrix.transpose(1, 2), bases)
        return (bases @ coefficients.transpose(1, 2)).reshape(x.shape).to(x.dtype)

    def _start(self, matrix: Tensor) -> Tensor:
        if self.training:
            drawn = torch.rand(matrix.shape[0], matrix.shape[1], self.rank, device=matrix.device)
            return F.normalize(drawn, dim=1)
        return self.bases.float().expand(matrix.shape[0], -1, -1)


def _update(factor: Tensor, matrix: Tensor, other: Tensor) -> Tensor:
    """One multiplicative update of ``factor`` in ``matrix = factor other^T`` (Lee and Seung 2001)."""
    return factor * (matrix @ other) / (factor @ (other.transpose(1, 2) @ other) + _EPSILON)


class LightHamburger(nn.Module):
    """Fuse the maps at 1/8, 1/16 and 1/32 and give each pixel the context of the whole window.

    Args:
        encoder_channels: Channels of the encoder's maps, the image first, as segmentation-models-pytorch
            lists them; the last three count.
        channels: D, channels of the features.
        rank: See :class:`MatrixFactorisation`.
    """

    def __init__(self, encoder_channels: Sequence[int], channels: int = 256, rank: int = 16) -> None:
        super().__init__()
        self.squeeze = _projection(sum(encoder_channels[-3:]), channels)
        self.ham_in = nn.Conv2d(channels, channels, 1)
        self.ham = MatrixFactorisation(channels, rank)
        self.ham_out = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(_NORM_GROUPS, channels)
        )
        self.align = _projection(channels, channels)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the encoder's pyramid to features (B, D, H/8, W/8)."""
        levels = features[-3:]
        size = levels[0].shape[-2:]
        resized = [levels[0]] + [
            F.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in levels[1:]
        ]
        squeezed = self.squeeze(torch.cat(resized, dim=1))
        context = self.ham_out(self.ham(F.relu(self.ham_in(squeezed))))
        aligned: Tensor = self.align(F.relu(squeezed + context))
        return aligned


_NORM_GROUPS = 32


def _projection(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.GroupNorm(_NORM_GROUPS, channels),
        nn.ReLU(),
    )
