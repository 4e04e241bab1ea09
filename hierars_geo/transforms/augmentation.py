"""Augmentation of whole batches, on whatever device they are; radiometry in units of the normalised image."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from kornia.enhance import adjust_brightness, adjust_contrast, denormalize, normalize
from kornia.geometry.transform import hflip, vflip, warp_affine
from torch import Generator, Tensor

from ..errors import OptionError
from ..types import IGNORE_INDEX, Batch


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


class ChipAugmentation:
    """Random scale and crop, flips, quarter turns, dates, gain and other radiometry, drawn chip by chip.

    Labels stay labels: nothing is interpolated between them, and what a chip shows beyond its ground is
    ignored. All dates of a series are changed alike; noise alone is drawn for every pixel of each, and which
    dates are hidden (Garnot et al. 2022, arXiv 2112.07558).

    Args:
        scale_range: Smallest and largest scale, or None. 0.5 shows twice the ground, 2 half of it; drawn
            evenly in its logarithm. Where chips are not large enough for a scale, the rest is empty: read
            them at the side that :func:`read_px` gives.
        gain: Every band of every chip is multiplied by a number drawn evenly from 1 - gain to 1 + gain; 0 for
            not. It stands for another sun, haze and season.
        size_px: Side of the chips to return, which are cropped at random; None for that of the chips given.
        radiometry: Brightness, contrast, noise and missing bands; None for none.
        flips: Whether chips are flipped and turned by quarters.
        date_drop: Probability that a date of a series is hidden; one with ground always stays.
        day_shift: Days that a series is moved by, at most: other places and years are earlier or later.

    Raises:
        OptionError: The range is not 0 < low <= high, a share not 0 <= share < 1, or the days are negative.
    """

    def __init__(
        self,
        scale_range: tuple[float, float] | None = None,
        gain: float = 0.0,
        size_px: int | None = None,
        radiometry: Radiometry | None = None,
        flips: bool = True,
        date_drop: float = 0.0,
        day_shift: int = 0,
    ) -> None:
        for name, share in (("gain", gain), ("date_drop", date_drop)):
            if not 0 <= share < 1:
                raise OptionError(f"Expected {name} to be 0 <= {name} < 1, but got {share}.")
        if day_shift < 0:
            raise OptionError(f"Expected day_shift to be >= 0, but got {day_shift}.")
        if scale_range is not None and not 0 < scale_range[0] <= scale_range[1]:
            raise OptionError(f"Expected scale_range to be 0 < low <= high, but got {scale_range}.")
        self.scale_range = scale_range
        self.gain = gain
        self.size_px = size_px
        self.radiometry = radiometry
        self.flips = flips
        self.date_drop = date_drop
        self.day_shift = day_shift

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """Augment a batch.

        Args:
            batch: ``image`` (B, C, H, W), ``mask`` and ``valid`` (B, H, W), ``label_set`` (B, H, W) if
                there is one; of series ``image`` (B, D, C, H, W) and ``valid`` (B, D, H, W); bounds and CRS
                are handed through and then describe the ground before augmentation.
            generator: On the CPU; the draws depend on nothing else.

        Returns:
            A new batch, of the same shapes where ``size_px`` is None.
        """
        image, mask, valid = batch["image"], batch["mask"], batch["valid"]
        sets = batch.get("label_set")
        if sets is not None:
            mask = torch.stack([mask, sets], dim=1)  # both move alike
        size = image.shape[-2:] if self.size_px is None else (self.size_px, self.size_px)
        if self.scale_range is not None or tuple(size) != tuple(image.shape[-2:]):
            scales = self.scale_range or (1.0, 1.0)
            image, mask, valid = _scaled(image, mask, valid, scales, (size[0], size[1]), generator)
        if self.flips and image.shape[-1] == image.shape[-2]:
            turns = torch.randint(4, (len(image),), generator=generator).to(image.device)
            image, mask, valid = (_quarter_turns(layer, turns) for layer in (image, mask, valid))
        for flip in (hflip, vflip) if self.flips else ():
            chosen = (torch.rand(len(image), generator=generator) < 0.5).to(image.device)
            image, mask, valid = (_flipped(layer, chosen, flip) for layer in (image, mask, valid))
        done: Batch = {**batch}
        if self.date_drop and image.ndim == 5:
            valid = valid & _kept_dates(valid, self.date_drop, generator)
            image = image.masked_fill(~valid.unsqueeze(2), 0.0)
            mask = _where_seen(mask, valid)
        if self.day_shift and image.ndim == 5:
            days = torch.randint(-self.day_shift, self.day_shift + 1, (len(image), 1), generator=generator)
            done["doy"] = batch["doy"] + days.to(batch["doy"].device)
        if self.gain:
            draws = torch.rand(len(image), image.shape[-3], 1, 1, generator=generator)
            factor = (1 + self.gain * (2 * draws - 1)).to(image)
            image = image * (factor if image.ndim == 4 else factor[:, None])
        if self.radiometry is not None and image.ndim == 4:
            image = self.radiometry(image, valid, generator)
        elif self.radiometry is not None:  # dates one below the other, as one image
            chips, dates, bands, height, width = image.shape
            below = self.radiometry(image.transpose(1, 2).flatten(2, 3), valid.flatten(1, 2), generator)
            image = below.view(chips, bands, dates, height, width).transpose(1, 2)
        done["image"], done["mask"], done["valid"] = image, mask, valid
        if sets is not None:
            done["mask"], done["label_set"] = mask.unbind(dim=1)
        return done


def read_px(size_px: int, scale_range: tuple[float, float] | None) -> int:
    """Return the side of the chips to read, so that the smallest scale finds ground enough.

    Examples:
        >>> read_px(64, (0.5, 2.0))
        128
    """
    return size_px if scale_range is None else max(size_px, math.ceil(size_px / scale_range[0] - 1e-6))


def _quarter_turns(layer: Tensor, turns: Tensor) -> Tensor:
    turned = layer.clone()
    for count in (1, 2, 3):
        chosen = turns == count
        turned[chosen] = torch.rot90(layer[chosen], count, dims=(-2, -1))
    return turned


def _flipped(layer: Tensor, chosen: Tensor, flip: Callable[[Tensor], Tensor]) -> Tensor:
    shape = (-1,) + (1,) * (layer.ndim - 1)
    return torch.where(chosen.view(shape), flip(layer), layer)


def _scaled(
    image: Tensor,
    mask: Tensor,
    valid: Tensor,
    scale_range: tuple[float, float],
    size: tuple[int, int],
    generator: Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Scale, and crop at random to a size (height, width)."""
    low, high = (math.log(limit) for limit in scale_range)
    draws = torch.rand(len(image), 3, generator=generator)
    factor = torch.exp(low + (high - low) * draws[:, 0])
    given = torch.tensor([image.shape[-1], image.shape[-2]], dtype=torch.float32)
    wanted = torch.tensor([size[1], size[0]], dtype=torch.float32)
    # left and upper edge of the ground that is shown, in pixels as read; negative where there is too little
    corner = draws[:, 1:] * (given - wanted / factor[:, None])
    # at scale 1 on whole pixels, so that a mere crop blurs nothing
    corner = torch.where(factor[:, None] == 1, corner.round(), corner)
    matrix = torch.zeros(len(image), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = factor
    matrix[:, :, 2] = factor[:, None] * (0.5 - corner) - 0.5  # from pixel centre to pixel centre
    matrix = matrix.to(image.device)

    def warp(layer: Tensor, mode: str) -> Tensor:
        # in float32 whatever the image is: coordinates and labels are whole numbers that half precision lacks
        return warp_affine(layer.float(), matrix, size, mode=mode, padding_mode="zeros", align_corners=True)

    # shifted so that the padding, 0, stands for "no label"
    shifted = (mask - IGNORE_INDEX).view(len(mask), -1, *mask.shape[-2:])
    moved = warp(shifted, "nearest").view(*mask.shape[:-2], *size)
    new_mask = moved.round().to(mask.dtype) + IGNORE_INDEX
    dates = valid.view(len(valid), -1, *valid.shape[-2:])  # one of a plain image
    new_dates = warp(dates, "bilinear") > 0.999
    bands = image.reshape(len(image), -1, *image.shape[-2:])
    new_image = warp(bands, "bilinear").view(*image.shape[:-2], *size)
    new_valid = new_dates.view(*valid.shape[:-2], *size)
    new_image = new_image.masked_fill(~new_valid.unsqueeze(-3), 0.0).to(image.dtype)
    return new_image, _where_seen(new_mask, new_dates), new_valid


def _where_seen(mask: Tensor, dates: Tensor) -> Tensor:
    """Take labels away, (B, H, W) or (B, 2, H, W), where no date (B, D, H, W) is valid."""
    seen = dates.any(dim=1)
    return torch.where(seen if mask.ndim == seen.ndim else seen[:, None], mask, IGNORE_INDEX)


def _kept_dates(valid: Tensor, drop: float, generator: Generator) -> Tensor:
    """Draw the dates (B, D, 1, 1) that stay: of those with ground at least one."""
    order = torch.rand(valid.shape[:2], generator=generator).to(valid.device)
    ranked = order.masked_fill(~valid.flatten(2).any(dim=2), -1.0)
    return ((order >= drop) | (ranked == ranked.amax(dim=1, keepdim=True)))[:, :, None, None]
