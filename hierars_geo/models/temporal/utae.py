"""U-TAE: attention of the coarsest level serves all others (Garnot & Landrieu 2021, arXiv 2107.07933)."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from .ltae import DateAttention, learnt_levels, mixing
from .reduction import Running, TemporalReduction, by_date


class UTAE(TemporalReduction):
    """L-TAE on the encoder's last level; its scores, brought to the size of the others, choose dates there.

    Published is to resize the masks, that is the softmax over dates. Here it is the scores, and each level's
    softmax is over the dates that are valid at its own pixels: a date under a cloud has no weight under just
    that cloud, and dates can be added one after another. Where all dates are valid and neighbours agree, both
    are the same.

    Args:
        channels: F of every level.
        strides: Pixels of the image per pixel of each level.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__(channels)
        self.attention = DateAttention(channels[-1], key_size=4)
        self.mixing.update({str(n): mixing(channels[n]) for n in learnt_levels(channels, strides)})

    def add(
        self, running: Sequence[Running], features: Sequence[Tensor], shares: Sequence[Tensor], doy: Tensor
    ) -> None:
        """Add dates; see :meth:`TemporalReduction.add`."""
        seen, score = self.attention(features[-1], doy)
        running[-1].add(seen, shares[-1], score)
        for number, (level, values, share) in enumerate(zip(running, features, shares, strict=True)):
            if number == self.levels - 1:
                continue
            if str(number) in self.mixing:
                size = (values.shape[-2], values.shape[-1])
                finer = F.interpolate(score.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
                level.add(values, share, by_date(finer, score.shape[0], score.shape[1]))
            else:
                level.add(values, share)
