"""Weights of TorchGeo's transformers as those of our ViT: other names, first layers for some bands."""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import OptionError, list_some
from ..types import SpectralBand
from .backbones import Backbone

#: What the published weights took for the wavelength and the bandwidth of radar, in nanometres; Panopticon
#: has numbers for it (of either orbit).
_DOFA_RADAR: Final = dict.fromkeys(("VV", "VH", "HH", "HV"), 3750.0)
_COPERNICUS_RADAR: Final = dict.fromkeys(_DOFA_RADAR, 5e7)
_COPERNICUS_RADAR_WIDTH: Final = dict.fromkeys(_DOFA_RADAR, 1e9)
_PANOPTICON_RADAR: Final = {"VV": -1.0, "VH": -2.0, "HH": -3.0, "HV": -4.0}

#: Side, in patches, of the table of positions that Panopticon learnt with.
_PANOPTICON_GRID: Final = 16

#: Layers of a block: CROMA's names, ours.
_CROMA: Final = {
    "0.input_norm": "norm1",
    "0.to_qkv": "attn.qkv",
    "0.to_out": "attn.proj",
    "1.input_norm": "norm2",
    "1.net.0": "mlp.fc1",
    "1.net.3": "mlp.fc2",
}

_State = Mapping[str, Tensor]


def to_plain_vit(
    backbone: Backbone, state: _State, bands: Sequence[SpectralBand], patch_px: int, source: str
) -> dict[str, Tensor]:
    """Turn weights of one of TorchGeo's transformers into those of :class:`.ViTPyramid`, for some bands.

    DOFA and Copernicus-FM generate the convolution that embeds patches from the wavelengths of an image's
    bands. Those of a model are always the same, and so is the convolution: it is generated once, and learns
    like any other. Of Panopticon the same holds for what it adds to every band.

    Args:
        backbone: Whose weights; those of families that need nothing are given back.
        state: Of TorchGeo's model.
        bands: In the order of the channels.
        patch_px: Side of a patch.
        source: The weights, for messages.

    Raises:
        OptionError: Nobody says the wavelength of a band, or the weights are another model's.
    """
    try:
        match backbone.family:
            case "dofa":
                return _dofa(state, bands, patch_px, source)
            case "copernicusfm":
                return _copernicus(state, bands, patch_px, source)
            case "panopticon":
                return _panopticon(state, bands, source)
            case "croma":
                return _croma(state, patch_px, "s1" if backbone.sensor == "sentinel1" else "s2")
    except OptionError:
        raise
    except (KeyError, ValueError, RuntimeError) as error:
        raise OptionError(
            f"Expected weights '{source}' to be those of encoder '{backbone.name}', but they lack its first "
            "layer, or have it in another shape. Take the weights of this encoder."
        ) from error
    return dict(state)


def _numbers(
    bands: Sequence[SpectralBand],
    which: Literal["center_nm", "width_nm"],
    radar: Mapping[str, float],
    source: str,
) -> Tensor:
    """Return wavelengths or bandwidths (C,) in nanometres."""
    told = [radar.get(band.name, getattr(band, which)) for band in bands]
    unknown = [band.name for band, number in zip(bands, told, strict=True) if not number]
    if unknown or not bands:
        what = "wavelength" if which == "center_nm" else "bandwidth"
        raise OptionError(
            f"Expected the {what} of every band with weights '{source}', but nobody says that of "
            f"{list_some(unknown) or 'any band'}. Name the sensor (its entry in data_catalog/sensors with "
            f"{which}), or take an encoder of other weights."
        )
    return torch.tensor(told)


