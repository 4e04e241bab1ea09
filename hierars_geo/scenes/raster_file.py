"""RasterFile: what must be known of a file to read it, found once and kept without a handle."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import unescape
from typing import Literal

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from ..errors import RasterError
from ..grid import GeoGrid
from .bad_files import map_all
from .bands import canonical_band, is_placeholder
from .dataset import dataset_grid, open_dataset, opening_env
from .dates import ALWAYS, Acquisition, acquired
from .nodata import has_mask, split_alpha
from .products import Processing, baseline_in_name, baseline_text, read_product_name
from .sensors import Sensor

_COLORS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}

Validity = Literal["full", "mask"]
#: An index of tiles is asked at as many places along each side for a tile that lies there.
_INDEX_STEPS = 16


@dataclass(frozen=True)
class RasterFile:
    """A raster as found on disk; a value, never an open file.

    Attributes:
        path: What GDAL opens.
        grid: Where its pixels lie.
        indexes: 1-based bands that hold data.
        names: Their canonical names; None where the file gives none.
        colors: Their colour interpretation (red, green, blue), else None.
        dtype: NumPy name of the common data type.
        nodata: Value without data per band of ``indexes``, None where there is none.
        assumed_nodata: The value that the catalog states, where the file declares none.
        alpha: 1-based alpha band, None where there is none.
        validity: Whether a mask lies beside the bands.
        date: When it was taken.
        processing: How it was processed, as its product's metadata, its tags or its name say.
        add: What is added to stored values when they are read; below 0 they are cut.
        notes: What a careful reader should know of it.
        overview: Which of its overviews is meant, from 0; None for itself.
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
    date: Acquisition
    processing: Processing
    assumed_nodata: float | None = None
    add: float = 0.0
    notes: tuple[str, ...] = ()
    overview: int | None = None

    def noted(self, note: str) -> "RasterFile":
        """Return the file with one more note."""
        return replace(self, notes=(*self.notes, note))


def probe(path: str, product_names: Sequence[re.Pattern[str]] = ()) -> RasterFile:
    """Open a file, look at its header and close it.

    Raises:
        MissingFileError: It does not exist.
        RasterError: It cannot be read, has no CRS or geotransform, or complex values.
    """
    with open_dataset(path) as dataset:
        indexes, alpha, tagged_alpha = split_alpha(dataset)
        if not indexes or alpha == dataset.count == 1:
            raise RasterError(f"Expected a raster with data bands, but got alpha bands only (in {path}).")
        descriptions = _descriptions(dataset)
        described = (descriptions[i - 1] for i in indexes)
        names = tuple(None if is_placeholder(name) else canonical_band(str(name)) for name in described)
        dtype = _common_dtype(sorted({dataset.dtypes[i - 1] for i in indexes}), path)
        tags = dataset.tags()
        day, named = read_product_name(path, product_names) or (None, Processing())
        try:
            date = acquired(path, tags, day)
        except RasterError as error:
            date = Acquisition(problem=str(error))
        notes = []
        if tagged_alpha is not None:
            notes.append(f"band {tagged_alpha} is tagged alpha but is no mask, it is read as data")
        if any(dataset.scales[i - 1] != 1 or dataset.offsets[i - 1] != 0 for i in indexes):
            notes.append("scale or offset are declared but not applied, values are read as stored")
        return RasterFile(
            path=path,
            grid=dataset_grid(dataset, path),
            indexes=indexes,
            names=names,
            colors=tuple(_COLORS.get(dataset.colorinterp[i - 1]) for i in indexes),
            dtype=dtype,
            nodata=tuple(dataset.nodatavals[i - 1] for i in indexes),
            alpha=alpha,
            validity="mask" if has_mask(dataset, indexes) else "full",
            date=date,
            processing=Processing(
                baseline_text(tags.get("PROCESSING_BASELINE")) or named.baseline or baseline_in_name(path),
                named.level,
            ),
            notes=tuple(notes),
        )


