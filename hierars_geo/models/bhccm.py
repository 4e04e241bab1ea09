"""BHCCM, the bidirectional hierarchical consistency constraint mechanism (Ai et al. 2026, section III-B)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import OptionError

Mode = Literal["independent", "coarse_to_fine", "fine_to_coarse", "bidirectional", "residual"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class LocalGates:
    """Ground that the channel gates pool over around each pixel, in place of the whole feature map.

    Ours, for inference (see docs/models.md): means and maxima are taken of cells, then of the cells around
    each, fewer at the border; gates change linearly from one cell's centre to the next. What a pixel gets
    therefore does not depend on how large a window it is predicted in.

    Attributes:
        cell: Side of a cell in pixels of the feature map, whose sides it divides.
        reach: Cells pooled to each side of a pixel's own.
    """

    cell: int
    reach: int

    @classmethod
    def of(cls, side: float, divisor: int) -> "LocalGates":
        """Choose cells of about an eighth of the ground's side.

        Args:
            side: Of the ground in pixels of the feature map, > 0.
            divisor: Number that divides the sides of every feature map.

        Examples:
            >>> LocalGates.of(64, 32), LocalGates.of(160, 8), LocalGates.of(3, 1)
            (LocalGates(cell=8, reach=4), LocalGates(cell=8, reach=10), LocalGates(cell=1, reach=2))
        """
        cell = 1
        while cell * 2 <= side / 8 and divisor % (cell * 2) == 0:
            cell *= 2
        return cls(cell, max(1, round(side / cell / 2)))

    def pool(self, logits: Tensor) -> Tensor:
        """Sum maxima and means around each cell: (B, C, h, w) to (B, C, h / cell, w / cell)."""
        mean, most = logits, logits
        if self.cell > 1:
            mean, most = F.avg_pool2d(logits, self.cell), F.max_pool2d(logits, self.cell)
        # both are separable, the mean because every row of a rectangle holds as many pixels
        for tall, wide in ((1, 0), (0, 1)):
            size = 1 + 2 * self.reach * tall, 1 + 2 * self.reach * wide
            border = self.reach * tall, self.reach * wide
            mean = F.avg_pool2d(mean, size, 1, border, count_include_pad=False)
            most = F.max_pool2d(most, size, 1, border)
        return mean + most


@dataclass(frozen=True)
class GateSource:
    """What a level says, and what the gates of all blocks that read it have in common.

    ``pooled`` is GMP + GAP (B, C) or, of local gates, (B, C, h', w'); ``profile`` (B, 2, h, w) holds the
    largest and the mean of a pixel's logits.
    """

    logits: Tensor
    pooled: Tensor
    profile: Tensor

    @classmethod
    def of(cls, logits: Tensor, local: LocalGates | None = None) -> "GateSource":
        """Pool the logits (B, C, h, w) of a level."""
        # W is linear: one product serves both poolings
        pooled = logits.amax(dim=(2, 3)) + logits.mean(dim=(2, 3)) if local is None else local.pool(logits)
        profile = torch.cat([logits.amax(dim=1, keepdim=True), logits.mean(dim=1, keepdim=True)], dim=1)
        return cls(logits, pooled, profile)


class MergeBlock(nn.Module):
    """Turn the logits of one level into a contribution to another one, gated by channel and by place.

    ``M(X) = g * s * Conv1x1(X)`` with the channel gate ``g = sigmoid(W GMP(X) + W GAP(X))``, one shared
    bias-free W, and the spatial gate ``s = sigmoid(Conv7x7([max_c X; mean_c X]))``.

    Args:
        in_classes: C_a, channels of the level given.
        out_classes: C_b, channels of the level wanted.
    """

    def __init__(self, in_classes: int, out_classes: int) -> None:
        super().__init__()
        self.channel_gate = nn.Linear(in_classes, out_classes, bias=False)
        self.spatial_gate = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)
        self.project = nn.Conv2d(in_classes, out_classes, kernel_size=1, bias=False)

    def forward(self, total: Tensor, source: GateSource, weight: Tensor) -> Tensor:
        """Return ``total + weight M(X)``: (B, C_b, h, w) as ``total``, X the source's (B, C_a, h, w)."""
        if source.pooled.ndim == 2:
            channel = weight * torch.sigmoid(self.channel_gate(source.pooled))[:, :, None, None]
        else:
            pooled = F.conv2d(source.pooled, self.channel_gate.weight[:, :, None, None])
            channel = weight * torch.sigmoid(pooled)
            if channel.shape[-2:] != source.logits.shape[-2:]:
                size = source.logits.shape[-2:]
                channel = F.interpolate(channel, size=size, mode="bilinear", align_corners=False)
        # in this order: the product of both gates would lose the layout, and with it most of the time
        placed = self.project(source.logits) * torch.sigmoid(self.spatial_gate(source.profile))
        return torch.addcmul(total, placed, channel)


