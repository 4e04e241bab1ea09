"""RasterFile: what the data layer must know of a file to read it, found once and kept without a handle."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..grid import GeoGrid
from .acquisition import tagged_time, time_in_name
from .bad_files import map_all
from .bands import canonical_band, is_placeholder
from .dataset import alpha_band, dataset_grid, image_bands, open_dataset
from .handles import opening_env
from .product_names import baseline_text, read_product_name

_COLORS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}
#: Nanoseconds since 1970 of a file without a date: from the first to the last moment that TorchGeo's index
#: can hold.
ALWAYS = (pd.Timestamp.min.value, pd.Timestamp.max.value)

Validity = Literal["full", "nodata", "mask"]


@dataclass(frozen=True)
class RasterFile:
    """A raster as found on disk; a value, never an open file.

    Attributes:
        path: What GDAL opens.
        grid: Where its pixels lie.
        indexes: 1-based bands that are not alpha.
        names: Their canonical names; None where the file gives none.
        colors: Their colour interpretation (red, green, blue), else None.
        dtype: NumPy name of the common data type.
        nodata: Declared nodata value per band of ``indexes``, None where there is none.
        alpha: 1-based alpha band, None where there is none.
        validity: How else a pixel without data is known: never, by value, or by a mask beside the bands.
        interval: (first, last) nanosecond of its date; ``ALWAYS`` where it has none.
        baseline: Processing baseline, ``05.09``, as its tags or its product's name say.
        level: Processing level, ``L2A``, as its product's name says.
        offset: What its product's metadata say to add to stored values; None where they say nothing.
        add: What is added to stored values when they are read; below 0 they are cut.
    """

    path: str
    grid: GeoGrid
    indexes: tuple[int, ...]
    names: tuple[str | None, ...]
    colors: tuple[str | None, ...]
    dtype: str
    nodata: tuple[float | None, ...]
    alpha: int | None
    validity: Validity
    interval: tuple[int, int]
    baseline: str | None = None
    level: str | None = None
    offset: float | None = None
    add: float = 0.0

    @property
    def is_float(self) -> bool:
        """True where NaN and infinity may occur; they mean no data."""
        return np.dtype(self.dtype).kind == "f"


def probe(path: str, product_names: Sequence[re.Pattern[str]] = ()) -> RasterFile:
    """Open a file, look at its header and close it.

    Args:
        path: The file.
        product_names: How products of its sensor are called.

    Raises:
        MissingFileError: It does not exist.
        RasterError: It cannot be read, has no CRS or geotransform, complex values, or a date that is none.
    """
    with open_dataset(path) as dataset:
        indexes = tuple(image_bands(dataset))
        if not indexes:
            raise RasterError(f"Expected a raster with data bands, but got alpha bands only (in {path}).")
        described = (dataset.descriptions[i - 1] for i in indexes)
        names = tuple(None if is_placeholder(name) else canonical_band(str(name)) for name in described)
        dtype = np.result_type(*(dataset.dtypes[i - 1] for i in indexes))
        if dtype.kind not in "iuf":
            raise RasterError(
                f"Expected integer or real pixel values, but got {dtype} (in {path}). Convert them first."
            )
        product = read_product_name(path, product_names)
        tags = dataset.tags()
        named = product.day if product else None
        time = tagged_time(tags, path) or (None if named else time_in_name(path, 1))
        return RasterFile(
            path=path,
            grid=dataset_grid(dataset, path),
            indexes=indexes,
            names=names,
            colors=tuple(_COLORS.get(dataset.colorinterp[i - 1]) for i in indexes),
            dtype=str(dtype),
            nodata=tuple(dataset.nodatavals[i - 1] for i in indexes),
            alpha=alpha_band(dataset),
            validity=_validity(dataset, indexes),
            interval=interval_of(time.date() if time else named),
            baseline=baseline_text(tags.get("PROCESSING_BASELINE"))
            or (product.baseline if product else None),
            level=product.level if product else None,
        )


def probe_all(paths: Iterable[str]) -> list[RasterFile]:
    """Look at every file, and name all that cannot be used at once.

    Raises:
        MissingFileError: Files are missing (and none is damaged).
        RasterError: Files cannot be used; each is listed with its reason.
    """
    with opening_env():
        return map_all(probe, paths)


def interval_of(day: date | None) -> tuple[int, int]:
    """Return the first and last nanosecond of a day, ``ALWAYS`` for None."""
    if day is None:
        return ALWAYS
    start = pd.Timestamp(day).as_unit("ns").value
    return int(start), int(start) + 86_400 * 10**9 - 1


def _validity(dataset: DatasetReader, indexes: tuple[int, ...]) -> Validity:
    flags = {flag for index in indexes for flag in dataset.mask_flag_enums[index - 1]}
    if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        return "mask"
    return "nodata" if MaskFlags.nodata in flags else "full"


__all__ = ("ALWAYS", "RasterFile", "interval_of", "map_all", "probe", "probe_all")
