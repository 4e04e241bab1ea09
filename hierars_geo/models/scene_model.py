"""SceneModel: from values as stored in the raster to logits, normalisation inside."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import OptionError
from .map_model import MapModel
from .segmenter import HierarchicalSegmenter


class SceneModel(MapModel):
    """Normalise the stored values band by band, silence what is not valid, and segment.

    Because the numbers are buffers of the model, whoever has the checkpoint predicts with the normalisation
    it was trained with.

    Args:
        segmenter: The model proper.
        mean: Value per band that becomes 0.
        std: Value per band that becomes 1 above the mean, > 0.

    Raises:
        OptionError: Different lengths, or a std that is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, segmenter: HierarchicalSegmenter, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise OptionError(
                f"Expected a mean and a std > 0 per band, but got {list(mean)} and {list(std)}."
            )
        self.segmenter = segmenter
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None])
        # measured on CPUs: a U-Net's training step takes a quarter of the time with channels last
        self.layout = torch.channels_last
        self.to(memory_format=self.layout)

    @property
    def multiple(self) -> int:
        """Images are padded to multiples of this."""
        return self.segmenter.features.multiple

    def contiguous_layout(self) -> None:
        """Leave channels last; see :class:`MapModel`."""
        self.layout = torch.contiguous_format
        self.to(memory_format=self.layout)

    def pool_gates(self, chip_px: int | None) -> None:
        """Say what gates pool over; see :class:`MapModel`."""
        self.segmenter.pool_gates(chip_px, len(self.mean))

    @property
    def sees_window(self) -> bool:
        """Whether a layer sees all of a window; see :class:`MapModel`."""
        return self.segmenter.features.sees_all

    def normalise(self, image: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return (image - mean) / std, and 0 (the mean) where not valid.

        Args:
            image: (B, C, H, W) values as stored; anything, NaN too, where not valid.
            valid: (B, H, W) bool, or None where all is valid.
        """
        normal = (image - self.mean) / self.std
        if valid is not None:
            normal = normal.masked_fill(~valid.unsqueeze(1), 0.0)
        return normal.contiguous(memory_format=self.layout)

    def forward(self, image: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level from stored values (B, C, H, W) and validity (B, H, W)."""
        logits: list[Tensor] = self.segmenter(self.normalise(image, valid))
        return logits

    def path_logits(self, image: Tensor, valid: Tensor | None, paths: Tensor) -> Tensor:
        """Compute path logits (B, T, H, W); see :meth:`HierarchicalSegmenter.path_logits`."""
        return self.calibrated(self.segmenter.path_logits(self.normalise(image, valid), paths))

    def coarse_path_logits(self, image: Tensor, valid: Tensor | None, paths: Tensor) -> Tensor:
        """Compute path logits (B, T, h, w) of the padded image, at the decoder's resolution."""
        return self.calibrated(self.segmenter.coarse_path_logits(self.normalise(image, valid), paths))


__all__ = ("SceneModel",)
