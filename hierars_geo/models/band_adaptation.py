"""How the first layer of a pretrained encoder meets other bands than it was trained on."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import OptionError
from ..types import SpectralBand

BandAdaptation = Literal["auto", "by_name", "repeat", "average"]

#: Bands whose centres are this near, as a share of the wavelength, see the same thing: near infrared at 833
#: and 865 nm does, red at 665 and the red edge at 704 nm do not.
_NEAR = 0.05

#: Sees half of the spectrum: its centre says little.
_PAN = "pan"


def by_names(sensor: str | None, names: Sequence[str]) -> tuple[SpectralBand, ...]:
    """Take bands by their names alone, where no catalog of sensors is at hand."""
    return tuple(SpectralBand(name) for name in names)


def matching_bands(known: Sequence[SpectralBand], wanted: Sequence[SpectralBand]) -> tuple[int | None, ...]:
    """Find for every band the one of the weights that sees the same.

    That is the band of the same common name, else the nearest in wavelength (within 5 %), else, where no
    catalog knows a band, the one of the same name.

    Returns:
        Index into ``known`` per wanted band, None where none sees the same.

    Examples:
        >>> from hierars_geo.types import SpectralBand
        >>> nir, red = SpectralBand("B8A", "nir08", 865.0), SpectralBand("B04", "red", 665.0)
        >>> matching_bands([red, nir], [SpectralBand("nir", "nir", 830.0), SpectralBand("thermal")])
        (1, None)
    """
    return tuple(_match(known, band) for band in wanted)


def _match(known: Sequence[SpectralBand], band: SpectralBand) -> int | None:
    same = [i for i, other in enumerate(known) if band.common is not None and other.common == band.common]
    if same:
        return same[0]
    if band.center_nm is not None and band.common != _PAN:
        distances = {
            abs(other.center_nm / band.center_nm - 1): i
            for i, other in reversed(list(enumerate(known)))
            if other.center_nm is not None and other.common != _PAN
        }
        nearest = min(distances, default=1.0)
        if nearest <= _NEAR:
            return distances[nearest]
    named = [
        i
        for i, other in enumerate(known)
        if _spelling(other.name) == _spelling(band.name)
        and (other.center_nm is None or band.center_nm is None)
    ]
    return named[0] if named else None


def adapt_bands(
    weight: Tensor,
    count: int,
    known: Sequence[SpectralBand] | None = None,
    wanted: Sequence[SpectralBand] | None = None,
    adaptation: BandAdaptation = "auto",
) -> Tensor:
    """Make the weight of a first convolution fit other bands.

    ``repeat``, ``average``, ``by_name`` and ``auto`` are those of docs/models.md. The response to
    equal bands stays what it was, but for bands that all are known among others that are not wanted: those
    keep their filters, scaled by the number of bands.

    Args:
        weight: (D, C_old, k, k) pretrained.
        count: C, bands of the new layer.
        known: The C_old bands, or None.
        wanted: The C bands, or None.
        adaptation: One of these.

    Returns:
        (D, C, k, k).

    Raises:
        OptionError: An unknown way, or by name without bands in common.

    Examples:
        >>> adapt_bands(torch.ones(1, 3, 1, 1), 4, adaptation="repeat").sum()
        tensor(3.)
    """
    if adaptation not in get_args(BandAdaptation):
        raise OptionError(
            f"Expected band_adaptation to be one of {', '.join(get_args(BandAdaptation))}, "
            f"but got '{adaptation}'."
        )
    old = weight.shape[1]
    found = matching_bands(known or (), wanted or ()) if len(wanted or ()) == count else ()
    found = tuple(index if index is not None and index < old else None for index in found)
    named = any(index is not None for index in found)
    if adaptation == "by_name" and not named:
        names, own = ([band.name for band in bands or ()] for bands in (wanted, known))
        raise OptionError(
            f"Expected the weights to know some of the bands {', '.join(names) or '(unnamed)'} by name, "
            f"but they know {', '.join(own) or 'none'}. Take band_adaptation repeat or average."
        )
    if named and adaptation in ("auto", "by_name"):
        return _named(weight, found)
    if adaptation == "repeat":
        return _repeated(weight, count)
    if adaptation == "auto" and count == old and not (known and wanted):
        return weight
    return weight.mean(dim=1, keepdim=True).expand(-1, count, -1, -1) * (old / count)


def _named(weight: Tensor, found: Sequence[int | None]) -> Tensor:
    """Give each band its own filter, and the others alike what keeps the sum over all bands."""
    scale = weight.shape[1] / len(found)
    own = [None if index is None else weight[:, index] * scale for index in found]
    matched = [filters for filters in own if filters is not None]
    others = len(found) - len(matched)
    rest = (weight.sum(dim=1) - torch.stack(matched).sum(dim=0)) / max(others, 1)
    return torch.stack([rest if filters is None else filters for filters in own], dim=1)


def _repeated(weight: Tensor, count: int) -> Tensor:
    """Use bands in turn; the sum over all of them stays."""
    old = weight.shape[1]
    if count < old:
        folded = torch.zeros_like(weight[:, :count])
        return folded.index_add(1, torch.arange(old) % count, weight)
    index = torch.arange(count) % old
    return weight[:, index] / torch.bincount(index).to(weight.dtype)[index][None, :, None, None]


def _spelling(name: str) -> str:
    """One spelling per name: ``B02`` is ``b2``."""
    key = name.lower()
    return "b" + key[2:] if key.startswith("b0") else key
