"""What the dates of a series become: one feature map per level, by sums that take one date after another."""

import abc
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Below every score.
_LOWEST = torch.finfo(torch.float32).min


class Running(Protocol):
    """What is known of one level after some of the dates, in whatever portions they came."""

    def add(self, features: Tensor, share: Tensor, score: Tensor | None = None) -> None:
        """Add dates: features (B, G, F, h, w), valid share of every cell (B, G, 1, h, w), scores of them."""

    def result(self) -> Tensor:
        """Return (B, F, h, w) of the dates so far; 0 where none of them was valid."""


class RunningMean:
    """The mean over dates, each weighted by ``share * exp(score)``; the softmax over the valid dates.

    Dates may come in any portions: sums are rescaled when a larger score comes (Milakov & Gimelshein 2018).
    A date whose share is 0 at a pixel has exactly no weight there.
    """

    def __init__(self) -> None:
        self._sums: tuple[Tensor, Tensor, Tensor] | None = None

    def add(self, features: Tensor, share: Tensor, score: Tensor | None = None) -> None:
        """Add some dates.

        Args:
            features: (B, G, F, h, w) of G dates.
            share: (B, G, 1, h, w) float, share of a cell that is valid, 0..1.
            score: (B, G, K, h, w), one per head; head k weighs the k-th part of the channels. None for
                weights by share alone.
        """
        if score is None:
            score = torch.zeros_like(share)
        values, score = features.float(), score.float()
        highest = torch.where(share > 0, score, _LOWEST).detach().amax(dim=1, keepdim=True)
        before = self._sums
        if before is not None:
            highest = torch.maximum(highest, before[0])
        weight = torch.exp((score - highest).clamp(max=0)) * share
        spread = weight.shape[2] > 1
        index = _head_of_channels(values.shape[2], weight.shape[2], values.device) if spread else None
        by_channel = weight if index is None else weight.index_select(2, index)
        total, norm = (by_channel * values).sum(dim=1), weight.sum(dim=1)
        if before is not None:
            scale = torch.exp(before[0] - highest)[:, 0]
            norm = norm + before[1] * scale
            total = total + before[2] * (scale if index is None else scale.index_select(1, index))
        self._sums = highest, norm, total

    def result(self) -> Tensor:
        """Return (B, F, h, w); 0 where no date was valid."""
        if self._sums is None:
            raise ValueError("no date was added")
        _, norm, total = self._sums
        norm = norm.clamp(min=torch.finfo(norm.dtype).tiny)
        if norm.shape[1] == 1:
            return total / norm
        index = _head_of_channels(total.shape[1], norm.shape[1], total.device)
        return total / norm.index_select(1, index)


class RunningMax:
    """The largest value over the valid dates."""

    def __init__(self) -> None:
        self._most: Tensor | None = None

    def add(self, features: Tensor, share: Tensor, score: Tensor | None = None) -> None:
        """Add dates: features (B, G, F, h, w), and the valid share of every cell (B, G, 1, h, w)."""
        most = torch.where(share > 0, features.float(), _LOWEST).amax(dim=1)
        self._most = most if self._most is None else torch.maximum(self._most, most)

    def result(self) -> Tensor:
        """Return (B, F, h, w); 0 where no date was valid."""
        if self._most is None:
            raise ValueError("no date was added")
        return torch.where(self._most > _LOWEST, self._most, 0.0)


def _head_of_channels(channels: int, heads: int, device: torch.device) -> Tensor:
    """Head of every channel: equal parts, in order."""
    return torch.arange(channels, device=device) * heads // channels


class TemporalReduction(nn.Module, abc.ABC):
    """Bring the feature maps of all dates, level by level, to one map each.

    What one date adds does not depend on the others, nor on their order: a date that is not valid at a pixel
    is, at that pixel, as good as one that is not there.

    Args:
        channels: F of every level.

    Attributes:
        mixing: By the number of a level what is made of its mean over dates.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = len(channels)
        self.mixing = nn.ModuleDict()

    def start(self) -> list[Running]:
        """Begin: nothing is known of any level."""
        return [RunningMean() for _ in range(self.levels)]

    @abc.abstractmethod
    def add(
        self, running: Sequence[Running], features: Sequence[Tensor], shares: Sequence[Tensor], doy: Tensor
    ) -> None:
        """Add dates.

        Args:
            running: From :meth:`start`.
            features: Per level (B, G, F, h, w) of G dates.
            shares: Per level (B, G, 1, h, w), valid share of every cell, 0..1.
            doy: (B, G) int64, day of the year 1..366.
        """

    def finish(self, running: Sequence[Running]) -> list[Tensor]:
        """Return (B, F, h, w) per level; 0 before :attr:`mixing` where no date was valid."""
        found = [level.result() for level in running]
        for number, layer in self.mixing.items():
            found[int(number)] = layer(found[int(number)])
        return found


class MeanOverDates(TemporalReduction):
    """The mean over the valid dates: the honest baseline."""

    def add(
        self, running: Sequence[Running], features: Sequence[Tensor], shares: Sequence[Tensor], doy: Tensor
    ) -> None:
        """Add dates; see :meth:`TemporalReduction.add`."""
        for level, values, share in zip(running, features, shares, strict=True):
            level.add(values, share)


class MaxOverDates(MeanOverDates):
    """The largest value of every feature over the valid dates; the other baseline."""

    def start(self) -> list[Running]:
        """Begin: nothing is known of any level."""
        return [RunningMax() for _ in range(self.levels)]


def by_date(flat: Tensor, batch: int, dates: int) -> Tensor:
    """Part what was computed for all dates at once: (B * G, ...) to (B, G, ...)."""
    return flat.reshape(batch, dates, *flat.shape[1:])


def valid_shares(valid: Tensor, strides: Sequence[int]) -> list[Tensor]:
    """Compute the valid share (B, 1, h, w) of every cell of feature maps, 0..1.

    Args:
        valid: (B, 1, H, W) float, 1 where valid and 0 elsewhere.
        strides: Pixels of the image per pixel of each level.
    """
    # by the stride and not by the size: an exported graph serves every size
    return [valid if stride == 1 else F.avg_pool2d(valid, stride) for stride in strides]
