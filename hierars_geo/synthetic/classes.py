"""Raster values of the two trees' leaves, as the painters use them."""

from enum import IntEnum


class LandCover(IntEnum):
    """Level-3 raster values of MM-5B."""

    UNLABELLED = 0
    PADDY = 1
    DRY_CROPLAND = 2
    FOREST = 3
    NATURAL_MEADOW = 4
    ARTIFICIAL_MEADOW = 5
    RIVER = 6
    LAKE = 7
    POND = 8
    FACTORY = 9
    URBAN_RESIDENTIAL = 10
    RURAL_RESIDENTIAL = 11
    STADIUM = 12
    PARK_SQUARE = 13
    ROAD = 14
    OVERPASS = 15
    RAILWAY_STATION = 16
    AIRPORT = 17
    BARE_LAND = 18


class Crop(IntEnum):
    """Level-3 raster values of Crop10m."""

    OTHER = 0
    RICE = 1
    MAIZE = 2
    SOYBEAN = 3
    NODATA = 255


__all__ = ("Crop", "LandCover")
