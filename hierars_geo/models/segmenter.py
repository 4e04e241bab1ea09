"""HierarchicalSegmenter: any flat model with BHCCM in place of its last classifier."""

from collections.abc import Sequence

from torch import Tensor, nn

from .bhccm import BHCCM, LocalGates, Mode
from .decode import Paths, path_logits
from .features import FeatureExtractor, extract_features, unpad


class HierarchicalSegmenter(nn.Module):
    """Predict every level of a class tree with one pass (Ai et al. 2026, section III-B).

    A tree of one level makes it the flat model: one 1x1 classifier on the same features.

    Args:
        model: Any flat model with encoder, decoder and segmentation_head, or ``(module, channels)``; see
            :func:`hierars_geo.models.extract_features`.
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

    def pool_gates(self, chip_px: int | None, bands: int) -> None:
        """Let the head's channel gates pool over ground around each pixel, for inference.

        Args:
            chip_px: Side of the ground in pixels of the image; None for the whole feature map, as published.
            bands: C of an image.
        """
        self.head.local_gates = None
        if chip_px is not None and self.head.merges:
            px = self.features.pixel(bands)
            self.head.local_gates = LocalGates.of(chip_px / px, int(self.features.multiple / px))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute logits at the input's size.

        Args:
            image: (B, C, H, W) float, any H and W.

        Returns:
            N tensors (B, C_l, H, W), level 1 first.
        """
        return [self._unpad(logits, image) for logits in self.head(self.features(image))]

    def path_logits(self, image: Tensor, paths: Paths) -> Tensor:
        """Compute path logits at the input's size.

        They are summed at the decoder's resolution and only then upsampled: T channels in place of sum C_l.

        Args:
            image: (B, C, H, W) float, any H and W.
            paths: (T, N) int64; of a model with one level only the last column counts.

        Returns:
            (B, T, H, W).
        """
        return self._unpad(self.coarse_path_logits(image, paths), image)

    def coarse_path_logits(self, image: Tensor, paths: Paths) -> Tensor:
        """Compute path logits (B, T, h, w) of the padded image, at the decoder's resolution."""
        return path_logits(self.head(self.features(image)), paths)

    def _unpad(self, logits: Tensor, image: Tensor) -> Tensor:
        return unpad(logits, (image.shape[-2], image.shape[-1]), self.features.multiple)


__all__ = ("HierarchicalSegmenter",)
