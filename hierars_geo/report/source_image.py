"""The image behind the maps: where it is, if it is still on this machine, and its true colours."""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlparse

import numpy as np
from numpy.typing import NDArray

from ..errors import HieraRSError, HieraRSWarning
from ..grid import GeoGrid
from ..maps import SceneMaps
from ..maps.styles.project import ProjectLayer
from ..maps.styles.qml import image_qml
from ..maps.thumbnail import thumbnail_shape
from ..scenes.true_color import open_true_color, read_reduced, stretch, stretch_limits

_SOURCES = "hierars:source"
#: Longer side of the reduced image whose values say what is drawn black and full.
_PREVIEW_PX = 512


def source_image(scene: SceneMaps) -> Path | None:
    """Find the image of a scene: what its item is derived from, or a file of the source's name beside it."""
    if scene.item is None:
        return None
    folder = scene.folder
    item: dict[str, Any] = json.loads(scene.item.read_text(encoding="utf-8"))
    links = [link for link in item.get("links") or () if link.get("rel") == "derived_from"]
    named = [_local(folder, str(link.get("href", ""))) for link in links]
    named += [folder / Path(str(name)).name for name in scene.properties.get(_SOURCES) or ()]
    there = [path for path in named if path is not None and path.exists()]
    if not there:
        return None
    one_per_band = len({path.name for path in there}) > 1
    return there[0].parent if one_per_band else there[0]


Shown = TypeVar("Shown")


def open_image(
    scene: SceneMaps, given: Path | None, show: Callable[[Path, str | None], Shown | None]
) -> Shown | None:
    """Open the image behind maps by ``show``: the given one, else the one that :func:`source_image` finds.

    Returns:
        What ``show`` returns; None where no image is found, or the one found cannot be shown, with a warning.

    Raises:
        HieraRSError: The given image does not exist or cannot be shown.
    """
    if given is not None:
        return show(given, scene.sensor)
    path = source_image(scene)
    if path is None:
        return None
    try:
        return show(path, scene.sensor)
    except HieraRSError as error:
        warnings.warn(f"The image of {scene.name} is not shown. {error}", HieraRSWarning, stacklevel=2)
        return None


def image_layer(image: Path, folder: Path, sensor: str | None = None) -> ProjectLayer | None:
    """Describe an image as a layer of a QGIS project in true colour.

    Args:
        image: A raster.
        folder: Where the project will lie; the layer's path is relative to it.
        sensor: That took it, where it is known.

    Returns:
        The layer; None, with a warning, where the image is several files or holds no data.

    Raises:
        MissingFileError: No such file.
        RasterError: It cannot be read, or nothing says which bands are red, green, blue.
    """
    with open_true_color(image, sensor) as opened:
        files = [(Path(layer.file.path), index) for layer in opened.layers for index in layer.indexes]
        grid = opened.grid
        planes, valid = read_reduced(opened, grid, thumbnail_shape(grid.shape, _PREVIEW_PX))
        names = opened.bands
    path, bands = files[0][0], [band for _, band in files]
    valid &= (planes != 0).any(axis=0)
    if len({one for one, _ in files}) > 1 or not valid.any():
        reason = (
            "it holds no data" if not valid.any() else "its bands are files of their own: make a VRT of them"
        )
        warnings.warn(f"The QGIS project does not show {image}: {reason}.", HieraRSWarning, stacklevel=2)
        return None
    style = image_qml((bands[0], bands[1], bands[2]), tuple(stretch_limits(plane, valid) for plane in planes))
    source = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    return ProjectLayer(f"Image ({', '.join(names)})", source, "raster", grid.crs, style, visible=True)


def read_true_color(
    path: Path,
    grid: GeoGrid,
    shape: tuple[int, int],
    mapped: NDArray[np.bool_],
    sensor: str | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], tuple[str, ...]] | None:
    """Read the image reduced, from overviews where the file has them.

    Args:
        path: One raster, or a folder with one raster per band.
        grid: Extent to show.
        shape: (h, w) of the picture.
        mapped: (h, w) bool, where the maps have a class; pixels that are 0 in all bands and have no class are
            taken for undeclared nodata.
        sensor: Entry of the catalog that the image was taken by, where that is known.

    Returns:
        The picture (3, h, w), stretched, its validity (h, w), and the names of the bands shown; None where
        the image does not touch the extent.

    Raises:
        MissingFileError: No such file.
        RasterError: It cannot be read, or nothing says which bands are red, green, blue.
    """
    with open_true_color(path, sensor) as scene:
        image, valid = read_reduced(scene, grid, shape)
        bands = scene.bands
    valid &= mapped | (image != 0).any(axis=0)
    if not valid.any():
        return None
    return np.stack([stretch(plane, valid) for plane in image]), valid, bands


def _local(folder: Path, href: str) -> Path | None:
    """Turn the address of a link into a path of this machine, None where it is of another."""
    parts = urlparse(href)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost") or not parts.path:
        return None
    return folder / unquote(parts.path)
