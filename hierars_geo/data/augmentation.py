"""Augmentation of whole batches, on whatever device they are."""

import math
from collections.abc import Callable

import torch
from kornia.geometry.transform import hflip, vflip, warp_affine
from torch import Generator, Tensor

from ..errors import OptionError
from ..types import IGNORE_INDEX, Batch


class ChipAugmentation:
    """Flips, quarter turns and, if asked for, random scale and gain; every sample of a batch by its own draw.

    Labels stay labels: nothing is interpolated between them, and what a scale below 1 leaves empty is
    ignored.

    Args:
        scale_range: Smallest and largest scale, or None. 0.5 shows twice the ground, half of it empty; 2 half
            the ground.
        gain: Every band of every chip is multiplied by a number drawn evenly from 1 - gain to 1 + gain; 0 for
            not. It stands for another sun, haze and season.

    Raises:
        OptionError: The range is not 0 < low <= high, or the gain is not 0 <= gain < 1.
    """

    def __init__(self, scale_range: tuple[float, float] | None = None, gain: float = 0.0) -> None:
        if not 0 <= gain < 1:
            raise OptionError(f"Expected gain to be 0 <= gain < 1, but got {gain}.")
        if scale_range is not None and not 0 < scale_range[0] <= scale_range[1]:
            raise OptionError(f"Expected scale_range to be 0 < low <= high, but got {scale_range}.")
        self.scale_range = scale_range
        self.gain = gain

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """Augment a batch.

        Args:
            batch: ``image`` (B, C, H, W), ``mask`` and ``valid`` (B, H, W), ``level_masks`` (B, N, H, W) if
                there are any; bounds and CRS are handed through and then describe the ground before
                augmentation.
            generator: On the CPU; the draws depend on nothing else.

        Returns:
            A new batch of the same shapes.
        """
        image, mask, valid = batch["image"], batch["mask"], batch["valid"]
        levels = batch.get("level_masks")
        if levels is not None:
            mask = torch.cat([mask[:, None], levels], dim=1)  # all move alike
        if image.shape[-1] == image.shape[-2]:
            turns = torch.randint(4, (len(image),), generator=generator).to(image.device)
            image, mask, valid = (_quarter_turns(layer, turns) for layer in (image, mask, valid))
        for flip in (hflip, vflip):
            chosen = (torch.rand(len(image), generator=generator) < 0.5).to(image.device)
            image, mask, valid = (_flipped(layer, chosen, flip) for layer in (image, mask, valid))
        if self.scale_range is not None:
            image, mask, valid = _scaled(image, mask, valid, self.scale_range, generator)
        if self.gain:
            draws = torch.rand(*image.shape[:2], 1, 1, generator=generator)
            image = image * (1 + self.gain * (2 * draws - 1)).to(image)
        done: Batch = {**batch, "image": image, "mask": mask, "valid": valid}
        if levels is not None:
            done["mask"], done["level_masks"] = mask[:, 0], mask[:, 1:]
        return done


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
    image: Tensor, mask: Tensor, valid: Tensor, scale_range: tuple[float, float], generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Scale about a random point, so that a scale above 1 also crops at random."""
    height, width = image.shape[-2:]
    low, high = (math.log(limit) for limit in scale_range)
    draws = torch.rand(len(image), 3, generator=generator)
    factor = torch.exp(low + (high - low) * draws[:, 0])
    centre = draws[:, 1:] * torch.tensor([width - 1.0, height - 1.0])  # this pixel stays where it is
    matrix = torch.zeros(len(image), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = factor
    matrix[:, :, 2] = centre * (1 - factor)[:, None]
    matrix = matrix.to(image.device)

    def warp(layer: Tensor, mode: str) -> Tensor:
        # in float32 whatever the image is: coordinates and labels are whole numbers that half precision lacks
        return warp_affine(
            layer.float(), matrix, (height, width), mode=mode, padding_mode="zeros", align_corners=True
        )

    # shifted so that the padding, 0, stands for "no label"
    shifted = (mask - IGNORE_INDEX).view(len(mask), -1, height, width)
    new_mask = warp(shifted, "nearest").view(mask.shape).round().to(mask.dtype) + IGNORE_INDEX
    new_valid = warp(valid[:, None], "bilinear")[:, 0] > 0.999
    new_image = warp(image, "bilinear").masked_fill(~new_valid[:, None], 0.0).to(image.dtype)
    labelled = new_valid if mask.ndim == new_valid.ndim else new_valid[:, None]
    return new_image, torch.where(labelled, new_mask, IGNORE_INDEX), new_valid


__all__ = ("ChipAugmentation",)
