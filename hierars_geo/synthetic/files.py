"""Write the small GeoTIFFs of synthetic scenes: fixed creation options, no clock, nothing half-written."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from ..errors import OutputError

#: Side of the files' tiles; strips of this many rows are written at once, so each tile is compressed once.
TILE_PX = 256


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """What a GeoTIFF says about itself.

    Attributes:
        width: Columns.
        height: Rows.
        dtype: NumPy name of the pixel type.
        crs: CRS as an authority code.
        origin: (x, y) of the upper-left corner, CRS units.
        res_m: Pixel size.
        bands: Band descriptions, in order.
        nodata: Declared nodata value.
        tags: Dataset metadata.
        palette: Colour of each raster value, for labels.
    """

    width: int
    height: int
    dtype: str
    crs: str
    origin: tuple[float, float]
    res_m: float
    bands: tuple[str, ...]
    nodata: int
    tags: Mapping[str, str]
    palette: Mapping[int, tuple[int, int, int]] | None = None

    def profile(self) -> dict[str, object]:
        """Creation options for rasterio."""
        return {
            "driver": "GTiff",
            "width": self.width,
            "height": self.height,
            "count": len(self.bands),
            "dtype": self.dtype,
            "crs": self.crs,
            "transform": Affine(self.res_m, 0, self.origin[0], 0, -self.res_m, self.origin[1]),
            "nodata": self.nodata,
            "tiled": True,
            "blockxsize": TILE_PX,
            "blockysize": TILE_PX,
            "compress": "deflate",
            "predictor": 2,
            "zlevel": 6,
            "interleave": "pixel",
        }


class StripWriter:
    """Takes an image from top to bottom."""

    def __init__(self, dataset: DatasetWriter) -> None:
        self._dataset = dataset

    def write(self, row: int, strip: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Write (bands, rows, width) from ``row`` on."""
        self._dataset.write(strip, window=Window(0, row, strip.shape[2], strip.shape[1]))


@contextmanager
def writing(path: Path, header: ImageHeader) -> Iterator[StripWriter]:
    """Open a GeoTIFF beside ``path`` and give it its name only once it is complete.

    Raises:
        OutputError: The folder cannot be written to.
    """
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with rasterio.open(unfinished, "w", **header.profile()) as dataset:
            _describe(dataset, header)
            yield StripWriter(dataset)
        os.replace(unfinished, path)
    except (OSError, RasterioError) as error:
        raise _unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _describe(dataset: DatasetWriter, header: ImageHeader) -> None:
    dataset.update_tags(**header.tags)
    for i, name in enumerate(header.bands, start=1):
        dataset.set_band_description(i, name)
    if header.palette is not None:
        dataset.write_colormap(1, {value: (*rgb, 255) for value, rgb in header.palette.items()})


def _unwritable(path: Path, error: Exception) -> OutputError:
    return OutputError(
        f"Expected {path} to be writable, but got: {error}. Choose a writable folder with free space."
    )


__all__ = ("TILE_PX", "ImageHeader", "StripWriter", "writing")
