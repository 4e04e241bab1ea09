"""Build a model from names: architecture (decoder) and encoder, any number of bands, any tree."""

from collections.abc import Sequence
from inspect import signature
from typing import Any

from torch import nn

from ..errors import OptionError, unknown_name
from ..imports import without_compiler
from ..types import Spectra

with without_compiler():
    import segmentation_models_pytorch as smp
    from segmentation_models_pytorch.base import initialization

from .backbones import PRESTO, VIT_OPTIONS, Backbone, find_backbone
from .band_adaptation import BandAdaptation, by_names
from .bhccm import MODES, Mode
from .features import EncoderDecoder, FeatureExtractor, extract_features
from .hamburger import LightHamburger
from .hypercolumn import Hypercolumn
from .initial_values import NoInitialValues
from .pretrained import load_encoder_weights
from .record import ModelConfig
from .scene_model import HierarchicalSegmenter
from .temporal import TEMPORAL, PrestoEncoder, PrestoFeatures, SeriesFeatures

#: Our own decoders beside those of segmentation-models-pytorch.
SEGNEXT, HYPERCOLUMN = "segnext", "hypercolumn"
_OWN = (HYPERCOLUMN, SEGNEXT)

#: Channels of SegNeXt's decoder by encoder; others take the first.
_HAMBURGER_CHANNELS = {"mscan_tiny": 256, "mscan_small": 256, "mscan_base": 512, "mscan_large": 1024}

#: What timm would open or fetch; options come with every checkpoint, also with a stranger's.
_FILE_OPTIONS = frozenset(
    {
        "cache_dir",
        "checkpoint_path",
        "encoder_weights",
        "pretrained",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
    }
)

#: Presto's options, and the largest degrees of each.
_PLACE = {"latitude": 90, "longitude": 180}

#: Decoders that want the last stages dilated.
_DILATING = ("deeplabv3", "deeplabv3plus", "pan")


def architectures() -> tuple[str, ...]:
    """Names of the decoders, sorted."""
    return tuple(sorted((*smp.MODEL_ARCHITECTURES_MAPPING, *_OWN)))


def build_segmenter(
    config: ModelConfig,
    in_channels: int,
    num_classes: Sequence[int],
    encoder_weights: str | None = None,
    bands: Sequence[str] | None = None,
    band_adaptation: BandAdaptation = "auto",
    sensor: str | None = None,
    spectra: Spectra = by_names,
    gsd_m: float | None = None,
) -> HierarchicalSegmenter:
    """Build a flat or hierarchical model.

    Args:
        config: Names and options.
        in_channels: Number of bands, >= 1.
        num_classes: (C_1, ..., C_N) of the tree; a flat model takes the last.
        encoder_weights: Pretrained weights, see :func:`hierars_geo.models.load_encoder_weights`; None for
            random ones.
        bands: Names of the bands, for weights that know theirs.
        band_adaptation: How the first layer meets other bands than it was trained on.
        sensor: Entry of the sensor catalog that the names of the bands are of, where it is known.
        spectra: Looks bands up in the sensor catalog; default: bands go by their names alone.
        gsd_m: Side of a pixel in metres, for an encoder that counts places in metres.

    Raises:
        OptionError: A name does not exist (near ones are listed), decoder and encoder do not fit, the
            weights cannot be had, or the encoder needs ``gsd_m``.
    """
    backbone = check_config(config)
    flat = config.mode == "flat"
    in_metres = VIT_OPTIONS.get(backbone.family, {}).get("positions") == "metres"
    if in_metres and gsd_m is None:
        raise OptionError(
            f"Expected the size of a pixel in metres for encoder '{config.encoder}', which knows places by "
            "it, but got none. Give scenes with a CRS, or gsd_m of the data."
        )
    if backbone.name == PRESTO:
        extractor = _presto(config, bands or (), sensor)
    else:
        extractor = _build_flat_model(config, backbone, in_channels)
    if in_metres:
        extractor.body.encoder.gsd_m = gsd_m  # type: ignore[union-attr]
    if config.temporal in TEMPORAL:
        body: EncoderDecoder = extractor.body  # type: ignore[assignment]  # as every flat model's is
        extractor = SeriesFeatures(body, extractor.channels, extractor.multiple, config.temporal, in_channels)
    if encoder_weights is not None:
        encoder: nn.Module = extractor.body.encoder  # type: ignore[assignment]  # an EncoderDecoder's
        load_encoder_weights(encoder, backbone, encoder_weights, bands, band_adaptation, sensor, spectra)
    mode: Mode = "independent" if flat else config.mode  # type: ignore[assignment]  # checked above
    counts = (num_classes[-1],) if flat else tuple(num_classes)
    return HierarchicalSegmenter(extractor, counts, mode=mode, dropout=config.dropout)


def check_config(config: ModelConfig) -> Backbone:
    """Refuse names and options of which no model can be built; return what the encoder's name stands for.

    Raises:
        OptionError: A name does not exist (near ones are listed), or decoder and encoder do not fit.
    """
    if config.mode not in ("flat", *MODES):
        raise OptionError(f"Expected mode to be one of flat, {', '.join(MODES)}, but got '{config.mode}'.")
    backbone = find_backbone(config.encoder)
    architecture = config.architecture.lower()
    if architecture not in architectures():
        raise OptionError(unknown_name("architecture", config.architecture, architectures()))
    if backbone.name == PRESTO:
        _check_presto(config)
    elif config.temporal not in (None, *TEMPORAL):
        raise OptionError(unknown_name("temporal", config.temporal, TEMPORAL))
    if architecture in _DILATING and backbone.why_undilated:
        raise OptionError(
            f"Expected an encoder that can be dilated for architecture '{architecture}', but got "
            f"'{config.encoder}': {backbone.why_undilated}. Take a ResNet or a ConvNeXt, or architecture "
            "upernet."
        )
    _check_options(config, backbone)
    return backbone


