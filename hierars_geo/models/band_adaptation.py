"""How the first layer of a pretrained encoder meets other bands than it was trained on."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import OptionError

BandAdaptation = Literal["auto", "by_name", "repeat", "average"]

#: Sentinel-2's numbers of the bands that other sensors name by their colour.
_COLOURS = {"b2": "blue", "b3": "green", "b4": "red", "b8": "nir"}


def adapt_bands(
    weight: Tensor,
    count: int,
    known: Sequence[str] | None = None,
    wanted: Sequence[str] | None = None,
    adaptation: BandAdaptation = "auto",
) -> Tensor:
    """Make the weight of a first convolution fit other bands.

    * ``repeat``: bands in turn (1 2 3 1 2 ...), scaled so that the response to equal bands stays the same.
    * ``average``: the mean over the bands for every band, scaled likewise.
    * ``by_name``: a band that the weights know keeps its own; any other gets the mean over the bands.
      Sentinel-2's B02, B03, B04 and B08 are blue, green, red and nir; B2 is B02.
    * ``auto``: by name where a band is known by name, else repeat.

    Args:
        weight: (D, C_old, k, k) pretrained.
        count: C, bands of the new layer.
        known: Names of the C_old bands, or None.
        wanted: Names of the C bands, or None.
        adaptation: One of the above.

    Returns:
        (D, C, k, k).

    Raises:
        OptionError: An unknown way, or by name without names in common.

    Examples:
        >>> adapt_bands(torch.ones(1, 3, 1, 1), 6, adaptation="repeat").sum()
        tensor(3.)
    """
    if adaptation not in get_args(BandAdaptation):
        raise OptionError(
            f"Expected band_adaptation to be one of {', '.join(get_args(BandAdaptation))}, "
            f"but got '{adaptation}'."
        )
    old = weight.shape[1]
    position = {_band_key(name): index for index, name in enumerate(known or ()) if index < old}
    found = [position.get(_band_key(name)) for name in wanted or ()]
    named = len(found) == count and any(index is not None for index in found)
    if adaptation == "by_name" and not named:
        raise OptionError(
            f"Expected the weights to know some of the bands {', '.join(wanted or ('(unnamed)',))} by name, "
            f"but they know {', '.join(known or ('none',))}. Take band_adaptation repeat or average."
        )
    mean = weight.mean(dim=1)
    if named and adaptation in ("auto", "by_name"):
        return torch.stack([mean if index is None else weight[:, index] for index in found], dim=1)
    if adaptation == "average":
        return mean.unsqueeze(1).expand(-1, count, -1, -1) * (old / count)
    return weight[:, torch.arange(count) % old] * (old / count)


def _band_key(name: str) -> str:
    """One spelling per band: ``B02``, ``B2`` and ``blue`` are the same."""
    key = name.lower()
    if key.startswith("b0"):
        key = "b" + key[2:]
    return _COLOURS.get(key, key)


__all__ = ("BandAdaptation", "adapt_bands")