class BHCCM(nn.Module):
    """Replace the last classifier of a flat model: one set of logits per level, talking to each other.

    With X_l the per-level classifiers' output, M and M' merge blocks and w, y, z learnable scalars from 1:

    * coarse to fine: ``Mid_1 = X_1; Mid_j = w_jj X_j + sum_{i<j} w_ij M_ij(X_i)``
    * fine to coarse: ``Out_N = Mid_N; Out_j = y_jj Mid_j + sum_{k>j} y_kj M'_kj(Mid_k)``
    * residual: ``Z_j = X_j + z_j Out_j``

    A tree of one level has nothing to merge: every mode is then the flat classifier.

    Args:
        in_channels: D, channels of the decoder's feature map.
        num_classes: (C_1, ..., C_N), coarsest level first.
        mode: ``independent`` (classifiers only), ``coarse_to_fine``, ``fine_to_coarse`` (with Mid = X),
            ``bidirectional`` or ``residual`` (the paper's final form).
        dropout: Probability of dropping a feature channel before the classifiers, 0..1.

    Attributes:
        local_gates: Ground that the channel gates pool over around each pixel; None, as published and as in
            training, for the whole feature map.

    Raises:
        OptionError: An unknown mode, no level, or a level without classes.
    """

    def __init__(
        self, in_channels: int, num_classes: Sequence[int], mode: Mode = "residual", dropout: float = 0.1
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise OptionError(f"Expected mode to be one of {', '.join(MODES)}, but got '{mode}'.")
        if not num_classes or min(num_classes) < 1:
            raise OptionError(
                f"Expected num_classes to hold a count >= 1 per level, but got {tuple(num_classes)}."
            )
        self.num_classes = tuple(num_classes)
        self.mode = mode
        self.local_gates: LocalGates | None = None
        levels = range(len(self.num_classes))
        self.dropout = nn.Dropout2d(dropout)
        self.classifiers = nn.ModuleList(
            nn.Conv2d(in_channels, classes, kernel_size=1) for classes in num_classes
        )
        downward = mode in ("coarse_to_fine", "bidirectional", "residual")
        upward = mode in ("fine_to_coarse", "bidirectional", "residual")
        self.down, self.down_weight = self._links(
            [(i, j) for j in levels for i in range(j)] if downward else []
        )
        self.up, self.up_weight = self._links(
            [(k, j) for j in levels for k in levels if k > j] if upward else []
        )
        residual = mode == "residual" and len(self.num_classes) > 1
        self.residual_weight = _scalars([f"{j}" for j in levels] if residual else [])

    def _links(self, pairs: list[tuple[int, int]]) -> tuple[nn.ModuleDict, nn.ParameterDict]:
        """Make a block and a weight per ordered pair (from, to), and one for each target's own logits."""
        counts = self.num_classes
        blocks = nn.ModuleDict({f"{a}_{b}": MergeBlock(counts[a], counts[b]) for a, b in pairs})
        own = sorted({b for _, b in pairs})
        return blocks, _scalars([f"{a}_{b}" for a, b in pairs] + [f"{b}_{b}" for b in own])

    def forward(self, features: Tensor) -> list[Tensor]:
        """Compute the logits of every level.

        Args:
            features: (B, D, h, w) float.

        Returns:
            N tensors (B, C_l, h, w), level 1 first.
        """
        return self.merge(self.classify(features))

    @property
    def merges(self) -> bool:
        """Whether any level hears of another one."""
        return bool(self.down or self.up)

    @torch.no_grad()
    def silence(self) -> float:
        """Let no level hear of another yet: how to listen is to be learnt. Return how many times X is Z."""
        for block in (*self.down.values(), *self.up.values()):
            nn.init.zeros_(block.get_parameter("project.weight"))
        for weights in (self.down_weight, self.up_weight, self.residual_weight):
            for weight in weights.values():
                nn.init.ones_(weight)
        return 2.0 if self.residual_weight else 1.0

    def classify(self, features: Tensor) -> list[Tensor]:
        """Compute X, what the levels say before they talk: N tensors (B, C_l, h, w)."""
        features = self.dropout(features)
        return [classifier(features) for classifier in self.classifiers]

    def merge(self, logits: list[Tensor]) -> list[Tensor]:
        """Let the levels talk: X to Z.

        Separate from :meth:`forward` because cross-domain transfer masks X first.

        Args:
            logits: X, one (B, C_l, h, w) per level.

        Returns:
            Z, of the same shapes.
        """
        mid = self._collected(logits, lambda j: range(j), self.down, self.down_weight)
        out = self._collected(mid, lambda j: range(j + 1, len(mid)), self.up, self.up_weight)
        if not self.residual_weight:
            return out
        return [
            x + self.residual_weight[f"{j}"] * o for j, (x, o) in enumerate(zip(logits, out, strict=True))
        ]

    def _collected(
        self,
        logits: list[Tensor],
        sources_of: Callable[[int], range],
        blocks: nn.ModuleDict,
        weights: nn.ParameterDict,
    ) -> list[Tensor]:
        """Per level the weighted sum of its own logits and what its source levels say about it."""
        if not blocks:
            return logits
        levels = range(len(logits))
        asked = {i for j in levels for i in sources_of(j)}
        source = {i: GateSource.of(logits[i], self.local_gates) for i in asked}
        totals: list[Tensor] = []
        for j in levels:
            total = weights[f"{j}_{j}"] * logits[j] if sources_of(j) else logits[j]
            for i in sources_of(j):
                block = blocks[f"{i}_{j}"]
                total = block(total, source[i], weights[f"{i}_{j}"])
            totals.append(total)
        return totals


def _scalars(names: list[str]) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(torch.ones(())) for name in names})
