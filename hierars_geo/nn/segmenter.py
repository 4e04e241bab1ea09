"""HierarchicalSegmenter: any flat model with BHCCM in place of its last classifier."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .bhccm import BHCCM, Mode
from .decode import Paths, path_logits
from .features import FeatureExtractor, extract_features


class HierarchicalSegmenter(nn.Module):
    """Predict every level of a class tree with one pass (Ai et al. 2026, section III-B).

    A tree of one level makes it the flat model: one 1x1 classifier on the same features.

    Args:
        model: Any flat model with encoder, decoder and segmentation_head, or ``(module, channels)``; see
            :func:`hierars_geo.nn.extract_features`.
        num_classes: (C_1, ..., C_N), coarsest level first.
        mode: How the levels talk, see :class:`BHCCM`.
        dropout: Dropout before the classifiers, 0..1.

    Raises:
        OptionError: The model has no features to be found, or the other arguments are out of range.
    """

    def __init__(
        self,
        model: nn.Module | tuple[nn.Module, int],
        num_classes: Sequence[int],
        mode: Mode = "residual",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.features: FeatureExtractor = extract_features(model)
        self.head = BHCCM(self.features.channels, num_classes, mode=mode, dropout=dropout)

    @property
    def num_classes(self) -> tuple[int, ...]:
        """(C_1, ..., C_N)."""
        return self.head.num_classes

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute logits at the input's size.

        Args:
            image: (B, C, H, W) float, any H and W.

        Returns:
            N tensors (B, C_l, H, W), level 1 first.
        """
        size = _size(image)
        return [self._upsample(logits, size) for logits in self.head(self.features(image))]

    def path_logits(self, image: Tensor, paths: Paths) -> Tensor:
        """Compute path logits at the input's size.

        They are summed at the decoder's resolution and only then upsampled: T channels in place of sum C_l.

        Args:
            image: (B, C, H, W) float, any H and W.
            paths: (T, N) int64; of a model with one level only the last column counts.

        Returns:
            (B, T, H, W).
        """
        return self._upsample(path_logits(self.head(self.features(image)), paths), _size(image))

    def _upsample(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring (B, K, h, w) of the padded image to (B, K, H, W) of the image."""
        padded = self.features.padded_size(size)
        if torch.compiler.is_compiling() or logits.shape[-2:] != padded:  # a graph serves every size
            logits = F.interpolate(logits, size=padded, mode="bilinear", align_corners=False)
        return logits[..., : size[0], : size[1]]


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


__all__ = ("HierarchicalSegmenter",)
