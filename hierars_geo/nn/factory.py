"""Build a model from names: architecture (decoder) and encoder, any number of bands, any tree."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from inspect import signature
from typing import Any

import segmentation_models_pytorch as smp
import timm
from torch import nn

from ..errors import OptionError
from .bhccm import MODES, Mode
from .segmenter import HierarchicalSegmenter


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from; plain values, carried by every checkpoint.

    Attributes:
        architecture: Decoder, one of :func:`architectures`.
        encoder: Backbone, a name of segmentation-models-pytorch or ``tu-<timm name>``.
        mode: How the levels talk; ``flat`` predicts the leaves alone.
        dropout: Dropout before the classifiers, 0..1.
        options: Further options of the architecture, for example ``decoder_channels``.
    """

    architecture: str = "upernet"
    encoder: str = "resnet18"
    mode: str = "residual"
    dropout: float = 0.1
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def architectures() -> tuple[str, ...]:
    """Names of the decoders, sorted."""
    return tuple(sorted(smp.MODEL_ARCHITECTURES_MAPPING))


def build_segmenter(
    config: ModelConfig, in_channels: int, num_classes: Sequence[int], encoder_weights: str | None = None
) -> HierarchicalSegmenter:
    """Build a flat or hierarchical model.

    Args:
        config: Names and options.
        in_channels: Number of bands, >= 1.
        num_classes: (C_1, ..., C_N) of the tree; a flat model takes the last.
        encoder_weights: Name of pretrained weights, fetched by the library that has them; None for random
            ones.

    Returns:
        The model in training mode.

    Raises:
        OptionError: A name does not exist (near ones are listed), decoder and encoder do not fit, or the
        weights
            cannot be had.
    """
    if config.mode not in ("flat", *MODES):
        raise OptionError(f"Expected mode to be one of flat, {', '.join(MODES)}, but got '{config.mode}'.")
    flat = config.mode == "flat"
    model = _build_flat_model(config, in_channels, encoder_weights)
    mode: Mode = "independent" if flat else config.mode  # type: ignore[assignment]  # checked above
    counts = (num_classes[-1],) if flat else tuple(num_classes)
    return HierarchicalSegmenter(model, counts, mode=mode, dropout=config.dropout)


def _build_flat_model(config: ModelConfig, in_channels: int, encoder_weights: str | None) -> nn.Module:
    if config.architecture.lower() not in architectures():
        raise OptionError(_unknown("architecture", config.architecture, architectures()))
    _check_encoder(config.encoder)
    _check_options(config)
    try:
        return smp.create_model(
            config.architecture,
            encoder_name=config.encoder,
            encoder_weights=encoder_weights,
            in_channels=in_channels,
            classes=1,
            **config.options,
        )
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise OptionError(
            f"Expected encoder '{config.encoder}' to fit architecture '{config.architecture}' with options "
            f"{dict(config.options)}, but: {' '.join(str(error).split())}"
        ) from error
    except OSError as error:  # URLError, HTTPError and the hub's errors are OSErrors
        raise OptionError(
            f"Expected to fetch weights '{encoder_weights}' of encoder '{config.encoder}', but there is no "
            f"way to "
            f"them ({' '.join(str(error).split())[:120]}). Go online once, or set encoder_weights to null."
        ) from error


def _check_encoder(name: str) -> None:
    known = tuple(smp.encoders.encoders)
    if name.startswith("tu-"):
        available = timm.list_models()
        if name.removeprefix("tu-").split(".")[0] not in available:
            raise OptionError(_unknown("timm encoder", name, tuple(f"tu-{model}" for model in available)))
    elif name not in known:
        raise OptionError(_unknown("encoder", name, known))


def _check_options(config: ModelConfig) -> None:
    """Refuse options that the architecture would swallow; those of a timm encoder are timm's to check."""
    if config.encoder.startswith("tu-"):
        return
    builder = smp.MODEL_ARCHITECTURES_MAPPING[config.architecture.lower()]
    known = tuple(name for name in signature(builder).parameters if name not in ("self", "kwargs"))
    for name in config.options:
        if name not in known:
            raise OptionError(_unknown(f"option of architecture '{config.architecture}'", name, known))


def _unknown(what: str, name: str, options: tuple[str, ...]) -> str:
    near = get_close_matches(name, options, n=5, cutoff=0.4) or options[:8]
    return f"Expected a known {what}, but got '{name}'. Near ones: {', '.join(near)}."


__all__ = ("ModelConfig", "architectures", "build_segmenter")
