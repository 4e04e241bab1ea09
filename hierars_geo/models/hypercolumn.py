"""Hypercolumn: the lightest decoder, one linear map per stage of the encoder and one of the bands."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Normalised values beyond this many standard deviations say no more, and their squares would drown the rest.
_FARTHEST = 5.0
#: Random functions of a pixel's bands, and the seed that they are drawn by.
_RANDOM, _SEED = 128, 0
#: Standard deviations below this share of the usual are those of an odd piece of ground.
_LEAST_SPREAD = 0.05
#: Below this share of their size, variation is that of rounding.
_LEAST_VARIATION = 0.001
#: Pixels of a chip that the units of the inputs are measured on.
_MOST_MEASURED = 4_096


class Hypercolumn(nn.Module):
    """The lightest decoder: what a pixel is, is a sum of linear maps of all that the encoder says of it.

    Hypercolumns after Hariharan et al. (2015), computed as in FCN (Long et al. 2015): a linear map commutes
    with bilinear upsampling, so each stage is mapped to D channels at its own size, and D channels are
    upsampled in place of thousands. Beside the stages a pixel's own bands are mapped, their squares and 128
    random functions of them (Rahimi and Recht 2008: rectified projections, drawn once), so that nothing at
    full resolution is lost, and classes that no plane parts are told apart. Being linear in all of these, it
    can be solved for in closed form, see :class:`hierars_geo.tasks.LinearHead`. Inputs count in units of
    their spread on the first training ground that is met: as the encoder gives them they differ by two
    orders of magnitude, and a step of descent would be right for few of them.

    Args:
        widths: Channels of the encoder's maps, the image's bands first; 0 where there is no such map.
        channels: D.
    """

    projection: Tensor
    shift: Tensor
    center: Tensor
    spread: Tensor

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        bands, *stages = widths
        self.channels = channels
        projection, shift = _drawn(bands)
        self.register_buffer("projection", projection)
        self.register_buffer("shift", shift)
        self.pixel = nn.Conv2d(2 * bands + _RANDOM, channels, kernel_size=1)
        self.stages = nn.ModuleDict(
            {
                str(number): nn.Conv2d(width, channels, kernel_size=1, bias=False)
                for number, width in enumerate(stages, start=1)
                if width
            }
        )
        self.register_buffer("center", torch.zeros(sum(self.sizes)))
        self.register_buffer("spread", torch.ones(sum(self.sizes)))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *told: Any) -> None:  # noqa: ANN401
        """Read weights that know no units as well: their inputs count as they are."""
        state.setdefault(f"{prefix}center", torch.zeros_like(self.center))
        state.setdefault(f"{prefix}spread", torch.ones_like(self.spread))
        super()._load_from_state_dict(state, prefix, *told)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs of the linear maps, the pixel's own first and then stage by stage."""
        return tuple(layer.in_channels for layer in self._layers())

    def _layers(self) -> list[nn.Conv2d]:
        stages = [layer for layer in self.stages.values() if isinstance(layer, nn.Conv2d)]
        return [self.pixel, *stages]

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the encoder's maps, the image (B, C, H, W) first, to features (B, D, H, W)."""
        image = features[0]
        # units are linear, too: they change the weights in place of maps at full resolution
        weight = torch.cat([layer.weight for layer in self._layers()], dim=1)[:, :, 0, 0] / self.spread
        own, *stages = torch.split(weight[:, :, None, None], list(self.sizes), dim=1)
        offset = self.pixel.bias - weight @ self.center  # type: ignore[operator]  # made with one
        total = F.conv2d(self._pixel_terms(image), own, offset)
        for number, part in zip(self.stages, stages, strict=True):
            mapped = F.conv2d(features[int(number)], part)
            total = total + F.interpolate(mapped, image.shape[-2:], mode="bilinear", align_corners=False)
        return total

    def inputs_at(self, features: list[Tensor], chip: int, row: Tensor, column: Tensor) -> Tensor:
        """What the linear maps see at some pixels in their units, upsampled as in :meth:`forward`.

        Args:
            features: The encoder's maps, the image (B, C, H, W) first.
            chip: Index into B.
            row: (n,) int64.
            column: (n,) int64.

        Returns:
            (n, sum of :attr:`sizes`).
        """
        image = features[0]
        height, width = image.shape[-2:]
        own = self._pixel_terms(image[chip][:, row, column][None, :, :, None])[0, :, :, 0]
        place = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)[None, None]
        found = [own]
        for number in self.stages:
            one = features[int(number)][chip : chip + 1].contiguous()
            sampled = F.grid_sample(one, place.to(one), "bilinear", "border", align_corners=False)
            found.append(sampled[0, :, 0])
        return (torch.cat(found).T - self.center) / self.spread

    @torch.no_grad()
    def set_weights(self, weight: Tensor) -> None:
        """Take over (D, sum of :attr:`sizes`); no channel gets an offset."""
        parts = torch.split(weight, list(self.sizes), dim=1)
        for layer, part in zip(self._layers(), parts, strict=True):
            layer.weight.copy_(part[:, :, None, None])
        torch.nn.init.zeros_(self.pixel.bias)  # type: ignore[arg-type]  # made with one

    @torch.no_grad()
    def standardise(self, features: list[Tensor], known: Tensor) -> None:
        """Lay the random functions over the range of some pixels, and measure the units of all inputs there.

        Args:
            features: The encoder's maps, the normalised image (B, C, H, W) first.
            known: (B, H', W') bool, H' <= H and W' <= W, at least one of them true.
        """
        image = features[0][:, :, : known.shape[1], : known.shape[2]]
        near = image.movedim(1, -1)[known].clamp(-_FARTHEST, _FARTHEST)
        spread = near.std(dim=0, correction=0).clamp(min=_LEAST_SPREAD)
        for own, drawn in zip((self.projection, self.shift), _drawn(near.shape[1]), strict=True):
            own.copy_(drawn)
        self.projection /= spread
        self.shift -= self.projection @ near.mean(dim=0)
        self.center.zero_()
        self.spread.fill_(1)
        places = [each.nonzero() for each in known]
        kept = [each[:: 1 + len(each) // _MOST_MEASURED] for each in places]
        inputs = torch.cat([self.inputs_at(features, chip, *each.T) for chip, each in enumerate(kept)])
        self.center.copy_(inputs.mean(dim=0))
        parts = torch.split(inputs, list(self.sizes), dim=1)
        self.spread.copy_(torch.cat([_units(part) for part in parts]))

    def _pixel_terms(self, image: Tensor) -> Tensor:
        """Bands, their squares and random functions: (B, C, H, W) normalised to (B, 2 C + 128, H, W)."""
        near = image.clamp(-_FARTHEST, _FARTHEST)
        random = F.conv2d(near, self.projection[:, :, None, None], self.shift).relu()
        return torch.cat([near, near.square(), random], dim=1)


def _units(inputs: Tensor) -> Tensor:
    """Standard deviations (n,) of inputs (P, n), their size where nothing varies: a single pixel, a plain."""
    spread, size = inputs.std(dim=0, correction=0), inputs.abs().mean()
    if spread.mean() > _LEAST_VARIATION * size:
        return spread.clamp(min=_LEAST_SPREAD * spread.mean())
    return torch.full_like(spread, float(size) or 1.0)


def _drawn(bands: int) -> tuple[Tensor, Tensor]:
    """Draw projections (R, C) and shifts (R,) of the random functions of C bands; always the same."""
    drawn = torch.randn(_RANDOM, bands + 1, generator=torch.Generator().manual_seed(_SEED))
    return 2 * drawn[:, :bands] / bands**0.5, drawn[:, bands].clone()
