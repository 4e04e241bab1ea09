"""Radiometry: brightness, contrast, noise and missing bands, in units of the normalised image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from kornia.enhance import adjust_brightness, adjust_contrast, denormalize, normalize
from torch import Generator, Tensor

from ..errors import OptionError


@dataclass(frozen=True)
class Radiometry:
    """Changes of the values, drawn for every band of every chip by itself.

    They work on (value - mean) / std, so that one number means the same for every band and sensor.

    Attributes:
        mean: Per band, in stored values.
        std: Per band, in stored values.
        brightness: Largest shift, in standard deviations.
        contrast: Largest relative change of the distance from the mean, 0 <= contrast < 1.
        noise: Standard deviation of Gaussian noise of every pixel, in standard deviations of the band.
        band_drop: Probability that a band is missing: it becomes its mean, which is 0 to the model, as where
            there are no data. One band always stays.

    Raises:
        OptionError: A number is out of range.
    """

    mean: Sequence[float]
    std: Sequence[float]
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    band_drop: float = 0.0

    def __post_init__(self) -> None:
        check_radiometry(self.brightness, self.contrast, self.noise, self.band_drop)

    def __call__(self, image: Tensor, valid: Tensor, generator: Generator) -> Tensor:
        """Change an image.

        Args:
            image: (B, C, H, W), stored values.
            valid: (B, H, W) bool; pixels without data stay 0.
            generator: On the CPU; decides everything (noise depends on the kind of device, too).

        Returns:
            (B, C, H, W) of the image's dtype.
        """
        # in float32 whatever the image is: half precision rounds stored values to steps of 8 and more
        mean, std = (torch.tensor(numbers, device=image.device) for numbers in (self.mean, self.std))
        chips, bands = image.shape[:2]
        normal = normalize(image.float(), mean, std)
        each_band = normal.reshape(chips * bands, *normal.shape[2:])  # Kornia takes one factor per item
        if self.contrast:
            factor = 1 + self.contrast * _even(chips * bands, generator)
            each_band = adjust_contrast(each_band, factor.to(image.device), clip_output=False)
        if self.brightness:
            shift = self.brightness * _even(chips * bands, generator)
            each_band = adjust_brightness(each_band, shift.to(image.device), clip_output=False)
        normal = each_band.reshape(normal.shape)
        if self.noise:
            seed = int(torch.randint(2**62, (1,), generator=generator).item())
            here = Generator(image.device).manual_seed(seed)
            normal = normal + self.noise * torch.randn(normal.shape, generator=here, device=image.device)
        if self.band_drop:
            order = torch.rand(chips, bands, generator=generator)
            dropped = order < self.band_drop
            dropped &= ~(dropped.all(dim=1, keepdim=True) & (order == order.amax(dim=1, keepdim=True)))
            normal = normal.masked_fill(dropped.to(image.device)[:, :, None, None], 0.0)
        changed = denormalize(normal, mean, std).masked_fill(~valid[:, None], 0.0)
        return changed.to(image.dtype)


def check_radiometry(brightness: float, contrast: float, noise: float, band_drop: float) -> None:
    """Refuse numbers out of range.

    Raises:
        OptionError: One is.
    """
    if min(brightness, noise) < 0:
        raise OptionError(f"Expected brightness and noise to be >= 0, but got {brightness} and {noise}.")
    if not 0 <= contrast < 1 or not 0 <= band_drop < 1:
        raise OptionError(
            f"Expected contrast and band_drop to be 0 <= x < 1, but got {contrast} and {band_drop}."
        )


def _even(count: int, generator: Generator) -> Tensor:
    """(count,) numbers drawn evenly from -1 to 1."""
    return 2 * torch.rand(count, generator=generator) - 1


__all__ = ("Radiometry", "check_radiometry")