def _build_flat_model(config: ModelConfig, backbone: Backbone, in_channels: int) -> FeatureExtractor:
    architecture = config.architecture.lower()
    options = dict(config.options)
    rate = options.pop("drop_path_rate", backbone.drop_path_rate)
    if backbone.timm_name is not None:
        options = {**dict(backbone.options), **options}
        if rate is not None:
            options["drop_path_rate"] = rate
    try:
        with NoInitialValues():
            if architecture == SEGNEXT:
                extractor = _segnext(config.encoder, backbone, in_channels, options)
            elif architecture == HYPERCOLUMN:
                extractor = _hypercolumn(backbone, in_channels, options)
            else:
                extractor = extract_features(
                    smp.create_model(
                        architecture,
                        encoder_name=backbone.name,
                        encoder_weights=None,
                        in_channels=in_channels,
                        classes=1,
                        **options,
                    )
                )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise OptionError(
            f"Expected encoder '{config.encoder}' to fit architecture '{config.architecture}' with options "
            f"{dict(config.options)}, but: {' '.join(str(error).split())}"
        ) from error
    if rate is not None and backbone.timm_name is None:
        extractor.body.encoder.set_drop_path(rate)  # type: ignore[operator, union-attr]  # only ours have a rate
    return extractor


def _segnext(encoder: str, backbone: Backbone, in_channels: int, options: dict[str, Any]) -> FeatureExtractor:
    """SegNeXt: any pyramid with maps at 1/8, 1/16 and 1/32 under the light Hamburger."""
    channels = int(options.pop("decoder_channels", _HAMBURGER_CHANNELS.get(encoder, 256)))
    rank = int(options.pop("rank", 16))
    body = _encoder(backbone, in_channels, options)
    decoder = LightHamburger(body.out_channels, channels, rank)
    initialization.initialize_decoder(decoder)  # type: ignore[no-untyped-call]
    return FeatureExtractor(EncoderDecoder(body, decoder), channels, multiple=32)


def _hypercolumn(backbone: Backbone, in_channels: int, options: dict[str, Any]) -> FeatureExtractor:
    """Any pyramid, its maps and the bands under one linear map each."""
    channels = int(options.pop("decoder_channels", 64))
    body = _encoder(backbone, in_channels, options)
    return FeatureExtractor(EncoderDecoder(body, Hypercolumn(body.out_channels, channels)), channels, 32)


def _presto(config: ModelConfig, bands: Sequence[str], sensor: str | None) -> FeatureExtractor:
    """Presto, its features of single pixels under one linear map."""
    place = (float(config.options[name]) for name in _PLACE)
    encoder, channels = PrestoEncoder(bands, sensor, *place), int(config.options.get("decoder_channels", 64))
    return PrestoFeatures(encoder, Hypercolumn([encoder.norm.normalized_shape[0]], channels), channels)


def _check_presto(config: ModelConfig) -> None:
    """Refuse what stands beside no encoder of single pixels, and places that are not on the Earth."""
    own = {"architecture": (config.architecture, HYPERCOLUMN), "temporal": (config.temporal, "presto")}
    for name, (given, wanted) in own.items():
        if given != wanted:
            raise OptionError(
                f"Expected {name} '{wanted}' with encoder {PRESTO}, which sees the season of single pixels, "
                f"but got '{given}'. Set {name}, or take another encoder."
            )
    for name, largest in _PLACE.items():
        given = config.options.get(name)
        if not isinstance(given, int | float) or not abs(given) <= largest:
            raise OptionError(
                f"Expected {name} of the training ground in model_options with encoder {PRESTO}, in degrees, "
                f"{-largest} to {largest}, but got {given}. Set it."
            )


def _encoder(backbone: Backbone, in_channels: int, options: dict[str, Any]) -> Any:  # noqa: ANN401
    return smp.encoders.get_encoder(  # type: ignore[no-untyped-call]
        backbone.name, in_channels=in_channels, weights=None, **options
    )


def _check_options(config: ModelConfig, backbone: Backbone) -> None:
    """Refuse options that the architecture would swallow; those of a timm encoder are timm's to check."""
    rate = config.options.get("drop_path_rate")
    if rate is not None and not (isinstance(rate, int | float) and 0 <= rate < 1):
        raise OptionError(f"Expected drop_path_rate to be in 0..1 (1 excluded), but got {rate!r}.")
    for name in config.options:
        if name in _FILE_OPTIONS:
            raise OptionError(
                f"Expected options that name no file and fetch nothing, but got '{name}'. "
                "Give pretrained weights by start.encoder_weights."
            )
    if backbone.timm_name is not None:
        return
    architecture = config.architecture.lower()
    width = config.options.get("decoder_channels", 1)
    if architecture in _OWN and not (isinstance(width, int) and width > 0):
        raise OptionError(f"Expected decoder_channels to be a whole number above 0, but got {width!r}.")
    known: tuple[str, ...] = ("decoder_channels", *(("rank",) if architecture == SEGNEXT else ()))
    if architecture not in _OWN:
        builder = smp.MODEL_ARCHITECTURES_MAPPING[architecture]
        known = tuple(name for name in signature(builder).parameters if name not in ("self", "kwargs"))
    if backbone.drop_path_rate is not None:
        known = (*known, "drop_path_rate")
    if backbone.name == PRESTO:
        known = (*known, *_PLACE)
    for name in config.options:
        if name not in known:
            raise OptionError(unknown_name(f"option of architecture '{config.architecture}'", name, known))
