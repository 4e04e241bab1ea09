"""MapModel: what predicting, exporting and training ask of a model, whatever is inside."""

import abc
from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor, nn

#: Maps stored values (B, C, h, w) float32 and validity (B, h, w) bool, of series (B, D, C, h, w) and
#: (B, D, h, w), to path logits (B, T, h, w) float32.
PathModel: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class MapModel(nn.Module, abc.ABC):
    """Stored values in, logits per level or path logits out; normalisation inside.

    A model of series takes an axis of dates, D, behind the batch's, and the day of the year of every date.

    Attributes:
        temperature: Path logits are divided by it; 1 where the model was not calibrated.
    """

    temperature: float = 1.0

    def calibrated(self, path_logits: Tensor) -> Tensor:
        """Divide path logits by the temperature: other confidence, the same best path."""
        return path_logits if self.temperature == 1 else path_logits / self.temperature

    @abc.abstractmethod
    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level.

        Args:
            image: Stored values (B, C, H, W); of a series (B, D, C, H, W).
            valid: (B, H, W) bool; of a series (B, D, H, W).
            doy: (B, D) int64, day of the year 1..366, of a series alone.
        """

    @abc.abstractmethod
    def path_logits(
        self, image: Tensor, valid: Tensor | None, paths: Tensor, doy: Tensor | None = None
    ) -> Tensor:
        """Compute path logits (B, T, H, W), summed at the decoder's resolution and then upsampled."""

    @abc.abstractmethod
    def coarse_path_logits(
        self, image: Tensor, valid: Tensor | None, paths: Tensor, doy: Tensor | None = None
    ) -> Tensor:
        """Compute path logits (B, T, h, w) of the padded image, at the decoder's resolution."""

    @abc.abstractmethod
    def pool_gates(self, chip_px: int | None) -> None:
        """Let BHCCM's channel gates pool over ground of a training chip's size around each pixel.

        For inference alone, see :class:`~hierars_geo.models.LocalGates`.

        Args:
            chip_px: Side of the ground in pixels of the image; None for the whole window, as in training.
        """

    @property
    @abc.abstractmethod
    def sees_window(self) -> bool:
        """Whether layers other than BHCCM's gates pool over all of a window, however large it is."""

    @property
    @abc.abstractmethod
    def multiple(self) -> int:
        """Images are padded at the bottom and right to a height and width that are multiples of this."""

    @abc.abstractmethod
    def contiguous_layout(self) -> None:
        """Leave channels last, which would become part of an exported graph's conditions."""


__all__ = ("MapModel", "PathModel")
