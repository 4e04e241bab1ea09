"""The area of applicability beside the maps: its values, its legend, how it is hatched."""

import numpy as np
from numpy.typing import NDArray

from ..errors import RasterError
from ..taxonomy import RGB, Taxonomy

#: Values of the raster; 255 is nodata.
OUTSIDE, INSIDE, AOA_NODATA = 0, 1, 255

#: Number of the stripes over what lies outside in pictures of numbers, and their colour.
STRIPE = -9
STRIPE_COLOR: RGB = (35, 35, 35)
#: Pixels from one stripe of the hatching to the next, and those that a stripe is wide.
_STRIPES_PX, _STRIPE_PX = 8, 2


def applicability_taxonomy() -> Taxonomy:
    """Describe the values of the raster as a tree of one level: it then gets a legend like any map."""
    classes = [
        {"name": "unlike the training ground: do not trust", "value": OUTSIDE, "color": [70, 70, 70]},
        {"name": "like the training ground", "value": INSIDE, "color": [225, 238, 225]},
    ]
    return Taxonomy.from_dict(
        {
            "name": "applicability",
            "nodata": AOA_NODATA,
            "levels": [{"name": "applicability", "classes": classes}],
        }
    )


def hatched(outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Choose the pixels of a picture (h, w) that slanted stripes over what lies outside are drawn on."""
    height, width = outside.shape
    across = np.arange(width)[None, :] + np.arange(height)[:, None]
    stripes: NDArray[np.bool_] = outside & (across % _STRIPES_PX < _STRIPE_PX)
    return stripes


def elsewhere(path: str, scene_name: str) -> RasterError:
    """Say that a raster does not lie on the maps."""
    return RasterError(
        f"Expected {path} to have the CRS, size and pixels of the maps of {scene_name}, but it has "
        "not. Predict the scene again, or move the file away."
    )
