"""Reflectance of pure surfaces in Sentinel-2's ten bands, and how plants change it through the year.

The figures are rounded, plausible surface reflectances; they are meant to look right and to be confusable
where real surfaces are, not to calibrate anything.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError

Season: TypeAlias = Literal["spring", "summer", "autumn"]
SEASONS: Final[tuple[Season, ...]] = get_args(Season)
#: A season, or shares of seasons for a date between them, for example {"summer": 0.7, "autumn": 0.3}.
Stage: TypeAlias = Season | Mapping[Season, float]

#: Order of the columns below; other sensors take a subset of them.
BANDS: Final = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

# In percent, B02 ... B12.
_SURFACES: Final[Mapping[str, tuple[float, ...]]] = {
    "soil": (8.0, 10.8, 13.8, 16.0, 17.6, 19.0, 20.8, 22.4, 29.5, 25.5),
    "soil_wet": (5.2, 7.2, 8.8, 10.0, 11.0, 12.0, 13.0, 14.0, 17.0, 13.0),
    "sand": (12.5, 17.0, 22.0, 24.8, 26.6, 28.0, 29.6, 31.0, 37.0, 34.0),
    "rock": (11.0, 13.2, 15.6, 17.0, 18.0, 18.8, 19.8, 20.8, 26.0, 24.0),
    "water_clear": (4.6, 4.8, 2.8, 2.4, 1.9, 1.7, 1.5, 1.3, 0.8, 0.5),
    "water_turbid": (7.6, 10.4, 9.6, 8.2, 5.2, 4.8, 4.1, 3.4, 1.2, 0.8),
    "water_green": (5.0, 8.4, 5.4, 6.6, 4.6, 4.3, 4.0, 3.1, 1.0, 0.6),
    "rice": (3.3, 6.1, 3.7, 9.2, 25.0, 31.0, 34.0, 36.0, 16.5, 7.8),
    "maize": (3.4, 6.2, 3.8, 9.8, 26.5, 33.0, 36.0, 38.5, 20.0, 10.0),
    "soybean": (3.8, 7.6, 4.2, 11.0, 31.5, 40.5, 44.5, 46.5, 23.5, 11.8),
    "vegetables": (5.0, 8.6, 6.4, 12.5, 24.0, 29.0, 32.0, 34.0, 25.0, 15.0),
    "straw": (7.6, 12.0, 15.8, 19.0, 22.0, 24.0, 26.0, 28.0, 34.0, 26.5),
    "grass": (4.4, 7.8, 5.6, 11.8, 24.0, 29.0, 31.5, 33.5, 23.5, 13.0),
    "lawn": (4.1, 8.3, 4.9, 11.8, 28.0, 34.5, 37.5, 39.5, 22.5, 11.5),
    "dry_grass": (6.6, 9.8, 11.2, 15.5, 20.5, 23.0, 25.0, 27.0, 29.5, 20.0),
    "broadleaf": (2.6, 4.9, 2.8, 7.8, 23.0, 29.5, 32.5, 35.0, 15.8, 7.2),
    "bare_crowns": (4.6, 5.8, 6.4, 8.4, 12.0, 14.0, 15.6, 17.5, 17.0, 11.0),
    "yellow_crowns": (3.6, 6.6, 6.8, 11.0, 20.0, 24.0, 26.0, 28.0, 17.5, 9.0),
    "conifer": (2.2, 3.8, 2.4, 5.8, 15.5, 19.5, 21.5, 23.5, 10.5, 4.8),
    "asphalt": (8.2, 9.2, 9.8, 10.3, 10.8, 11.3, 11.8, 12.3, 13.8, 12.8),
    "concrete": (15.0, 17.4, 19.0, 20.0, 21.0, 21.7, 22.4, 23.2, 25.8, 24.0),
    "gravel": (9.8, 11.0, 12.0, 12.6, 13.2, 13.8, 14.4, 15.0, 17.4, 16.8),
    "tile_grey": (9.6, 10.6, 11.6, 12.6, 13.6, 14.4, 15.2, 16.2, 19.0, 17.8),
    "tile_red": (8.0, 10.2, 16.6, 20.0, 22.0, 23.2, 24.6, 26.2, 29.0, 26.5),
    "roof_white": (29.0, 32.0, 33.0, 34.0, 34.5, 35.0, 35.5, 36.0, 35.0, 32.0),
    "roof_blue": (23.0, 21.0, 15.5, 15.5, 19.5, 23.0, 25.0, 26.0, 24.0, 21.0),
    "running_track": (6.5, 7.6, 18.0, 21.5, 23.5, 24.8, 26.0, 27.0, 29.0, 25.5),
    "shadow": (2.8, 2.9, 2.7, 3.0, 4.2, 4.8, 5.2, 5.4, 4.0, 3.0),
}

SURFACES: Final[Mapping[str, NDArray[np.float32]]] = {
    name: (np.array(values) / 100).astype(np.float32) for name, values in _SURFACES.items()
}

#: Shares of pure surfaces, for example {"rice": 0.7, "soil_wet": 0.3}.
Blend: TypeAlias = Mapping[str, float]


def blend_reflectance(blend: Blend) -> NDArray[np.float32]:
    """Mix surfaces linearly by their shares.

    Args:
        blend: Share of each surface; shares are normalised to a sum of 1.

    Returns:
        (10,) float32 reflectance 0..1 in the order of :data:`BANDS`.

    Raises:
        OptionError: A surface is unknown.
    """
    unknown = set(blend) - set(SURFACES)
    if unknown:
        raise OptionError(
            f"Expected surfaces out of {sorted(SURFACES)}, but got {sorted(unknown)}. Check the spelling."
        )
    total = sum(blend.values())
    mixed: NDArray[np.float32] = np.zeros(len(BANDS), dtype=np.float32)
    for name, share in blend.items():
        mixed += np.float32(share / total) * SURFACES[name]
    return mixed


def season_shares(stage: Stage) -> dict[Season, float]:
    """Shares of the seasons of a stage, with a sum of 1.

    Raises:
        OptionError: A season is unknown, or a share is no share.
    """
    shares: dict[Season, float] = {stage: 1.0} if isinstance(stage, str) else dict(stage)
    total = sum(shares.values())
    if not set(shares) <= set(SEASONS) or min(shares.values(), default=-1.0) < 0 or total <= 0:
        raise OptionError(f"Expected shares of {', '.join(SEASONS)}, 0 or more, but got {shares}.")
    return {season: share / total for season, share in shares.items()}


__all__ = (
    "BANDS",
    "SEASONS",
    "SURFACES",
    "Blend",
    "Season",
    "Stage",
    "blend_reflectance",
    "season_shares",
)
