"""Hypercolumn: the lightest decoder, one linear map per stage of the encoder and one of the bands."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Normalised values beyond this many standard deviations say no more, and their squares would drown the rest.
_FARTHEST = 5.0


class Hypercolumn(nn.Module):
    """The lightest decoder: what a pixel is, is a sum of linear maps of all that the encoder says of it.

    Hypercolumns after Hariharan et al. (2015), computed as in FCN (Long et al. 2015): a linear map commutes
    with bilinear upsampling, so each stage is mapped to D channels at its own size, and D channels are
    upsampled in place of thousands. Beside the stages a pixel's own bands and their squares are mapped, so
    that nothing at full resolution is lost. Being linear, it can be solved for in closed form, see
    :class:`hierars_geo.tasks.LinearHead`.

    Args:
        widths: Channels of the encoder's maps, the image's bands first; 0 where there is no such map.
        channels: D.
    """

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        bands, *stages = widths
        self.channels = channels
        self.pixel = nn.Conv2d(2 * bands, channels, kernel_size=1)
        self.stages = nn.ModuleDict(
            {
                str(number): nn.Conv2d(width, channels, kernel_size=1, bias=False)
                for number, width in enumerate(stages, start=1)
                if width
            }
        )

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
        total: Tensor = self.pixel(_pixel_terms(image))
        for number, layer in self.stages.items():
            mapped = layer(features[int(number)])
            total = total + F.interpolate(mapped, image.shape[-2:], mode="bilinear", align_corners=False)
        return total

    def inputs_at(self, features: list[Tensor], chip: int, row: Tensor, column: Tensor) -> Tensor:
        """What the linear maps see at some pixels, upsampled as in :meth:`forward`.

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
        own = _pixel_terms(image[chip][:, row, column][None, :, :, None])[0, :, :, 0]
        place = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)[None, None]
        found = [own]
        for number in self.stages:
            one = features[int(number)][chip : chip + 1].contiguous()
            sampled = F.grid_sample(one, place.to(one), "bilinear", "border", align_corners=False)
            found.append(sampled[0, :, 0])
        return torch.cat(found).T

    @torch.no_grad()
    def set_weights(self, weight: Tensor) -> None:
        """Take over (D, sum of :attr:`sizes`); no channel gets an offset."""
        parts = torch.split(weight, list(self.sizes), dim=1)
        for layer, part in zip(self._layers(), parts, strict=True):
            layer.weight.copy_(part[:, :, None, None])
        torch.nn.init.zeros_(self.pixel.bias)  # type: ignore[arg-type]  # made with one


def _pixel_terms(image: Tensor) -> Tensor:
    """Bands and their squares: (B, C, H, W) normalised to (B, 2 C, H, W)."""
    near = image.clamp(-_FARTHEST, _FARTHEST)
    return torch.cat([near, near.square()], dim=1)
