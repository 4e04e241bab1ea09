"""What covers the ground: two blends per season, how they alternate in space, and how much objects differ.

A material is a mixture of a first and a second blend (crop and soil, lawn and trees, clear and turbid water).
The share of the second is drawn per object, then modulated by patches, tree crowns or crop rows; brightness
varies per object and per pixel. Most classes share their materials with others (a roof is a roof, water is
water): a single pixel is ambiguous, its surroundings are telling.

Reflectances of pure surfaces are rounded, plausible figures in Sentinel-2's ten bands, changed by plants
through the year: they are meant to look right and to be confusable where real surfaces are, not to
calibrate anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

#: Surfaces that are closed canopies of crops.
CANOPIES: Final = ("rice", "maize", "soybean")


def blend_reflectance(blend: Blend) -> NDArray[np.float32]:
    """Mix surfaces by their shares, which need not add up to 1: (10,) float32, 0..1, of :data:`BANDS`.

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


_Seasonal = Mapping[Season, Blend]


def _always(**shares: float) -> _Seasonal:
    return {"spring": shares, "summer": shares, "autumn": shares}


def _turning(spring: Blend, summer: Blend, autumn: Blend) -> _Seasonal:
    return {"spring": spring, "summer": summer, "autumn": autumn}


@dataclass(frozen=True)
class Material:
    """A surface as a sensor meets it.

    Attributes:
        first: Main blend, per season.
        second: What it alternates with, per season.
        share: Mean share of the second blend, 0..1.
        share_spread: Standard deviation of that share between objects.
        patches: Amplitude of the share's variation over tens of metres.
        crowns: Amplitude of the share's variation over a few metres.
        rows: Amplitude of the share's variation across crop rows.
        row_period_m: Distance between rows.
        gain_spread: Relative standard deviation of brightness between objects.
        mottle: Relative brightness variation over tens of metres.
        relief: Relative brightness variation from lit and dark sides of crowns.
        grain: Relative brightness variation from one fine pixel to the next.
    """

    first: _Seasonal
    second: _Seasonal = field(default_factory=lambda: _always(soil=1.0))
    share: float = 0.15
    share_spread: float = 0.1
    patches: float = 0.0
    crowns: float = 0.0
    rows: float = 0.0
    row_period_m: float = 4.0
    gain_spread: float = 0.12
    mottle: float = 0.03
    relief: float = 0.0
    grain: float = 0.05


_BROADLEAF = _turning(
    {"broadleaf": 0.75, "bare_crowns": 0.25}, {"broadleaf": 1.0}, {"yellow_crowns": 0.6, "broadleaf": 0.4}
)
_GRASS = _turning({"grass": 0.65, "dry_grass": 0.35}, {"grass": 1.0}, {"dry_grass": 0.7, "grass": 0.3})
_LAWN = _turning({"lawn": 0.7, "dry_grass": 0.3}, {"lawn": 1.0}, {"lawn": 0.6, "dry_grass": 0.4})
_WATER = _always(water_clear=0.75, water_green=0.25)
_SOIL = _always(soil=1.0)


def _crop(
    spring: Blend, summer: Blend, autumn: Blend, second: _Seasonal = _SOIL, **changes: float
) -> Material:
    values = {
        "share": 0.2,
        "share_spread": 0.14,
        "patches": 0.1,
        "rows": 0.13,
        "grain": 0.06,
        "gain_spread": 0.1,
    }
    return Material(_turning(spring, summer, autumn), second, **(values | changes))


def _roof(surface: str, **changes: float) -> Material:
    return Material(
        _always(**{surface: 1.0}), _always(tile_grey=0.6, asphalt=0.4), gain_spread=0.18, **changes
    )


def _paving(share: float, second: _Seasonal | None = None, **changes: float) -> Material:
    values = {"share": share, "share_spread": 0.2, "patches": 0.05, "gain_spread": 0.12, "grain": 0.05}
    return Material(_always(asphalt=1.0), second or _always(concrete=1.0), **(values | changes))


def _water(share: float, second: _Seasonal, patches: float) -> Material:
    return Material(
        _WATER, second, share, share_spread=0.22, patches=patches, gain_spread=0.14, mottle=0.03, grain=0.03
    )


_TURBID = _always(water_turbid=0.8, water_green=0.2)

