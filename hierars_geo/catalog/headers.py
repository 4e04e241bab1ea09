"""Header: what the catalog says of one raster file without its pixels, and the footprint of its data."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import shapely.affinity
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.io import DatasetReader
from shapely.geometry.base import BaseGeometry

from ..errors import RasterError
from ..grid import GeoGrid
from ..grid.reprojection import outline
from ..maps.styles.stac import lonlat_outline
from ..maps.thumbnail import thumbnail_shape
from ..scenes.band_files import band_of_file
from ..scenes.bands import canonical_band, is_placeholder
from ..scenes.dataset import dataset_grid, open_dataset, opening_env
from ..scenes.dates import acquired
from ..scenes.nodata import split_alpha
from ..scenes.products import safe_root
from ..scenes.scene import Scene

#: Words in the name of a file, or of its folder, that mark labels.
_LABEL_WORDS = frozenset(
    {"label", "labels", "gt", "mask", "masks", "annotation", "lulc", "landuse", "landcover"}
)
_LABEL_WORD = re.compile(r"\d*(label|labels|gt|mask|masks)", re.IGNORECASE)
#: Names of single-band files that are parts of a scene: Sentinel-2 bands, polarisations of a radar.
BAND_FILE = re.compile(r"B(0\d|1[0-2]|8A)|[VH][VH]")
_SEPARATORS = re.compile(r"[_\-. ]+")


@dataclass(frozen=True)
class BandHeader:
    """One band.

    Attributes:
        name: Canonical name, ``band_1`` ... where the file gives none.
        dtype: NumPy name of its data type.
        nodata: Declared nodata value.
        scale: Declared factor to physical values.
        offset: Declared addend to physical values.
    """

    name: str
    dtype: str
    nodata: float | None
    scale: float
    offset: float


@dataclass(frozen=True)
class Header:
    """A raster file as found on disk; a value, never an open file.

    Attributes:
        path: The file.
        grid: Where its pixels lie; None for a chip without a place on the ground.
        shape: (height, width).
        bands: Its bands, alpha left out.
        acquired: When the image was taken, None where nothing says it.
        taxonomy: Name of the class tree in its tags, empty where there is none.
        is_labels: Whether it is taken for labels.
        size_bytes: Its length.
    """

    path: Path
    grid: GeoGrid | None
    shape: tuple[int, int]
    bands: tuple[BandHeader, ...]
    acquired: datetime | None
    taxonomy: str
    is_labels: bool
    size_bytes: int

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Data types that occur, each once."""
        return tuple(dict.fromkeys(band.dtype for band in self.bands))


def read_header(path: Path, georeferenced: bool = True) -> Header:
    """Open a file, which may have to have a place on the ground, look at its header and close it.

    Raises:
        MissingFileError: It does not exist.
        RasterError: It cannot be read, has a date that is none, or lacks CRS or geotransform where it must
            have them.
    """
    with opening_env(), open_dataset(str(path)) as dataset:
        bands = _named(tuple(_band(dataset, index) for index in split_alpha(dataset)[0]), path)
        if not bands:
            raise RasterError(f"Expected a raster with data bands, but got alpha bands only (in {path}).")
        tags = dataset.tags()
        return Header(
            path=path,
            grid=_grid(dataset, path, georeferenced),
            shape=(dataset.height, dataset.width),
            bands=bands,
            acquired=acquired(path, tags).moment,
            taxonomy=tags.get("TAXONOMY", ""),
            is_labels=len(bands) == 1 and _looks_like_labels(dataset, path, bands[0]),
            size_bytes=path.stat().st_size,
        )


def _grid(dataset: DatasetReader, path: Path, needed: bool) -> GeoGrid | None:
    try:
        return dataset_grid(dataset, str(path))
    except RasterError:
        if needed:
            raise
        return None


def _band(dataset: DatasetReader, index: int) -> BandHeader:
    described = dataset.descriptions[index - 1]
    return BandHeader(
        name=f"band_{index}" if is_placeholder(described) else canonical_band(str(described)),
        dtype=dataset.dtypes[index - 1],
        nodata=dataset.nodatavals[index - 1],
        scale=dataset.scales[index - 1],
        offset=dataset.offsets[index - 1],
    )


def _named(bands: tuple[BandHeader, ...], path: Path) -> tuple[BandHeader, ...]:
    """Let the name of a file with one band stand in for a band name that it does not give."""
    if len(bands) != 1 or not bands[0].name.startswith("band_"):
        return bands
    name = band_of_file(path)
    return (replace(bands[0], name=name),) if BAND_FILE.fullmatch(name) else bands


