"""L-TAE and U-TAE: learnt questions choose among the dates (Garnot & Landrieu 2020, arXiv 2007.00586)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .reduction import Running, TemporalReduction, by_date

#: Longest period of the positions, in days, as published.
_PERIOD = 1000

#: Heads as published; fewer where there are fewer channels.
_HEADS = 16

#: Pixels of the image per cell that U-TAE asks its questions at, as published.
_STRIDE = 8


class DateAttention(nn.Module):
    """Score every date by a learnt question per head, and mix what they choose.

    ``score_k(d) = q_k . (W_k (LN(x_d) + p_d)) / sqrt(d_k)``: because the questions q are parameters and no
    functions of the series, question and key are one vector per head, and a date's score needs no other date.
    p is the sine and cosine table of Vaswani et al. (2017) of the day of the year. LN takes the
    channels of one pixel at one date; published is a normalisation over all dates, which gaps would change.

    TorchGeo's LTAE is not taken: its length is fixed when it is made, positions are places in the list, and
    no date can be left out.

    Args:
        channels: F.
        key_size: d_k of a head.
    """

    def __init__(self, channels: int, key_size: int = 8) -> None:
        super().__init__()
        self.channels = channels
        self.heads = min(_HEADS, channels)
        self.norm = nn.LayerNorm(channels)
        self.key = nn.Parameter(torch.empty(self.heads, key_size, channels))
        self.question = nn.Parameter(torch.empty(self.heads, key_size))
        nn.init.normal_(self.key, std=(2 / key_size) ** 0.5)
        nn.init.normal_(self.question, std=(2 / key_size) ** 0.5)

    def forward(self, features: Tensor, doy: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is chosen from, (B, G, F, h, w), and scores (B, G, K, h, w).

        Args:
            features: (B, G, F, h, w).
            doy: (B, G) int64, day of the year.
        """
        batch, dates = features.shape[:2]
        seen: Tensor = self.norm(features.movedim(2, -1)).movedim(-1, 2)
        seen = seen + positions(doy, self.channels)[..., None, None].to(seen.dtype)
        weight = torch.einsum("kd,kdf->kf", self.question, self.key) / self.key.shape[1] ** 0.5
        score = F.conv2d(seen.flatten(0, 1), weight[:, :, None, None].to(seen.dtype))
        return seen, by_date(score, batch, dates)


def positions(doy: Tensor, channels: int) -> Tensor:
    """Encode days of the year by sines and cosines: (B, G) to (B, G, channels) float32."""
    number = torch.arange(channels, device=doy.device)
    rate = torch.pow(float(_PERIOD), -2.0 * torch.div(number, 2, rounding_mode="floor") / channels)
    angle = doy.unsqueeze(-1).float() * rate
    return torch.where(number % 2 == 0, angle.sin(), angle.cos())


def mixing(channels: int) -> nn.Conv2d:
    """Make a 1x1 convolution that mixes the heads' channels, and changes nothing at first."""
    layer = nn.Conv2d(channels, channels, kernel_size=1)
    with torch.no_grad():
        nn.init.dirac_(layer.weight)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # there is one
    return layer


class LTAE(TemporalReduction):
    """L-TAE at every level that a decoder reads.

    Args:
        channels: F of every level.
        strides: Pixels of the image per pixel of each level.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__(channels)
        asked = learnt_levels(channels, strides)
        self.attention = nn.ModuleDict({str(n): DateAttention(channels[n]) for n in asked})
        self.mixing.update({str(n): mixing(channels[n]) for n in asked})

    def add(
        self, running: Sequence[Running], features: Sequence[Tensor], shares: Sequence[Tensor], doy: Tensor
    ) -> None:
        """Add dates; see :meth:`TemporalReduction.add`."""
        for number, (level, values, share) in enumerate(zip(running, features, shares, strict=True)):
            if str(number) in self.attention:
                seen, score = self.attention[str(number)](values, doy)
                level.add(seen, share, score)
            else:
                level.add(values, share)


def learnt_levels(channels: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Number the levels that attention is worth its time on.

    The last one always is; the image itself, which no decoder reads, and levels without channels are not.

    Args:
        channels: F of every level.
        strides: Pixels of the image per pixel of each level.
    """
    last = len(channels) - 1
    return [*(n for n in range(last) if channels[n] > 0 and strides[n] > 1), last]


class UTAE(TemporalReduction):
    """L-TAE on the deepest level whose cells still lie within fields; its scores, resized, serve the others.

    That is U-TAE (Garnot & Landrieu 2021, arXiv 2107.07933), whose encoder ends at 1/8 of the image: its
    questions are asked there, though encoders go on to 1/32. Published is to resize the masks, the softmax
    over dates. Here it is the scores, and each level's softmax is over the dates valid at its own pixels: a
    date under a cloud has no weight under just that cloud, and dates can be added one after another. Where
    all dates are valid and neighbours agree, both are the same.

    Args:
        channels: F of every level.
        strides: Pixels of the image per pixel of each level.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__(channels)
        asked = learnt_levels(channels, strides)
        self.strides = tuple(strides)
        self.level = max((n for n in asked if strides[n] <= _STRIDE), default=asked[0])
        self.attention = DateAttention(channels[self.level], key_size=4)
        self.mixing.update({str(n): mixing(channels[n]) for n in asked})

    def add(
        self, running: Sequence[Running], features: Sequence[Tensor], shares: Sequence[Tensor], doy: Tensor
    ) -> None:
        """Add dates; see :meth:`TemporalReduction.add`."""
        seen, score = self.attention(features[self.level], doy)
        flat = score.flatten(0, 1)
        for number, (level, values, share) in enumerate(zip(running, features, shares, strict=True)):
            if str(number) not in self.mixing:
                level.add(values, share)
            elif number == self.level:
                level.add(seen, share, score)
            else:
                coarser = self.strides[number] // self.strides[self.level]
                size = (values.shape[-2], values.shape[-1])
                resized = (
                    F.avg_pool2d(flat, coarser)
                    if coarser > 1
                    else F.interpolate(flat, size=size, mode="bilinear", align_corners=False)
                )
                level.add(values, share, by_date(resized, score.shape[0], score.shape[1]))
