"""Rasters made for the tests of the data layer."""

import numpy as np
from raster_factory import UTM, X0, Y0, write_raster


def write(path, array, **options):
    """Write a raster and return its path as text."""
    return str(write_raster(path, array, **options))


def coordinates(height, width, row=0, col=0, dtype="uint16"):
    """(2, H, W): band 1 holds the row, band 2 the column, counted from (row, col)."""
    return np.stack(np.mgrid[row : row + height, col : col + width]).astype(dtype)


def query(row, col, height, width, res=10.0, left=X0, top=Y0):
    """Slices of a window of the test ground."""
    x, y = left + col * res, top - row * res
    return slice(x, x + width * res), slice(y - height * res, y)


def tree(values=(1, 2, 3, 4), nodata=0):
    """A two-level tree with one leaf per value."""
    from hierars_geo.taxonomy import Taxonomy

    leaves = [
        {"name": f"leaf {v}", "value": v, "color": [40 * i, 90, 30], "parent": "a" if i % 2 == 0 else "b"}
        for i, v in enumerate(values)
    ]
    tops = [{"name": n, "value": i + 1 + (nodata == 1), "color": [i, i, i]} for i, n in enumerate("ab")]
    return Taxonomy.from_dict(
        {
            "name": "tiny",
            "nodata": nodata,
            "levels": [{"name": "L1", "classes": tops}, {"name": "L2", "classes": leaves}],
        }
    )


__all__ = ("UTM", "X0", "Y0", "coordinates", "query", "tree", "write")
