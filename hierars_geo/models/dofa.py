"""DOFA's first layer, generated for the wavelengths of some bands (Xiong et al. 2024, arXiv 2403.15356)."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import torch
from torch import Tensor

from ..errors import OptionError, list_some
from ..types import SpectralBand

_GENERATOR: Final = "patch_embed."
#: What the published weights took for the wavelength of radar, in micrometres.
_RADAR_UM: Final = dict.fromkeys(("VV", "VH", "HH", "HV"), 3.75)


def with_first_layer(
    state: Mapping[str, Tensor], bands: Sequence[SpectralBand], patch_px: int, source: str
) -> dict[str, Tensor]:
    """Turn weights of DOFA into those of a plain ViT for some bands.

    DOFA generates the convolution that embeds patches from the wavelengths of an image's bands. Those of a
    model are always the same, and so is the convolution: it is generated once, and learns like any other.

    Args:
        state: Of TorchGeo's DOFA.
        bands: In the order of the channels.
        patch_px: Side of a patch.
        source: The weights, for messages.

    Returns:
        The state with ``patch_embed.proj`` (D, C, patch, patch) and its bias.

    Raises:
        OptionError: Nobody says the wavelength of a band, or the weights are no DOFA's.
    """
    waves = [_RADAR_UM.get(band.name, (band.center_nm or 0.0) / 1000) for band in bands]
    unknown = [band.name for band, wave in zip(bands, waves, strict=True) if not wave]
    if unknown or not bands:
        raise OptionError(
            f"Expected the wavelength of every band with weights '{source}', but nobody says that of "
            f"{list_some(unknown) or 'any band'}. Name the sensor (its entry in data_catalog/sensors with "
            "center_nm), or take an encoder of other weights."
        )
    library = import_module("torchgeo.models.dofa")
    own = {
        name.removeprefix(_GENERATOR): value for name, value in state.items() if name.startswith(_GENERATOR)
    }
    try:
        width, dims = own["weight_generator.fc_bias.weight"].shape
        embedding: Any = library.DOFAEmbedding(dims, patch_px, width)
        embedding.load_state_dict(own)
    except (KeyError, ValueError, RuntimeError) as error:
        raise OptionError(
            f"Expected weights '{source}' to be those of a DOFA with patches of {patch_px} px, but its first "
            "layer is another. Take the weights of this encoder."
        ) from error
    with torch.no_grad():
        wave = torch.tensor(waves) * 1000
        learnt = embedding.fclayer(library.position_embedding(dims, wave))
        weight, bias = embedding.eval().weight_generator(learnt)
        weight = weight.view(len(bands), patch_px, patch_px, width).permute(3, 0, 1, 2)
    kept = {name: value for name, value in state.items() if not name.startswith(_GENERATOR)}
    scale = embedding.scaler
    layer = {"proj.weight": weight * scale, "proj.bias": bias.view(width) * scale}
    return kept | {_GENERATOR + name: value.contiguous() for name, value in layer.items()}