def _below(state: _State, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _dofa(state: _State, bands: Sequence[SpectralBand], patch_px: int, source: str) -> dict[str, Tensor]:
    """Xiong et al. 2024, arXiv 2403.15356."""
    centers = _numbers(bands, "center_nm", _DOFA_RADAR, source)
    library = import_module("torchgeo.models.dofa")

    def encode(dims: int, _: object) -> Tensor:
        told: Tensor = library.position_embedding(dims, centers)
        return told

    own = _below(state, "patch_embed.")
    return {**state, **_generated(own, library.DOFAEmbedding, encode, patch_px)}


def _copernicus(
    state: _State, bands: Sequence[SpectralBand], patch_px: int, source: str
) -> dict[str, Tensor]:
    """Wang et al. 2025, arXiv 2503.11849; place, area and date of an image stay unsaid."""
    centers = _numbers(bands, "center_nm", _COPERNICUS_RADAR, source)
    widths = _numbers(bands, "width_nm", _COPERNICUS_RADAR_WIDTH, source)

    def encode(dims: int, layer: Any) -> Tensor:  # noqa: ANN401  # the library's types are partial
        told: Tensor = layer.spectrum_central_expansion(centers, dims)
        told += layer.spectrum_bandwidth_expansion(widths, dims)
        return told

    library = import_module("torchgeo.models.copernicusfm")
    own = _below(state, "patch_embed_spectral.")
    table = state["pos_embed"]
    for what in ("coord", "scale", "time"):
        table = table + F.linear(state[f"{what}_token"], state[f"{what}_fc.weight"], state[f"{what}_fc.bias"])
    return {**state, **_generated(own, library.DynamicPatchEmbed, encode, patch_px), "pos_embed": table}


def _generated(
    own: _State, layer: Callable[..., Any], encode: Callable[[int, Any], Tensor], patch_px: int
) -> dict[str, Tensor]:
    """Generate the convolution that embeds patches from what encodes the bands as (C, dims)."""
    width, dims = own["weight_generator.fc_bias.weight"].shape
    embedding = layer(dims, patch_px, width)
    embedding.load_state_dict(own)
    with torch.no_grad():
        learnt = embedding.fclayer(encode(dims, embedding))
        weight, bias = embedding.eval().weight_generator(learnt)
        weight = weight.view(len(learnt), patch_px, patch_px, width).permute(3, 0, 1, 2).contiguous()
    scale = embedding.scaler
    return {"patch_embed.proj.weight": weight * scale, "patch_embed.proj.bias": bias.view(width) * scale}


def _panopticon(state: _State, bands: Sequence[SpectralBand], source: str) -> dict[str, Tensor]:
    """Waldmann et al. 2025, arXiv 2503.10845."""
    centers = _numbers(bands, "center_nm", _PANOPTICON_RADAR, source)
    library = import_module("torchgeo.models.panopticon")
    embedding = library.ChnEmb(state["patch_embed.chnfus.query"].shape[-1])
    embedding.load_state_dict(_below(state, "patch_embed.chnfus.chnemb."))
    with torch.no_grad():
        told = embedding(centers[None])[0]
    table, wrapped = state["pos_embed"], re.compile(r"\.(?:chnfus\.xattn|chnfus)\.")
    side = round((table.shape[1] - 1) ** 0.5)
    return {
        **{wrapped.sub(".", name, count=1): value for name, value in state.items()},
        "patch_embed.bands": told,
        "patch_embed.each.weight": state["patch_embed.conv3d.conv3d.weight"].flatten(1),
        "patch_embed.each.bias": state["patch_embed.conv3d.conv3d.bias"],
        "pos_embed": library.resize_abs_pos_embed(table, _PANOPTICON_GRID, side),
    }


def _croma(state: _State, patch_px: int, part: str) -> dict[str, Tensor]:
    """Fuller et al. 2023, arXiv 2311.00566.

    It saw images stretched to 0..1 from two standard deviations below the mean to two above; the step from
    standardised images to these, 0.5 + z / 4, becomes part of the first layer.
    """
    own = _below(state, f"{part}_encoder.")
    weight = own["linear_input.weight"]  # (D, C * patch * patch)
    plain = {
        "patch_embed.proj.weight": weight.view(len(weight), -1, patch_px, patch_px) / 4,
        "patch_embed.proj.bias": own["linear_input.bias"] + weight.sum(1) / 2,
    }
    for name, value in own.items():
        if found := re.fullmatch(r"transformer\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
            plain[f"blocks.{found[1]}.{_CROMA[found[2]]}.{found[3]}"] = value
    return plain
