"""Band names: one spelling for each, and which band of a file is which."""

import re
from collections.abc import Sequence

from ..errors import RecipeError

#: "B2", "b02", "B8a"; also "B4, central wavelength 665 nm" and "B01 (coastal)", as some drivers have it.
_NUMBERED = re.compile(r"b(\d{1,2})(a?)(?:\s*[,(].*)?", re.IGNORECASE)
_COLOURS = frozenset({"blue", "green", "red", "nir"})
_POLARISATIONS = frozenset({"VV", "VH", "HH", "HV"})
#: What software writes where nobody gave a name: "Band 1", "layer_2", "3", "band 1 reflectance".
_PLACEHOLDER = re.compile(r"(?:band|layer)?[ _-]?\d+(?:[ _-]+(?:surface[ _-]+)?reflectance)?", re.IGNORECASE)


def canonical_band(name: str) -> str:
    """Return the one spelling of a band name.

    Args:
        name: As found in a file, a folder or a configuration.

    Returns:
        ``B02`` for ``B2``, ``b02``; ``B8A`` for ``B8a``; ``blue green red nir`` in lower case; ``VV VH HH
        HV`` in upper case; any other name without the blanks around it.

    Examples:
        >>> canonical_band("b2"), canonical_band("B8a"), canonical_band(" NIR"), canonical_band("B")
        ('B02', 'B8A', 'nir', 'B')
    """
    stripped = name.strip()
    if numbered := _NUMBERED.fullmatch(stripped):
        number, letter = int(numbered[1]), numbered[2].upper()
        return f"B{number}{letter}" if letter else f"B{number:02d}"
    if stripped.upper() in _POLARISATIONS:
        return stripped.upper()
    return stripped.lower() if stripped.lower() in _COLOURS else stripped


def is_placeholder(name: str | None) -> bool:
    """Tell whether a band description says nothing (``None``, ``""``, ``"Band 1"``, ``"layer_2"``)."""
    return name is None or not name.strip() or _PLACEHOLDER.fullmatch(name.strip()) is not None


def match_bands(wanted: Sequence[str], available: Sequence[str | None], origin: str) -> list[int]:
    """Find bands by name.

    Args:
        wanted: Names in the order in which they are to be read.
        available: Names of the file's bands in file order; None for a band without a name.
        origin: Name of the file, for the message.

    Returns:
        The 1-based band index in the file of every wanted band.

    Raises:
        RasterError: A band is missing, or a name that is wanted stands for several bands.

    Examples:
        >>> match_bands(["B4", "B3"], ["B02", "B03", "B04"], "scene.tif")
        [3, 2]
    """
    names = [None if name is None else canonical_band(name) for name in available]
    canonical = [canonical_band(name) for name in wanted]
    missing = [name for name in canonical if name not in names]
    if missing:
        found = ", ".join(name for name in names if name) or "bands without names"
        raise RecipeError(
            f"Expected bands {', '.join(canonical)}, but got {found} (in {origin}): {', '.join(missing)} "
            "missing. Give a raster of the sensor that the model was trained on, rename its bands, or say "
            f"which band is which ({canonical[0]}: 1, ...)."
        )
    for name in canonical:
        if names.count(name) > 1:
            where = ", ".join(str(index) for index, other in enumerate(names, 1) if other == name)
            raise RecipeError(
                f"Expected one band named {name}, but got bands {where} (in {origin}). Rename all but one."
            )
    return [names.index(name) + 1 for name in canonical]
