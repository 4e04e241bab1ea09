"""SeriesFeatures: one encoder for every date, a reduction over the dates, one decoder."""

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from ...errors import OptionError, unknown_name
from ..features import TRIAL_PX, EncoderDecoder, FeatureExtractor, pad, padded_size
from .ltae import LTAE
from .reduction import MaxOverDates, MeanOverDates, TemporalReduction, by_date, valid_shares
from .utae import UTAE

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
        batch, dates = image.shape[:2]
        image = by_date(pad(image.flatten(0, 1), self.multiple), batch, dates)
        # only floats can be padded by their edge
        valid = pad(valid.flatten(0, 1).unsqueeze(1).float(), self.multiple)
        shares = [by_date(share, batch, dates) for share in valid_shares(valid, self.strides)]
        running = self.temporal.start()
        for at, features in self._encoded(image, by_date(valid.flatten(1).any(dim=1), batch, dates)):
            self.temporal.add(running, features, [share[:, at] for share in shares], doy[:, at])
        return self.body.decode(self.temporal.finish(running))

    def _encoded(self, image: Tensor, present: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
        """Yield dates and their features (B, G, F, h, w) per level.

        Args:
            image: (B, D, C, H, W), padded.
            present: (B, D) bool, whether a date holds a valid pixel.
        """
        batch, dates = image.shape[:2]
        if torch.compiler.is_compiling() and not self.training:  # a graph serves any number of dates
            maps = self.body.encoder(image.flatten(0, 1))
            yield slice(None), [by_date(level, batch, dates) for level in maps]
        elif self.training:
            if not bool(present.any()):
                present = torch.zeros_like(present)
                present[0, 0] = True  # a batch of clouds: the loss of no label asks for logits all the same
            maps = self.body.encoder(_laid_out(image[present]))
            yield slice(None), [_scattered(level, present) for level in maps]
        else:
            wanted = [date for date in range(dates) if bool(present[:, date].any())] or [0]
            for date in wanted:
                maps = self.body.encoder(_laid_out(image[:, date]))
                yield slice(date, date + 1), [level.unsqueeze(1) for level in maps]


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


__all__ = ("TEMPORAL", "SeriesFeatures", "build_reduction")