def _looks_like_labels(dataset: DatasetReader, path: Path, band: BandHeader) -> bool:
    if np.dtype(band.dtype).kind not in "iu":
        return False
    if "TAXONOMY" in dataset.tags() or str(dataset.colorinterp[0].name) == "palette":
        return True
    return has_label_word(path.stem) or has_label_word(path.parent.name)


def has_label_word(name: str) -> bool:
    """Tell whether a name holds a word that marks labels: ``train_labels``, ``lulcGewata``."""
    tokens = [token.lower() for token in _SEPARATORS.split(name) if token]
    return any(token in _LABEL_WORDS or _LABEL_WORD.fullmatch(token) for token in tokens) or any(
        token.startswith("lulc") for token in tokens
    )


def without_label_word(stem: str) -> str:
    """Take the word that marks labels off the end or the front of a name.

    Examples:
        >>> without_label_word("GF2_PMS1__20150212_MSS1_24label"), without_label_word("train_0_labels")
        ('GF2_PMS1__20150212_MSS1', 'train_0')
    """
    if (tail := re.fullmatch(r"(.+?)[_\-. ]+([^_\-. ]+)", stem)) and has_label_word(tail[2]):
        return tail[1]
    if (head := re.fullmatch(r"([^_\-. ]+)[_\-. ]+(.+)", stem)) and has_label_word(head[1]):
        return head[2]
    return stem


#: Longer side of the mask that the outline is drawn from.
_SIDE_PX = 512
#: Islands and holes smaller than this many pixels of the mask are not drawn.
_SMALLEST_PX = 16
#: Most that an edge may leave its curve by, in pixels of the mask.
_EDGE_PX = 0.02


def footprint(header: Header) -> BaseGeometry | None:
    """Outline the pixels that hold data.

    The validity is read reduced to 512 pixels along the longer side, so that memory does not grow with
    the file; the outline is simplified by 1.5 pixels of that mask, and islands and holes of less than 16 of
    its pixels are left out.

    Returns:
        Polygon or MultiPolygon in longitude and latitude, see :func:`.lonlat_outline`; None for a chip
        without a place on the ground. Where nothing is valid, the outline of the raster.

    Raises:
        RasterError: The file is damaged.
    """
    if header.grid is None:
        return None
    sensor, bands = None, None
    if safe_root(str(header.path)) is not None and BAND_FILE.fullmatch(header.bands[0].name):
        sensor, bands = "sentinel2", [header.bands[0].name]  # its product's metadata say what is no data
    with Scene.open(header.path, sensor, bands) as scene:
        mask = scene.valid(thumbnail_shape(header.shape, _SIDE_PX))
    valid = outline(header.grid, header.grid.crs) if mask.all() else _outline_of(mask, header.grid)
    return lonlat_outline(valid, header.grid.crs, _EDGE_PX * pixel_m(header.grid))


def raster_outline(header: Header) -> BaseGeometry | None:
    """Outline the raster, data or not; as :func:`footprint`."""
    if header.grid is None:
        return None
    whole = outline(header.grid, header.grid.crs)
    return lonlat_outline(whole, header.grid.crs, _EDGE_PX * pixel_m(header.grid))


def pixel_m(grid: GeoGrid) -> float:
    """Ground size of a pixel of the mask."""
    return grid.gsd_m() * max(1.0, max(grid.shape) / _SIDE_PX)


def _outline_of(mask: NDArray[np.bool_], grid: GeoGrid) -> BaseGeometry:
    scale = Affine.scale(grid.width / mask.shape[1], grid.height / mask.shape[0])
    drawn = shapes(mask.astype(np.uint8), mask=mask)
    pixels = [shapely.Polygon(part["coordinates"][0], part["coordinates"][1:]) for part, _ in drawn]
    parts = [_filled(part) for part in pixels if part.area >= _SMALLEST_PX]
    if not parts:
        return (
            outline(grid, grid.crs)
            if not pixels
            else _placed(shapely.union_all(pixels).envelope, grid, scale)
        )
    return _placed(shapely.union_all(parts).simplify(1.5), grid, scale)


def _filled(polygon: shapely.Polygon) -> shapely.Polygon:
    holes = [ring for ring in polygon.interiors if shapely.Polygon(ring).area >= _SMALLEST_PX]
    return shapely.Polygon(polygon.exterior, holes)


def _placed(geometry: BaseGeometry, grid: GeoGrid, scale: Affine) -> BaseGeometry:
    return shapely.affinity.affine_transform(geometry, (grid.transform @ scale).to_shapely())
