"""MosaicReader: many rasters of neighbouring places, of several CRSs and resolutions, read as one scene."""

import math
import os
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from ..errors import RasterError
from ..grid import GeoGrid, Window
from .scene import SceneReader
from .scene_opening import finest_grid, open_scene

#: Positions that differ by less are the same pixels.
_SAME_PX = 1e-3

#: Files that a thread keeps open: a row of windows passes a few dozen tiles, systems allow about 1000 files.
_MOST_OPEN_FILES = 128

#: Points along each edge of a tile when it is placed in another CRS.
_EDGE_POINTS = 21


@dataclass(frozen=True)
class _Tile:
    """A raster of a mosaic, and where it lies in it."""

    reader: SceneReader
    window: Window


class MosaicReader(SceneReader):
    """Read windows across tiles; where they overlap the first one that holds data counts.

    Of many tiles only those read last are kept open.

    Made by :func:`open_mosaic`. See :class:`.SceneReader` for what it is and can.
    """

    def __init__(self, name: str, grid: GeoGrid, tiles: Sequence[_Tile], notes: tuple[str, ...]) -> None:
        first = tiles[0].reader
        dtype = str(np.result_type(*(tile.reader.dtype for tile in tiles)))
        super().__init__(name, grid, first.bands, (), dtype, first.acquired, notes)
        self.paths = tuple(path for tile in tiles for path in tile.reader.paths)
        self._tiles = tuple(tiles)
        self.baselines = frozenset().union(*(tile.reader.baselines for tile in tiles))
        spans = [(t.window.row, t.window.col, t.window.row_stop, t.window.col_stop) for t in tiles]
        self._spans = np.array(spans, dtype=np.int64)
        self._most_open = max(1, _MOST_OPEN_FILES // max(len(tile.reader.paths) for tile in tiles))
        self._recent: dict[tuple[int, int], OrderedDict[int, None]] = defaultdict(OrderedDict)

    def read(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window; see :meth:`.SceneReader.read`."""
        image = np.zeros((len(self.bands), window.height, window.width), dtype=np.float32)
        valid = np.zeros((window.height, window.width), dtype=np.bool_)
        for number in self._touching(window):
            tile = self._tiles[number]
            common = tile.window.intersection(window)
            if common is None:
                continue
            rows, cols = common.shifted(-window.row, -window.col).slices()
            if valid[rows, cols].all():
                continue
            self._make_room(number)
            part, part_valid = tile.reader.read(common.shifted(-tile.window.row, -tile.window.col))
            new = part_valid & ~valid[rows, cols]
            image[:, rows, cols][:, new] = part[:, new]
            valid[rows, cols] |= new
        return image, valid

    def harmonize(self) -> None:
        """Have every tile read as one of an old baseline; see :meth:`.SceneReader.harmonize`."""
        for tile in self._tiles:
            tile.reader.harmonize()

    def _touching(self, window: Window) -> list[int]:
        """Numbers of the tiles that touch a window, in their order."""
        top, left, bottom, right = self._spans.T
        hit = (
            (top < window.row_stop) & (bottom > window.row) & (left < window.col_stop) & (right > window.col)
        )
        numbers: list[int] = np.flatnonzero(hit).tolist()
        return numbers

    def _make_room(self, number: int) -> None:
        """Close what this thread has not read for longest, before it opens a tile."""
        recent = self._recent[os.getpid(), threading.get_ident()]
        recent[number] = None
        recent.move_to_end(number)
        while len(recent) > self._most_open:
            oldest, _ = recent.popitem(last=False)
            self._tiles[oldest].reader.release()

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        for tile in self._tiles:
            tile.reader.close()
        super().close()


def open_mosaic(
    paths: Sequence[str | os.PathLike[str]], bands: Sequence[str] | None = None, name: str | None = None
) -> SceneReader:
    """Open many rasters as one scene.

    The scene has the pixels of the finest tile (the first of equals) and covers them all. Tiles on these
    pixels are read as they are, others are resampled bilinearly; what no tile covers is without data.

    Args:
        paths: What :func:`.open_scene` opens, each one tile.
        bands: Wanted bands in reading order; None for all, which have to be the same in every tile.
        name: Of the scene; None for the name of the folder the first one lies in.

    Raises:
        MissingFileError: There is no such file.
        RasterError: A tile cannot be read, lacks a band, or lies where the finest one's CRS is not defined.
    """
    if not paths:
        raise RasterError("Expected at least one raster, but got an empty list. Name the tiles.")
    with ExitStack() as stack:
        readers = [stack.enter_context(open_scene(path, bands)) for path in paths]
        for path, reader in zip(paths, readers, strict=True):
            if reader.bands != readers[0].bands:
                raise RasterError(
                    f"Expected tiles with the bands {', '.join(readers[0].bands)}, but got "
                    f"{', '.join(reader.bands)} (in {os.fspath(path)}). Take tiles of one sensor."
                )
        anchor = finest_grid([reader.grid for reader in readers])
        placed = [_placed(reader, anchor) for reader in readers]
        top, left = min(t.window.row for t in placed), min(t.window.col for t in placed)
        bottom, right = max(t.window.row_stop for t in placed), max(t.window.col_stop for t in placed)
        grid = anchor.crop(Window(top, left, bottom - top, right - left))
        tiles = [_Tile(tile.reader, tile.window.shifted(-top, -left)) for tile in placed]
        resampled = sum(tile.reader is not reader for tile, reader in zip(tiles, readers, strict=True))
        notes = tuple(dict.fromkeys(note for reader in readers for note in reader.notes))
        if resampled:
            notes += (
                f"{resampled} of {len(tiles)} tiles have other pixels than the rest and are resampled "
                f"bilinearly to {anchor.gsd_m():.4g} m.",
            )
        stack.pop_all()  # from here on the mosaic closes them
    return MosaicReader(name or readers[0].paths[0].resolve().parent.name, grid, tiles, notes)


def _placed(reader: SceneReader, anchor: GeoGrid) -> _Tile:
    """Find the pixels of the anchor's grid that a tile covers, and put it onto them where need be."""
    own = reader.grid
    same_crs = own.crs.equals(anchor.crs, ignore_axis_order=True)
    if same_crs:
        to_anchor = ~anchor.transform @ own.transform
        unit = (to_anchor.a, to_anchor.b, to_anchor.d, to_anchor.e)
        drift = max(abs(x - y) for x, y in zip(unit, (1, 0, 0, 1), strict=True)) * max(own.shape)
        off = max(abs(to_anchor.c - round(to_anchor.c)), abs(to_anchor.f - round(to_anchor.f)))
        if drift < _SAME_PX and off < _SAME_PX:
            return _Tile(reader, Window(round(to_anchor.f), round(to_anchor.c), *own.shape))
    cols, rows = _outline(own, anchor)
    top, left = math.floor(min(rows) + _SAME_PX), math.floor(min(cols) + _SAME_PX)
    bottom, right = math.ceil(max(rows) - _SAME_PX), math.ceil(max(cols) - _SAME_PX)
    window = Window(top, left, max(bottom - top, 1), max(right - left, 1))
    return _Tile(reader.resampled(anchor.crop(window)), window)


def _outline(own: GeoGrid, anchor: GeoGrid) -> tuple[list[float], list[float]]:
    """Columns and rows, in pixels of the anchor, of points around a grid."""
    shares = np.linspace(0, 1, _EDGE_POINTS)
    edges = [(s, 0.0) for s in shares] + [(s, 1.0) for s in shares]
    edges += [(0.0, s) for s in shares] + [(1.0, s) for s in shares]
    points = [own.transform @ (x * own.width, y * own.height) for x, y in edges]
    try:
        to_crs = Transformer.from_crs(own.crs, anchor.crs, always_xy=True)
        xs, ys = to_crs.transform([x for x, _ in points], [y for _, y in points], errcheck=True)
    except ProjError as error:
        raise RasterError(
            f"Expected a tile that can be placed in {anchor.crs.name}, but {error}. "
            "Take it out of the mosaic."
        ) from error
    pixels = [~anchor.transform @ (x, y) for x, y in zip(xs, ys, strict=True)]
    return [col for col, _ in pixels], [row for _, row in pixels]


__all__ = ("MosaicReader", "open_mosaic")
