"""BHCCM, the bidirectional hierarchical consistency constraint mechanism (Ai et al. 2026, section III-B)."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import OptionError

Mode = Literal["independent", "coarse_to_fine", "fine_to_coarse", "bidirectional", "residual"]
MODES: tuple[Mode, ...] = get_args(Mode)


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

    def forward(self, logits: Tensor) -> Tensor:
        """Map (B, C_a, h, w) to (B, C_b, h, w)."""
        pooled = logits.amax(dim=(2, 3)) + logits.mean(
            dim=(2, 3)
        )  # W is linear: one product serves both poolings
        channel = torch.sigmoid(self.channel_gate(pooled))[:, :, None, None]
        statistics = torch.cat([logits.amax(dim=1, keepdim=True), logits.mean(dim=1, keepdim=True)], dim=1)
        spatial = torch.sigmoid(self.spatial_gate(statistics))
        merged: Tensor = channel * spatial * self.project(logits)
        return merged


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
        mid = [self._collect(j, logits, range(j), self.down, self.down_weight) for j in range(len(logits))]
        out = [
            self._collect(j, mid, range(j + 1, len(mid)), self.up, self.up_weight) for j in range(len(mid))
        ]
        if not self.residual_weight:
            return out
        return [
            x + self.residual_weight[f"{j}"] * o for j, (x, o) in enumerate(zip(logits, out, strict=True))
        ]

    def _collect(
        self, j: int, logits: list[Tensor], sources: range, blocks: nn.ModuleDict, weights: nn.ParameterDict
    ) -> Tensor:
        """Weighted sum of level j's own logits and what the source levels say about it."""
        if not blocks or not sources:
            return logits[j]
        total: Tensor = weights[f"{j}_{j}"] * logits[j]
        for i in sources:
            total = total + weights[f"{i}_{j}"] * blocks[f"{i}_{j}"](logits[i])
        return total


def _scalars(names: list[str]) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(torch.ones(())) for name in names})


__all__ = ("BHCCM", "MODES", "MergeBlock", "Mode")
