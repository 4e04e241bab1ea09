"""Quantised values: how the small integers of embeddings become the floats that they stand for."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rasterio.errors import RasterioIOError

from ..grid import Window
from ..taxonomy.yaml_reader import Strict
from .dataset import HandlePool, read_bands, unreadable
from .nodata import empty_pixels

_Positive = Annotated[float, Field(gt=0)]


class Quantization(Strict):
    """How floats were made small integers: ``sign(v) |v / divisor| ** power`` of a stored integer v is read.

    Attributes:
        divisor: Of stored integers.
        power: Of what comes of it, without its sign.
        scale_file: What the name of a raster beside the image has before its suffix, ``_scales``: its single
            band multiplies every band. None where there is no such raster.
    """

    divisor: _Positive = 1.0
    power: _Positive = 1.0
    scale_file: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    def undo(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the floats (C, H, W) of stored integers."""
        shares = stored.astype(np.float32) / np.float32(self.divisor)
        return np.asarray(np.sign(shares) * np.abs(shares) ** np.float32(self.power), dtype=np.float32)


def read_scales(
    pool: HandlePool, path: str, window: Window, shape: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Read by what the bands of an image are multiplied.

    Args:
        pool: Open files.
        path: Raster of one band, on the grid of the image.
        window: Of it.
        shape: Of what is returned, where that is coarser than the window.

    Returns:
        (1, h, w), NaN where the raster holds no data.

    Raises:
        RasterError: The file is damaged.
    """
    try:
        dataset = pool.get(path)
        stored: NDArray[Any] = read_bands(dataset, (1,), window, shape=shape)
    except RasterioIOError as error:
        raise unreadable(path, window, error) from error
    scales = stored.astype(np.float32)
    for nothing in empty_pixels(stored, dataset.nodatavals[:1], "all"):
        if nothing is not None:
            scales[:, nothing] = np.nan
    return scales
