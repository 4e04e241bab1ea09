"""By which numbers the images were normalised that pretrained weights were trained on."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import timm
from numpy.typing import NDArray
from torch import nn

from ..errors import OptionError, unknown_name
from .backbones import VIT_NAMES, Backbone
from .pretrained import (
    DEFAULTS,
    FILE_SUFFIXES,
    WeightStatistics,
    enumeration_member,
    member_bands,
    member_path,
    timm_weights,
    told_of_file,
)

#: ImageNet's mean and deviation of red, green and blue, of full brightness 1.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_RGB = ("red", "green", "blue")
#: Training data whose mean lies farther from that of the weights, in their deviations, are of another scale.
_FAR = 6.0
#: ... and such as vary less, as a share of it.
_NARROW = 0.01


def weight_statistics(backbone: Backbone, source: str) -> WeightStatistics | None:
    """Say how images were normalised for weights of a backbone, without fetching them; None where none says.

    Raises:
        OptionError: There are no such weights.
    """
    source = member_path(backbone, source)
    if "_Weights." in source:
        return _of_enumeration(source)
    if source.endswith(FILE_SUFFIXES):
        return told_of_file(Path(source))
    mean, std = _of_library(backbone, source)
    return WeightStatistics(source, mean, std, _RGB, of_brightness=True)


def _of_library(backbone: Backbone, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    timm_name = VIT_NAMES.get(backbone.name, backbone.timm_name)
    if timm_name is not None:
        config = timm.get_pretrained_cfg(timm_weights(timm_name, name), allow_unregistered=True)
        return (tuple(config.mean), tuple(config.std)) if config is not None else _IMAGENET
    settings: Any = smp.encoders.encoders.get(backbone.name, {}).get("pretrained_settings", {})
    found = settings.get("imagenet" if name == "default" else name) if settings else None
    if settings and found is None and name not in DEFAULTS:
        raise OptionError(unknown_name(f"name of weights of {backbone.name}", name, tuple(settings)))
    told = found or {}  # the library's newer entries leave ImageNet's own numbers out
    return tuple(told.get("mean", _IMAGENET[0])), tuple(told.get("std", _IMAGENET[1]))


def _of_enumeration(source: str) -> WeightStatistics | None:
    member, weights = enumeration_member(source)
    bands, sensor = member_bands(member, weights)
    steps = list(_normalisations(weights.transforms))
    if not steps:
        return None
    mean, std = np.zeros(1), np.ones(1)
    for shift, scale in steps:  # (x - m) / s, then (x - m') / s': mean m + s m', std s s'
        mean, std = mean + std * shift, std * scale
    count = 1 if bands is None else len(bands)
    if mean.size not in (1, count):
        raise OptionError(
            f"Expected weights '{source}' to be normalised by one number, or one per band, but they have "
            f"{count} bands and {mean.size} numbers. Set normalization.mean and std yourself."
        )
    return WeightStatistics(source, tuple(mean.tolist()), tuple(std.tolist()), bands, sensor)


def _normalisations(transform: object) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield mean and std of every normalisation in a chain of transforms, in order."""
    modules = transform.modules() if isinstance(transform, nn.Module) else ()
    for module in modules:
        if type(module).__name__ == "Normalize":
            mean, std = (np.asarray(getattr(module, key), dtype=np.float64) for key in ("mean", "std"))
            yield mean.reshape(-1), std.reshape(-1)


def check_scale(
    found: WeightStatistics,
    bands: Sequence[str],
    normal: tuple[Sequence[float], Sequence[float]],
    data: tuple[Sequence[float], Sequence[float]],
    remedy: str = ", or take normalization.method statistics",
) -> None:
    """Refuse images in another unit than those that the weights were trained on.

    Args:
        found: Numbers of the weights.
        bands: Names of the bands.
        normal: Mean and std that the weights bring, per band.
        data: Mean and std of the training images, per band.
        remedy: What helps beside converting the images.

    Raises:
        OptionError: The images, so normalised, are far from what the weights know; the worst band is named.
    """
    mean, std, own_mean, own_std = (np.asarray(numbers) for numbers in (*normal, *data))
    away, spread = np.abs(own_mean - mean) / std, own_std / std
    wrong = (away > _FAR) | (spread < _NARROW)
    if wrong.mean() > 0.5:  # one odd band among many is the ground's business
        worst = int(np.argmax(np.where(wrong, away, -1)))
        raise OptionError(
            f"Expected values in the unit that weights '{found.source}' were trained on, which were "
            f"normalised by mean {mean[worst]:.4g} and std {std[worst]:.4g}, but {bands[worst]} has mean "
            f"{own_mean[worst]:.4g} and std {own_std[worst]:.4g}. Convert the images{remedy}."
        )
