"""Rasters made for the tests of the data layer."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

UTM = "EPSG:32650"
#: Upper-left corner of the test ground.
X0, Y0 = 500_000.0, 4_000_000.0


def write(
    path, array, res=10.0, left=X0, top=Y0, crs=UTM, transform=None, names=None, alpha=False, **profile
):
    """Write (C, H, W) and return the path as text."""
    array = np.asarray(array)
    array = array[None] if array.ndim == 2 else array
    transform = transform or Affine(res, 0, left, 0, -res, top)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    count, height, width = array.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=array.dtype,
        crs=crs,
        transform=transform,
        **profile,
    ) as dataset:
        if alpha:
            dataset.colorinterp = [*dataset.colorinterp[:-1], ColorInterp.alpha]
        dataset.write(array)
        if names:
            dataset.descriptions = names
    return str(path)


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