MATERIALS: Final[Mapping[str, Material]] = {
    # Cropland. Paddies are flooded in spring and close to any other green crop in summer.
    "paddy": _crop(
        {"water_turbid": 0.6, "soil_wet": 0.3, "rice": 0.1},
        {"rice": 1.0},
        {"straw": 0.6, "rice": 0.25, "soil_wet": 0.15},
        second=_always(soil_wet=0.7, water_green=0.3),
        share=0.15,
        row_period_m=3.0,
        rows=0.08,
    ),
    "maize": _crop({"soil": 0.85, "maize": 0.15}, {"maize": 1.0}, {"straw": 0.8, "soil": 0.2}),
    "soybean": _crop(
        {"soil": 0.9, "soybean": 0.1}, {"soybean": 0.9, "maize": 0.1}, {"straw": 0.5, "soil": 0.5}
    ),
    "vegetables": _crop(
        {"vegetables": 0.7, "soil": 0.3},
        {"vegetables": 0.9, "soil": 0.1},
        {"vegetables": 0.8, "soil": 0.2},
        rows=0.25,
        row_period_m=5.0,
    ),
    "wheat": _crop({"lawn": 0.85, "maize": 0.15}, {"straw": 0.5, "maize": 0.5}, {"soil": 0.7, "lawn": 0.3}),
    "fallow": _crop(
        {"soil": 0.75, "dry_grass": 0.25},
        {"soil": 0.55, "grass": 0.45},
        {"soil": 0.8, "dry_grass": 0.2},
        rows=0.05,
    ),
    "balk": Material(_GRASS, _SOIL, share=0.35, share_spread=0.15, patches=0.15, crowns=0.08, grain=0.06),
    "dirt_track": Material(_SOIL, _GRASS, share=0.3, share_spread=0.12, patches=0.15, gain_spread=0.1),
    # Trees and grass.
    "broadleaf": Material(
        _BROADLEAF,
        _always(conifer=0.6, shadow=0.4),
        share=0.2,
        share_spread=0.12,
        patches=0.12,
        crowns=0.16,
        relief=0.2,
    ),
    "conifer": Material(
        _always(conifer=1.0), _BROADLEAF, share=0.3, share_spread=0.15, patches=0.18, crowns=0.12, relief=0.22
    ),
    "plantation": Material(
        _BROADLEAF,
        _GRASS,
        share=0.25,
        share_spread=0.12,
        crowns=0.1,
        rows=0.16,
        row_period_m=7.0,
        relief=0.18,
    ),
    "meadow": Material(
        _GRASS,
        _turning({"dry_grass": 0.6, "soil": 0.4}, {"dry_grass": 0.7, "broadleaf": 0.3}, {"dry_grass": 1.0}),
        share=0.32,
        share_spread=0.14,
        patches=0.2,
        crowns=0.08,
        relief=0.04,
        mottle=0.05,
    ),
    "lawn": Material(_LAWN, _GRASS, share=0.3, share_spread=0.18, patches=0.08, mottle=0.02, grain=0.04),
    "mown_lawn": Material(
        _LAWN, _GRASS, share=0.3, share_spread=0.15, patches=0.06, rows=0.22, row_period_m=11.0, grain=0.04
    ),
    "park_green": Material(
        _LAWN, _BROADLEAF, share=0.45, share_spread=0.12, patches=0.22, crowns=0.3, relief=0.14
    ),
    # Water: three kinds whose shares overlap widely.
    "river_water": _water(0.42, _TURBID, 0.07),
    "lake_water": _water(0.36, _TURBID, 0.09),
    "pond_water": _water(0.38, _always(water_green=0.8, water_turbid=0.2), 0.05),
    # Bare ground.
    "sandbar": Material(_always(sand=0.7, soil_wet=0.3), _SOIL, share=0.35, patches=0.2, mottle=0.06),
    "bare_ground": Material(
        _SOIL,
        _always(sand=0.5, rock=0.5),
        share=0.45,
        share_spread=0.22,
        patches=0.22,
        mottle=0.08,
        grain=0.07,
    ),
    # Hard surfaces.
    "asphalt": _paving(0.25),
    "street": _paving(0.3, second=_always(concrete=0.6, broadleaf=0.4), crowns=0.12),
    "concrete": _paving(0.75),
    "runway": _paving(0.4),
    "ballast": Material(
        _always(gravel=0.8, asphalt=0.2), _always(soil=1.0), share=0.3, rows=0.25, row_period_m=5.0
    ),
    "plaza": _paving(0.85, crowns=0.05, mottle=0.05),
    "yard": Material(
        _always(concrete=0.75, asphalt=0.25),
        _SOIL,
        share=0.3,
        share_spread=0.2,
        patches=0.18,
        mottle=0.07,
        grain=0.07,
    ),
    "urban_ground": Material(
        _always(concrete=0.5, asphalt=0.5),
        _turning(
            {"broadleaf": 0.7, "grass": 0.3},
            {"broadleaf": 0.8, "lawn": 0.2},
            {"yellow_crowns": 0.5, "grass": 0.5},
        ),
        share=0.38,
        share_spread=0.12,
        patches=0.12,
        crowns=0.28,
        relief=0.1,
    ),
    "village_ground": Material(
        _always(soil=0.6, concrete=0.4),
        _BROADLEAF,
        share=0.35,
        share_spread=0.14,
        patches=0.12,
        crowns=0.3,
        relief=0.1,
    ),
    "running_track": Material(_always(running_track=1.0), share=0.05, gain_spread=0.06),
    "tile_grey": _roof("tile_grey"),
    "tile_red": _roof("tile_red"),
    "roof_flat": _roof("concrete", share=0.35, share_spread=0.25),
    "roof_white": _roof("roof_white", share=0.12, share_spread=0.12),
    "roof_blue": _roof("roof_blue", share=0.12, share_spread=0.12),
    "shadow": Material(
        _always(shadow=0.8, asphalt=0.2), _always(shadow=0.5, broadleaf=0.5), share=0.4, gain_spread=0.08
    ),
}

#: Position of each material in tables of materials.
MATERIAL_INDEX: Final[Mapping[str, int]] = {name: i for i, name in enumerate(MATERIALS)}
