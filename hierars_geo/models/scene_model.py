"""From values as stored to logits: any flat segmenter with BHCCM as its classifier, normalisation inside."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import OptionError
from .bhccm import BHCCM, LocalGates, Mode
from .features import FeatureExtractor, extract_features, unpad
from .map_model import MapModel, SeriesPass
from .temporal import SeriesFeatures


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

    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Compute logits at the input's size.

        Args:
            image: (B, C, H, W) float, any H and W; of a series (B, D, C, H, W).
            valid: (B, D, H, W) bool, of series; None where all is valid.
            doy: (B, D) int64 day of the year, of series.

        Returns:
            N tensors (B, C_l, H, W), level 1 first.
        """
        return [self._unpad(logits, image) for logits in self.head(self.features(image, valid, doy))]

    def _unpad(self, logits: Tensor, image: Tensor) -> Tensor:
        return unpad(logits, (image.shape[-2], image.shape[-1]), self.features.multiple)


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
            image: (B, C, H, W) values as stored, of a series (B, D, C, H, W); anything, NaN too, where not
                valid.
            valid: (B, H, W) bool, of a series (B, D, H, W), or None where all is valid.

        Raises:
            OptionError: It is a series and the model is of images, or the other way round.
        """
        if (image.ndim == 5) != self.of_series:
            expected, remedy = (
                ("a series (B, D, C, H, W)", "Say in the data module which dates make a series")
                if self.of_series
                else ("an image (B, C, H, W)", "Set temporal: mean, max, ltae or utae of the model")
            )
            raise OptionError(f"Expected {expected}, but got the shape {tuple(image.shape)}. {remedy}.")
        normal = (image - self.mean) / self.std
        if valid is not None:
            normal = normal.masked_fill(~valid.unsqueeze(-3), 0.0)
        return normal if self.of_series else normal.contiguous(memory_format=self.layout)

    @property
    def of_series(self) -> bool:
        """Whether it takes an axis of dates."""
        return isinstance(self.segmenter.features, SeriesFeatures)

    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Compute logits (B, C_l, H, W) per level; see :class:`MapModel`."""
        logits: list[Tensor] = self.segmenter(self.normalise(image, valid), valid, doy)
        return logits

    def features_and_logits(
        self, image: Tensor, valid: Tensor | None, doy: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Compute features and logits of the padded image; see :class:`MapModel`."""
        features = self.segmenter.features(self.normalise(image, valid), valid, doy)
        return features, self.segmenter.head(features)

    def begin_series(self) -> SeriesPass:
        """Begin a pass over dates that are not kept; see :class:`MapModel`."""
        return _ScenePass(self)


class _ScenePass(SeriesPass):
    """A pass that keeps no date."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__(model)
        extractor = model.segmenter.features
        if not isinstance(extractor, SeriesFeatures):
            raise OptionError("Expected a model of series, but got one of single images. Set temporal.")
        self._scene_model, self._running = model, extractor.begin()

    def add(self, image: Tensor, valid: Tensor, doy: Tensor) -> None:
        """Add a date; see :class:`SeriesPass`."""
        normal = self._scene_model.normalise(image[:, None], valid[:, None])[:, 0]
        self._running.add(normal, valid, doy)

    def features_and_logits(self) -> tuple[Tensor, list[Tensor]]:
        """Compute features and logits; see :class:`SeriesPass`."""
        features = self._running.result()
        return features, self._scene_model.segmenter.head(features)
