"""SeriesFeatures: one encoder for every date, a reduction over the dates, one decoder."""

from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import Tensor

from ...errors import OptionError, unknown_name
from ..features import TRIAL_PX, EncoderDecoder, FeatureExtractor, pad, padded_size
from .ltae import LTAE, UTAE
from .reduction import MaxOverDates, MeanOverDates, TemporalReduction, by_date, valid_shares

#: How the dates of a series become one.
TEMPORAL: Final = ("ltae", "max", "mean", "utae")


class SeriesFeatures(FeatureExtractor):
    """Features of a series of images (B, D, C, H, W).

    The encoder sees every date by itself, so that weights of single images serve; what it finds is brought
    from D dates to one, level by level, and decoded once. In training it sees all dates of a batch at once,
    those alone that hold a valid pixel, so that no batch norm learns from gaps; in eval mode one date after
    another, so that memory is that of one date.

    Args:
        body: Encoder and decoder.
        channels: Of the decoder's features.
        multiple: Height and width are padded to a multiple of this many pixels.
        temporal: ``mean``, ``max``, ``ltae`` or ``utae``.
        bands: C of an image.

    Raises:
        OptionError: No such reduction, or an encoder whose features are no plain list of maps.
    """

    body: EncoderDecoder

    def __init__(self, body: EncoderDecoder, channels: int, multiple: int, temporal: str, bands: int) -> None:
        super().__init__(body, channels, multiple)
        maps = _trial(body, padded_size((TRIAL_PX, TRIAL_PX), multiple), bands)
        self.strides = tuple(padded_size((TRIAL_PX, 1), multiple)[0] // level.shape[-2] for level in maps)
        self.temporal = build_reduction(temporal, [level.shape[1] for level in maps], self.strides)

    def forward(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> Tensor:
        """Map a series to features (B, F, h, w) of the padded ground.

        Args:
            image: (B, D, C, H, W) float, normalised.
            valid: (B, D, H, W) bool; None where all is valid.
            doy: (B, D) int64, day of the year 1..366; of no meaning at dates that are not valid anywhere.

        Raises:
            OptionError: There is no day of the year.
        """
        if doy is None:
            raise OptionError("Expected the days of the year (B, D) with a series, but got none. Give doy.")
        if valid is None:
            valid = torch.ones_like(image[:, :, 0], dtype=torch.bool)
        if not (self.training or torch.compiler.is_compiling()):
            return self.of_dates((image[:, d], valid[:, d], doy[:, d]) for d in range(image.shape[1]))
        return self.at_once(image, valid, doy)

    def at_once(self, image: Tensor, valid: Tensor, doy: Tensor) -> Tensor:
        """Do as :meth:`forward` for dates that are all in memory: in training, and in a graph."""
        batch, dates = image.shape[:2]
        flat, shares = self._padded(image.flatten(0, 1), valid.flatten(0, 1))
        if self.training:
            present = valid.flatten(2).any(dim=2)
            if not bool(present.any()):
                present[0, 0] = True  # a batch of clouds: the loss of no label asks for logits all the same
            maps = [
                _scattered(level, present) for level in self.body.encoder(_laid_out(flat[present.flatten()]))
            ]
        else:  # a graph serves any number of dates
            maps = [by_date(level, batch, dates) for level in self.body.encoder(flat)]
        running = self.temporal.start()
        self.temporal.add(running, maps, [by_date(share, batch, dates) for share in shares], doy)
        return self.body.decode(self.temporal.finish(running))

    def of_dates(self, series: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """Do as :meth:`forward` in eval mode for dates that come one after another and are not kept.

        Args:
            series: At least one date, see :meth:`RunningFeatures.add`.
        """
        running = self.begin()
        for image, valid, doy in series:
            running.add(image, valid, doy)
        return running.result()

    def begin(self) -> "RunningFeatures":
        """Begin a series of which no date is kept."""
        return RunningFeatures(self)

    def of_date(self, image: Tensor, valid: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Encode a date (B, C, H, W): maps (B, 1, F, h, w) and valid shares of every level."""
        flat, shares = self._padded(image, valid)
        maps = self.body.encoder(_laid_out(flat))
        return [level.unsqueeze(1) for level in maps], [share.unsqueeze(1) for share in shares]

    def _padded(self, image: Tensor, valid: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Pad images (B, C, H, W), and compute the valid shares (B, 1, h, w) of every level's cells."""
        # only floats can be padded by their edge
        whole = pad(valid.unsqueeze(1).float(), self.multiple)
        return pad(image, self.multiple), valid_shares(whole, self.strides)


class RunningFeatures:
    """Features of series of which one date comes after another and none is kept.

    Args:
        extractor: In eval mode.
    """

    def __init__(self, extractor: SeriesFeatures) -> None:
        self._extractor = extractor
        self._running = extractor.temporal.start()
        self._known = False

    def add(self, image: Tensor, valid: Tensor, doy: Tensor) -> None:
        """Add a date.

        Args:
            image: (B, C, H, W) normalised.
            valid: (B, H, W) bool.
            doy: (B,) int64, day of the year.
        """
        if self._known and not valid.any():
            return
        maps, shares = self._extractor.of_date(image, valid)
        self._extractor.temporal.add(self._running, maps, shares, doy.unsqueeze(1))
        self._known = True  # where no date is valid, the first one gives the shapes, without any weight

    def result(self) -> Tensor:
        """Return features (B, F, h, w) of the padded ground after the dates so far, at least one."""
        return self._extractor.body.decode(self._extractor.temporal.finish(self._running))


def build_reduction(name: str, channels: Sequence[int], strides: Sequence[int]) -> TemporalReduction:
    """Build what brings dates to one, for levels of these channels and strides.

    Raises:
        OptionError: There is no such reduction.
    """
    if name not in TEMPORAL:
        raise OptionError(unknown_name("temporal", name, TEMPORAL))
    if name in ("mean", "max"):
        return (MeanOverDates if name == "mean" else MaxOverDates)(channels)
    return (LTAE if name == "ltae" else UTAE)(channels, strides)


def _laid_out(image: Tensor) -> Tensor:
    return image.contiguous(memory_format=torch.channels_last)


def _scattered(level: Tensor, present: Tensor) -> Tensor:
    """Put features (P, F, h, w) of the dates that are there among (B, D, F, h, w), 0 elsewhere."""
    if bool(present.all()):
        return by_date(level, present.shape[0], present.shape[1])
    whole = level.new_zeros(*present.shape, *level.shape[1:])
    whole[present] = level
    return whole


def _trial(body: EncoderDecoder, size: tuple[int, int], bands: int) -> list[Tensor]:
    """Show the encoder an empty image: which maps come out.

    Raises:
        OptionError: They are no list of maps (B, F, h, w).
    """
    training = {name: module.training for name, module in body.encoder.named_modules()}
    body.encoder.eval()
    try:
        with torch.no_grad():
            maps = body.encoder(torch.zeros(1, bands, *size))
    finally:
        for name, module in body.encoder.named_modules():
            module.training = training[name]
    if not isinstance(maps, list | tuple) or not all(
        isinstance(level, Tensor) and level.ndim == 4 for level in maps
    ):
        raise OptionError(
            "Expected an encoder that gives a list of feature maps, for temporal models, but got one of "
            "another kind (DPT's gives tokens besides). Take architecture unet, upernet, fpn or segformer."
        )
    return list(maps)
