"""Small class trees and maps for the vector tests."""

import numpy as np
from affine import Affine
from hypothesis import strategies as st
from pyproj import CRS
from tree_factory import tree_of

from hierars_geo.grid import GeoGrid
from hierars_geo.vector import RowScanner, label_regions

UTM = CRS.from_epsg(32633)
#: 3 levels of 2, 3 and 6 classes; the fifth leaf has two legal paths.
PATHS = np.array(
    [[0, 0, 0], [0, 0, 1], [0, 1, 2], [0, 1, 3], [0, 1, 4], [1, 2, 4], [1, 2, 5]], dtype=np.int64
)
NODATA = len(PATHS)
#: Two levels: green ground is wood or meadow, bare ground is rock.
COVER = tree_of(
    "cover",
    L1={"green": 1, "bare": 2},
    L2={"wood": (11, "green"), "meadow": (12, "green"), "rock": (13, "bare")},
)


UTM_TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_600_000)


def grid_of(shape, crs=UTM, transform=UTM_TRANSFORM):
    return GeoGrid(crs, transform, shape)


def regions_of(path_map, nodata=NODATA, strip_rows=None):
    """Regions of a map, read in strips."""
    scanner = RowScanner(path_map.shape[1], nodata)
    rows = strip_rows or len(path_map)
    for row in range(0, len(path_map), rows):
        scanner.feed(path_map[row : row + rows])
    return label_regions(scanner.finish())[0]


def noisy_map(height, width, seed, patches=12, salt=0.1):
    """Patches, salt on top and a corner of nodata: holes, diagonal touches, single pixels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    at = rng.uniform(0, 1, (patches, 2)) * (height, width)
    nearest = np.argmin([(rows - r) ** 2 + (cols - c) ** 2 for r, c in at], axis=0)
    path_map = rng.integers(0, len(PATHS), patches)[nearest]
    noise = rng.random(path_map.shape) < salt
    path_map[noise] = rng.integers(0, NODATA + 1, noise.sum())
    path_map[rows + cols < min(height, width) // 4] = NODATA
    return path_map.astype(np.uint8)


@st.composite
def path_maps(draw, side=7, values=NODATA + 1):
    """Any map of up to 7 x 7 pixels; few values at a time, so that regions and holes form."""
    height, width = draw(st.integers(1, side)), draw(st.integers(1, side))
    palette = draw(st.lists(st.integers(0, values - 1), min_size=1, max_size=4))
    pixels = draw(st.lists(st.sampled_from(palette), min_size=height * width, max_size=height * width))
    return np.array(pixels, dtype=np.uint8).reshape(height, width)
