"""MapModel: what predicting, exporting and training ask of a model, whatever is inside."""

import abc
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .applicability import Applicability
from .calibration import Calibration, Curve
from .decode import Paths, path_logits
from .dissimilarity import Dissimilarity, cell_of
from .features import padded_size, unpad

#: Maps stored values (B, C, h, w) float32 and validity (B, h, w) bool, of series (B, D, C, h, w) and
#: (B, D, h, w), to path logits (B, T, h, w) float32.
PathModel: TypeAlias = Callable[[Tensor, Tensor], Tensor]

#: One date of B series: stored values (B, C, H, W), validity (B, H, W) bool, and day of the year (B,) int64.
DatedImages: TypeAlias = tuple[Tensor, Tensor, Tensor]


class MapModel(nn.Module, abc.ABC):
    """Stored values in, logits per level or path logits out; normalisation inside.

    A model of series takes an axis of dates, D, behind the batch's, and the day of the year of every date.

    Attributes:
        temperature: Path logits are divided by it; 1 where the model was not calibrated.
        curves: By level, what turns confidence into the share that is right; none where it was not.
        dissimilarity: To the training ground; None where the model does not know it.
    """

    temperature: float = 1.0
    curves: tuple[Curve, ...] = ()
    dissimilarity: Dissimilarity | None

    def __init__(self) -> None:
        super().__init__()
        self.dissimilarity = None

    def know(self, ground: Applicability) -> None:
        """Take over the prototypes of the training ground, for :meth:`map_channels`."""
        device = next(iter(self.parameters())).device
        self.dissimilarity = Dissimilarity(ground).to(device)

    def believe(self, calibration: Calibration | None) -> None:
        """Take over what was measured of the confidence; None leaves it as training made it."""
        self.temperature = 1.0 if calibration is None else calibration.temperature
        self.curves = () if calibration is None else calibration.curves

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
    def features_and_logits(
        self, image: Tensor, valid: Tensor | None, doy: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute what the decoder says of the padded image, and what is made of it.

        Returns:
            Features (B, D, h, w) of the decoder, and logits (B, C_l, h, w) per level.
        """

    def path_logits(
        self, image: Tensor, valid: Tensor | None, paths: Paths, doy: Tensor | None = None
    ) -> Tensor:
        """Compute path logits (B, T, H, W), summed at the decoder's resolution and then upsampled."""
        return self._unpad(self.coarse_path_logits(image, valid, paths, doy), image)

    def coarse_path_logits(
        self, image: Tensor, valid: Tensor | None, paths: Paths, doy: Tensor | None = None
    ) -> Tensor:
        """Compute path logits (B, T, h, w) of the padded image, at the decoder's resolution."""
        return self.calibrated(path_logits(self.features_and_logits(image, valid, doy)[1], paths))

    def begin_series(self) -> "SeriesPass":
        """Begin a pass over the dates of series that come one after another."""
        return SeriesPass(self)

    @property
    @abc.abstractmethod
    def of_series(self) -> bool:
        """Whether it takes an axis of dates."""

    def map_channels(
        self, image: Tensor, valid: Tensor | None, paths: Paths, doy: Tensor | None = None
    ) -> Tensor:
        """Compute path logits and, as the last channel, dissimilarities to the training ground.

        Returns:
            (B, T + 1, H, W); a dissimilarity above 1 is outside the area of applicability.
        """
        return self._unpad(self.coarse_map_channels(image, valid, paths, doy), image)

    def coarse_map_channels(
        self, image: Tensor, valid: Tensor | None, paths: Paths, doy: Tensor | None = None
    ) -> Tensor:
        """Compute what :meth:`map_channels` does, (B, T + 1, h, w), at the decoder's resolution."""
        return self.channels_of(*self.features_and_logits(image, valid, doy), image, paths)

    def channels_of(self, features: Tensor, logits: list[Tensor], image: Tensor, paths: Paths) -> Tensor:
        """Make what :meth:`map_channels` says of features and logits of an image, at their resolution."""
        scores = self.calibrated(path_logits(logits, paths))
        found = self.unlike(features, self.cell(image, features), (scores.shape[-2], scores.shape[-1]))
        return torch.cat([scores, found.to(scores.dtype)], dim=1)

    def unlike(self, features: Tensor, cell: int, size: tuple[int, int]) -> Tensor:
        """Compute dissimilarities (B, 1, h, w) to the training ground.

        Args:
            features: (B, D, h', w').
            cell: Of :meth:`cell`.
            size: (h, w).
        """
        if self.dissimilarity is None:
            raise RuntimeError("dissimilarities are for models that know their training ground")
        found: Tensor = self.dissimilarity(features, cell)
        if found.shape[-2:] == torch.Size(size):
            return found
        return F.interpolate(found, size=size, mode="bilinear", align_corners=False)

    def cell(self, image: Tensor, features: Tensor) -> int:
        """Side of a cell that dissimilarities are found for, in pixels of the features."""
        tall, _ = padded_size((image.shape[-2], image.shape[-1]), self.multiple)
        return cell_of(tall, int(features.shape[-2]), self.multiple)

    def _unpad(self, channels: Tensor, image: Tensor) -> Tensor:
        return unpad(channels, (image.shape[-2], image.shape[-1]), self.multiple)

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


class SeriesPass:
    """One pass over the dates of series: the model, in eval mode, sees one after another.

    This one keeps them and shows the model all at once; a model that need not has one of its own.
    """

    def __init__(self, model: MapModel) -> None:
        self._model = model
        self._dates: list[DatedImages] = []

    def add(self, image: Tensor, valid: Tensor, doy: Tensor) -> None:
        """Add a date.

        Args:
            image: Stored values (B, C, H, W).
            valid: (B, H, W) bool.
            doy: (B,) int64, day of the year 1..366.
        """
        self._dates.append((image, valid, doy))

    def features_and_logits(self) -> tuple[Tensor, list[Tensor]]:
        """Compute what :meth:`MapModel.features_and_logits` does, after at least one date."""
        image, valid, doy = (torch.stack(parts, dim=1) for parts in zip(*self._dates, strict=True))
        return self._model.features_and_logits(image, valid, doy)

    def channels(self, image: Tensor, paths: Paths, applicability: bool = False) -> Tensor:
        """Compute path logits (B, T, H, W), and dissimilarities after them where they are asked for.

        Args:
            image: (..., H, W) of any date.
            paths: (T, N) int64.
            applicability: See :meth:`MapModel.map_channels`.
        """
        features, logits = self.features_and_logits()
        if applicability:
            coarse = self._model.channels_of(features, logits, image, paths)
        else:
            coarse = self._model.calibrated(path_logits(logits, paths))
        return unpad(coarse, (image.shape[-2], image.shape[-1]), self._model.multiple)