def _descriptions(dataset: DatasetReader) -> tuple[str | None, ...]:
    """Return the names of the bands; of an index of tiles (GTI), whose names GDAL drops, those of a tile."""
    own: tuple[str | None, ...] = dataset.descriptions
    if dataset.driver != "GTI" or any(own):
        return own
    steps = [(step + 0.5) / _INDEX_STEPS for step in range(_INDEX_STEPS)]
    for col, row in ((int(x * dataset.width), int(y * dataset.height)) for y in steps for x in steps):
        told = dataset.get_tag_item(f"Pixel_{col}_{row}", "LocationInfo", bidx=1) or ""
        if (tile := re.search("<File>(.*?)</File>", told)) is not None:
            with open_dataset(unescape(tile[1])) as first:
                return first.descriptions if first.count == dataset.count else own
    return own


def overview_of(file: RasterFile, factor: float) -> RasterFile:
    """Return the smallest overview that has at most ``factor`` pixels of the file in one of its own.

    The file itself where there is none, or where the overviews of its mask are missing.
    """
    with open_dataset(file.path) as dataset:
        factors = dataset.overviews(file.indexes[0])
    fitting = [level for level, own in enumerate(factors) if own <= factor]
    if not fitting:
        return file
    with open_dataset(file.path, fitting[-1]) as small:
        if file.validity == "mask" and not has_mask(small, file.indexes):
            return file
        return replace(file, grid=dataset_grid(small, file.path), overview=fitting[-1])


def _common_dtype(dtypes: Sequence[str], path: str) -> str:
    if any("complex" in dtype for dtype in dtypes):
        raise RasterError(
            f"Expected integer or real pixel values, but got {', '.join(dtypes)} (in {path}). "
            "Convert complex values to amplitude first."
        )
    return str(np.result_type(*dtypes))


def probe_all(paths: Iterable[str]) -> list[RasterFile]:
    """Look at every file, and name all that cannot be used at once.

    Raises:
        MissingFileError: Files are missing (and none is damaged).
        RasterError: Files cannot be used, or have a date that is none; each is listed with its reason.
    """
    with opening_env():
        return believed_years(map_all(lambda path: with_date(probe(path)), paths))


def with_date(file: RasterFile) -> RasterFile:
    """Return a file whose date decides what it is paired with.

    Raises:
        RasterError: A tag is there for the date, but is none.
    """
    if file.date.problem is not None:
        raise RasterError(file.date.problem)
    return file


def believed_years(files: Sequence[RasterFile]) -> list[RasterFile]:
    """Believe years in names where every file of a source has a date: numbers of chips look like years."""
    if all(file.date.interval != ALWAYS for file in files):
        return list(files)
    return [replace(file, date=Acquisition()) if file.date.by_year else file for file in files]


def settle_nodata(file: RasterFile, told: float | None, sensor: Sensor) -> RasterFile:
    """Give the bands that declare no nodata value the one that is known from elsewhere.

    Args:
        file: With what it, its product or its STAC item declare.
        told: By the user or the recipe; NaN for none at all.
        sensor: Its catalog entry counts where nobody says anything.
    """
    if all(value is not None for value in file.nodata):
        return file
    value = sensor.nodata if told is None else float(told)
    if value is None:
        return file
    nodata = tuple(value if own is None else own for own in file.nodata)
    return replace(file, nodata=nodata, assumed_nodata=value if told is None else None)


def grouped_notes(files: Iterable[RasterFile]) -> tuple[str, ...]:
    """Say of several files what each has to note, the same words once."""
    said: dict[str, list[str]] = {}
    for file in files:
        undated = [] if file.date.problem is None else [f"the date is left out: {file.date.problem}"]
        for note in (*file.notes, *undated):
            said.setdefault(note, []).append(file.path)
    return grouped(said)


def grouped(said: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Name the first of the files of every note, and how many more there are."""
    return tuple(
        f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: {note}."
        for note, paths in said.items()
    )
