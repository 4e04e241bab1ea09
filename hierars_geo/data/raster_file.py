"""RasterFile: what the data layer must know of a file to read it, found once and kept without a handle."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from ..errors import HieraRSError, MissingFileError, RasterError
from ..grid import GeoGrid
from ..raster import canonical_band
from ..raster.bands import is_placeholder
from ..raster.dataset import alpha_band, dataset_grid, image_bands, open_dataset
from .handles import opening_env

_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})([01]\d)([0-3]\d)(?!\d)")
_COLORS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}
#: Nanoseconds since 1970 of a file without a date: from the first to the last moment that TorchGeo's index
#: can hold.
ALWAYS = (pd.Timestamp.min.value, pd.Timestamp.max.value)

Validity = Literal["full", "nodata", "mask"]
Item = TypeVar("Item")
Result = TypeVar("Result")


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

    @property
    def is_float(self) -> bool:
        """True where NaN and infinity may occur; they mean no data."""
        return np.dtype(self.dtype).kind == "f"


def probe(path: str) -> RasterFile:
    """Open a file, look at its header and close it.

    Raises:
        MissingFileError: It does not exist.
        RasterError: It cannot be read, has no CRS or geotransform, or complex values.
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
            interval=_interval(path, dataset.tags().get("ACQUISITION_DATE", "")),
        )


def probe_all(paths: Iterable[str]) -> list[RasterFile]:
    """Look at every file, and name all that cannot be used at once.

    Raises:
        MissingFileError: Files are missing (and none is damaged).
        RasterError: Files cannot be used; each is listed with its reason.
    """
    with opening_env():
        return map_all(probe, paths)


def map_all(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Apply a function to every item and raise one error for all that fail.

    Raises:
        MissingFileError: Every failure was one.
        RasterError: Otherwise; up to ten reasons are spelt out.
    """
    results, failures = [], []
    for item in items:
        try:
            results.append(work(item))
        except (HieraRSError, RasterioIOError) as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        kind = MissingFileError if all(isinstance(f, MissingFileError) for f in failures) else RasterError
        reasons = " | ".join(str(failure) for failure in failures[:10])
        more = f" | and {len(failures) - 10} more" if len(failures) > 10 else ""
        raise kind(f"Expected every raster to be usable, but {len(failures)} are not: {reasons}{more}")
    return results


def _validity(dataset: DatasetReader, indexes: tuple[int, ...]) -> Validity:
    flags = {flag for index in indexes for flag in dataset.mask_flag_enums[index - 1]}
    if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        return "mask"
    return "nodata" if MaskFlags.nodata in flags else "full"


def _interval(path: str, tag: str) -> tuple[int, int]:
    """Day of acquisition, from the tag or from the first date in the file's or its folder's name."""
    try:
        day = datetime.fromisoformat(tag.strip()).replace(tzinfo=None) if tag.strip() else None
    except ValueError as error:
        raise RasterError(
            f"Expected tag ACQUISITION_DATE to be an ISO date, but got '{tag}' (in {path}). Correct the tag."
        ) from error
    for name in (Path(path).name, Path(path).parent.name):
        for match in [] if day else _DATE.finditer(name):
            day = day or _calendar_day(*match.groups())
    if day is None:
        return ALWAYS
    start = pd.Timestamp(day).as_unit("ns").normalize()
    return int(start.value), int((start + timedelta(days=1)).value) - 1


def _calendar_day(year: str, month: str, day: str) -> datetime | None:
    try:
        return datetime(int(year), int(month), int(day))
    except ValueError:  # eight digits that are no date, such as a product number
        return None


__all__ = ("ALWAYS", "RasterFile", "map_all", "probe", "probe_all")
